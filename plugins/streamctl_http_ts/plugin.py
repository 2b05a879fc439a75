"""The plugin: MPEG-TS from other servers, and endless at ``/<code>/mpegts`` and ``/<code>.ts``.

The tables and the random-access point that a viewer begins with are the lane's matter, sending and
skipping the fan-out's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from streamctl.media.packet import Format
from streamctl.net.http_target import Target
from streamctl.sdk.endpoints import Bytes, Live
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl_http_ts.options import HttpTsInputOptions
from streamctl_http_ts.source import HttpTsSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from streamctl.sdk.context import Context, StreamView
    from streamctl.sdk.endpoints import Handler, HttpRequest, Reply, Source
    from streamctl.sdk.url import StreamURL

RETRY_S = 2
"""When a player may ask again for a stream that is about to come back."""
CONTENT_TYPE = "video/mp2t"


class HttpTsPlugin(ProtocolPlugin):
    """MPEG-TS over HTTP."""

    kind: ClassVar[str] = "http-ts"
    summary: ClassVar[str] = "MPEG-TS in one endless HTTP response, served and pulled"
    caps: ClassVar[Cap] = Cap.HTTP | Cap.PULL
    play_format: ClassVar[Format | None] = Format.MPEGTS
    url_template: ClassVar[str] = "http://{host}:{port}/{code}/mpegts"
    InputOptions: ClassVar[type[BaseModel]] = HttpTsInputOptions

    def check_input(self, url: StreamURL, options: HttpTsInputOptions) -> None:
        """Refuse URLs that lead to no server, and headers that can't be sent.

        Raises:
            ConfigError: it is such.
        """
        Target.of_input(url, options.headers)

    def source(self, url: StreamURL, options: HttpTsInputOptions, ctx: Context) -> Source:
        """A source that fetches a stream from another server.

        Raises:
            ConfigError: the URL leads to no server, or a header can't be sent.
        """
        return HttpTsSource(url, options, ctx)

    def http_output(self, view: StreamView, options: Any, ctx: Context) -> HttpTsOutput:
        """The endless response of one stream."""
        return HttpTsOutput(view)


class HttpTsOutput:
    """The routes of one stream; implements ``HttpOutput``."""

    def __init__(self, view: StreamView) -> None:
        self.view = view

    def start(self) -> None:
        """Nothing runs until a viewer comes."""

    def stop(self) -> None:
        """Nothing is held: viewers are sessions of the engine."""

    def routes(self) -> Mapping[str, Handler]:
        """Both usual spellings."""
        return {"/mpegts": self.play, ".ts": self.play}

    def status(self) -> Mapping[str, object]:
        """Nothing beyond the viewers, which the engine counts."""
        return {}

    def play(self, request: HttpRequest) -> Reply:
        """The lane from its newest random-access point on, while the stream is on air."""
        if self.view.on_air():
            return Live(Format.MPEGTS, CONTENT_TYPE)
        # Players take 404 for a wrong address and give up; 503 makes them come back.
        return Bytes(
            f"`{self.view.code}` is not on air\n".encode(),
            status=503,
            content_type="text/plain; charset=utf-8",
            headers={"Retry-After": str(RETRY_S)},
        )
