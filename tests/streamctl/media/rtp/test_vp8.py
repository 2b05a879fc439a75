from __future__ import annotations

import pytest

from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.depacketise import MAX_PICTURE_BYTES
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.vp8 import Vp8Depacketiser, Vp8Packetiser
from tests.streamctl.media.rtp.packets import feed, frames, packet, run, track

RTP = RtpFormat(96, "VP8", 90_000)
KEY = bytes.fromhex("70d0009d012a800268010007") + bytes(range(100))
INTER = bytes.fromhex("b135000c1170001ec81e45a4") + bytes(range(50))


def depacketiser() -> Vp8Depacketiser:
    return Vp8Depacketiser(RTP, track(Codec.VP8, None))


@pytest.mark.parametrize(
    "descriptor", ["10", "9000", "908001", "90808001", "904005", "902005", "90e0010203", "90300a"]
)
def test_descriptors_are_passed_over(descriptor: str) -> None:
    lead = bytes.fromhex(descriptor)
    units = feed(depacketiser(), frames([lead + INTER]))
    assert [unit.data for unit in units] == [INTER]


def test_parts_and_partitions_are_put_together() -> None:
    subject = depacketiser()
    parts = [b"\x10" + KEY[:50], b"\0" + KEY[50:60], b"\x11" + KEY[60:]]
    units = feed(subject, frames(parts, [b"\x10" + INTER]))
    assert [unit.data for unit in units] == [KEY, INTER]
    assert [unit.kind for unit in units] == [Kind.KEY, Kind.P]
    assert units[0].config == b""
    assert (subject.track.width, subject.track.height) == (640, 360)


WRONG = {
    "no start": [b"\0" + INTER],
    "partition without a start": [b"\x11" + INTER],
    "second start": [b"\x10" + INTER, b"\x10" + INTER],
    "nothing behind the descriptor": [b"\x10"],
    "descriptor that is cut off": [b"\x90"],
    "picture id that is cut off": [b"\x90\x80\x80\0"],
    "key frame without its code": [b"\x10" + bytes(20)],
}


@pytest.mark.parametrize("payloads", WRONG.values(), ids=list(WRONG))
def test_what_is_malformed_costs_its_picture_alone(payloads: list[bytes]) -> None:
    subject = depacketiser()
    units = feed(subject, frames([b"\x10" + KEY], payloads, [b"\x10" + INTER]))
    assert [(unit.timestamp, unit.data) for unit in units] == [(0, KEY), (7200, INTER)]
    assert subject.damaged_units == 1


@pytest.mark.parametrize("hole", range(3))
def test_a_lost_packet_costs_its_picture_alone(hole: int) -> None:
    subject = depacketiser()
    packetiser = Vp8Packetiser(track(Codec.VP8), 70)
    pictures = [packet(KEY, Kind.KEY), packet(INTER + KEY), packet(INTER)]
    packets = frames(*(packetiser.pack(one) for one in pictures))
    del packets[2 + hole]
    assert [unit.data for unit in feed(subject, packets)] == [KEY, INTER]
    assert subject.damaged_units == 1


def test_pictures_have_a_limit() -> None:
    subject = depacketiser()
    part = b"\0" + bytes(60_000)
    packets = run([b"\x10" + INTER, *[part] * (MAX_PICTURE_BYTES // 60_000 + 1)])
    assert feed(subject, packets) == []
    assert subject.damaged_units == 1


@pytest.mark.parametrize("limit", [64, 100, 1400])
def test_what_is_packed_comes_out_again(limit: int) -> None:
    packetiser = Vp8Packetiser(track(Codec.VP8), limit)
    payloads = [packetiser.pack(packet(KEY, Kind.KEY)), packetiser.pack(packet(INTER))]
    assert max(len(payload) for one in payloads for payload in one) <= limit
    units = feed(depacketiser(), frames(*payloads))
    assert [unit.data for unit in units] == [KEY, INTER]
