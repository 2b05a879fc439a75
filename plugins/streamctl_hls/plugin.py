"""The entry point of the hls kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.media.packet import Format
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl_hls.options import HlsOptions
from streamctl_hls.output import HlsOutput

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.sdk.context import Context, StreamView
    from streamctl.sdk.endpoints import HttpOutput


class HlsPlugin(ProtocolPlugin):
    """Serves every stream as HLS, with a player page."""

    kind = "hls"
    summary = "HLS with MPEG-TS segments, and a player page"
    caps = Cap.HTTP
    play_format: ClassVar[Format | None] = Format.MPEGTS
    url_template = "http://{host}:{port}/{code}/index.m3u8"
    OutputOptions: ClassVar[type[BaseModel]] = HlsOptions

    def http_output(self, view: StreamView, options: HlsOptions, ctx: Context) -> HttpOutput:
        return HlsOutput(view, options, ctx)
