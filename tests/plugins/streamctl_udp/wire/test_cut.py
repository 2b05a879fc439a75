"""Datagrams: full, in order, and each with the time of its first packet."""

from __future__ import annotations

import pytest

from streamctl_udp.wire.cut import Cutter
from streamctl_udp.wire.pace import PACKET_BYTES, Run
from streamctl_udp.wire.rtp import HEADER, RtpWriter

SIZE = 7 * PACKET_BYTES


def packets(first: int, count: int) -> bytes:
    return b"".join(bytes((0x47, n & 255)) * 94 for n in range(first, first + count))


def test_datagrams_are_full_and_the_rest_waits_for_more() -> None:
    cutter = Cutter(SIZE)
    stream = packets(0, 25)
    runs = [
        Run(1.0, 0.01, stream[: 10 * PACKET_BYTES]),
        Run(2.0, 0.01, stream[10 * PACKET_BYTES :]),
    ]
    datagrams = cutter.cut(runs)
    assert [len(one) for one in datagrams] == [SIZE] * 3
    assert b"".join(datagrams) + cutter.rest == stream
    assert cutter.flush() == [stream[21 * PACKET_BYTES :]]
    assert cutter.flush() == []


def test_a_rest_keeps_the_time_of_its_first_packet() -> None:
    cutter = Cutter(SIZE)
    assert cutter.cut([Run(1.0, 0.01, packets(0, 9))]) != []
    assert cutter.since == pytest.approx(1.07)
    assert cutter.cut([Run(5.0, 0.01, packets(9, 2))]) == []
    assert cutter.since == pytest.approx(1.07)


def test_headers_of_rtp_have_the_time_of_the_first_packet() -> None:
    cutter = Cutter(SIZE, RtpWriter(1, 1))
    datagrams = cutter.cut([Run(1.0, 0.01, packets(0, 10)), Run(2.0, 0.01, packets(10, 20))])
    times = [HEADER.unpack_from(one)[3] / 90_000 for one in datagrams]
    assert [round(at, 4) for at in times] == [1.0, 1.07, 2.04, 2.11]
    assert b"".join(one[HEADER.size :] for one in datagrams) + cutter.rest == packets(0, 30)
    assert len({len(one) for one in datagrams}) == 1


def test_smaller_datagrams_may_be_wanted() -> None:
    cutter = Cutter(2 * PACKET_BYTES)
    assert [len(one) for one in cutter.cut([Run(1.0, 0.0, packets(0, 5))])] == [376, 376]
