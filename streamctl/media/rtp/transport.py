"""MPEG-TS in RTP: runs of transport packets, which are passed on as they are.

Specification: RFC 2250 §2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import Kind
from streamctl.media.rtp.depacketise import Depacketiser, Unit

if TYPE_CHECKING:
    from streamctl.media.packet import Track
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packet import RtpPacket


class TransportDepacketiser(Depacketiser):
    """Takes the packets of a stream; a unit is what one of them holds."""

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        super().__init__(rtp, track, None)

    def feed(self, packet: RtpPacket, *, lost: bool = False) -> list[Unit]:
        if not packet.payload:
            return []
        timestamp = self._clock.unwrap(packet.timestamp)
        return [Unit(bytes(packet.payload), timestamp, Kind.DATA)]
