"""The thread that waits for all SRT sockets of the process.

It accepts, notices connections that come about or break, and reads. A wake-up for every datagram
would cost more than the datagram, so after the first it waits a moment, then takes everything that
has come on every socket, and gives the loop one call for all of it.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from streamctl.net.bridge import Bridge, ended
from streamctl_srt.constants import EPOLL_ENABLE_EMPTY, ErrorCode, Event, State
from streamctl_srt.reject import GONE, reason_text
from streamctl_srt.structs import EpollEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.endpoints import Address
    from streamctl_srt.endpoint import Endpoint
    from streamctl_srt.library import Library

    Call = tuple[Callable[[Any], None], Any]
    """What the loop is to call, and with what."""

COALESCE_S = 0.005
"""How long what has arrived may wait for more; it costs half of what waking for each one does."""
WAIT_MS = 25
"""How soon the thread notices that it is to end, or to close something."""
EVENTS = 4096
MESSAGE_BYTES = 1500
"""Room for one message: with less than its size it would stay where it is."""
DRAIN_BYTES = 262_144
"""What is read of one socket before the others have their turn."""
BEHIND_BYTES = 67_108_864
"""What the loop may have to take yet. Beyond it nothing is read: libsrt drops and counts."""
OURS = "an error of ours"
IN, OUT, ERR = int(Event.IN), int(Event.OUT), int(Event.ERR)

log = logging.getLogger("streamctl.srt")


class Caller(Protocol):
    """The owner of a socket; called in the loop."""

    def connected(self, endpoint: Endpoint) -> None:
        """The connection has come about."""

    def received(self, data: bytes) -> None:
        """Whole messages, joined."""

    def broken(self, reason: str) -> None:
        """There is no connection, or none any more; called once."""


class Host(Protocol):
    """The owner of a listening socket; called in the loop."""

    def accepted(self, peer: tuple[Endpoint, Address]) -> None:
        """A caller came in; watch it to go on."""

    def failed(self, reason: str) -> None:
        """Nobody can come any more; called once."""


@dataclass(slots=True)
class Watched:
    """A socket and who is told about it."""

    endpoint: Endpoint
    caller: Caller | None = None
    host: Host | None = None
    connecting: bool = False


class Reader:
    """The thread; belongs to the loop that was running when it was made."""

    def __init__(self, library: Library, at_end: Callable[[], None]) -> None:
        """``at_end`` is the last that the thread calls."""
        self.library = library
        self._at_end = at_end
        self._watched: dict[int, Watched] = {}
        self._epoll = library.srt_epoll_create()
        library.srt_epoll_set(self._epoll, EPOLL_ENABLE_EMPTY)
        self._found = (EpollEvent * EVENTS)()
        self._buffer = ctypes.create_string_buffer(DRAIN_BYTES + MESSAGE_BYTES)
        self._view = memoryview(self._buffer)
        self._address = ctypes.addressof(self._buffer)
        self._closing: deque[Endpoint] = deque()
        self._bridge: Bridge[Call] = Bridge(self._call)
        self._read_bytes = 0
        self._taken_bytes = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="srt-reader", daemon=True)
        self._thread.start()

    def listen(self, endpoint: Endpoint, host: Host) -> None:
        """Accept callers of a listening socket."""
        self._watch(Watched(endpoint, host=host), Event.IN | Event.ERR)

    def receive(self, endpoint: Endpoint, caller: Caller) -> None:
        """Read from a connection."""
        self._watch(Watched(endpoint, caller=caller), Event.IN | Event.ERR)

    def connect(self, endpoint: Endpoint, caller: Caller) -> None:
        """Wait for a connection that is about to be begun, then read from it."""
        watched = Watched(endpoint, caller=caller, connecting=True)
        self._watch(watched, Event.IN | Event.OUT | Event.ERR)

    def forget(self, endpoint: Endpoint) -> None:
        """Say nothing more about a socket."""
        if self._watched.pop(endpoint.number, None) is not None:
            self.library.srt_epoll_remove_usock(self._epoll, endpoint.number)

    def close(self, endpoint: Endpoint) -> None:
        """Close a socket soon, in the thread: that may take a moment."""
        self.forget(endpoint)
        self._closing.append(endpoint)

    @property
    def alive(self) -> bool:
        """Whether anything is read."""
        return self._thread.is_alive()

    def post(self, method: Callable[[Any], None], argument: object) -> None:
        """Call something in the loop, from any thread."""
        self._bridge.put([(method, argument)])

    async def stop(self) -> None:
        """End the thread."""
        self._stopping = True
        await ended(self._thread)

    def _watch(self, watched: Watched, events: Event) -> None:
        number = watched.endpoint.number
        self._watched[number] = watched
        flags = ctypes.c_int(events)
        self.library.srt_epoll_add_usock(self._epoll, number, ctypes.byref(flags))

    def _call(self, calls: list[Call]) -> None:
        """Tell the owners, in the loop; who fails harms nobody else."""
        for method, argument in calls:
            if type(argument) is bytes:
                self._taken_bytes += len(argument)
            try:
                method(argument)
            except Exception:
                log.exception("a connection could not take what came")

    def _run(self) -> None:
        uwait, epoll, found = self.library.srt_epoll_uwait, self._epoll, self._found
        try:
            while not self._stopping:
                self._close_some()
                if uwait(epoll, found, EVENTS, WAIT_MS) <= 0:
                    continue
                time.sleep(COALESCE_S)
                while self._read_bytes - self._taken_bytes > BEHIND_BYTES and not self._stopping:
                    time.sleep(COALESCE_S)
                count = uwait(epoll, found, EVENTS, 0)
                calls: list[Call] = []
                for number in range(min(count, EVENTS)):
                    self._try(found[number].socket, found[number].events, calls)
                self._bridge.put(calls)
        except Exception:
            log.exception("the thread that reads SRT ended")
        finally:
            self._close_some()
            self.library.srt_epoll_release(epoll)
            self._at_end()

    def _close_some(self) -> None:
        while self._closing:
            self._closing.popleft().close()

    def _try(self, number: int, events: int, calls: list[Call]) -> None:
        """See to one socket; whatever goes wrong with it harms no other."""
        try:
            self._look(number, events, calls)
        except Exception:
            log.exception("an SRT socket could not be read")
            watched = self._watched.get(number)
            if watched is None:
                return
            self.forget(watched.endpoint)
            if watched.host is not None:
                calls.append((watched.host.failed, OURS))
            elif watched.caller is not None:
                calls.append((watched.caller.broken, OURS))

    def _look(self, number: int, events: int, calls: list[Call]) -> None:
        """See what is the matter with one socket."""
        watched = self._watched.get(number)
        if watched is None:
            self.library.srt_epoll_remove_usock(self._epoll, number)
        elif watched.host is not None:
            while (peer := watched.endpoint.accept()) is not None:
                calls.append((watched.host.accepted, peer))
            if events & ERR:
                self.forget(watched.endpoint)
                calls.append((watched.host.failed, "libsrt stopped listening"))
        elif watched.connecting:
            self._settle(watched, calls)
        elif watched.caller is not None:
            self._drain(watched.endpoint, watched.caller, calls)

    def _settle(self, watched: Watched, calls: list[Call]) -> None:
        """Find out what became of a connection that was begun."""
        endpoint, caller = watched.endpoint, watched.caller
        assert caller is not None
        state = endpoint.state()
        if state is State.CONNECTED:
            watched.connecting = False
            flags = ctypes.c_int(IN | ERR)
            number = endpoint.number
            self.library.srt_epoll_update_usock(self._epoll, number, ctypes.byref(flags))
            calls.append((caller.connected, endpoint))
        elif state is not State.CONNECTING:
            reason = reason_text(endpoint.reject_reason())
            self.forget(endpoint)
            calls.append((caller.broken, reason))

    def _drain(self, endpoint: Endpoint, caller: Caller, calls: list[Call]) -> None:
        """Take what has arrived on a connection."""
        receive, number, address = self.library.srt_recvmsg, endpoint.number, self._address
        at = size = 0
        while at < DRAIN_BYTES:
            size = receive(number, address + at, MESSAGE_BYTES)
            if size <= 0:
                break
            at += size
        over = size < 0 and self.library.code() != ErrorCode.NOTHING_TO_READ
        if at:
            self._read_bytes += at
            calls.append((caller.received, self._view[:at].tobytes()))
        if over:
            self.forget(endpoint)
            calls.append((caller.broken, GONE))
