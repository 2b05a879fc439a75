"""Who sends, and where the reports about it go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.net.udp_named import address_of

if TYPE_CHECKING:
    from streamctl.net.udp import Receiver


@dataclass(slots=True)
class Peers:
    """The addresses of one source."""

    media: bytes = b""
    """Name of where its packets come from; empty = none came."""
    reports: bytes = b""
    """Name of where its reports come from; empty = none came."""
    muxed: bool = False
    """Its reports come to the port of the packets (RFC 5761)."""

    def answer(self, data: bytes, media: Receiver, reports: Receiver | None) -> None:
        """Send a report by the port that the sender uses for them.

        One who sends none gets it at the port after that of its packets (RFC 3550, section 11).
        """
        if self.reports:
            port = media if self.muxed or reports is None else reports
            port.send(data, address_of(self.reports))
        elif self.media:
            host, number = address_of(self.media)
            (reports or media).send(data, (host, number + 1 & 0xFFFF))
