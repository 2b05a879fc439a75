from __future__ import annotations

from streamctl.engine.backlog import START_WEIGHT, TURN_WEIGHT, Backlog, portion
from tests.streamctl.media.mpegts.packets import packet

PLAIN = packet(0x100, 0, bytes(184))
START = PLAIN[:1] + bytes((PLAIN[1] | 0x40,)) + PLAIN[2:]


def taken(backlog: Backlog, weight: int) -> tuple[bytes, float, int]:
    packets, now, weighed = backlog.take(weight)
    return bytes(packets), now, weighed


def test_packets_come_back_in_order_with_their_times() -> None:
    backlog = Backlog()
    backlog.put(PLAIN * 3, 1.0)
    backlog.put(b"", 2.0)
    backlog.put(START, 3.0)
    assert backlog.bytes == 4 * 188
    assert taken(backlog, 2) == (PLAIN * 2, 1.0, 2)
    assert taken(backlog, 100) == (PLAIN, 1.0, 1)
    assert taken(backlog, 100) == (START, 3.0, 1 + START_WEIGHT)
    assert not backlog
    assert backlog.bytes == 0


def test_what_its_owner_may_change_is_copied() -> None:
    backlog = Backlog()
    buffer = bytearray(PLAIN)
    backlog.put(memoryview(buffer), 1.0)
    buffer[:] = START
    assert bytes(backlog.take(1)[0]) == PLAIN


def test_starts_make_portions_small() -> None:
    assert portion(memoryview(PLAIN * 2000), TURN_WEIGHT) == (TURN_WEIGHT, TURN_WEIGHT)
    count, weight = portion(memoryview(START * 1000), TURN_WEIGHT)
    assert count == TURN_WEIGHT // (1 + START_WEIGHT)
    assert weight == count * (1 + START_WEIGHT)
    assert portion(memoryview(PLAIN * 5 + START + PLAIN), 6) == (5, 5)


def test_a_packet_is_taken_however_heavy_it_is() -> None:
    assert portion(memoryview(START * 2), 1) == (1, 1 + START_WEIGHT)


def test_what_is_dropped_is_counted() -> None:
    backlog = Backlog()
    backlog.put(PLAIN * 3, 1.0)
    backlog.put(PLAIN * 4, 1.0)
    assert backlog.clear() == 7
    assert backlog.clear() == 0
    assert not backlog
