"""Ports that RTP is sent from, and its reports come to."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net import udp_outlet
from streamctl.net.burst import UNCUT, Burst
from streamctl.net.udp_outlet import cuts, sending_group, sending_pair
from streamctl.net.udp_send import Transmission, sending_socket
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio
HOST = "127.0.0.1"


def bound(family: int = socket.AF_INET, host: str = HOST) -> socket.socket:
    found = socket.socket(family, socket.SOCK_DGRAM)
    found.bind((host, 0))
    found.settimeout(PATIENCE_S)
    return found


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, HOST), (socket.AF_INET6, "::1")])
async def test_media_and_reports_leave_from_neighbouring_ports(family: int, host: str) -> None:
    came: list[bytes] = []

    def take(found: Iterator[memoryview]) -> None:
        came.extend(bytes(one) for one in found)

    with bound(family, host) as media, bound(family, host) as reports:
        ports = (media.getsockname()[1], reports.getsockname()[1])
        async with sending_pair(host, ports, take) as outlet:
            assert outlet.ports[0] % 2 == 0
            assert outlet.send(Burst(b"abcdef", [(0, 2), (3, 6)]), 0, 2) == 2
            outlet.report(b"report")
            first, where = media.recvfrom(100)
            assert (first, where[1]) == (b"ab", outlet.ports[0])
            assert media.recv(100) == b"def"
            assert reports.recv(100) == b"report"
            reports.sendto(b"back", (host, outlet.ports[1]))
            with anyio.fail_after(PATIENCE_S):
                while not came:
                    await anyio.sleep(0.002)
    assert came == [b"back"]


async def test_who_is_gone_is_counted_and_stops_nobody() -> None:
    with bound() as gone:
        ports = (gone.getsockname()[1], gone.getsockname()[1])
    async with sending_pair(HOST, ports, lambda _: None) as outlet:
        burst = Burst(b"abc", [(0, 3)])
        for _ in range(10):
            assert outlet.send(burst, 0, 1) == 1
        assert outlet.refused > 0
        outlet.report(b"x")


@pytest.mark.parametrize("number", sorted(UNCUT))
async def test_a_way_that_takes_no_long_messages_gets_datagrams(number: int) -> None:
    class Narrow(Burst):
        tries = 0

        def send(self, fd: int, first: int, count: int, *, cut: bool = False) -> int:
            self.tries += 1
            if cut:
                raise OSError(number, "too long")
            return super().send(fd, first, count, cut=cut)

    with bound() as media:
        async with sending_pair(HOST, (media.getsockname()[1], 9), lambda _: None) as outlet:
            burst = Narrow(b"abcd", [(0, 2), (2, 4)])
            assert outlet.send(burst, 0, 2) == outlet.send(burst, 0, 2) == 2
            assert [media.recv(9) for _ in range(4)] == [b"ab", b"cd"] * 2
    assert burst.tries == 3
    assert outlet.refused == 0


async def test_old_kernels_cut_nothing() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        assert not cuts(other)


async def test_ports_that_are_taken_are_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with bound() as taken:
        monkeypatch.setattr(udp_outlet, "even_port", lambda _: taken.getsockname()[1])
        monkeypatch.setitem(udp_outlet.ANYWHERE, socket.AF_INET, HOST)
        with pytest.raises(ConnectionFailed):
            async with sending_pair(HOST, (9, 9), lambda _: None):
                raise AssertionError


async def test_a_group_has_two_ports() -> None:
    where = Transmission(("239.255.77.77", 20_002), "127.0.0.1")
    async with sending_group(where) as outlet:
        assert outlet.send(Burst(b"abc", [(0, 3)]), 0, 1) == 1
        outlet.report(b"report")


async def test_a_group_without_a_way_is_an_error() -> None:
    with pytest.raises(ConnectionFailed):
        async with sending_group(Transmission(("239.255.77.77", 20_002), "no-such-interface")):
            raise AssertionError


async def test_nothing_stays_open_if_only_media_finds_a_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[socket.socket] = []

    def once(transmission: Transmission) -> socket.socket:
        if opened:
            raise ConnectionFailed("no way")
        opened.append(sending_socket(transmission))
        return opened[0]

    monkeypatch.setattr(udp_outlet, "sending_socket", once)
    with pytest.raises(ConnectionFailed):
        async with sending_group(Transmission(("239.255.77.77", 20_002), "127.0.0.1")):
            raise AssertionError
    assert opened[0].fileno() == -1
