from __future__ import annotations

from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.formats import STATIC
from streamctl.media.rtp.payloads import depacketiser
from tests.streamctl.media.rtp.packets import feed, frames

PACKETS = (b"\x47\x1f\xff\x10" + bytes(184)) * 7


def test_transport_packets_are_passed_on() -> None:
    subject = depacketiser(STATIC[33], 2)
    units = feed(subject, frames([PACKETS], [b""], [PACKETS[:188]]))
    assert [(unit.timestamp, unit.data) for unit in units] == [(0, PACKETS), (7200, PACKETS[:188])]
    assert units[0].kind is Kind.DATA
    assert not units[0].key
    assert (subject.track.id, subject.track.codec) == (2, Codec.DATA)
