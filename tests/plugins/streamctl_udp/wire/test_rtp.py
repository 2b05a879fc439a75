"""RTP headers: where the payload lies, what is missing, and our own."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl_udp.wire.rtp import HEADER, RtpWriter, Sequence, payload

BODY = b"\x47" + bytes(187)


def packet(first: int, middle: bytes = b"", body: bytes = BODY, tail: bytes = b"") -> bytes:
    return pack("!BBHII", first, 33, 7, 0, 1) + middle + body + tail


@pytest.mark.parametrize(
    "data",
    [
        packet(0x80),
        packet(0x82, bytes(8)),
        packet(0x8F, bytes(60)),
        packet(0x90, pack("!HH", 0xBEDE, 2) + bytes(8)),
        packet(0x90, pack("!HH", 1, 0)),
        packet(0x91, bytes(4) + pack("!HH", 1, 1) + bytes(4)),
        packet(0xA0, tail=bytes(3) + b"\4"),
        packet(0xB1, bytes(4) + pack("!HH", 1, 1) + bytes(4), tail=b"\1"),
    ],
    ids=["plain", "two sources", "all", "extension", "empty", "both", "padding", "everything"],
)
def test_the_payload_is_found(data: bytes) -> None:
    begin, end = payload(memoryview(data + b"what the slot held before"), len(data))
    assert data[begin:end] == BODY


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        packet(0x80, body=b""),
        packet(0x8F, body=b""),
        packet(0x90, body=b""),
        packet(0x90, pack("!HH", 1, 65535)),
        packet(0xA0, body=b"\0"),
        packet(0xA0, body=b"\xff"),
    ],
)
def test_no_payload_is_found_where_there_is_none(data: bytes) -> None:
    begin, end = payload(memoryview(data + bytes(64)), len(data))
    assert begin >= end


@given(st.binary(max_size=64))
def test_any_bytes_give_a_place_within_them_or_none(data: bytes) -> None:
    begin, end = payload(memoryview(data + bytes(8)), len(data))
    assert begin >= end or 0 <= begin < end <= len(data)


def followed(*numbers: int) -> Sequence:
    sequence = Sequence()
    for number in numbers:
        sequence.follows(number, 1)
    return sequence


def test_numbers_in_order_have_no_gaps_also_where_they_begin_anew() -> None:
    assert followed(65534, 65535, 0, 1) == Sequence(expected=2, source=1)


def test_gaps_are_counted_with_what_they_lost() -> None:
    sequence = followed(10, 13, 14, 20)
    assert (sequence.gaps, sequence.lost) == (2, 7)


def test_a_gap_over_the_end_of_the_numbers_is_as_long_as_it_is() -> None:
    assert followed(65535, 2).lost == 2


def test_what_comes_late_or_twice_is_thrown_away() -> None:
    sequence = followed(5, 6, 7)
    assert not sequence.follows(6, 1)
    assert not sequence.follows(7, 1)
    assert sequence.follows(8, 1)
    assert (sequence.late, sequence.lost, sequence.restarts) == (2, 0, 0)


def test_numbers_far_behind_are_a_new_beginning() -> None:
    sequence = followed(40_000, 9_000, 9_001)
    assert (sequence.restarts, sequence.lost, sequence.expected) == (1, 0, 9_002)


def test_a_long_loss_is_a_loss() -> None:
    sequence = followed(5, 30_000, 30_001)
    assert (sequence.restarts, sequence.gaps, sequence.lost) == (0, 1, 29_994)


def test_another_source_is_a_new_beginning() -> None:
    sequence = followed(5, 6)
    assert sequence.follows(900, 2)
    assert (sequence.restarts, sequence.lost) == (1, 0)


def test_our_headers_go_on_and_the_first_is_marked() -> None:
    writer = RtpWriter(0x1_2345_6789, 65535)
    headers = [HEADER.unpack(writer.header(at)) for at in (1.0, 2.0)]
    assert headers == [
        (0x80, 0x80 | 33, 65535, 90_000, 0x2345_6789),
        (0x80, 33, 0, 180_000, 0x2345_6789),
    ]


def test_a_timestamp_wraps() -> None:
    seconds = (1 << 32) / 90_000 + 1
    assert HEADER.unpack(RtpWriter(1, 1).header(seconds))[3] == 90_000
