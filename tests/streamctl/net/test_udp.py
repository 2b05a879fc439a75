"""The thread that receives: what comes in, what is dropped, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import ConnectionFailed, StaleEpoch
from streamctl.net import udp
from streamctl.net.datagrams import DATAGRAMS, DatagramReader
from streamctl.net.udp import failure, receiving, same, threads
from streamctl.net.udp_socket import Reception
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.net.udp import Receiver

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"
MEDIA = bytes(1316)


def joined(slots: Sequence[memoryview], sizes: Sequence[int]) -> bytes:
    return b"".join(slot[:size] for slot, size in zip(slots, sizes, strict=False))


class Sender:
    """Sends to a receiver, from an address."""

    def __init__(self, receiver: Receiver, source: str = HOST) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((source, 0))
        with socket.socket(fileno=socket.dup(receiver.fd)) as found:
            self.port: int = found.getsockname()[1]
        self.socket.connect((HOST, self.port))

    def send(self, data: bytes, times: int = 1) -> None:
        for _ in range(times):
            self.socket.send(data)


def running() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "udp"]


async def test_datagrams_become_bytes_in_order() -> None:
    found: list[bytes] = []
    async with receiving(Reception((HOST, 0)), joined, found.append) as receiver:
        sender = Sender(receiver)
        for number in range(50):
            sender.send(b"%02d" % number)
        await until(lambda: receiver.datagrams == 50)
        await until(lambda: sum(map(len, found)) == 100)
    assert b"".join(found) == b"".join(b"%02d" % number for number in range(50))
    assert receiver.waiting == 0
    sender.socket.close()


async def test_what_comes_together_is_handed_over_together() -> None:
    found: list[bytes] = []
    async with receiving(Reception((HOST, 0)), joined, found.append) as receiver:
        sender = Sender(receiver)
        sender.send(MEDIA, DATAGRAMS + 5)
        await until(lambda: sum(map(len, found)) == (DATAGRAMS + 5) * len(MEDIA))
    assert len(found) < 20
    sender.socket.close()


async def test_one_thread_reads_all_and_ends_with_the_last() -> None:
    first: list[bytes] = []
    second: list[bytes] = []
    async with receiving(Reception((HOST, 0)), joined, first.append) as one:
        async with receiving(Reception((HOST, 0)), joined, second.append) as two:
            senders = [Sender(one), Sender(two)]
            for sender, text in zip(senders, (b"one", b"two"), strict=True):
                sender.send(text)
                sender.socket.close()
            await until(lambda: first and second)
            assert running() == ["udp"]
        assert running() == ["udp"]
    await until(lambda: not running())
    assert (first, second) == ([b"one"], [b"two"])
    assert asyncio.get_running_loop() not in threads


async def test_a_port_is_free_as_soon_as_the_receiver_is_left() -> None:
    port = 0
    for _ in range(5):
        async with receiving(Reception((HOST, port)), joined, lambda _: None) as receiver:
            sender = Sender(receiver)
            port = sender.port
            sender.send(MEDIA)
            sender.socket.close()


async def test_cancelled_receivers_let_go() -> None:
    with anyio.CancelScope() as scope:
        async with receiving(Reception((HOST, 0)), joined, lambda _: None) as receiver:
            scope.cancel()
            await anyio.sleep_forever()
    assert receiver.released.is_set()
    await until(lambda: not running())


async def test_who_can_not_take_bytes_gets_no_more() -> None:
    """Which is its own matter: others go on."""
    taken: list[bytes] = []
    found: list[bytes] = []

    def take(data: bytes) -> None:
        taken.append(data)
        raise StaleEpoch("the epoch has ended")

    async with (
        receiving(Reception((HOST, 0)), joined, take) as stale,
        receiving(Reception((HOST, 0)), joined, found.append) as good,
    ):
        senders = [Sender(stale), Sender(good)]
        for _ in range(2):
            for sender in senders:
                sender.send(MEDIA)
            await until(lambda: found)
            found.clear()
        await stale.ended.wait()
        assert isinstance(failure(stale, "udp://x"), StaleEpoch)
        for sender in senders:
            sender.socket.close()
    assert len(taken) == 1


async def test_an_error_of_the_reader_ends_one_receiver() -> None:
    def broken(slots: Sequence[memoryview], sizes: Sequence[int]) -> bytes:
        raise ValueError("a bug")

    found: list[bytes] = []
    async with receiving(Reception((HOST, 0)), joined, found.append) as good:
        async with receiving(Reception((HOST, 0)), broken, found.append) as bad:
            senders = [Sender(bad), Sender(good)]
            senders[0].send(MEDIA)
            with anyio.fail_after(PATIENCE_S):
                await bad.ended.wait()
        assert isinstance(failure(bad, "udp://x"), ValueError)
        senders[1].send(MEDIA)
        await until(lambda: found)
        for sender in senders:
            sender.socket.close()
    await until(lambda: not running())


async def test_an_error_of_the_socket_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self: DatagramReader, fd: int) -> None:
        raise OSError(errno.ENETDOWN, "network is down")

    async with receiving(Reception((HOST, 0)), joined, lambda _: None) as receiver:
        monkeypatch.setattr(DatagramReader, "read", down)
        sender = Sender(receiver)
        sender.send(MEDIA)
        sender.socket.close()
        with anyio.fail_after(PATIENCE_S):
            await receiver.ended.wait()
    error = failure(receiver, "udp://x")
    assert isinstance(error, ConnectionFailed)
    assert str(error) == "can't receive `udp://x`: network is down"
    assert not error.permanent


async def test_only_the_wanted_sender_is_heard() -> None:
    found: list[bytes] = []
    reception = Reception((HOST, 0), sender="127.0.0.2")
    async with receiving(reception, joined, found.append) as receiver:
        stranger, wanted = Sender(receiver), Sender(receiver, "127.0.0.2")
        stranger.send(b"stranger")
        wanted.send(b"wanted")
        stranger.send(b"stranger")
        await until(lambda: found and receiver.refused == 2)
        stranger.socket.close()
        wanted.socket.close()
    assert found == [b"wanted"]
    assert receiver.datagrams == 1


async def test_a_loop_that_takes_nothing_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "WAITING_BYTES", 10 * len(MEDIA))
    found: list[bytes] = []
    async with receiving(Reception((HOST, 0)), joined, found.append) as receiver:
        sender, sent = Sender(receiver), 0
        while not receiver.overruns:
            sender.send(MEDIA, 12)
            sent += 12
            time.sleep(0.01)  # It is the loop that stands still.
        await until(lambda: receiver.datagrams == sent and receiver.waiting == 0)
        lost = receiver.overruns
        sender.send(b"after")
        await until(lambda: found[-1] == b"after")
        sender.socket.close()
    assert receiver.datagrams == lost + len(b"".join(found)) // len(MEDIA) + 1


async def test_drops_of_the_kernel_are_known_also_afterwards() -> None:
    reception = Reception((HOST, 0), buffer_bytes=65_536)
    async with receiving(reception, joined, lambda _: None) as receiver:
        assert receiver.buffer_bytes == 65_536
        assert receiver.kernel_drops == 0
        sender = Sender(receiver)
        while not receiver.kernel_drops:
            sender.send(MEDIA, 500)
            await anyio.sleep(0.001)
        sender.socket.close()
        counted = receiver.kernel_drops
    assert receiver.kernel_drops >= counted > 0


async def test_an_address_that_can_not_be_used_is_an_error() -> None:
    with pytest.raises(ConnectionFailed, match="no interface of this machine"):
        async with receiving(Reception(("203.0.113.7", 1)), joined, lambda _: None):
            raise AssertionError


async def test_names_are_addresses_too() -> None:
    async with receiving(Reception(("localhost", 0)), joined, lambda _: None) as receiver:
        assert receiver.buffer_bytes


async def test_a_receiver_that_nobody_left_has_no_error_of_its_own() -> None:
    async with receiving(Reception((HOST, 0)), joined, lambda _: None) as receiver:
        pass
    assert str(failure(receiver, "udp://x")) == "`udp://x` has ended"


@pytest.mark.parametrize(
    ("sender", "wanted", "expected"),
    [
        ("7f000001", "7f000001", True),
        ("7f000001", "7f000002", False),
        ("00000000000000000000ffff7f000001", "7f000001", True),
        ("0000000000000000000000007f000001", "7f000001", False),
        ("20010db8000000000000000000000007", "20010db8000000000000000000000007", True),
    ],
)
def test_addresses_are_compared(sender: str, wanted: str, expected: bool) -> None:
    assert same(bytes.fromhex(sender), bytes.fromhex(wanted)) is expected
