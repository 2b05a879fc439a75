"""Keys of the rtmp plugin in ``streams.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from streamctl.sdk.plugin import Options


class ListenerOptions(Options):
    """Keys of ``[listeners.rtmp]`` beside ``address``."""

    keeps_peers: ClassVar[bool] = True
    ask_user: bool = False
    """Ask publishers that say no key in the application for their user and password."""


class TlsListenerOptions(ListenerOptions):
    """Keys of ``[listeners.rtmps]`` beside ``address``."""

    tls_cert: Path
    """Certificate chain in PEM; loaded again when the file changes."""
    tls_key: Path
    """Private key in PEM, without a password."""


class ClientOptions(Options):
    """Keys beside ``url`` of an input that is pulled, and of a destination."""

    tls_ca: Path | None = None
    """Certificates in PEM that are trusted beside those of the system."""
    tls_insecure: bool = False
    """Take any certificate of any host: whoever sits between can read and change everything."""
