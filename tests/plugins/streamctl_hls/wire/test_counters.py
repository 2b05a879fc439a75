"""Counters that begin anew."""

from __future__ import annotations

from streamctl_hls.wire.counters import Counters


def packet(pid: int, counter: int, *, payload: bool = True) -> bytes:
    head = bytes((0x47, pid >> 8, pid & 0xFF, (0x10 if payload else 0x20) | counter))
    return head + bytes(184)


def run(pid: int, *counters: int) -> bytes:
    return b"".join(packet(pid, counter) for counter in counters)


def counted(data: bytes) -> list[tuple[int, int]]:
    return [
        ((data[at + 1] & 0x1F) << 8 | data[at + 2], data[at + 3] & 15)
        for at in range(0, len(data), 188)
    ]


def test_counters_that_go_on_are_the_same_bytes() -> None:
    counters = Counters()
    for data in (run(256, 0, 1, 2), run(256, 3, 4), run(256, 5)):
        counters.begin()
        assert counters.take(data) is data


def test_counters_that_begin_anew_go_on() -> None:
    counters = Counters()
    assert counters.take(run(0, 0) + run(256, 0, 1, 2)) == run(0, 0) + run(256, 0, 1, 2)
    counters.begin()
    assert counted(counters.take(run(0, 0) + run(256, 0, 1))) == [(0, 1), (256, 3), (256, 4)]
    assert counted(counters.take(run(256, 2) + run(257, 5))) == [(256, 5), (257, 5)]
    counters.begin()
    assert counted(counters.take(run(256, 3))) == [(256, 6)], "here they go on by themselves"
    counters.begin()
    assert counted(counters.take(run(256, 0))) == [(256, 7)]


def test_losses_stay_losses() -> None:
    counters = Counters()
    counters.take(run(256, 0, 1, 2))
    counters.begin()
    data = run(256, 5, 6, 9)
    assert counters.take(data) is data


def test_packets_without_payload_count_nothing() -> None:
    counters = Counters()
    counters.take(run(256, 4, 5))
    counters.begin()
    found = counters.take(packet(256, 0, payload=False) + packet(256, 1))
    assert counted(found) == [(256, 5), (256, 6)]


def test_padding_has_no_counter() -> None:
    counters = Counters()
    counters.take(run(0x1FFF, 7))
    counters.begin()
    data = run(0x1FFF, 0)
    assert counters.take(data) is data
