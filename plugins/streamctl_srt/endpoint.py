"""One socket of libsrt: its calls with Python's values, and its failures as exceptions.

Every socket is non-blocking and closes at once: what has to be waited for is waited for by the
threads in :mod:`streamctl_srt.reader` and :mod:`streamctl_srt.sender`.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int, c_int64
from typing import TYPE_CHECKING

from streamctl_srt.constants import INVALID_SOCKET, Option, State
from streamctl_srt.library import SrtError
from streamctl_srt.structs import Perf, Sockaddr, from_sockaddr, to_sockaddr

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address
    from streamctl_srt.library import Library

WIDE = frozenset({Option.MAXBW, Option.INPUTBW})
"""Options of 64 bits."""
BACKLOG = 128
"""Handshakes that may wait to be accepted."""


class Endpoint:
    """A socket by its number."""

    __slots__ = ("keeps", "library", "number")

    def __init__(self, library: Library, number: int | None = None) -> None:
        """Wrap the socket ``number``, or make a new one.

        Raises:
            SrtError: no socket can be had.
        """
        self.library = library
        self.number = library.srt_create_socket() if number is None else number
        if self.number == INVALID_SOCKET:
            raise self.error("no socket")
        self.keeps: object = None
        """What libsrt calls until the socket is closed."""

    def error(self, what: str) -> SrtError:
        """The newest failure of this thread as an exception."""
        return SrtError(what, *self.library.error())

    def set(self, option: Option, value: int | str) -> None:
        """Set an option.

        Raises:
            SrtError: the value is not allowed, or not now.
        """
        if isinstance(value, str):
            data = value.encode()
            done = self.library.srt_setsockflag(self.number, option, data, len(data))
        else:
            number = (c_int64 if option in WIDE else c_int)(value)
            done = self.library.srt_setsockflag(
                self.number, option, byref(number), ctypes.sizeof(number)
            )
        if done < 0:
            raise self.error(f"option {option.name.lower()}")

    def number_of(self, option: Option) -> int:
        """An option that is a number; 0 when the socket is gone."""
        value, size = c_int64(), c_int(8)
        self.library.srt_getsockflag(self.number, option, byref(value), byref(size))
        return value.value

    def bind(self, address: Address) -> None:
        """Take a local address.

        Raises:
            SrtError: it can't be had.
        """
        where, size = to_sockaddr(address)
        if self.library.srt_bind(self.number, byref(where), size) < 0:
            raise self.error("bind")

    def listen(self) -> None:
        """Let callers come.

        Raises:
            SrtError: another socket listens there.
        """
        if self.library.srt_listen(self.number, BACKLOG) < 0:
            raise self.error("listen")

    def accept(self) -> tuple[Endpoint, Address] | None:
        """The next caller whose handshake is over; None if there is none."""
        where, size = Sockaddr(), c_int(ctypes.sizeof(Sockaddr))
        number = self.library.srt_accept(self.number, byref(where), byref(size))
        if number == INVALID_SOCKET:
            return None
        return Endpoint(self.library, number), from_sockaddr(where)

    def connect(self, address: Address) -> None:
        """Begin to connect.

        Raises:
            SrtError: there is no way there.
        """
        where, size = to_sockaddr(address)
        if self.library.srt_connect(self.number, byref(where), size) < 0:
            raise self.error("connect")

    def address(self) -> Address:
        """The local address.

        Raises:
            SrtError: it has none.
        """
        where, size = Sockaddr(), c_int(ctypes.sizeof(Sockaddr))
        if self.library.srt_getsockname(self.number, byref(where), byref(size)) < 0:
            raise self.error("address")
        return from_sockaddr(where)

    def state(self) -> State:
        """Where it stands."""
        return State(self.library.srt_getsockstate(self.number))

    def reject(self, code: int) -> None:
        """Say why a caller is refused; inside the listen callback only."""
        self.library.srt_setrejectreason(self.number, code)

    def reject_reason(self) -> int:
        """Why connecting failed; 0 = not known."""
        return self.library.srt_getrejectreason(self.number)

    def measure(self) -> Perf | None:
        """What it has counted; None when it is gone."""
        perf = Perf()
        return perf if self.library.srt_bstats(self.number, byref(perf), 0) == 0 else None

    def close(self) -> None:
        """Close it; may be called twice."""
        self.library.srt_close(self.number)
