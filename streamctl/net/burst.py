"""Sending many datagrams with one system call: ``sendmmsg(2)``, by ctypes.

A :class:`Burst` is prepared once and sent by any number of connected sockets: what is done for a
datagram is done once for all of its receivers, and each call costs the interpreter the same,
however many datagrams leave with it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from typing import TYPE_CHECKING, Any

import numpy as np

from streamctl.net.datagrams import Message, Piece, libc

if TYPE_CHECKING:
    from collections.abc import Sequence

WORD = 8
MESSAGE_WORDS = ctypes.sizeof(Message) // WORD
PIECES_WORD = Message.header.offset // WORD + 2
"""Where a message says where its bytes are, behind the receiver's name and its length."""
COUNT_WORD = PIECES_WORD + 1
PIECE_BYTES = ctypes.sizeof(Piece)
BUSY = frozenset({errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM})


class Burst:
    """Parts of one object, each a datagram."""

    __slots__ = ("_address", "_data", "_messages", "_pieces", "bytes", "count", "sizes")

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
        self._messages: Any = np.zeros((self.count, MESSAGE_WORDS), dtype=np.uint64)
        self._messages[:, PIECES_WORD] = (
            np.arange(self.count, dtype=np.uint64) * PIECE_BYTES + self._pieces.ctypes.data
        )
        self._messages[:, COUNT_WORD] = 1
        self._address: int = self._messages.ctypes.data

    def send(self, fd: int, first: int, count: int) -> int:
        """Send some of the datagrams by a connected socket; how many the kernel took.

        Raises:
            OSError: the receiver refuses them, or can't be reached.
        """
        count = min(count, self.count - first)
        if count <= 0:
            return 0
        at = self._address + first * MESSAGE_WORDS * WORD
        sent: int = libc.sendmmsg(fd, ctypes.c_void_p(at), count, socket.MSG_DONTWAIT)
        if sent >= 0:
            return sent
        number = ctypes.get_errno()
        if number in BUSY:
            return 0
        raise OSError(number, os.strerror(number))
