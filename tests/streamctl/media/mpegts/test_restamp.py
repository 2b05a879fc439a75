from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts import restamp
from streamctl.media.mpegts.crc import crc32
from streamctl.media.mpegts.packet import PacketWriter, pcr_field
from streamctl.media.mpegts.pes import pes_header
from tests.support.broadcast import splice_info, splice_insert, splice_null
from tests.support.ts_build import pes

WRAP = 1 << 33
TIMES = st.integers(0, WRAP - 1)


@given(TIMES, TIMES, TIMES)
def test_stamps_move_modulo_33_bits(pts: int, dts: int, offset: int) -> None:
    head = bytearray(pes_header(0xE0, pts, dts, None))
    found = restamp.read_stamps(head + bytes(20))
    assert found is not None
    assert (found.pts, found.dts) == (pts, dts)
    assert found.payload == len(head)
    restamp.move_stamp(head, 9, offset)
    if found.has_dts:
        restamp.move_stamp(head, 14, offset)
    moved = (pts + offset) % WRAP, (dts + offset) % WRAP
    assert head == pes_header(0xE0, *moved, None)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0\0\1\xe0\0\0\x80\x80\x05",
        pes(0xE0, b"no times", None).ljust(19, b"\0"),
        b"\0\0\1\xbe" + bytes(20),
        b"\0\0\2" + pes_header(0xE0, 1, 1, None)[3:],
        b"\0\0\1\xe0\0\0\x0f" + bytes(20),
    ],
)
def test_what_has_no_times_is_left(head: bytes) -> None:
    assert restamp.read_stamps(head) is None


def test_a_decoding_time_that_is_cut_off_is_not_read() -> None:
    found = restamp.read_stamps(pes_header(0xE0, 20, 10, None)[:17])
    assert found == restamp.Stamps(20, 20, False, 19)


@given(TIMES, st.integers(0, 299), TIMES)
def test_clocks_move_and_keep_their_extension(base: int, extension: int, offset: int) -> None:
    field = bytearray(pcr_field(0, base))
    field[5] |= extension >> 8
    field[6] = extension & 0xFF
    packet = bytearray(PacketWriter(33).signal(bytes(field)))
    assert restamp.read_clock(packet, 0) == base
    restamp.move_clocks(packet, 0, offset)
    assert restamp.read_clock(packet, 0) == (base + offset) % WRAP
    assert (packet[10] & 1) << 8 | packet[11] == extension


def test_the_original_clock_moves_too() -> None:
    both = bytes((0x18,)) + pcr_field(0, 1000)[1:] + pcr_field(0, 77)[1:]
    packet = bytearray(PacketWriter(33).signal(both))
    restamp.move_clocks(packet, 0, 23)
    assert packet[6:12] == pcr_field(0, 1023)[1:]
    assert packet[12:18] == pcr_field(0, 100)[1:]


def test_clocks_that_do_not_fit_their_field_are_left() -> None:
    packet = bytearray(188)
    packet[:6] = b"\x47\x01\0\x20\x05\x10"
    before = bytes(packet)
    restamp.move_clocks(packet, 0, 5)
    assert packet == before
    assert restamp.read_clock(packet, 0) is None


def test_of_a_packet_its_clock_can_stay_alone() -> None:
    field = pcr_field(0xC0, 90_000) + bytes(6)
    data = bytearray(b"other" + PacketWriter(0x1234).unit(bytes(150), field) + b"more")
    data[6] |= 0xA0
    data[8] |= 0x80
    restamp.strip_to_clock(data, 5, 0)
    clock = pcr_field(0x80, 90_000) + b"\xff" * 176
    assert data == b"other" + bytes((0x47, 0x92, 0x34, 0x2F, 183)) + clock + b"more"
    assert restamp.read_clock(data, 5) == 90_000


@given(TIMES, TIMES)
def test_cues_move_by_their_adjustment(pts: int, offset: int) -> None:
    cue = splice_insert(7, pts, adjustment=WRAP - 5)
    moved = restamp.moved_cue(cue, offset)
    assert moved == splice_insert(7, pts, adjustment=WRAP - 5 + offset)
    assert crc32(moved) == 0


CANCELLED = b"\0\0\0\7\xff"
IMMEDIATE = b"\0\0\0\7\x7f\xdf\0\1\1\1"


@pytest.mark.parametrize(
    ("cue", "moves"),
    [
        (splice_null(), False),
        (splice_info(0x05, CANCELLED, b"", 0), False),
        (splice_info(0x05, IMMEDIATE, b"", 0), False),
        (splice_info(0x06, b"\xfe" + bytes(4), b"", 0), True),
        (splice_info(0x06, b"\x7f", b"", 0), False),
        (splice_info(0x07, b"", b"", 0), False),
        (splice_info(0xFF, b"ABCDwhatever", b"", 0), True),
        (splice_insert(7, 9)[:-1] + b"x", False),
        (b"\xfc\x30\x03", False),
        (b"\xfd" + splice_insert(7, 9)[1:], False),
    ],
)
def test_cues_that_name_no_time_or_are_damaged_stay(cue: bytes, moves: bool) -> None:
    assert (restamp.moved_cue(cue, 90_000) is not None) is moves


def test_encrypted_cues_move_since_their_adjustment_is_clear() -> None:
    body = bytearray(splice_null()[:-4])
    body[4] |= 0x80
    cue = bytes(body) + crc32(bytes(body)).to_bytes(4, "big")
    moved = restamp.moved_cue(cue, 3)
    assert moved is not None
    assert moved[4:9] == b"\x80\0\0\0\3"
    assert crc32(moved) == 0


def test_pieces_are_gathered_and_put_back() -> None:
    data = bytearray(b"--abc---de-f")
    spans = [(2, 5), (8, 10), (11, 12)]
    assert restamp.gather(data, spans) == b"abcdef"
    restamp.scatter(data, spans, b"ABCDEF")
    assert data == b"--ABC---DE-F"
    restamp.scatter(data, spans, b"xyz")
    assert data == b"--xyz---DE-F"


def test_payload_is_found_behind_adaptation_fields() -> None:
    writer = PacketWriter(5)
    data = bytearray(writer.unit(b"x" * 10) + writer.signal(b"\0") + writer.unit(b"y" * 300))
    places = [0, 188, 376, 564]
    spans = restamp.payload_spans(data, places, 50)
    assert bytes(restamp.gather(data, spans)) == b"x" * 10 + b"y" * 40
    assert [restamp.payload_start(data, at) - at for at in places] == [178, 188, 4, 72]
