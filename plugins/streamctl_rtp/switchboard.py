"""Which input gets what comes to the listener: the one that names the source, or its network."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from streamctl.sdk.lane import EpochWriter
    from streamctl_rtp.losses import Losses
    from streamctl_rtp.wire.intake import Intake


@dataclass(slots=True, eq=False)
class Inlet:
    """An input that waits at the listener."""

    ssrcs: tuple[int, ...]
    networks: tuple[IPv4Network | IPv6Network, ...]
    intake: Intake
    writer: EpochWriter
    ended: anyio.Event = field(default_factory=anyio.Event)
    error: Exception | None = None
    came: bool = False
    """Somebody has sent something."""
    losses: Losses | None = None
    """Of the listener that feeds it."""

    def fits(self, ssrc: int, ip: str) -> bool:
        """Whether a source is one of those that the input waits for."""
        if self.ssrcs and ssrc not in self.ssrcs:
            return False
        address = ip_address(ip.partition("%")[0])
        return not self.networks or any(address in network for network in self.networks)

    def end(self, error: Exception | None) -> None:
        """Nothing more is taken."""
        if not self.ended.is_set():
            self.error = error
            self.ended.set()


class Switchboard:
    """The inputs that wait, and the listeners that they can wait at."""

    def __init__(self) -> None:
        self.inlets: list[Inlet] = []
        self.listeners = 0
        self.changes = 0
        """How often an input came to wait: who found none before may find one now."""

    def wait(self, inlet: Inlet) -> None:
        """Take an input that waits."""
        self.inlets.append(inlet)
        self.changes += 1

    def leave(self, inlet: Inlet) -> None:
        """Forget an input."""
        self.inlets.remove(inlet)
        inlet.end(None)

    def find(self, ssrc: int, ip: str) -> Inlet | None:
        """The input for a source: one that names its number before one that names its network."""
        fitting = [inlet for inlet in self.inlets if inlet.fits(ssrc, ip)]
        return max(fitting, key=lambda inlet: bool(inlet.ssrcs), default=None)
