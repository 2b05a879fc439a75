"""TLS on both sides: a server's certificate that follows its files, and what a client trusts.

A renewed certificate takes effect for the connections that are accepted after it; those that
are open keep theirs. A new pair that can't be used is reported once and the old one stays.
TLS 1.2 is the oldest version that is spoken (RFC 8996).
"""

from __future__ import annotations

import logging
import os
import ssl
import stat
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

LOOK_S = 1.0
"""Files are looked at this often, and used when they were the same twice: certificate and key
are replaced one after the other, and through links that send no report."""

REASONS = {
    "KEY_VALUES_MISMATCH": (
        "the key in `{key}` does not belong to this certificate",
        "name the pair that was issued together",
    ),
    "EE_KEY_TOO_SMALL": ("its key is too short to be safe", "issue one of 2048 bits or more"),
    "CA_MD_TOO_WEAK": ("its signature is too weak to be safe", "issue one signed with SHA-256"),
}
"""Words for what OpenSSL says about a pair, with the remedy."""
UNREADABLE = (
    "it is not in PEM, or the key in `{key}` is not",
    "both files begin with `-----BEGIN`; `openssl x509` and `openssl pkey` convert others",
)
"""What is wrong when OpenSSL has no name for it."""

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
"""Deadline of a client's handshake, and of its first byte."""

Fingerprint = tuple[int, int, int, int]
Looks = tuple[Fingerprint | None, ...]


class ServerTls:
    """The certificate of a server, loaded again when its files change."""

    context: ssl.SSLContext
    """For the next connection; replaced as a whole, so take it anew for each."""

    def __init__(
        self, cert: Path, key: Path, *, setting: str = "", handshake_s: float = HANDSHAKE_S
    ) -> None:
        """``setting`` is the table of the configuration that errors name."""
        self.cert = cert
        self.key = key
        self.setting = setting
        self.handshake_s = handshake_s
        self._used: Looks = ()

    def load(self) -> None:
        """Read the files; blocks, so not on the loop.

        Raises:
            ConfigError: a file can't be read, or the two can't be used together.
        """
        self._used = look(self.cert, self.key)
        self.context = server_context(self.cert, self.key, self.setting)

    async def watch(self, every_s: float = LOOK_S) -> None:
        """Follow the files until cancelled."""
        seen = self._used
        while True:
            await anyio.sleep(every_s)
            before, seen = seen, await to_thread.run_sync(look, self.cert, self.key)
            if seen == before and seen != self._used:
                await to_thread.run_sync(self._load_again)

    def _load_again(self) -> None:
        try:
            self.load()
        except ConfigError as error:
            log.warning("%s; the old certificate stays in use (%s)", error, error.hint)
        else:
            log.info("the certificate `%s` was loaded again", self.cert)


def look(*files: Path) -> Looks:
    """What changes when one of the files does."""
    return tuple(look_at(file) for file in files)


def look_at(file: Path) -> Fingerprint | None:
    """What changes when the file does; None while there is none."""
    try:
        facts = file.stat()
    except OSError:
        return None
    # The last one tells that a file that could not be read may be now.
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def server_context(cert: Path, key: Path, setting: str = "") -> ssl.SSLContext:
    """A context that presents the certificate.

    Raises:
        ConfigError: a file can't be read, or the two can't be used together.
    """
    for name, file in (("tls_cert", cert), ("tls_key", key)):
        check_readable(file, f"{setting}.{name}" if setting else name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Nobody resumes a stream, and librtmp with GnuTLS takes a ticket for the end of the connection.
    context.num_tickets = 0
    try:
        context.load_cert_chain(cert, key, password=refuse_password)
    except PasswordNeeded:
        raise ConfigError(
            f"the key `{key}` is encrypted",
            key=f"{setting}.tls_key" if setting else "tls_key",
            hint=f"write it without its password: `openssl pkey -in {key} -out key.pem`",
        ) from None
    except OSError as error:
        text, hint = REASONS.get(getattr(error, "reason", None) or "", UNREADABLE)
        raise ConfigError(
            f"can't use the certificate `{cert}`: {text.format(key=key)}",
            key=f"{setting}.tls_cert" if setting else "tls_cert",
            hint=hint,
        ) from error
    return context


def check_readable(file: Path, key: str) -> None:
    """Refuse a file that can't be opened.

    Raises:
        ConfigError: why not.
    """
    try:
        # Opening a pipe waits for whoever writes to it.
        regular = stat.S_ISREG(file.stat().st_mode)
        if regular:
            file.open("rb").close()
        reason = "" if regular else "not a regular file"
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
    if reason:
        raise ConfigError(
            f"can't read `{file}`: {reason}",
            key=key,
            hint="put the file there, let the server read it, or change the key",
        )


def said(error: OSError) -> str:
    """OpenSSL's own words."""
    return (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()


class PasswordNeeded(Exception):
    """A key wants a password, and nobody is there to type one."""


def refuse_password() -> str:
    """Called by OpenSSL, which would ask on the terminal otherwise."""
    raise PasswordNeeded


async def client_trust(ca: Path | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """The same as :func:`client_context`, beside the loop: there are many authorities to read."""
    return await to_thread.run_sync(partial(client_context, ca, verify=verify))


def client_context(ca: Path | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """What a connection that we open trusts: the system's authorities, and those in ``ca``.

    Without ``verify`` any certificate of any host is taken.

    Raises:
        ConfigError: ``ca`` holds no certificates.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        check_readable(ca, "tls_ca")
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            raise ConfigError(
                f"can't read certificates from `{ca}`: {said(error)}",
                key="tls_ca",
                hint="name a file with certificates in PEM",
            ) from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
