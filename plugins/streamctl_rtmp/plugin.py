"""The plugin object: what ``rtmp`` can do, and the parts that do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.media.flv_packer import CODECS
from streamctl.media.packet import Format
from streamctl.sdk.plugin import Cap, ConverterSpec, ProtocolPlugin
from streamctl_rtmp import options as keys
from streamctl_rtmp.converter import RtmpConverter
from streamctl_rtmp.listener import RtmpListener
from streamctl_rtmp.sink import RtmpSink
from streamctl_rtmp.source import RtmpSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Listener, Sink, Source
    from streamctl.sdk.url import StreamURL


class RtmpPlugin(ProtocolPlugin):
    """RTMP and RTMPS: one port for publishers and players, pull and push."""

    kind = "rtmp"
    summary = "RTMP and RTMPS: publish, play, pull and push H.264 with AAC"
    schemes: ClassVar[tuple[str, ...]] = ("rtmp", "rtmps")
    caps = Cap.PULL | Cap.PUSH | Cap.LISTEN | Cap.CONVERT
    play_format: ClassVar[Format | None] = Format.RTMP
    url_template = "rtmp://{host}:{port}/live/{code}"
    ListenerOptions: ClassVar[type[BaseModel]] = keys.ListenerOptions

    def source(self, url: StreamURL, options: BaseModel, ctx: Context) -> Source:
        return RtmpSource(url, ctx)

    def sink(self, url: StreamURL, options: BaseModel, ctx: Context) -> Sink:
        return RtmpSink(url, ctx)

    def listener(self, address: Address, options: keys.ListenerOptions, ctx: Context) -> Listener:
        return RtmpListener(address, options, ctx)

    def converters(self) -> Sequence[ConverterSpec]:
        return (ConverterSpec(Format.PACKETS, Format.RTMP, CODECS, RtmpConverter),)
