from __future__ import annotations

import pytest

from streamctl.media.packet import Codec, Kind
from streamctl.media.rtp.av1 import Av1Depacketiser, Av1Packetiser
from streamctl.media.rtp.depacketise import MAX_PICTURE_BYTES
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.packetise import MIN_PAYLOAD
from tests.streamctl.media.rtp.packets import SEQUENCE, feed, frames, packet, run, track

RTP = RtpFormat(96, "AV1", 90_000)
BARE_SEQUENCE = b"\x08" + SEQUENCE[2:]
KEY = b"\x30\x10" + bytes(range(100))
"""A frame OBU without a size, whose header says that it is a key frame and shown."""
INTER = b"\x30\x30" + bytes(range(50))
EXTENDED = b"\x34\x20" + INTER[1:]
DELIMITER = b"\x10"
TILES = b"\x20\x01\x02"
CONFIG = bytes.fromhex("81010c00") + SEQUENCE


def sized(*obus: bytes) -> bytes:
    out = b""
    for obu in obus:
        start = 2 if obu[0] & 4 else 1
        out += bytes((obu[0] | 2,)) + obu[1:start] + bytes((len(obu) - start,)) + obu[start:]
    return out


def depacketiser() -> Av1Depacketiser:
    return Av1Depacketiser(RTP, track(Codec.AV1, None))


def prefix(obu: bytes) -> bytes:
    return bytes((len(obu),)) + obu


def test_elements_become_obus_with_sizes() -> None:
    subject = depacketiser()
    units = feed(
        subject,
        frames(
            [b"\x28" + prefix(BARE_SEQUENCE) + KEY],
            [b"\x10" + INTER],
            [b"\0" + prefix(DELIMITER) + prefix(EXTENDED)],
            [b"\x10" + sized(INTER)],
        ),
    )
    assert [unit.data for unit in units] == [
        SEQUENCE + sized(KEY),
        sized(INTER),
        sized(EXTENDED),
        sized(INTER),
    ]
    assert [unit.kind for unit in units] == [Kind.KEY, Kind.P, Kind.P, Kind.P]
    assert units[0].config == subject.track.config == CONFIG
    assert subject.track.width == 640
    assert subject.damaged_units == 0


def test_an_obu_may_be_spread_over_packets() -> None:
    subject = depacketiser()
    parts = [b"\x50" + INTER[:10], b"\xd0" + INTER[10:20], b"\xd0" + INTER[20:], b"\xa0\0" + TILES]
    units = feed(subject, frames(parts))
    assert [unit.data for unit in units] == [sized(INTER, TILES)]


WRONG = {
    "continues nothing": [b"\x90" + INTER],
    "goes on with nothing": [b"\x50" + INTER],
    "goes on with another": [b"\x50" + INTER[:9], b"\x10" + INTER],
    "element beyond its packet": [b"\0\x7f" + INTER],
    "size that is cut off": [b"\0\xff"],
    "size that never ends": [b"\0" + b"\xff" * 9],
    "forbidden bit": [b"\x10\xb0" + INTER[1:]],
    "half an extension": [b"\x10\x34"],
    "size inside of an element": [b"\x10\x32\x7f" + INTER],
}


@pytest.mark.parametrize("payloads", WRONG.values(), ids=list(WRONG))
def test_what_is_malformed_costs_its_picture_alone(payloads: list[bytes]) -> None:
    subject = depacketiser()
    units = feed(subject, frames([b"\x10" + INTER], payloads, [b"\x10" + EXTENDED]))
    assert [(unit.timestamp, unit.data) for unit in units] == [
        (0, sized(INTER)),
        (7200, sized(EXTENDED)),
    ]
    assert subject.damaged_units == 1


def test_empty_packets_and_elements_say_nothing() -> None:
    subject = depacketiser()
    units = feed(subject, frames([b"", b"\0", b"\x10", b"\0\0" + prefix(INTER)]))
    assert [unit.data for unit in units] == [sized(INTER)]
    assert subject.damaged_units == 0


def test_a_lost_start_is_known_by_tiles() -> None:
    subject = depacketiser()
    packets = frames([b"\x10" + KEY], [b"\x10" + INTER, b"\x10" + TILES], [b"\x10" + INTER])
    del packets[1]
    assert [unit.timestamp for unit in feed(subject, packets)] == [0, 7200]
    assert subject.fault == "the start of a picture was lost"


def test_pictures_have_a_limit() -> None:
    subject = depacketiser()
    endless = [b"\x50" + bytes(60_000)] + [b"\xd0" + bytes(60_000)] * (MAX_PICTURE_BYTES // 60_000)
    assert feed(subject, run(endless)) == []
    assert subject.damaged_units == 1


@pytest.mark.parametrize("limit", [MIN_PAYLOAD, 100, 1400])
def test_what_is_packed_comes_out_again(limit: int) -> None:
    packetiser = Av1Packetiser(track(Codec.AV1, CONFIG), limit)
    pictures = [
        packet(SEQUENCE + sized(KEY), Kind.KEY),
        packet(sized(INTER, TILES, TILES, TILES, EXTENDED)),
    ]
    payloads = [packetiser.pack(one) for one in pictures]
    assert max(len(payload) for one in payloads for payload in one) <= limit
    assert [bool(one[0][0] & 8) for one in payloads] == [True, False]
    units = feed(depacketiser(), frames(*payloads))
    assert [(unit.data, unit.kind) for unit in units] == [(one.data, one.kind) for one in pictures]


def test_key_pictures_get_the_sequence_header_that_they_lack() -> None:
    packetiser = Av1Packetiser(track(Codec.AV1, CONFIG), 1400)
    payloads = packetiser.pack(packet(sized(KEY), Kind.KEY))
    assert payloads == [b"\x28" + prefix(BARE_SEQUENCE) + KEY]
    assert packetiser.pack(packet(sized(INTER))) == [b"\x10" + INTER]
    assert packetiser.pack(packet(b"", Kind.KEY)) == [b"\x18" + BARE_SEQUENCE]


def test_without_a_sequence_header_there_is_none_to_send() -> None:
    packetiser = Av1Packetiser(track(Codec.AV1, CONFIG[:4]), 1400)
    assert packetiser.pack(packet(sized(KEY), Kind.KEY)) == [b"\x18" + KEY]
    assert packetiser.pack(packet(b"", Kind.KEY)) == []
