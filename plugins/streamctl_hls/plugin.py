"""The entry point of the hls kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.media.packet import Format
from streamctl.net.http_target import Target
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl_hls.options import HlsOptions
from streamctl_hls.output import HlsOutput
from streamctl_hls.pull import HlsSource, Marks
from streamctl_hls.pull_options import HlsInputOptions

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.sdk.context import Context, StreamView
    from streamctl.sdk.endpoints import HttpOutput, Source
    from streamctl.sdk.url import StreamURL


class HlsPlugin(ProtocolPlugin):
    """Serves every stream as HLS, with a player page, and pulls HLS from other servers."""

    kind = "hls"
    summary = "HLS: served in MPEG-TS with a player page; pulled in all its forms"
    caps = Cap.HTTP | Cap.PULL
    play_format: ClassVar[Format | None] = Format.MPEGTS
    url_template = "http://{host}:{port}/{code}/index.m3u8"
    InputOptions: ClassVar[type[BaseModel]] = HlsInputOptions
    OutputOptions: ClassVar[type[BaseModel]] = HlsOptions

    def __init__(self) -> None:
        self.marks = Marks()

    def check_input(self, url: StreamURL, options: HlsInputOptions) -> None:
        """Refuse URLs that lead to no server, and headers that can't be sent.

        Raises:
            ConfigError: it is such.
        """
        Target.of_input(url, options.headers)

    def source(self, url: StreamURL, options: HlsInputOptions, ctx: Context) -> Source:
        """A source that fetches a stream from another server.

        Raises:
            ConfigError: the URL leads to no server, or a header can't be sent.
        """
        return HlsSource(url, options, ctx, self.marks)

    def http_output(self, view: StreamView, options: HlsOptions, ctx: Context) -> HttpOutput:
        return HlsOutput(view, options, ctx)
