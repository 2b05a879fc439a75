"""The plugin object: what ``rtmp`` can do, and the parts that do it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from streamctl.errors import ConfigError
from streamctl.media.flv_packer import CODECS
from streamctl.media.packet import Format
from streamctl.net.tls import ServerTls
from streamctl.sdk.plugin import Cap, ConverterSpec, ProtocolPlugin
from streamctl_rtmp import options as keys
from streamctl_rtmp.address import PORT, TLS_PORT, Server
from streamctl_rtmp.converter import RtmpConverter
from streamctl_rtmp.listener import RtmpListener
from streamctl_rtmp.sink import RtmpSink
from streamctl_rtmp.source import RtmpSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Listener, Sink, Source
    from streamctl.sdk.url import StreamURL

TLS_LISTENER = "rtmps"


class RtmpPlugin(ProtocolPlugin):
    """RTMP and RTMPS: one port each for publishers and players, pull and push."""

    kind = "rtmp"
    summary = "RTMP and RTMPS: publish, play, pull and push"
    schemes: ClassVar[tuple[str, ...]] = ("rtmp", "rtmps")
    ports: ClassVar[Mapping[str, int]] = {"rtmp": PORT, "rtmps": TLS_PORT}
    caps = Cap.PULL | Cap.PUSH | Cap.LISTEN | Cap.CONVERT
    play_format: ClassVar[Format | None] = Format.RTMP
    url_template = "rtmp://{host}:{port}/live/{code}"
    InputOptions: ClassVar[type[BaseModel]] = keys.ClientOptions
    PushOptions: ClassVar[type[BaseModel]] = keys.ClientOptions
    ListenerOptions: ClassVar[type[BaseModel]] = keys.ListenerOptions
    listeners: ClassVar[Mapping[str, type[BaseModel]]] = {TLS_LISTENER: keys.TlsListenerOptions}

    def check_input(self, url: StreamURL, options: keys.ClientOptions) -> None:
        """Refuse what names no server to call, or no stream of it.

        Raises:
            ConfigError: it is such.
        """
        if url.anywhere:
            raise ConfigError(
                f"`{url.redacted}` names no server to call",
                hint="write `publish:` to wait for a publisher",
            )
        Server.of(url)

    def check_push(self, url: StreamURL, options: keys.ClientOptions) -> None:
        """Refuse what names no server, or no stream of it.

        Raises:
            ConfigError: it is such.
        """
        Server.of(url)

    def source(self, url: StreamURL, options: keys.ClientOptions, ctx: Context) -> Source:
        return RtmpSource(url, options, ctx)

    def sink(self, url: StreamURL, options: keys.ClientOptions, ctx: Context) -> Sink:
        return RtmpSink(url, options, ctx)

    def listener(self, address: Address, options: keys.ListenerOptions, ctx: Context) -> Listener:
        tls = None
        if isinstance(options, keys.TlsListenerOptions):
            setting = f"listeners.{TLS_LISTENER}"
            tls = ServerTls(
                options.tls_cert, options.tls_key, setting=setting, handshake_s=ctx.handshake_s
            )
        return RtmpListener(address, ctx, tls, ask_user=options.ask_user)

    def converters(self) -> Sequence[ConverterSpec]:
        multitrack = partial(RtmpConverter, multitrack=True)
        return (
            ConverterSpec(Format.PACKETS, Format.RTMP, CODECS, RtmpConverter),
            ConverterSpec(Format.PACKETS, Format.RTMP_MULTITRACK, CODECS, multitrack),
        )
