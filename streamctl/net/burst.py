"""Sending many datagrams with one system call: ``sendmmsg(2)``, by ctypes.

A :class:`Burst` is prepared once and sent by any number of connected sockets: what is done for a
datagram is done once for all of its receivers, and each call costs the interpreter the same,
however many datagrams leave with it. Datagrams of one size that follow each other, and a shorter
one behind them, are one message to the kernel, which cuts it late (``UDP_SEGMENT``, udp(7)).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from struct import Struct
from typing import TYPE_CHECKING, Any

import numpy as np

from streamctl.net.datagrams import Message, Piece, libc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PIECE_BYTES = ctypes.sizeof(Piece)
MAX_SEGMENTS = 64
"""Kernels before 6.8 take no more."""
MAX_MESSAGE_BYTES = 65_000
SOL_UDP, UDP_SEGMENT = socket.IPPROTO_UDP, 103
CONTROL = Struct("@NiiH")
"""``struct cmsghdr`` and the size of a segment."""
CONTROL_BYTES = 24
BUSY = frozenset({errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM})
UNCUT = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO})
"""Why messages can't be cut on the way to some receiver: links that are narrow, or can't sum."""


class Plan:
    """Some datagrams of a burst as messages to the kernel."""

    __slots__ = ("_controls", "_messages", "address", "ends")

    def __init__(self, sizes: Sequence[int], pieces: int, cuts: Sequence[tuple[int, int]]) -> None:
        """``cuts`` tells where each message begins and ends; ``pieces`` where all datagrams lie."""
        self._messages = (Message * len(cuts))()
        self._controls = ctypes.create_string_buffer(CONTROL_BYTES * len(cuts))
        self.address = ctypes.c_void_p(ctypes.addressof(self._messages))
        self.ends = [end for _, end in cuts]
        controls = ctypes.addressof(self._controls)
        for at, (begin, end) in enumerate(cuts):
            header = self._messages[at].header
            header.pieces = pieces + begin * PIECE_BYTES
            header.piece_count = end - begin
            if end - begin > 1:
                place = at * CONTROL_BYTES
                told = (CONTROL.size, SOL_UDP, UDP_SEGMENT, sizes[begin])
                CONTROL.pack_into(self._controls, place, *told)
                header.control = controls + place
                header.control_size = CONTROL_BYTES


class Burst:
    """Parts of one object, each a datagram."""

    __slots__ = ("_data", "_pieces", "_plans", "bytes", "count", "sizes")

    def __init__(self, data: bytes, spans: Sequence[tuple[int, int]]) -> None:
        """``spans`` tells where each datagram begins and ends."""
        self._data = data
        self.count = len(spans)
        bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
        lengths = bounds[:, 1] - bounds[:, 0]
        self.sizes: list[int] = lengths.tolist()
        self.bytes = int(lengths.sum())
        base = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        self._pieces: Any = np.empty((self.count, 2), dtype=np.uint64)
        self._pieces[:, 0] = bounds[:, 0] + base
        self._pieces[:, 1] = lengths
        self._plans: dict[tuple[int, int, bool], Plan] = {}

    def send(self, fd: int, first: int, count: int, *, cut: bool = False) -> int:
        """Send some of the datagrams by a connected socket; how many the kernel took.

        ``cut`` lets the kernel cut messages into datagrams.

        Raises:
            OSError: the receiver refuses them, or can't be reached.
        """
        count = min(count, self.count - first)
        if count <= 0:
            return 0
        plan = self._plans.get((first, count, cut))
        if plan is None:
            cuts = list(self._cuts(first, first + count, MAX_SEGMENTS if cut else 1))
            plan = Plan(self.sizes, self._pieces.ctypes.data, cuts)
            self._plans[first, count, cut] = plan
        sent: int = libc.sendmmsg(fd, plan.address, len(plan.ends), socket.MSG_DONTWAIT)
        if sent > 0:
            return plan.ends[sent - 1] - first
        number = ctypes.get_errno()
        if number in BUSY:
            return 0
        raise OSError(number, os.strerror(number))

    def _cuts(self, first: int, end: int, most: int) -> Iterator[tuple[int, int]]:
        """Where messages of at most so many datagrams begin and end."""
        sizes = self.sizes
        while first < end:
            size = sizes[first]
            limit = min(end, first + most, first + max(MAX_MESSAGE_BYTES // max(size, 1), 1))
            at = first + 1
            while at < limit and sizes[at] == size:
                at += 1
            if at < limit and 0 < sizes[at] < size:
                at += 1
            yield first, at
            first = at
