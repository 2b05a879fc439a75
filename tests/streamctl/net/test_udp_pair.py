"""Pairs of ports: what comes in on either, and what leaves from them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net import udp_pair
from streamctl.net.udp_pair import packed, receiving_pair, unpacked
from streamctl.net.udp_socket import Reception
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"


def keeping(found: list[bytes]) -> Callable[[Iterator[memoryview]], None]:
    return lambda datagrams: found.extend(bytes(one) for one in datagrams)


async def test_datagrams_of_both_ports_keep_their_bounds() -> None:
    media: list[bytes] = []
    reports: list[bytes] = []
    async with receiving_pair(Reception((HOST, 0)), keeping(media), keeping(reports)) as pair:
        assert pair.media.port % 2 == 0
        assert pair.reports.port == pair.media.port + 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(20):
                sender.sendto(b"m" * number, (HOST, pair.media.port))
                sender.sendto(b"r" * number, (HOST, pair.reports.port))
            await until(lambda: len(media) == len(reports) == 20)
    assert media == [b"m" * number for number in range(20)]
    assert reports == [b"r" * number for number in range(20)]


@pytest.mark.parametrize("host", [HOST, "0.0.0.0", "::"])
async def test_datagrams_leave_from_the_ports(host: str) -> None:
    async with receiving_pair(Reception((host, 0)), keeping([]), keeping([])) as pair:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HOST, 0))
            other.settimeout(PATIENCE_S)
            pair.reports.send(b"report", other.getsockname())
            data, (_, port) = other.recvfrom(100)
            assert (data, port) == (b"report", pair.reports.port)


async def test_a_datagram_that_cannot_leave_is_lost() -> None:
    async with receiving_pair(Reception((HOST, 0)), keeping([]), keeping([])) as pair:
        pair.media.send(bytes(70_000), (HOST, pair.media.port))


async def test_another_pair_is_drawn_when_a_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, udp_pair.even_port(HOST) + 1))
        busy = taken.getsockname()[1] - 1
        draws = iter([busy, busy])
        draw = udp_pair.even_port
        monkeypatch.setattr(udp_pair, "even_port", lambda host: next(draws, 0) or draw(host))
        async with receiving_pair(Reception((HOST, 0)), keeping([]), keeping([])) as pair:
            assert pair.media.port != busy


async def test_a_port_that_is_wanted_is_not_replaced() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, udp_pair.even_port(HOST) + 1))
        reception = Reception((HOST, taken.getsockname()[1] - 1))
        with pytest.raises(ConnectionFailed, match="already in use"):
            async with receiving_pair(reception, keeping([]), keeping([])):
                raise AssertionError


async def test_no_pair_is_drawn_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        busy = taken.getsockname()[1]
        monkeypatch.setattr(udp_pair, "even_port", lambda _: busy)
        with pytest.raises(ConnectionFailed):
            async with receiving_pair(Reception((HOST, 0)), keeping([]), keeping([])):
                raise AssertionError


def test_nothing_is_nothing() -> None:
    assert packed([], []) == b""
    assert list(unpacked(b"")) == []
