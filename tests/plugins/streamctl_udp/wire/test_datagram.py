"""What is taken out of datagrams, and what is left."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl_udp.wire.datagram import Unwrapper

PACKET = b"\x47\x01\x00\x10" + bytes(184)
MEDIA = PACKET * 7
OTHER = b"\x01" + MEDIA[1:]


def rtp(number: int, body: bytes = MEDIA, first: int = 0x80, middle: bytes = b"") -> bytes:
    return pack("!BBHII", first, 33, number, 0, 1) + middle + body


def unpacked(unwrapper: Unwrapper, *datagrams: bytes) -> bytes:
    """One batch, in slots that hold older bytes behind the new ones."""
    slots = [memoryview(datagram + b"\x47older" * 9) for datagram in datagrams]
    return unwrapper.unpack([*slots, memoryview(b"\x47unused")], [len(one) for one in datagrams])


def test_plain_datagrams_are_taken_as_they_are() -> None:
    unwrapper = Unwrapper()
    assert unpacked(unwrapper, MEDIA, PACKET, MEDIA) == MEDIA + PACKET + MEDIA
    assert (unwrapper.plain, unwrapper.wrapped, unwrapper.invalid) == (3, 0, 0)


def test_headers_of_rtp_are_taken_off() -> None:
    unwrapper = Unwrapper()
    extended = rtp(3, first=0x91, middle=bytes(4) + pack("!HH", 9, 1) + bytes(4))
    assert unpacked(unwrapper, rtp(1), rtp(2), extended) == MEDIA * 3
    assert (unwrapper.plain, unwrapper.wrapped, unwrapper.invalid) == (0, 3, 0)


def test_padding_is_no_media() -> None:
    assert unpacked(Unwrapper(), rtp(1, MEDIA + b"\0\0\3", first=0xA0)) == MEDIA


def test_missing_packets_are_counted() -> None:
    unwrapper = Unwrapper()
    unpacked(unwrapper, rtp(1), rtp(2), rtp(5))
    assert (unwrapper.sequence.gaps, unwrapper.sequence.lost) == (1, 2)


def test_a_packet_that_comes_twice_is_taken_once() -> None:
    unwrapper = Unwrapper()
    assert unpacked(unwrapper, rtp(1), rtp(2), rtp(2), rtp(3)) == MEDIA * 3
    assert unwrapper.sequence.late == 1


def test_rtp_without_media_is_left_out() -> None:
    unwrapper = Unwrapper()
    assert unpacked(unwrapper, rtp(1, b"\0" * 188), rtp(2), rtp(3, PACKET + b"\0")) == MEDIA
    assert unwrapper.invalid == 2


def test_between_rtp_nothing_else_is_media_but_packets() -> None:
    unwrapper = Unwrapper()
    assert unpacked(unwrapper, rtp(1), OTHER, b"\x80", PACKET) == MEDIA + PACKET
    assert unwrapper.invalid == 2


def test_a_sender_that_cuts_anywhere_is_understood() -> None:
    """Datagrams of 1472 bytes, as ffmpeg sends them when it is not told otherwise."""
    stream = b"".join(
        bytes((0x47, 1, 0, 0x10 | number & 15)) + bytes((number % 251,)) * 184
        for number in range(188)
    )
    size = 1472
    whole = [stream[at : at + size] for at in range(0, len(stream), size)]
    unwrapper = Unwrapper()
    assert unpacked(unwrapper, *whole) == stream
    assert unwrapper.invalid == 0


def test_what_looks_like_rtp_among_plain_datagrams_is_media() -> None:
    unwrapper = Unwrapper()
    odd = b"\x80" + bytes(1471)
    assert unpacked(unwrapper, MEDIA, odd) == MEDIA + odd


def test_one_packet_of_rtp_among_plain_datagrams_may_be_chance() -> None:
    unwrapper = Unwrapper()
    chance = [rtp(7), OTHER, rtp(9), OTHER]
    assert unpacked(unwrapper, MEDIA, *chance) == MEDIA + b"".join(chance)
    assert (unwrapper.wrapped, unwrapper.invalid) == (0, 0)


def test_rtp_may_begin_where_plain_datagrams_end() -> None:
    unwrapper = Unwrapper()
    assert unpacked(unwrapper, MEDIA, rtp(7), rtp(8), rtp(9)) == MEDIA + rtp(7) + MEDIA * 2
    assert (unwrapper.plain, unwrapper.wrapped) == (2, 2)


def test_rtp_may_be_left_alone() -> None:
    assert unpacked(Unwrapper(rtp=False), rtp(1)) == rtp(1)


def test_empty_datagrams_are_nothing() -> None:
    assert unpacked(Unwrapper(), b"", b"") == b""


@pytest.mark.parametrize("size", [1, 11, 12, 13])
def test_short_datagrams_do_no_harm(size: int) -> None:
    unwrapper = Unwrapper()
    assert unpacked(unwrapper, rtp(1), rtp(2)[:size], rtp(2)) == MEDIA * 2


@given(st.lists(st.binary(max_size=40) | st.just(rtp(1)) | st.just(MEDIA), max_size=20))
def test_any_datagrams_are_media_or_counted(datagrams: list[bytes]) -> None:
    unwrapper = Unwrapper()
    data = unpacked(unwrapper, *datagrams)
    assert len(data) <= sum(map(len, datagrams))
    assert unwrapper.plain + unwrapper.wrapped + unwrapper.invalid == len(datagrams)
