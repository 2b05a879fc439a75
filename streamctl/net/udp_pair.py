"""Two neighbouring UDP ports, as RTP wants them: an even one for media, the next for reports.

Datagrams keep their bounds on the way from the reading thread, which hands over many at once.
Specification: RFC 3550, section 11.
"""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed
from streamctl.net.udp import receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from streamctl.net.udp import Receiver
    from streamctl.net.udp_socket import Reception

    Take = Callable[[Iterator[memoryview]], None]
    """Takes the datagrams that came together."""

ATTEMPTS = 16
"""How often a free even port is drawn until the next one is free, too."""
SIZE_BYTES = 2


@dataclass(frozen=True, slots=True)
class UdpPair:
    """Both ports, while they are received on."""

    media: Receiver
    reports: Receiver


@asynccontextmanager
async def receiving_pair(
    reception: Reception, media: Take, reports: Take
) -> AsyncIterator[UdpPair]:
    """Receive on two ports for as long as the context lasts.

    The address of ``reception`` is that of the first one; 0 = one that is free. An exception of
    ``media`` or ``reports`` ends that receiver.

    Raises:
        ConnectionFailed: the address can't be used, or no pair of ports is free.
    """
    async with AsyncExitStack() as stack:
        yield await opened(stack, reception, media, reports)


async def opened(
    stack: AsyncExitStack, reception: Reception, media: Take, reports: Take
) -> UdpPair:
    """A pair that ends with the stack.

    Raises:
        ConnectionFailed: the address can't be used, or no pair of ports is free.
    """
    host, port = reception.address
    attempts = 1 if port else ATTEMPTS
    while True:
        attempts -= 1
        first = port or even_port(host)
        async with AsyncExitStack() as attempt:
            try:
                found = [
                    await attempt.enter_async_context(
                        receiving(replace(reception, address=where), packed, unpacking(take))
                    )
                    for where, take in (((host, first), media), ((host, first + 1), reports))
                ]
            except ConnectionFailed:
                if not attempts:
                    raise
                continue
            stack.push_async_exit(attempt.pop_all())
            return UdpPair(*found)


def even_port(host: str) -> int:
    """An even port that was free a moment ago, or is beside one that was."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1]) & ~1


def packed(slots: Sequence[memoryview], sizes: Sequence[int]) -> bytes:
    """Datagrams as bytes, each behind its size."""
    parts: list[bytes | memoryview] = []
    for slot, size in zip(slots, sizes, strict=False):
        parts += (size.to_bytes(SIZE_BYTES, "big"), slot[:size])
    return b"".join(parts)


def unpacked(data: bytes) -> Iterator[memoryview]:
    """The datagrams in such bytes."""
    view = memoryview(data)
    at, end = 0, len(data)
    while at < end:
        begin = at + SIZE_BYTES
        at = begin + (data[at] << 8 | data[at + 1])
        yield view[begin:at]


def unpacking(take: Take) -> Callable[[bytes], None]:
    """Hands on datagrams that were packed."""

    def deliver(data: bytes) -> None:
        take(unpacked(data))

    return deliver
