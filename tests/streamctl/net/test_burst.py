"""Many datagrams with one call."""

from __future__ import annotations

import socket

import pytest

from streamctl.net.burst import Burst
from tests.support.waiting import PATIENCE_S

DATA = bytes(range(256)) * 20


def spans(count: int, size: int) -> list[tuple[int, int]]:
    return [(4 + at * (size + 4), (at + 1) * (size + 4)) for at in range(count)]


def linked() -> tuple[socket.socket, socket.socket]:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(PATIENCE_S)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    sender.setblocking(False)
    return sender, receiver


def test_each_part_is_a_datagram() -> None:
    sender, receiver = linked()
    found = spans(10, 100)
    burst = Burst(DATA, found)
    assert (burst.count, burst.bytes, burst.sizes) == (10, 1000, [100] * 10)
    with sender, receiver:
        assert burst.send(sender.fileno(), 0, 4) == 4
        assert burst.send(sender.fileno(), 4, 100) == 6
        assert burst.send(sender.fileno(), 10, 1) == 0
        assert [receiver.recv(2000) for _ in found] == [DATA[a:b] for a, b in found]


def test_several_sockets_send_the_same() -> None:
    pairs = [linked() for _ in range(3)]
    burst = Burst(DATA, [(0, 0), (7, 9)])
    for sender, receiver in pairs:
        with sender, receiver:
            assert burst.send(sender.fileno(), 0, 2) == 2
            assert [receiver.recv(10), receiver.recv(10)] == [b"", DATA[7:9]]


def test_a_full_socket_takes_what_it_has_room_for() -> None:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    burst = Burst(DATA, [(0, 5000)] * 1000)
    with sender, receiver:
        sender.setblocking(False)
        sent = burst.send(sender.fileno(), 0, 1000)
        assert 0 < sent < 1000
        assert burst.send(sender.fileno(), sent, 1000) == 0


def test_a_receiver_that_is_gone_is_an_error() -> None:
    sender, receiver = linked()
    receiver.close()
    burst = Burst(DATA, spans(1, 10))
    with sender:
        assert burst.send(sender.fileno(), 0, 1) == 1
        with pytest.raises(ConnectionRefusedError):
            burst.send(sender.fileno(), 0, 1)


def test_the_kernel_cuts_messages_into_datagrams() -> None:
    sender, receiver = linked()
    sizes = [7, 100, 100, 100, 30, 100, 20, 20, 200, 200]
    ends = [sum(sizes[: at + 1]) for at in range(len(sizes))]
    found = [(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    burst = Burst(DATA, found)
    with sender, receiver:
        assert burst.send(sender.fileno(), 0, 4, cut=True) == 4
        assert burst.send(sender.fileno(), 4, 6, cut=True) == 6
        assert [receiver.recv(2000) for _ in found] == [DATA[a:b] for a, b in found]


@pytest.mark.parametrize(("size", "count"), [(1400, 100), (1, 200)])
def test_no_message_is_larger_than_the_kernel_takes(size: int, count: int) -> None:
    sender, receiver = linked()
    burst = Burst(bytes(size), [(0, size)] * count)
    with sender, receiver:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        assert burst.send(sender.fileno(), 0, count, cut=True) == count
        assert receiver.recv(2000) == bytes(size)
