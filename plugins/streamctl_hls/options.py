"""The keys of ``[streams.<code>.hls]``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streamctl.sdk.plugin import Options


class HlsOptions(Options):
    """How a stream is packaged for HLS."""

    segment_s: float = Field(default=2.0, ge=0.5, le=30.0)
    """A segment ends at the first keyframe at or past this age."""
    window: int = Field(default=12, ge=3, le=1000)
    """Segments that the playlist lists."""
    start: Literal["always", "on_demand"] = "always"
    """Whether segments are made all the time or only while somebody asks for them."""
