"""Whom libav trusts over TLS: whom Python trusts, in the one file that libav takes.

Systems keep their authorities in a file, in a folder of one file each, or in both;
``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace them, here as in every other connection.
"""

from __future__ import annotations

import os
import re
import ssl
from functools import cache
from pathlib import Path

HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""Names by which OpenSSL finds certificates in a folder; everything else there is not looked at."""


def tls_options() -> dict[str, str]:
    """The options of libav with which a certificate must be valid for its host."""
    paths = ssl.get_default_verify_paths()
    return {"tls_verify": "1", "ca_file": joined(paths.cafile, paths.capath)}


@cache
def joined(file: str | None, folder: str | None) -> str:
    """The path of all certificates of both, in memory for as long as the process lives."""
    descriptor = os.memfd_create("authorities")
    with open(descriptor, "wb", closefd=False) as out:
        for source in sources(file, folder):
            out.write(source.read_bytes() + b"\n")
    return f"/proc/self/fd/{descriptor}"


def sources(file: str | None, folder: str | None) -> list[Path]:
    """The files that hold certificates and can be read."""
    found = [Path(file)] if file else []
    if folder:
        found += sorted(one for one in Path(folder).glob("*") if HASHED.fullmatch(one.name))
    return [one for one in found if one.is_file() and os.access(one, os.R_OK)]
