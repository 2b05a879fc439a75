"""Sending datagrams: to hosts, to groups, and to nobody."""

from __future__ import annotations

import errno
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net.udp_send import ANSWERS, Transmission, UdpSender, sending, sending_socket
from streamctl.net.udp_socket import Reception, receiving_socket
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"
GROUP = "239.255.77.3"
LOOPBACK = "lo"


@contextmanager
def listening(host: str = HOST, interface: str = "") -> Iterator[tuple[socket.socket, int]]:
    with receiving_socket(Reception((host, 0), interface)) as found:
        yield found, found.getsockname()[1]


async def test_datagrams_are_sent_and_counted() -> None:
    with listening() as (found, port):
        async with sending(Transmission((HOST, port))) as sender:
            sender.send([b"one", b"three"])
        assert [found.recv(99), found.recv(99)] == [b"one", b"three"]
    assert (sender.datagrams, sender.bytes_sent, sender.dropped, sender.refused) == (2, 8, 0, 0)


async def test_what_the_destination_sends_back_is_heard() -> None:
    with listening() as (found, port):
        async with sending(Transmission((HOST, port))) as sender:
            sender.send([b"media"])
            found.setblocking(True)
            _, where = found.recvfrom(99)
            assert sender.answers() == []
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"no answer", where)
            for number in range(ANSWERS + 1):
                found.sendto(bytes((number,)), where)
            heard: list[bytes] = []
            portions: list[int] = []

            def listen() -> bool:
                came = sender.answers()
                heard.extend(came)
                portions.append(len(came))
                return len(heard) > ANSWERS

            await until(listen)
            assert heard == [bytes((number,)) for number in range(ANSWERS + 1)]
            assert max(portions) <= ANSWERS
            found.close()
            sender.send([b"media"])
            await until(lambda: not sender.answers() and sender.refused)
            assert sender.refused == 1


async def test_a_group_gets_datagrams_by_an_interface() -> None:
    with listening(GROUP, LOOPBACK) as (found, port):
        async with sending(Transmission((GROUP, port), LOOPBACK)) as sender:
            sender.send([b"media"])
        data, where = found.recvfrom(99)
    assert (data, where[0]) == (b"media", HOST)


@pytest.mark.parametrize(
    ("transmission", "option", "expected"),
    [
        (Transmission((GROUP, 9), HOST), socket.IP_MULTICAST_TTL, 16),
        (Transmission((GROUP, 9), HOST, 3), socket.IP_MULTICAST_TTL, 3),
        (Transmission((GROUP, 9), HOST, loopback=False), socket.IP_MULTICAST_LOOP, 0),
        (Transmission((HOST, 9), ttl=7), socket.IP_TTL, 7),
        (Transmission((HOST, 9), LOOPBACK), socket.IP_TTL, 64),
    ],
)
def test_how_far_datagrams_go_is_set(
    transmission: Transmission, option: int, expected: int
) -> None:
    with sending_socket(transmission) as found:
        assert found.getsockopt(socket.IPPROTO_IP, option) == expected


def test_how_far_datagrams_of_ipv6_go_is_set() -> None:
    with sending_socket(Transmission(("::1", 9), ttl=7)) as found:
        assert found.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) == 7


def test_a_group_of_ipv6_gets_datagrams() -> None:
    for _, name in socket.if_nameindex():
        try:
            found = sending_socket(Transmission(("ff15::7703", 9), name, 5))
        except ConnectionFailed:
            continue
        with found:
            level = socket.IPPROTO_IPV6
            assert found.getsockopt(level, socket.IPV6_MULTICAST_HOPS) == 5
            index = found.getsockopt(level, socket.IPV6_MULTICAST_IF)
            assert index == socket.if_nametoindex(name)
        return
    pytest.skip("no interface carries multicast of IPv6")


async def test_nobody_at_the_destination_is_no_failure() -> None:
    with listening() as (_, port):
        pass
    async with sending(Transmission((HOST, port))) as sender:
        for _ in range(4):
            sender.send([b"media"])
            await anyio.sleep(0.005)
        with receiving_socket(Reception((HOST, port))) as found:
            sender.send([b"somebody", b"came"])
            assert found.recv(99) == b"somebody"
    assert sender.refused >= 1
    assert sender.dropped == 0


class Failing:
    """A socket whose sends fail, each with the next error."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)

    def send(self, data: bytes) -> int:
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, "x")
        return len(data)

    def recv(self, size: int) -> bytes:
        raise BlockingIOError(size)


def sender_of(*errors: int) -> UdpSender:
    found: Any = Failing(*errors)
    return UdpSender(found, "host:1")


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS])
def test_what_the_kernel_has_no_room_for_is_lost(number: int) -> None:
    sender = sender_of(number)
    sender.send([b"lost", b"sent"])
    assert (sender.dropped, sender.datagrams, sender.bytes_sent) == (1, 1, 4)


def test_what_is_refused_is_sent_once_more() -> None:
    sender = sender_of(errno.ECONNREFUSED)
    sender.send([b"media"])
    assert (sender.refused, sender.datagrams, sender.dropped) == (1, 1, 0)
    sender = sender_of(errno.ECONNREFUSED, errno.ECONNREFUSED)
    sender.send([b"media"])
    assert (sender.refused, sender.datagrams, sender.dropped) == (1, 0, 1)


def test_a_network_that_is_gone_is_a_failure() -> None:
    with pytest.raises(ConnectionFailed, match="can't send to `host:1`: network unreachable"):
        sender_of(errno.ENETUNREACH).send([b"media"])


@pytest.mark.parametrize(
    "transmission",
    [Transmission(("255.255.255.255", 9)), Transmission((HOST, 9), "eth99")],
    ids=["broadcast", "no interface"],
)
async def test_a_destination_that_can_not_be_reached_is_an_error(
    transmission: Transmission,
) -> None:
    with pytest.raises(ConnectionFailed):
        async with sending(transmission):
            raise AssertionError
