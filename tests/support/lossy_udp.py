"""A UDP relay that is as bad as a test wants: late, uneven, lossy, disordered, narrow, or cut.

``with LossyUdp((HOST, port), there=Link(delay_s=0.125, loss=0.02)) as relay:`` listens on
``relay.port`` and carries datagrams to the target and its answers back, each caller by a socket
of its own, so protocols that talk both ways run through it. Unless told otherwise the way back is
as bad as the way there. What happens to the n-th datagram of
a direction depends on the seed and on the datagrams before it, never on the machine.
"""

from __future__ import annotations

import heapq
import random
import selectors
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
LARGEST = 65_536
HEADERS = 28
"""What IPv4 and UDP add to each datagram on the wire."""
BUFFER = 8 << 20
"""Of the relay's sockets: what is lost here has to be lost on purpose."""
BURST = 256
"""Datagrams read in a row before those that are due are sent."""


@dataclass(frozen=True)
class Link:
    """One direction of a link; the default is a perfect one."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Up to so much more delay, evenly spread; the order stays."""
    loss: float = 0.0
    """The part of the datagrams that vanish."""
    burst: float = 1.0
    """How many vanish in a row, on average; the part that is lost stays the same."""
    reorder: float = 0.0
    """The part that is held up, and overtaken by those behind."""
    hold_s: float = 0.02
    """For how long they are held up."""
    duplicate: float = 0.0
    """The part that arrives twice."""
    rate_bps: float = 0.0
    """Bits a second including headers of IP and UDP; 0 = without limit."""
    queue_bytes: int = 64 << 10
    """What may wait in front of a limited rate; the rest is dropped."""


@dataclass
class Counts:
    """What became of the datagrams of one direction."""

    arrived: int = 0
    passed: int = 0
    lost: int = 0
    overflowed: int = 0
    """Found the queue full."""
    held: int = 0
    duplicated: int = 0
    cut: int = 0
    """Came while the link was cut, or were on the way then."""


class Direction:
    """The fate of datagrams in one direction; owns no clock and no socket."""

    def __init__(self, link: Link, seed: int | str) -> None:
        self.link = link
        self.random = random.Random(seed)
        self.counts = Counts()
        self.losing = False
        self.free_s = 0.0
        """When a limited rate has sent what waits for it."""
        self.latest_s = 0.0
        """When the last datagram in order comes out."""

    def arrivals(self, size: int, now: float) -> list[float]:
        """When a datagram comes out: not at all, once or twice."""
        link, counts = self.link, self.counts
        # The same number of draws for each datagram keeps fates apart from one another.
        loss, jitter, hold, twice = (self.random.random() for _ in range(4))
        counts.arrived += 1
        if self.lose(loss):
            counts.lost += 1
            return []
        out = now
        if link.rate_bps:
            start = max(now, self.free_s)
            if (start - now) * link.rate_bps / 8 + size > link.queue_bytes:
                counts.overflowed += 1
                return []
            out = self.free_s = start + (size + HEADERS) * 8 / link.rate_bps
        due = max(self.latest_s, out + link.delay_s + jitter * link.jitter_s)
        if hold < link.reorder:
            counts.held += 1
            due += link.hold_s
        else:
            self.latest_s = due
        if twice < link.duplicate:
            counts.duplicated += 1
            return [due, due]
        return [due]

    def lose(self, draw: float) -> bool:
        """Whether the next datagram is lost: a chain of two states (Gilbert, 1960)."""
        link = self.link
        if link.burst <= 1:
            return draw < link.loss
        leave = 1 / link.burst
        enter = leave * link.loss / (1 - link.loss)
        self.losing = draw >= leave if self.losing else draw < enter
        return self.losing


@dataclass(order=True)
class Waiting:
    """A datagram on its way."""

    due_s: float
    number: int
    send: Callable[[bytes], object]
    data: bytes
    direction: Direction


class LossyUdp:
    """The relay, in a thread of its own for as long as its context lasts."""

    def __init__(
        self,
        target: tuple[str, int],
        *,
        there: Link | None = None,
        back: Link | None = None,
        seed: int = 1,
    ) -> None:
        self.target = target
        self.there = Direction(there or Link(), f"{seed} there")
        self.back = Direction(back or there or Link(), f"{seed} back")
        self.front = udp_socket()
        self.front.bind((HOST, 0))
        self.port: int = self.front.getsockname()[1]
        self.callers: dict[tuple[str, int], socket.socket] = {}
        self.waiting: list[Waiting] = []
        self.number = 0
        self.is_cut = False
        self.closing = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.front, selectors.EVENT_READ, self.from_callers)
        self.bell, self.ear = socket.socketpair()
        self.selector.register(self.ear, selectors.EVENT_READ, lambda: self.ear.recv(64))
        self.thread = threading.Thread(target=self.run, daemon=True, name="lossy-udp")

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing = True
        self.bell.send(b"!")
        self.thread.join(5)
        for each in (self.front, self.bell, self.ear, *self.callers.values()):
            each.close()
        self.selector.close()

    def cut(self) -> None:
        """Lose everything in both directions until :meth:`mend`, also what is on the way."""
        self.is_cut = True

    def mend(self) -> None:
        """Carry datagrams again."""
        self.is_cut = False

    def change(self, *, there: Link | None = None, back: Link | None = None) -> None:
        """Make a direction better or worse from now on."""
        if there is not None:
            self.there.link = there
        if back is not None:
            self.back.link = back

    def run(self) -> None:
        """Carry datagrams until closed."""
        while not self.closing:
            now = time.monotonic()
            wait = max(0.0, self.waiting[0].due_s - now) if self.waiting else None
            for key, _ in self.selector.select(wait):
                key.data()
            self.deliver(time.monotonic())

    def from_callers(self) -> None:
        """Take what callers sent."""
        for _ in range(BURST):
            try:
                data, address = self.front.recvfrom(LARGEST)
            except OSError:
                return
            caller = self.callers.get(address) or self.welcome(address)
            self.accept(self.there, caller.send, data)

    def welcome(self, address: tuple[str, int]) -> socket.socket:
        """Give a new caller a socket of its own towards the target."""
        caller = self.callers[address] = udp_socket()
        caller.connect(self.target)

        def answer(data: bytes) -> None:
            self.front.sendto(data, address)

        def from_target() -> None:
            for _ in range(BURST):
                try:
                    data = caller.recv(LARGEST)
                except OSError:
                    return
                self.accept(self.back, answer, data)

        self.selector.register(caller, selectors.EVENT_READ, from_target)
        return caller

    def accept(self, direction: Direction, send: Callable[[bytes], object], data: bytes) -> None:
        """Decide what becomes of a datagram."""
        if self.is_cut:
            direction.counts.arrived += 1
            direction.counts.cut += 1
            return
        for due in direction.arrivals(len(data), time.monotonic()):
            self.number += 1
            heapq.heappush(self.waiting, Waiting(due, self.number, send, data, direction))

    def deliver(self, now: float) -> None:
        """Send what is due."""
        while self.waiting and self.waiting[0].due_s <= now:
            one = heapq.heappop(self.waiting)
            if self.is_cut:
                one.direction.counts.cut += 1
                continue
            one.direction.counts.passed += 1
            # Nobody listens at the other end, or its buffer is full: lost, as on any network.
            with suppress(OSError):
                one.send(one.data)


def udp_socket() -> socket.socket:
    """A socket that never blocks and has room."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return one
