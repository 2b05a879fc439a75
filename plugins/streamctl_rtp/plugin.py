"""The plugin object: what ``rtp`` can do, and the parts that do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl_rtp.address import place
from streamctl_rtp.listener import RtpListener
from streamctl_rtp.options import RtpInputOptions, RtpListenerOptions, of_input
from streamctl_rtp.source import RtpSource
from streamctl_rtp.switchboard import Switchboard

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Listener, Source
    from streamctl.sdk.url import StreamURL


class RtpPlugin(ProtocolPlugin):
    """RTP that nobody has negotiated: one port for many senders, and ports of inputs."""

    kind: ClassVar[str] = "rtp"
    summary: ClassVar[str] = "RTP: publish to one port, pull from ports of its own"
    schemes: ClassVar[tuple[str, ...]] = ("rtp",)
    caps: ClassVar[Cap] = Cap.PULL | Cap.LISTEN
    datagrams: ClassVar[bool] = True
    InputOptions: ClassVar[type[BaseModel]] = RtpInputOptions
    ListenerOptions: ClassVar[type[BaseModel]] = RtpListenerOptions

    def __init__(self) -> None:
        self.switchboard = Switchboard()

    def check_input(self, url: StreamURL, options: RtpInputOptions) -> None:
        """Refuse what doesn't tell where to receive.

        Raises:
            ConfigError: it doesn't, or its query can't be understood.
        """
        place(url, of_input(url, options))

    def source(self, url: StreamURL, options: RtpInputOptions, ctx: Context) -> Source:
        """A source that receives on ports of its own, or at the listener.

        Raises:
            ConfigError: the URL doesn't tell where, or its query can't be understood.
        """
        return RtpSource(url, options, ctx, self.switchboard)

    def listener(self, address: Address, options: RtpListenerOptions, ctx: Context) -> Listener:
        return RtpListener(address, options, ctx, self.switchboard)
