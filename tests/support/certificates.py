"""Certificates of tests: signed by themselves, valid for this machine's names, made once."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.tools import tool

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in PEM."""

    cert: Path
    key: Path

    @property
    def shown(self) -> bytes:
        """What clients are shown of it, in DER."""
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text())


def presented(port: int) -> bytes:
    """The certificate that the next client of a port sees."""
    shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=20)
    return ssl.PEM_cert_to_DER_cert(shown)


def self_signed(folder: Path, name: str = "localhost") -> Pair:
    """A pair for ``name``, ``localhost`` and 127.0.0.1, in place of one that is there."""
    pair = Pair(folder / "cert.pem", folder / "key.pem")
    subprocess.run(
        [
            *(tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-days", "2"),
            *("-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(pair.key), "-out", str(pair.cert)),
        ],
        check=True,
        capture_output=True,
    )
    return pair
