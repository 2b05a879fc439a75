"""The ``udp`` kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl_udp.options import UdpInputOptions, UdpPushOptions
from streamctl_udp.sink import UdpSink
from streamctl_udp.source import UdpSource

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Sink, Source
    from streamctl.sdk.url import StreamURL


class UdpPlugin(ProtocolPlugin):
    """MPEG-TS over UDP and RTP, unicast and multicast."""

    kind: ClassVar[str] = "udp"
    summary: ClassVar[str] = "MPEG-TS over UDP or RTP, unicast and multicast: pull and push"
    schemes: ClassVar[tuple[str, ...]] = ("udp",)
    caps: ClassVar[Cap] = Cap.PULL | Cap.PUSH
    InputOptions: ClassVar[type[BaseModel]] = UdpInputOptions
    PushOptions: ClassVar[type[BaseModel]] = UdpPushOptions

    def source(self, url: StreamURL, options: UdpInputOptions, ctx: Context) -> Source:
        """A source that receives what is sent to an address.

        Raises:
            ConfigError: the URL is not one address, or its query can't be understood.
        """
        return UdpSource(url, options, ctx)

    def sink(self, url: StreamURL, options: UdpPushOptions, ctx: Context) -> Sink:
        """A sink that sends to an address.

        Raises:
            ConfigError: the URL is not one address, or its query can't be understood.
        """
        return UdpSink(url, options, ctx)
