"""The plugin object: what ``rtp`` can do, and the parts that do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl_rtp.address import destination, place
from streamctl_rtp.listener import RtpListener
from streamctl_rtp.options import (
    RtpInputOptions,
    RtpListenerOptions,
    RtpPushOptions,
    of_input,
    of_push,
)
from streamctl_rtp.sink import RtpSink
from streamctl_rtp.source import RtpSource
from streamctl_rtp.switchboard import Switchboard

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Listener, Sink, Source
    from streamctl.sdk.url import StreamURL


class RtpPlugin(ProtocolPlugin):
    """RTP that nobody has negotiated: one port for many senders, and ports of inputs."""

    kind: ClassVar[str] = "rtp"
    summary: ClassVar[str] = "RTP: publish to one port, pull from ports of its own, push"
    schemes: ClassVar[tuple[str, ...]] = ("rtp",)
    caps: ClassVar[Cap] = Cap.PULL | Cap.PUSH | Cap.LISTEN
    datagrams: ClassVar[bool] = True
    InputOptions: ClassVar[type[BaseModel]] = RtpInputOptions
    PushOptions: ClassVar[type[BaseModel]] = RtpPushOptions
    ListenerOptions: ClassVar[type[BaseModel]] = RtpListenerOptions

    def __init__(self) -> None:
        self.switchboard = Switchboard()

    def check_input(self, url: StreamURL, options: RtpInputOptions) -> None:
        """Refuse what doesn't tell where to receive.

        Raises:
            ConfigError: it doesn't, or its query can't be understood.
        """
        place(url, of_input(url, options))

    def check_push(self, url: StreamURL, options: RtpPushOptions) -> None:
        """Refuse what is not one address.

        Raises:
            ConfigError: it is not, or its query can't be understood.
        """
        of_push(url, options)
        destination(url)

    def source(self, url: StreamURL, options: RtpInputOptions, ctx: Context) -> Source:
        """A source that receives on ports of its own, or at the listener.

        Raises:
            ConfigError: the URL doesn't tell where, or its query can't be understood.
        """
        return RtpSource(url, options, ctx, self.switchboard)

    def sink(self, url: StreamURL, options: RtpPushOptions, ctx: Context) -> Sink:
        """A sink that sends to an address.

        Raises:
            ConfigError: the URL is not one address, or its query can't be understood.
        """
        return RtpSink(url, options, ctx)

    def listener(self, address: Address, options: RtpListenerOptions, ctx: Context) -> Listener:
        return RtpListener(address, options, ctx, self.switchboard)
