"""Keys of an input that is fetched as HLS."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from streamctl.sdk.secret import Secret
from streamctl.sdk.transport import TransportOptions


class HlsInputOptions(TransportOptions):
    """Keys beside ``url`` of an input."""

    headers: dict[str, Secret] = Field(default_factory=dict)
    """Further headers of all requests, as they are or as ``env:NAME``; servers other than the one
    in the URL see none that could be secret."""
    user_agent: str = ""
    """What the requests call us; empty = our name and version."""
    max_kbps: int = Field(0, ge=0)
    """Of several variants the best within this bandwidth is fetched; 0 = the best."""
    height: int = Field(0, ge=0)
    """The same for the height of the picture; 0 = any."""
    low_latency: bool = True
    """Fetch parts of segments where the server offers them."""
    loop: bool = False
    """Begin again at the end of a playlist that has one."""
    tls_ca: Path | None = None
    """Certificates in PEM that are trusted beside those of the system."""
    tls_insecure: bool = False
    """Take any certificate of any host: whoever sits between can read and change everything."""
