"""The plugin object: what ``rtsp`` can do, and the parts that do it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from streamctl.media.packet import Format
from streamctl.media.rtp.payloads import CODECS
from streamctl.net.tls import ServerTls
from streamctl.sdk.plugin import Cap, ConverterSpec, ProtocolPlugin
from streamctl_rtsp.client import options as client_keys
from streamctl_rtsp.client.sink import RtspSink
from streamctl_rtsp.client.source import RtspSource
from streamctl_rtsp.client.upstream import PORTS
from streamctl_rtsp.converter import RtpConverter
from streamctl_rtsp.server import options as keys
from streamctl_rtsp.server.listener import RtspListener

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Listener, Sink, Source
    from streamctl.sdk.url import StreamURL

TLS_LISTENER = "rtsps"


class RtspPlugin(ProtocolPlugin):
    """RTSP and RTSPS: one port each for publishers and players, pull and push."""

    kind = "rtsp"
    summary = "RTSP and RTSPS: publish, play, pull and push"
    schemes: ClassVar[tuple[str, ...]] = ("rtsp", "rtsps")
    ports: ClassVar[Mapping[str, int]] = PORTS
    caps = Cap.PULL | Cap.PUSH | Cap.LISTEN | Cap.CONVERT
    play_format: ClassVar[Format | None] = Format.RTP
    url_template = "rtsp://{host}:{port}/live/{code}"
    InputOptions: ClassVar[type[BaseModel]] = client_keys.InputOptions
    PushOptions: ClassVar[type[BaseModel]] = client_keys.PushOptions
    ListenerOptions: ClassVar[type[BaseModel]] = keys.ListenerOptions
    listeners: ClassVar[Mapping[str, type[BaseModel]]] = {TLS_LISTENER: keys.TlsListenerOptions}

    def check_input(self, url: StreamURL, options: client_keys.InputOptions) -> None:
        """Refuse a URL that names no host, and a transport that does not go with it.

        Raises:
            ConfigError: it is such.
        """
        client_keys.destination_of(url, options.transport)

    def check_push(self, url: StreamURL, options: client_keys.PushOptions) -> None:
        """Refuse a URL that names no host, and a transport that does not go with it.

        Raises:
            ConfigError: it is such.
        """
        client_keys.destination_of(url, options.transport)

    def source(self, url: StreamURL, options: client_keys.InputOptions, ctx: Context) -> Source:
        return RtspSource(url, options, ctx)

    def sink(self, url: StreamURL, options: client_keys.PushOptions, ctx: Context) -> Sink:
        return RtspSink(url, options, ctx)

    def listener(self, address: Address, options: keys.AnyOptions, ctx: Context) -> Listener:
        tls = None
        if isinstance(options, keys.TlsListenerOptions):
            setting = f"listeners.{TLS_LISTENER}"
            tls = ServerTls(
                options.tls_cert, options.tls_key, setting=setting, handshake_s=ctx.handshake_s
            )
        return RtspListener(address, options, ctx, tls)

    def converters(self) -> Sequence[ConverterSpec]:
        return (ConverterSpec(Format.PACKETS, Format.RTP, CODECS, partial(RtpConverter, wall)),)


def wall() -> float:
    """The time of day."""
    return datetime.now(UTC).timestamp()
