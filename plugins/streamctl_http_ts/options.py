"""Keys of an input that is fetched over HTTP."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from streamctl.sdk.secret import Secret
from streamctl.sdk.transport import TransportOptions


class HttpTsInputOptions(TransportOptions):
    """Keys beside ``url`` of an input."""

    headers: dict[str, Secret] = Field(default_factory=dict)
    """Further headers of the request, as they are or as ``env:NAME``; another server that we are
    sent to sees none that could be secret."""
    tls_ca: Path | None = None
    """Certificates in PEM that are trusted beside those of the system."""
    tls_insecure: bool = False
    """Take any certificate of any host: whoever sits between can read and change everything."""
