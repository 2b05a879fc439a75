from __future__ import annotations

import pytest

from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.depacketise import MAX_PICTURE_BYTES
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.vp9 import Vp9Depacketiser, Vp9Packetiser
from tests.streamctl.media.rtp.packets import feed, frames, packet, run, track

RTP = RtpFormat(96, "VP9", 90_000)
KEY = bytes.fromhex("824983420027f016760838241c185c1008f0") + bytes(range(100))
INTER = bytes.fromhex("86004092f0c12e0400e67f91") + bytes(range(50))
WHOLE = b"\x4c"


def depacketiser() -> Vp9Depacketiser:
    return Vp9Depacketiser(RTP, track(Codec.VP9, None))


@pytest.mark.parametrize(
    "descriptor",
    [
        "4c",
        "cc01",
        "cc8001",
        "6c0000",
        "7c0002",
        "5c02",
        "5c0302",
        "5c030303",
        "4e00",
        "4e10" + "0280" * 2,
        "4e38" + "0280" * 4 + "01" + "0408",
        "4e08" + "02" + "00" + "080101",
    ],
)
def test_descriptors_are_passed_over(descriptor: str) -> None:
    units = feed(depacketiser(), frames([bytes.fromhex(descriptor) + INTER]))
    assert [unit.data for unit in units] == [INTER]


def test_parts_are_put_together() -> None:
    subject = depacketiser()
    parts = [b"\x08" + KEY[:50], b"\0" + KEY[50:60], b"\x04" + KEY[60:]]
    units = feed(subject, frames(parts, [WHOLE + INTER]))
    assert [unit.data for unit in units] == [KEY, INTER]
    assert [unit.kind for unit in units] == [Kind.KEY, Kind.P]
    assert units[0].config == subject.track.config is not None
    assert (subject.track.width, subject.track.height) == (640, 360)


def test_layers_become_a_superframe() -> None:
    units = feed(depacketiser(), frames([b"\x2c\0\0" + INTER, b"\x2c\x02\0" + INTER[:20]]))
    sizes = len(INTER).to_bytes(4, "little") + (20).to_bytes(4, "little")
    assert units[0].data == INTER + INTER[:20] + b"\xd9" + sizes + b"\xd9"


def test_as_many_layers_as_there_may_be() -> None:
    units = feed(depacketiser(), frames([WHOLE + INTER] * 8))
    assert units[0].data[-1] == 0xDF
    assert len(units[0].data) == 8 * len(INTER) + 34


WRONG = {
    "no start": [b"\x44" + INTER],
    "no end": [b"\x48" + INTER],
    "second start": [b"\x48" + INTER, WHOLE + INTER],
    "nothing behind the descriptor": [WHOLE],
    "picture id that is cut off": [b"\xcc"],
    "references that are cut off": [b"\x5c\3"],
    "sizes that are cut off": [b"\x4e\x30\0\0"],
    "group that is cut off": [b"\x4e\x08\xff\x0c\0"],
    "too many layers": [WHOLE + INTER] * 9,
    "second layer without an end": [WHOLE + INTER, b"\x48" + INTER],
    "no marker of a frame": [WHOLE + b"\0" + INTER],
}


@pytest.mark.parametrize("payloads", WRONG.values(), ids=list(WRONG))
def test_what_is_malformed_costs_its_picture_alone(payloads: list[bytes]) -> None:
    subject = depacketiser()
    units = feed(subject, frames([WHOLE + KEY], payloads, [WHOLE + INTER]))
    assert [(unit.timestamp, unit.data) for unit in units] == [(0, KEY), (7200, INTER)]
    assert subject.damaged_units == 1


@pytest.mark.parametrize("hole", range(3))
def test_a_lost_packet_costs_its_picture_alone(hole: int) -> None:
    subject = depacketiser()
    packetiser = Vp9Packetiser(track(Codec.VP9), 70)
    pictures = [packet(KEY, Kind.KEY), packet(INTER + KEY), packet(INTER)]
    packets = frames(*(packetiser.pack(one) for one in pictures))
    del packets[2 + hole]
    assert [unit.data for unit in feed(subject, packets)] == [KEY, INTER]
    assert subject.damaged_units == 1


def test_pictures_have_a_limit() -> None:
    subject = depacketiser()
    part = b"\0" + bytes(60_000)
    packets = run([b"\x48" + INTER, *[part] * (MAX_PICTURE_BYTES // 60_000 + 1)])
    assert feed(subject, packets) == []
    assert subject.damaged_units == 1


@pytest.mark.parametrize("limit", [64, 119, 120, 1400])
def test_what_is_packed_comes_out_again(limit: int) -> None:
    packetiser = Vp9Packetiser(track(Codec.VP9), limit)
    payloads = [packetiser.pack(packet(KEY, Kind.KEY)), packetiser.pack(packet(INTER))]
    assert max(len(payload) for one in payloads for payload in one) <= limit
    assert payloads[0][0][0] & 0x48 == 0x08
    assert payloads[1][0][0] & 0x48 == 0x48
    units = feed(depacketiser(), frames(*payloads))
    assert [unit.data for unit in units] == [KEY, INTER]
