"""Finds and loads libsrt; declares the functions that are used of it.

The interface is one of plain C, so no header and no compiler is needed. What differs between
builds is the name of the file: Debian has one build with OpenSSL and one with GnuTLS.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_void_p
from typing import TYPE_CHECKING

from streamctl.errors import MissingLibrary, StreamctlError
from streamctl_srt.structs import EpollEvent, ListenCallback, LogHandler, Perf, Sockaddr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

VARIABLE = "STREAMCTL_LIBSRT"
"""An environment variable that names the file."""
NAMES = (
    "libsrt.so.1.5",
    "libsrt-gnutls.so.1.5",
    "libsrt.so.1.4",
    "libsrt-gnutls.so.1.4",
    "libsrt.so",
    "libsrt.dylib",
)
OLDEST = 0x010404
"""1.4.4: layouts and numbers are the same from here on."""
HINT = "install libsrt: `apt install libsrt1.5-openssl`"

Socket = c_int
Prototype = tuple[object, tuple[object, ...]]
PROTOTYPES: dict[str, Prototype] = {
    "srt_startup": (c_int, ()),
    "srt_cleanup": (c_int, ()),
    "srt_getlasterror": (c_int, (POINTER(c_int),)),
    "srt_getlasterror_str": (c_char_p, ()),
    "srt_create_socket": (Socket, ()),
    "srt_close": (c_int, (Socket,)),
    "srt_bind": (c_int, (Socket, POINTER(Sockaddr), c_int)),
    "srt_listen": (c_int, (Socket, c_int)),
    "srt_listen_callback": (c_int, (Socket, ListenCallback, c_void_p)),
    "srt_accept": (Socket, (Socket, POINTER(Sockaddr), POINTER(c_int))),
    "srt_connect": (c_int, (Socket, POINTER(Sockaddr), c_int)),
    "srt_getsockname": (c_int, (Socket, POINTER(Sockaddr), POINTER(c_int))),
    "srt_getsockstate": (c_int, (Socket,)),
    "srt_setsockflag": (c_int, (Socket, c_int, c_void_p, c_int)),
    "srt_getsockflag": (c_int, (Socket, c_int, c_void_p, POINTER(c_int))),
    "srt_recvmsg": (c_int, (Socket, c_void_p, c_int)),
    "srt_sendmsg": (c_int, (Socket, c_void_p, c_int, c_int, c_int)),
    "srt_getsndbuffer": (c_int, (Socket, POINTER(c_size_t), POINTER(c_size_t))),
    "srt_bstats": (c_int, (Socket, POINTER(Perf), c_int)),
    "srt_getrejectreason": (c_int, (Socket,)),
    "srt_setrejectreason": (c_int, (Socket, c_int)),
    "srt_epoll_create": (c_int, ()),
    "srt_epoll_release": (c_int, (c_int,)),
    "srt_epoll_set": (c_int, (c_int, c_int)),
    "srt_epoll_add_usock": (c_int, (c_int, Socket, POINTER(c_int))),
    "srt_epoll_update_usock": (c_int, (c_int, Socket, POINTER(c_int))),
    "srt_epoll_remove_usock": (c_int, (c_int, Socket)),
    "srt_epoll_uwait": (c_int, (c_int, POINTER(EpollEvent), c_int, c_int64)),
    "srt_setloghandler": (None, (c_void_p, LogHandler)),
    "srt_setloglevel": (None, (c_int,)),
    "srt_setlogflags": (None, (c_int,)),
    "srt_getversion": (ctypes.c_uint32, ()),
}


class Library:
    """libsrt, loaded and checked; its functions are attributes."""

    def __init__(self, name: str) -> None:
        """Load the file ``name``.

        Raises:
            OSError: there is no such library.
            MissingLibrary: it is too old, or is no libsrt.
        """
        self.name = name
        self._dll = ctypes.CDLL(name)
        try:
            self.version = int(self._dll.srt_getversion())
        except AttributeError:
            raise MissingLibrary(f"`{name}` is no libsrt", hint=HINT) from None
        if self.version < OLDEST:
            raise MissingLibrary(
                f"`{name}` is libsrt {shown(self.version)}, SRT needs {shown(OLDEST)} or newer",
                hint=HINT,
            )
        for function, (result, arguments) in PROTOTYPES.items():
            found = getattr(self._dll, function)
            found.restype, found.argtypes = result, arguments

    def __getattr__(self, name: str) -> Callable[..., int]:
        found: Callable[..., int] = getattr(self._dll, name)
        # Once found, it is an attribute like any other.
        self.__dict__[name] = found
        return found

    def code(self) -> int:
        """The number of this thread's newest error."""
        return self.srt_getlasterror(None)

    def error(self) -> tuple[int, int, str]:
        """The number of this thread's newest error, the system's number behind it, and a text."""
        system = c_int()
        number = self._dll.srt_getlasterror(byref(system))
        text = (self._dll.srt_getlasterror_str() or b"").decode(errors="replace")
        return number, system.value, text.strip().rstrip(".").lower()


class SrtError(StreamctlError):
    """A function of libsrt failed."""

    def __init__(self, what: str, number: int, system: int, text: str) -> None:
        super().__init__(f"{what}: {text}")
        self.number = number
        self.system = system
        self.text = text


def shown(version: int) -> str:
    """A version as people write it."""
    return f"{version >> 16 & 255}.{version >> 8 & 255}.{version & 255}"


def candidates(environ: Mapping[str, str]) -> Iterator[str]:
    """The names to try, in order."""
    if wanted := environ.get(VARIABLE):
        yield wanted
    else:
        yield from NAMES


def load(environ: Mapping[str, str] | None = None) -> Library:
    """The first libsrt that there is.

    Raises:
        MissingLibrary: none, or the first one is too old.
    """
    environ = os.environ if environ is None else environ
    for name in candidates(environ):
        try:
            return Library(name)
        except OSError:
            continue
    where = f": `{environ[VARIABLE]}`" if environ.get(VARIABLE) else ""
    raise MissingLibrary(f"SRT needs libsrt, which is not installed{where}", hint=HINT)
