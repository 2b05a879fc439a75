"""Keys of the rtmp plugin in ``streams.toml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from streamctl.sdk.plugin import Options


class ListenerOptions(Options):
    """Keys of ``[listeners.rtmp]`` and ``[listeners.rtmps]`` beside ``address``."""

    tls_cert: Path | None = None
    """Certificate chain in PEM; with it the port speaks RTMPS only."""
    tls_key: Path | None = None
    """Private key in PEM."""

    @model_validator(mode="after")
    def _both_or_none(self) -> ListenerOptions:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("`tls_cert` and `tls_key` belong together")
        return self
