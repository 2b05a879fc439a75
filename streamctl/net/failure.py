"""The only translation from the operating system's errors to streamctl's.

Texts are chosen by exception class first, by error number second, so that every ``OSError``
has one. None is permanent: hosts and names come back, and certificates are renewed.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl

from streamctl.errors import ConnectionFailed

BY_CLASS: tuple[tuple[type[OSError], str], ...] = (
    (ssl.SSLCertVerificationError, "certificate not trusted"),
    (ssl.SSLError, "TLS failed"),
    (socket.gaierror, "unknown host"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "connection reset by the peer"),
    (ConnectionAbortedError, "connection aborted"),
    (BrokenPipeError, "closed by the peer"),
    (TimeoutError, "timed out"),
)
"""More specific classes stand first."""

BY_NUMBER = {
    errno.EADDRINUSE: "address already in use",
    errno.EADDRNOTAVAIL: "no interface of this machine has the address",
    errno.EACCES: "permission denied",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "network unreachable",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this machine",
}

LISTEN_HINTS = {
    errno.EADDRINUSE: "stop the other program or change `{key}`",
    errno.EADDRNOTAVAIL: "set `{key}` to an address of this machine, or to `:PORT` for all",
    errno.EACCES: "choose a port above 1023 in `{key}`, or grant CAP_NET_BIND_SERVICE",
}


DISTRUST_HINT = "trust who issued it with `tls_ca`, or with SSL_CERT_FILE in the environment"


def describe(error: OSError) -> str:
    """What went wrong, in words that need no knowledge of error numbers."""
    # OpenSSL sets these attributes on errors of its own only, not on those that Python raises.
    detail = getattr(error, "verify_message", "") or getattr(error, "reason", None) or ""
    detail = detail.replace("_", " ").lower()
    for kind, text in BY_CLASS:
        if isinstance(error, kind):
            return f"{text}: {detail}" if detail else text
    if error.errno is None:
        return str(error) or "failed"
    return BY_NUMBER.get(error.errno) or os.strerror(error.errno).lower()


def connect_failed(error: OSError, where: str) -> ConnectionFailed:
    """The error for a connection to ``where`` that did not come about."""
    hint = DISTRUST_HINT if isinstance(error, ssl.SSLCertVerificationError) else ""
    return ConnectionFailed(f"can't connect to `{where}`: {describe(error)}", hint=hint)


def listen_failed(error: OSError, where: str, key: str) -> ConnectionFailed:
    """The error for an address that can't be bound; ``key`` is the setting that holds it."""
    hint = LISTEN_HINTS.get(error.errno or 0, "check `{key}`").format(key=key)
    return ConnectionFailed(f"can't listen on `{where}`: {describe(error)}", hint=hint)
