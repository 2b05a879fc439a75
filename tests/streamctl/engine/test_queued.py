from __future__ import annotations

from streamctl.engine.queued import QUEUE_BYTES, QUEUE_PACKETS, Queued
from streamctl.media.packet import Kind, Packet


def unit(size: int = 1) -> Packet:
    return Packet(0, 0, 0, Kind.KEY, 0, bytes(size))


def test_everything_is_taken_once_in_order() -> None:
    queued = Queued()
    pieces = [([unit(), unit()], 1.0), ([unit()], 2.0)]
    assert [queued.put(*piece) for piece in pieces] == [0, 0]
    assert queued.packets == 3
    assert queued.take() == pieces
    assert (queued.packets, queued.take()) == (0, [])


def test_the_oldest_go_when_there_are_too_many() -> None:
    queued = Queued()
    gone = [queued.put([unit()] * 50, number) for number in range(QUEUE_PACKETS // 50 + 2)]
    assert gone == [0] * (len(gone) - 2) + [50, 50]
    assert queued.packets == QUEUE_PACKETS
    assert queued.take()[0][1] == 2


def test_the_oldest_go_when_there_is_too_much() -> None:
    queued = Queued()
    half = unit(QUEUE_BYTES // 2)
    assert [queued.put([half], 0.0) for _ in range(3)] == [0, 0, 1]
    queued.take()
    assert [queued.put([half], 0.0) for _ in range(3)] == [0, 0, 1]
    assert queued.put([unit(QUEUE_BYTES + 1)], 0.0) == 3
    assert queued.take() == []
