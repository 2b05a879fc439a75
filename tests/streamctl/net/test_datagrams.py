"""Reading many datagrams at once."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from streamctl.net.datagrams import DATAGRAMS, DatagramReader, Slots

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def pair(family: int = socket.AF_INET, host: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    with (
        socket.socket(family, socket.SOCK_DGRAM) as receiver,
        socket.socket(family, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((host, 0))
        sender.connect(receiver.getsockname())
        yield [receiver, sender]


def taken(reader: DatagramReader, sizes: list[int]) -> list[bytes]:
    return [bytes(view[:size]) for view, size in zip(reader.slots.views, sizes, strict=False)]


def test_what_waits_is_read_at_once_in_order() -> None:
    reader = DatagramReader(Slots(8))
    with pair() as (receiver, sender):
        for text in (b"one", b"", b"three"):
            sender.send(text)
        assert taken(reader, list(reader.read(receiver.fileno()))) == [b"one", b"", b"three"]
        assert reader.read(receiver.fileno()) == ()


def test_no_datagram_is_too_large() -> None:
    largest = bytes(range(256)) * 255 + b"x" * 227
    reader = DatagramReader(Slots(2))
    with pair() as (receiver, sender):
        sender.send(largest)
        sender.send(b"small")
        assert taken(reader, list(reader.read(receiver.fileno()))) == [largest, b"small"]


def test_as_many_as_there_are_slots_means_that_more_may_wait() -> None:
    reader = DatagramReader(Slots())
    with pair() as (receiver, sender):
        for number in range(DATAGRAMS + 2):
            sender.send(b"%d" % number)
        assert len(reader.read(receiver.fileno())) == DATAGRAMS
        assert taken(reader, list(reader.read(receiver.fileno()))) == [b"128", b"129"]


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_senders_are_known_if_asked_for(family: int, host: str) -> None:
    reader = DatagramReader(Slots(4), senders=True)
    with pair(family, host) as (receiver, sender):
        for _ in range(2):
            sender.send(b"x")
            sender.send(b"y")
            assert list(reader.read(receiver.fileno())) == [1, 1]
            assert reader.sender(0) == reader.sender(1) == socket.inet_pton(family, host)


def test_readers_may_share_their_slots() -> None:
    slots = Slots(4)
    with pair() as (receiver, sender):
        for reader in (DatagramReader(slots), DatagramReader(slots, senders=True)):
            sender.send(b"again")
            assert taken(reader, list(reader.read(receiver.fileno()))) == [b"again"]


def test_a_socket_that_is_none_is_an_error() -> None:
    with pair() as (receiver, _):
        fd = receiver.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        DatagramReader(Slots(1)).read(fd)
