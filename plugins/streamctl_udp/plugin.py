"""The ``udp`` kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl_udp.address import address, destination, sender
from streamctl_udp.options import UdpInputOptions, UdpPushOptions, of_input, of_push
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

    def check_input(self, url: StreamURL, options: UdpInputOptions) -> None:
        """Refuse what is not one address, and a query that can't be understood.

        Raises:
            ConfigError: it is such.
        """
        found = of_input(url, options)
        address(url)
        sender(url, found.source)

    def check_push(self, url: StreamURL, options: UdpPushOptions) -> None:
        """Refuse what is not one address, and a query that can't be understood.

        Raises:
            ConfigError: it is such.
        """
        of_push(url, options)
        destination(url)

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
