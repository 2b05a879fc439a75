"""Many datagrams with one system call: ``recvmmsg(2)``, which Python does not offer, by ctypes.

A read of one datagram costs more than what is done with it, and gives the interpreter lock away
each time; here both happen once for up to :data:`DATAGRAMS` of them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

DATAGRAMS = 128
"""Datagrams of one call: 1.3 Mbit of media, several times what arrives between two of them."""
SLOT_BYTES = 65_536
"""No datagram is larger. Memory that none has touched is not there at all."""
SLOT_DISTANCE = SLOT_BYTES + 1408
"""Slots that were a power of two apart would share their lines of the processor's caches."""
NAME_BYTES = 28
"""The address of a sender, of IPv6 at most."""
AGAIN = frozenset({errno.EAGAIN, errno.EINTR})


class Piece(ctypes.Structure):
    """``struct iovec``."""

    _fields_: ClassVar[Any] = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_: ClassVar[Any] = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Message(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_: ClassVar[Any] = (("header", Header), ("size", ctypes.c_uint))


libc = ctypes.CDLL(None, use_errno=True)


class Slots:
    """Room for the datagrams of one call; shared by all sockets that one thread reads."""

    def __init__(self, count: int = DATAGRAMS) -> None:
        self.memory = bytearray(count * SLOT_DISTANCE)
        self.views = [
            memoryview(self.memory)[at : at + SLOT_BYTES]
            for at in range(0, count * SLOT_DISTANCE, SLOT_DISTANCE)
        ]
        """One view per slot; a datagram lies at its beginning."""


class DatagramReader:
    """Reads datagrams of a socket into slots."""

    def __init__(self, slots: Slots, *, senders: bool = False) -> None:
        """``senders`` tells whether :meth:`sender` will be asked."""
        count = len(slots.views)
        self.slots = slots
        self._count = count
        self._names = bytearray(NAME_BYTES * count if senders else 0)
        self._pieces = (Piece * count)()
        self._messages = (Message * count)()
        base = address_of(slots.memory)
        for number, (piece, message) in enumerate(zip(self._pieces, self._messages, strict=True)):
            piece.base = base + number * SLOT_DISTANCE
            piece.size = SLOT_BYTES
            message.header.pieces = ctypes.addressof(piece)
            message.header.piece_count = 1
            if senders:
                message.header.name = address_of(self._names) + number * NAME_BYTES
                message.header.name_size = NAME_BYTES
        words = memoryview(self._messages).cast("B").cast("I")
        word = ctypes.sizeof(ctypes.c_uint)
        self._sizes = words[Message.size.offset // word :: ctypes.sizeof(Message) // word]
        self._receive = libc.recvmmsg

    def read(self, fd: int) -> Sequence[int]:
        """The sizes of the datagrams that were waiting, in the order of the slots.

        As many as there are slots means that more may wait.

        Raises:
            OSError: the socket is of no more use.
        """
        count = self._receive(fd, self._messages, self._count, socket.MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in AGAIN:
                return ()
            raise OSError(number, os.strerror(number))
        return self._sizes[:count].tolist()

    def sender(self, number: int) -> bytes:
        """The IP address that the datagram in a slot came from, as 4 or 16 bytes."""
        name = self.name(number)
        family = int.from_bytes(name[:2], sys.byteorder)
        return name[4:8] if family == socket.AF_INET else name[8:24]

    def name(self, number: int) -> bytes:
        """The same with its port, as ``struct sockaddr_in`` or ``sockaddr_in6``."""
        at = number * NAME_BYTES
        return bytes(self._names[at : at + NAME_BYTES])


def address_of(memory: bytearray) -> int:
    """Where the bytes begin."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
