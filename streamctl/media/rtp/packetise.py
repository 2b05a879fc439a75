"""What the packetisers of all codecs have in common: access units to payloads of RTP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from streamctl.media.packet import Packet

MAX_PAYLOAD = 1400
"""Bytes of a payload: with RTP, UDP and IP headers, and those of a tunnel, it fits into what
Ethernet carries."""
MIN_PAYLOAD = 64
"""Room for the headers of every payload format, and some media."""


class Packetiser(ABC):
    """Makes the payloads of one track."""

    marks: ClassVar[bool] = True
    """The packet of the last payload of an access unit has the marker."""

    def __init__(self, limit: int = MAX_PAYLOAD) -> None:
        self.limit = max(limit, MIN_PAYLOAD)

    @abstractmethod
    def pack(self, packet: Packet) -> list[bytes]:
        """The payloads of an access unit, all of the same timestamp.

        Raises:
            RemoteProtocolError: its data is not of the form that the lane carries.
        """


def pack_parts(data: bytes, limit: int, first: bytes, middle: bytes, last: bytes) -> list[bytes]:
    """Data cut into payloads behind heads of the same length; a single one has the first head."""
    step = limit - len(first)
    payloads = [middle + data[at : at + step] for at in range(0, len(data), step)]
    if payloads:
        payloads[-1] = last + payloads[-1][len(last) :]
        payloads[0] = first + payloads[0][len(first) :]
    return payloads
