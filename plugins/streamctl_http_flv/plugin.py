"""The plugin: FLV from other servers, and endless at ``/<code>.flv`` and ``/<code>/flv``.

The metadata and the random-access point that a viewer begins with are the lane's matter, sending
and skipping the fan-out's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from streamctl.media.flv_packer import CODECS
from streamctl.media.packet import Format
from streamctl.net.http_target import Target
from streamctl.sdk.endpoints import Bytes, Live
from streamctl.sdk.plugin import Cap, ConverterSpec, ProtocolPlugin
from streamctl_http_flv.options import HttpFlvInputOptions
from streamctl_http_flv.packer import FlvConverter, file_header
from streamctl_http_flv.source import HttpFlvSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from streamctl.sdk.context import Context, StreamView
    from streamctl.sdk.endpoints import Handler, HttpRequest, Reply, Source
    from streamctl.sdk.url import StreamURL

RETRY_S = 2
"""When a player may ask again for a stream that is about to come back."""
CONTENT_TYPE = "video/x-flv"


class HttpFlvPlugin(ProtocolPlugin):
    """FLV over HTTP."""

    kind: ClassVar[str] = "http-flv"
    summary: ClassVar[str] = "FLV in one endless HTTP response, served and pulled"
    caps: ClassVar[Cap] = Cap.HTTP | Cap.PULL | Cap.CONVERT
    play_format: ClassVar[Format | None] = Format.FLV
    url_template: ClassVar[str] = "http://{host}:{port}/{code}.flv"
    InputOptions: ClassVar[type[BaseModel]] = HttpFlvInputOptions

    def check_input(self, url: StreamURL, options: HttpFlvInputOptions) -> None:
        """Refuse URLs that lead to no server, and headers that can't be sent.

        Raises:
            ConfigError: it is such.
        """
        Target.of_input(url, options.headers)

    def source(self, url: StreamURL, options: HttpFlvInputOptions, ctx: Context) -> Source:
        """A source that fetches a stream from another server.

        Raises:
            ConfigError: the URL leads to no server, or a header can't be sent.
        """
        return HttpFlvSource(url, options, ctx)

    def http_output(self, view: StreamView, options: Any, ctx: Context) -> HttpFlvOutput:
        """The endless response of one stream."""
        return HttpFlvOutput(view)

    def converters(self) -> Sequence[ConverterSpec]:
        """The ``flv`` lane."""
        return (ConverterSpec(Format.PACKETS, Format.FLV, CODECS, FlvConverter),)


class HttpFlvOutput:
    """The routes of one stream; implements ``HttpOutput``."""

    def __init__(self, view: StreamView) -> None:
        self.view = view

    def start(self) -> None:
        """Nothing runs until a viewer comes."""

    def stop(self) -> None:
        """Nothing is held: viewers are sessions of the engine."""

    def routes(self) -> Mapping[str, Handler]:
        """Both usual spellings."""
        return {".flv": self.play, "/flv": self.play}

    def status(self) -> Mapping[str, object]:
        """Nothing beyond the viewers, which the engine counts."""
        return {}

    def play(self, request: HttpRequest) -> Reply:
        """The lane from its newest random-access point on, while the stream is on air."""
        # The base lane knows the tracks before anybody has made the flv lane work.
        init = self.view.init(Format.PACKETS)
        if init is not None and self.view.on_air():
            return Live(Format.FLV, CONTENT_TYPE, file_header(init))
        # Players take 404 for a wrong address and give up; 503 makes them come back.
        return Bytes(
            f"`{self.view.code}` is not on air\n".encode(),
            status=503,
            content_type="text/plain; charset=utf-8",
            headers={"Retry-After": str(RETRY_S)},
        )
