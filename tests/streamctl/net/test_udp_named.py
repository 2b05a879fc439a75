"""Datagrams with their senders: who has sent what, and that it can be answered."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from streamctl.net.udp_named import address_of, nothing, receiving_named
from streamctl.net.udp_socket import Reception
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"


@pytest.mark.anyio
@pytest.mark.parametrize("host", [HOST, "0.0.0.0", ""])
async def test_every_datagram_has_its_sender(host: str) -> None:
    found: list[tuple[bytes, bytes]] = []

    def take(datagrams: Iterator[tuple[bytes, memoryview]]) -> None:
        found.extend((name, bytes(data)) for name, data in datagrams)

    async with receiving_named(Reception((host, 0)), take) as receiver:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            for sender in (one, other):
                sender.bind((HOST, 0))
                sender.settimeout(PATIENCE_S)
            for number in range(10):
                one.sendto(b"1" * number, (HOST, receiver.port))
                other.sendto(b"2" * number, (HOST, receiver.port))
            await until(lambda: len(found) == 20)
            assert receiver.datagrams == 20
            by_port = {one.getsockname()[1]: b"1", other.getsockname()[1]: b"2"}
            for position, (name, data) in enumerate(found):
                ip, port = address_of(name)
                assert ip == HOST
                assert data == by_port[port] * (position // 2)
            receiver.send(b"answer", address_of(found[0][0]))
            assert one.recv(100) == b"answer"


@pytest.mark.anyio
async def test_only_the_wanted_sender_is_heard() -> None:
    found: list[bytes] = []
    reception = Reception((HOST, 0), sender="127.0.0.2")
    async with receiving_named(
        reception, lambda datagrams: found.extend(bytes(data) for _, data in datagrams)
    ) as receiver:
        for host in ("127.0.0.1", "127.0.0.2"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((host, 0))
                sender.sendto(host.encode(), (HOST, receiver.port))
        await until(lambda: found)
        await until(lambda: receiver.refused == 1)
    assert found == [b"127.0.0.2"]


def test_names_are_read() -> None:
    v6 = socket.AF_INET6.to_bytes(2, sys.byteorder) + bytes.fromhex("1388") + bytes(4)
    scope = (3).to_bytes(4, sys.byteorder)
    local = bytes.fromhex("fe80000000000000") + bytes(7) + b"\1"
    assert address_of(v6 + local + bytes(4)) == ("fe80::1", 5000)
    assert address_of(v6 + local + scope) == ("fe80::1%3", 5000)
    assert address_of(v6 + bytes(10) + b"\xff\xff\x7f\0\0\1" + bytes(4)) == (HOST, 5000)
    v4 = (
        socket.AF_INET.to_bytes(2, sys.byteorder)
        + bytes.fromhex("1388")
        + b"\x7f\0\0\1"
        + bytes(20)
    )
    assert address_of(v4) == (HOST, 5000)


def test_nothing_is_nothing() -> None:
    assert nothing([], []) == b""
