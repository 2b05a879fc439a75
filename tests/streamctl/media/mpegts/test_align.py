from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.align import MAX_SEARCH_BYTES, SYNC_RUN, Aligner

FRAMES = {188: (b"", b""), 192: (b"\1\2\3\4", b""), 204: (b"", bytes(16))}
"""What carriers put in front of a packet and behind it."""


def packet(number: int) -> bytes:
    return b"\x47\1\0\x10" + number.to_bytes(4, "big") * 46


def packets(count: int) -> bytes:
    return b"".join(map(packet, range(count)))


def carried(count: int, stride: int) -> bytes:
    before, behind = FRAMES[stride]
    return b"".join(before + packet(number) + behind for number in range(count))


def fed(aligner: Aligner, data: bytes, step: int) -> bytes:
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    return b"".join(bytes(aligner.feed(piece)) for piece in pieces)


@pytest.mark.parametrize("stride", FRAMES)
@pytest.mark.parametrize("step", [1, 100, 188, 1316, 5000])
def test_packets_are_found_in_pieces_of_any_size(stride: int, step: int) -> None:
    aligner = Aligner()
    assert fed(aligner, carried(20, stride), step) == packets(20)
    assert (aligner.stride, aligner.resyncs, aligner.skipped_bytes) == (stride, 0, 0)


def test_whole_packets_pass_without_a_copy() -> None:
    aligner = Aligner()
    data = packets(7)
    assert aligner.feed(data) == data
    assert aligner.feed(data) is data
    view = memoryview(data)
    assert aligner.feed(view) is view
    owned = bytearray(data)
    assert aligner.feed(owned) is owned


@pytest.mark.parametrize("stride", FRAMES)
def test_a_stream_is_joined_at_any_byte(stride: int) -> None:
    data = carried(20, stride)
    for offset in range(stride):
        aligner = Aligner()
        got = bytes(aligner.feed(data[offset:]))
        assert packets(20).endswith(got)
        assert len(got) >= 18 * 188
        assert len(data) - offset == aligner.skipped_bytes + len(got) // 188 * stride


def test_less_than_a_packet_is_none() -> None:
    aligner = Aligner()
    assert aligner.feed(packet(0)[:187]) == b""
    assert aligner.finish() == b""
    assert aligner.skipped_bytes == 187


@pytest.mark.parametrize("stride", FRAMES)
def test_the_end_of_a_stream_gives_the_few_packets_that_came(stride: int) -> None:
    before, _ = FRAMES[stride]
    aligner = Aligner()
    assert aligner.feed(carried(2, stride) + before + packet(2)[:50]) == b""
    assert aligner.finish() == packets(2)
    assert aligner.finish() == b""


def test_the_end_of_a_stream_in_lock_drops_what_is_torn() -> None:
    aligner = Aligner()
    assert aligner.feed(packets(6) + packet(6)[:50]) == packets(6)
    assert aligner.finish() == b""
    assert aligner.skipped_bytes == 50


def test_a_damaged_sync_byte_costs_its_packet_alone() -> None:
    data = bytearray(packets(20))
    data[10 * 188] = 0
    for step in (1, 1316, 5000):
        aligner = Aligner()
        got = fed(aligner, bytes(data), step)
        assert got == packets(10) + packets(20)[11 * 188 :]
        assert (aligner.resyncs, aligner.skipped_bytes) == (0, 188)


def test_a_stream_that_moves_is_found_again() -> None:
    data = packets(10) + b"\x47" * 3 + packets(20)
    for step in (1, 1316, 5000):
        aligner = Aligner()
        got = fed(aligner, data, step)
        assert got.startswith(packets(10))
        assert got.endswith(packets(20)[188:])
        assert aligner.resyncs == 1


def test_a_stream_may_change_the_size_of_its_packets() -> None:
    aligner = Aligner()
    got = fed(aligner, carried(10, 204) + carried(10, 188), 1000)
    # The second packet behind the change is torn by the old size.
    assert got == packets(10) + packet(0) + packets(10)[2 * 188 :]
    assert (aligner.stride, aligner.resyncs) == (188, 1)


def test_noise_is_dropped_and_not_kept() -> None:
    aligner = Aligner()
    for _ in range(100):
        assert aligner.feed(bytes(10_000)) == b""
    assert aligner.skipped_bytes == 1_000_000 - MAX_SEARCH_BYTES
    assert aligner.feed(packets(SYNC_RUN)) == packets(SYNC_RUN)


@given(st.lists(st.binary(max_size=300) | st.integers(0, 9).map(packets), max_size=30))
def test_every_byte_is_a_packet_or_counted(pieces: list[bytes]) -> None:
    aligner = Aligner()
    out = b""
    for piece in pieces:
        got = bytes(aligner.feed(piece))
        assert len(got) % 188 == 0
        assert got[::188].count(b"\x47") * 188 == len(got)
        out += got
    out += aligner.finish()
    total = sum(map(len, pieces))
    assert aligner.skipped_bytes + len(out) <= total
