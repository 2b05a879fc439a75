"""Receiving datagrams at high rate: one thread per loop, which reads all sockets.

Theory of operation: the thread waits for any of its sockets, empties those that have something,
hands everything to the loop with one call, and rests for :data:`REST_S` so that the next round
finds more. It goes on while the loop is busy: kernels give small receive buffers to those without
privileges, a few hundredths of a second of media. What the loop has not taken is bounded, too.
A socket belongs to the thread until it has said that it lets go of it; only then is it closed, and
its number and port are free for others.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from socket import AF_INET6
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio
from anyio import to_thread

from streamctl.errors import ConnectionFailed
from streamctl.net.bridge import Bridge
from streamctl.net.datagrams import DATAGRAMS, DatagramReader, Slots
from streamctl.net.failure import describe
from streamctl.net.udp_socket import (
    is_group,
    kernel_drops,
    receive_buffer,
    receiving_socket,
    resolved,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Sequence

    from streamctl.net.udp_socket import Reception
    from streamctl.sdk.endpoints import Address

    Unpack = Callable[[Sequence[memoryview], Sequence[int]], bytes]
    """Makes bytes of datagrams: the slots that they begin, and their sizes. Runs in the thread."""

REST_S = 0.004
"""At 50 Mbit/s this collects twenty datagrams; a loop's callback costs as much as ten."""
ROUNDS = 8
"""Reads of one socket before the others have their turn."""
SIZE_BYTES = 2
"""Of the size of a datagram."""
WAITING_BYTES = 8 * 1024 * 1024
"""What one socket may have waiting for the loop: more than a second at 50 Mbit/s."""


class Receiver:
    """One socket that is being read."""

    def __init__(
        self,
        source: socket.socket,
        reader: DatagramReader,
        unpack: Unpack,
        deliver: Callable[[bytes], None],
    ) -> None:
        self.fd = source.fileno()
        self.buffer_bytes = receive_buffer(source)
        """The kernel's receive buffer."""
        self.datagrams = 0
        self.overruns = 0
        """Datagrams that were dropped because the loop did not take what it was given."""
        self.refused = 0
        """Datagrams of other senders than the wanted one."""
        self.ended = anyio.Event()
        """Set in the loop when something went wrong; see :meth:`failure`."""
        self.error: Exception | None = None
        self.wanted = b""
        """The address of the only sender that is heard; empty = all are."""
        self.brought = 0
        """Bytes that the thread has handed over; the thread's alone to change."""
        self.taken = 0
        """Bytes that the loop has taken; the loop's alone to change."""
        self.released = asyncio.Event()
        """The thread will not touch the socket any more."""
        self._socket = source
        self._reader = reader
        self._unpack = unpack
        self._deliver = deliver
        self._drops = 0

    @property
    def kernel_drops(self) -> int:
        """Datagrams that found the kernel's buffer full."""
        if not self.released.is_set():
            self._drops = kernel_drops(self._socket)
        return self._drops

    @property
    def waiting(self) -> int:
        """Bytes on their way to the loop."""
        return self.brought - self.taken

    @property
    def port(self) -> int:
        """The port that is received on."""
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram from that port to a numeric address; lost if it can't leave now."""
        host, port = address
        if self._socket.family == AF_INET6 and ":" not in host:
            host = f"::ffff:{host}"
        with suppress(OSError):
            self._socket.sendto(data, (host, port))

    def read(self) -> list[bytes]:
        """What has come; called in the thread.

        Raises:
            OSError: the socket is of no more use.
        """
        found = []
        for _ in range(ROUNDS):
            sizes = self._reader.read(self.fd)
            if not sizes:
                break
            data = self._keep(sizes)
            if data:
                found.append(data)
            if len(sizes) < DATAGRAMS:
                break
        return found

    def deliver(self, data: bytes) -> None:
        """Hand bytes over; called in the loop. Who can't take them gets no more."""
        self.taken += len(data)
        if self.error is not None:
            return
        try:
            self._deliver(data)
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """End with an error; called in the loop."""
        if self.error is None:
            self.error = error
            self.ended.set()

    def _keep(self, sizes: Sequence[int]) -> bytes:
        slots: Sequence[memoryview] = self._reader.slots.views
        numbers: Sequence[int] = range(len(sizes))
        if self.wanted:
            numbers = [n for n in numbers if same(self._reader.sender(n), self.wanted)]
            self.refused += len(sizes) - len(numbers)
            slots = [slots[number] for number in numbers]
            sizes = [sizes[number] for number in numbers]
        self.datagrams += len(sizes)
        if self.waiting > WAITING_BYTES:
            self.overruns += len(sizes)
            return b""
        data = self.join(slots, sizes, numbers)
        self.brought += len(data)
        return data

    def join(
        self, slots: Sequence[memoryview], sizes: Sequence[int], numbers: Sequence[int]
    ) -> bytes:
        """The bytes of datagrams, which the reader has by these numbers; called in the thread."""
        del numbers
        return self._unpack(slots, sizes)


class NamedReceiver(Receiver):
    """One that keeps who has sent each datagram: name and size stand before its bytes."""

    def join(
        self, slots: Sequence[memoryview], sizes: Sequence[int], numbers: Sequence[int]
    ) -> bytes:
        parts: list[bytes | memoryview] = []
        name = self._reader.name
        for slot, size, number in zip(slots, sizes, numbers, strict=False):
            parts += (name(number), size.to_bytes(SIZE_BYTES, "big"), slot[:size])
        return b"".join(parts)


def same(sender: bytes, wanted: bytes) -> bool:
    """Whether two addresses are one; IPv4 may be written as IPv6 (RFC 4291, section 2.5.5.2)."""
    return sender.removeprefix(MAPPED) == wanted.removeprefix(MAPPED)


MAPPED = b"\0" * 10 + b"\xff\xff"


class UdpThread:
    """Reads the sockets of one loop; begins with the first and ends with the last of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.slots = Slots()
        self.reader = DatagramReader(self.slots)
        self.receivers: dict[int, Receiver] = {}
        """Those that are read; one that has failed is not, although it has yet to be removed."""
        self.users = 0
        self._loop = loop
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._bell, select.EPOLLIN)
        self._leaving: deque[Receiver] = deque()
        self._bridge: Bridge[tuple[Receiver, bytes]] = Bridge(deliver)
        self._retired = False
        self._thread = threading.Thread(target=self._work, name="udp", daemon=True)
        self._thread.start()

    def add(self, receiver: Receiver) -> None:
        """Read a socket from now on."""
        self.users += 1
        self.receivers[receiver.fd] = receiver
        self._epoll.register(receiver.fd, select.EPOLLIN)

    async def remove(self, receiver: Receiver) -> None:
        """Return when a socket is not touched any more; the last one ends the thread."""
        self._leaving.append(receiver)
        self._ring()
        await receiver.released.wait()
        self.users -= 1
        if not self.users:
            del threads[self._loop]
            self._retired = True
            self._ring()

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def _work(self) -> None:
        while not self._retired:
            rung = False
            found: list[tuple[Receiver, bytes]] = []
            for fd, _ in self._epoll.poll():
                if fd == self._bell:
                    rung = True
                else:
                    self._read(fd, found)
            self._bridge.put(found)
            if rung:
                self._answer()
            else:
                time.sleep(REST_S)
        self._epoll.close()
        os.close(self._bell)

    def _read(self, fd: int, found: list[tuple[Receiver, bytes]]) -> None:
        receiver = self.receivers.get(fd)
        if receiver is None:
            return
        try:
            found += [(receiver, data) for data in receiver.read()]
        except Exception as error:
            self._epoll.unregister(fd)
            del self.receivers[fd]
            self._call(receiver.fail, error)

    def _answer(self) -> None:
        """Do what the loop has asked for."""
        os.eventfd_read(self._bell)
        while self._leaving:
            receiver = self._leaving.popleft()
            if self.receivers.pop(receiver.fd, None) is not None:
                self._epoll.unregister(receiver.fd)
            self._call(receiver.released.set)

    def _call(self, callback: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # The loop was closed meanwhile.
            self._loop.call_soon_threadsafe(callback, *arguments)


def deliver(found: list[tuple[Receiver, bytes]]) -> None:
    """Hand over what the thread has brought."""
    for receiver, data in found:
        receiver.deliver(data)


threads: WeakKeyDictionary[asyncio.AbstractEventLoop, UdpThread] = WeakKeyDictionary()
"""The running thread of each loop."""


@asynccontextmanager
async def receiving(
    reception: Reception,
    unpack: Unpack,
    deliver: Callable[[bytes], None],
    *,
    kind: type[Receiver] = Receiver,
) -> AsyncIterator[Receiver]:
    """Receive datagrams for as long as the context lasts.

    ``unpack`` makes bytes of the datagrams that came together, in the reading thread; ``deliver``
    takes them in the loop. An exception of either ends the receiver and nothing else.

    Raises:
        ConnectionFailed: the address can't be used, now at least.
    """
    source = await opened(reception)
    loop = asyncio.get_running_loop()
    with source:
        thread = threads.get(loop)
        if thread is None:
            thread = threads[loop] = UdpThread(loop)
        wanted = b""
        if reception.sender and not is_group(reception.address[0]):
            # The kernel sees to it for groups.
            wanted = ip_address(reception.sender).packed
        reader = thread.reader
        if wanted or kind is NamedReceiver:
            reader = DatagramReader(thread.slots, senders=True)
        receiver = kind(source, reader, unpack, deliver)
        receiver.wanted = wanted
        thread.add(receiver)
        try:
            yield receiver
        finally:
            with anyio.CancelScope(shield=True):
                await thread.remove(receiver)


async def opened(reception: Reception) -> socket.socket:
    """The socket of a reception; names are looked up in a thread.

    Raises:
        ConnectionFailed: the address can't be used, now at least.
    """
    host, port = reception.address
    if host:
        reception = replace(reception, address=await resolved(host, port))
    return await to_thread.run_sync(receiving_socket, reception)


def failure(receiver: Receiver, shown: str) -> Exception:
    """Why a receiver ended, as an error of ours if the system was the cause."""
    error = receiver.error
    if isinstance(error, OSError):
        return ConnectionFailed(f"can't receive `{shown}`: {describe(error)}")
    return error or ConnectionFailed(f"`{shown}` has ended")
