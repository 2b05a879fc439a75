from __future__ import annotations

import pytest

from streamctl.media.mpegts.batch import open_batch
from streamctl.media.mpegts.continuity import Continuity
from tests.streamctl.media.mpegts.packets import packet

PID, NULL = 0x100, 0x1FFF
FULL = b"\1" * 184


def flow(*counters: int) -> list[bytes]:
    return [packet(PID, counter, FULL) for counter in counters]


def followed(packets: list[bytes], *, arrays: bool) -> Continuity:
    """Everything at once, or one by one; with enough null packets to be read as arrays."""
    continuity = Continuity()
    filler = packet(NULL, 0, FULL) * 64
    for data in [b"".join(packets) + filler] if arrays else packets:
        continuity.take(open_batch(data), data)
    return continuity


@pytest.fixture(params=[True, False], ids=["arrays", "lists"])
def arrays(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_what_goes_on_is_no_loss(arrays: bool) -> None:
    idle = packet(PID, 5, None, fields=b"\0")
    found = followed([*flow(3, 4, 5), idle, idle, *flow(*range(6, 40))], arrays=arrays)
    assert (found.lost_packets, found.jumps, found.repeated, found.damaged) == (0, 0, 0, 0)
    assert found.packets == {PID: 39}


def test_missing_packets_are_counted_by_pid(arrays: bool) -> None:
    other = [packet(7, 1, FULL), packet(7, 15, FULL)]
    found = followed([*flow(0, 1, 4), *other, *flow(5, 0)], arrays=arrays)
    assert found.lost == {PID: 2 + 10, 7: 13}
    assert (found.jumps, found.lost_packets) == (3, 25)


def test_packets_without_payload_do_not_count_on(arrays: bool) -> None:
    wrong = packet(PID, 2, None, fields=b"\0")
    assert followed([*flow(1), wrong], arrays=arrays).lost == {PID: 1}


def test_packets_of_the_reserved_kind_count_nothing(arrays: bool) -> None:
    neither = bytearray(packet(PID, 5, FULL))
    neither[3] &= 0x0F
    found = followed([*flow(3, 4, 5), bytes(neither), *flow(6, 7)], arrays=arrays)
    assert (found.lost_packets, found.jumps, found.repeated) == (0, 0, 0)


def test_a_repeated_packet_is_legal(arrays: bool) -> None:
    found = followed(flow(0, 0, 1, 1, 2), arrays=arrays)
    assert (found.lost_packets, found.repeated) == (0, 2)


def test_an_announced_discontinuity_is_no_loss(arrays: bool) -> None:
    announced = packet(PID, 9, b"\1" * 150, fields=b"\x80")
    plain = packet(PID, 3, b"\1" * 150, fields=b"\0")
    bare = packet(PID, 9, b"\1" * 183)
    assert followed([*flow(0, 1), announced, *flow(10)], arrays=arrays).jumps == 0
    assert followed([*flow(0, 1), plain], arrays=arrays).jumps == 1
    assert followed([*flow(0, 1), bare], arrays=arrays).jumps == 1


def test_null_packets_count_nothing(arrays: bool) -> None:
    nulls = [packet(NULL, counter, FULL) for counter in (0, 5, 0)]
    found = followed([*flow(0), *nulls, *flow(1)], arrays=arrays)
    assert (found.jumps, found.packets) == (0, {PID: 2})


def test_damaged_packets_count_apart(arrays: bool) -> None:
    broken = packet(0x1ABC, 7, FULL, error=True, scrambling=3)
    found = followed([*flow(0), broken, *flow(1, 3)], arrays=arrays)
    assert (found.damaged, found.lost, found.packets) == (1, {PID: 1}, {PID: 3})
    assert found.scrambled == {}


def test_scrambled_packets_are_counted_by_pid(arrays: bool) -> None:
    secret = [packet(PID, counter, FULL, scrambling=2) for counter in (1, 2)]
    found = followed([*flow(0), *secret], arrays=arrays)
    assert (found.scrambled, found.jumps) == ({PID: 2}, 0)
