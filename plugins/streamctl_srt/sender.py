"""The thread that sends for every connection of one port, and how fast it does.

libsrt takes whatever it is given at once and throws away what the line did not carry in time, so
pacing is ours. An outbox gets bytes from the loop and gives libsrt no more than its rate allows,
and nothing while too much lies unacknowledged there. The rest waits where it can still be skipped.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections import deque
from ctypes import byref, c_size_t
from functools import partial
from typing import TYPE_CHECKING, Protocol

from streamctl.net.bridge import Bridge, ended
from streamctl_srt.constants import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl_srt.endpoint import Endpoint

STEP_S = 0.005
"""How often something is sent to those who may not get everything at once."""
BURST_S = 0.1
"""What may be sent at once after a pause, in time at the connection's rate."""
LEAST_BURST = 65_536
TURN_BYTES = 131_072
"""What one connection may be sent before the others have their turn."""
DROP_MS = 1000
"""From here on libsrt drops what is unacknowledged, or from the latency on if that is longer."""
HELD = 0.8
"""The part of it that is let come about."""
FULL_BYTES = 131_072
"""What may wait here at least before the connection counts as full."""
FULL_S = 0.5
"""The same as time at the connection's rate."""
FLUSH_S = 0.7
"""How long a connection that is closed may take to send what was written, and to have it taken."""
TAKING_S = 0.02
"""How long a peer may take to fetch from libsrt what is due."""

ENDED = "nothing is sent over SRT any more"

log = logging.getLogger("streamctl.srt")


class Owner(Protocol):
    """Whose connection it is; called in the loop."""

    def drained(self) -> None:
        """An outbox that was full has room again."""

    def broken(self, reason: str) -> None:
        """Nothing is sent any more."""


class Outbox:
    """What waits to be sent on one connection.

    The loop writes, the sender's thread sends: each has counters of its own, since two threads
    can't add to one.
    """

    def __init__(self, endpoint: Endpoint, payload_bytes: int, owner: Owner) -> None:
        self.endpoint = endpoint
        self.owner = owner
        self.rate = 0.0
        """Bytes per second; 0 = no limit."""
        self.latency_ms = 0
        """What the peer waits for lost packets."""
        self.written = 0
        self.sent = 0
        self.held_bytes = 0
        """Unacknowledged bytes in libsrt, as last seen."""
        self.full = False
        """Set by the loop; the thread answers when there is room."""
        self.close_by: float | None = None
        """When the connection is to be closed at the latest; None = not at all."""
        self._payload = payload_bytes
        self._queue: deque[bytes] = deque()
        self._offset = 0
        self._budget = 0.0
        self._budget_at = 0.0
        self._broken = False
        self._whole_at: float | None = None
        """Since when the peer has everything."""

    @property
    def queued(self) -> int:
        """Bytes that libsrt has not been given."""
        return self.written - self.sent

    @property
    def limit(self) -> float:
        """Bytes that may wait."""
        return max(FULL_BYTES, self.rate * FULL_S)

    def put(self, data: bytes) -> None:
        """Add bytes, in the loop."""
        self.written += len(data)
        self._queue.append(data)

    def pump(self, now: float) -> float | None:
        """Send what may be sent now; the seconds until there may be more, None = nothing waits."""
        if self._broken:
            self._drop()
        if not self._queue:
            return None
        if self._held() > HELD * max(DROP_MS, self.latency_ms):
            return STEP_S
        budget = turn = self._allowance(now)
        while self._queue and budget > 0:
            data = self._queue[0]
            budget -= self._send(data, budget)
            if self._offset < len(data):
                break
            self._offset = 0
            self._queue.popleft()
        if self.rate:
            self._budget -= turn - budget
        return STEP_S if self._queue else None

    def finished(self, now: float) -> bool:
        """Whether the peer has everything, and nothing of it waits there for the latency to pass.

        What does so when a connection ends is lost.
        """
        if self._broken:
            return True
        self._held()
        if self._queue or self.held_bytes:
            self._whole_at = None
            return False
        if self._whole_at is None:
            self._whole_at = now
        return now - self._whole_at >= self.latency_ms / 1000 + TAKING_S

    def _allowance(self, now: float) -> float:
        """Bytes that may be sent now."""
        rate = self.rate
        if not rate:
            return TURN_BYTES
        burst = max(LEAST_BURST, rate * BURST_S)
        self._budget = min(burst, self._budget + (now - self._budget_at) * rate)
        self._budget_at = now
        return min(self._budget, TURN_BYTES)

    def _held(self) -> int:
        """Milliseconds of media that libsrt holds unacknowledged."""
        blocks, size = c_size_t(), c_size_t()
        endpoint = self.endpoint
        span = endpoint.library.srt_getsndbuffer(endpoint.number, byref(blocks), byref(size))
        self.held_bytes = size.value if span >= 0 else 0
        return span

    def _send(self, data: bytes, budget: float) -> int:
        """Send from the offset on; the bytes sent."""
        send, number = self.endpoint.library.srt_sendmsg, self.endpoint.number
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        start, size, payload = self._offset, len(data), self._payload
        at, end = start, start + budget
        while at < size and at < end:
            done = send(number, address + at, min(payload, size - at), -1, 1)
            if done <= 0:
                if self.endpoint.library.code() != ErrorCode.SEND_BUFFER_FULL:
                    self._broken = True
                break
            at += done
        self._offset = at
        self.sent += at - start
        return at - start

    def _drop(self) -> None:
        """Forget what waits: nobody will get it."""
        while self._queue:
            self.sent += len(self._queue.popleft())
        self.sent -= self._offset
        self._offset = 0


class Sender:
    """The thread; belongs to the loop that was running when it was made."""

    def __init__(self, name: str) -> None:
        self._outboxes: list[Outbox] = []
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stopping = False
        self._bridge: Bridge[Callable[[], None]] = Bridge(self._call)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, outbox: Outbox) -> None:
        """Send for another connection."""
        with self._lock:
            self._outboxes.append(outbox)

    def wake(self) -> None:
        """Something was put into an outbox, or one is to be closed."""
        if not self._work.is_set():
            self._work.set()

    def close(self, outbox: Outbox, within_s: float = FLUSH_S) -> None:
        """Close a connection once its peer has everything, or after ``within_s``."""
        outbox.close_by = time.monotonic() + within_s
        self.wake()

    @property
    def alive(self) -> bool:
        """Whether anything is sent."""
        return self._thread.is_alive()

    async def stop(self) -> None:
        """Close every connection, then end the thread."""
        with self._lock:
            outboxes = list(self._outboxes)
        for outbox in outboxes:
            if outbox.close_by is None:
                self.close(outbox)
        self._stopping = True
        self.wake()
        await ended(self._thread)
        self._give_up()

    def _call(self, calls: list[Callable[[], None]]) -> None:
        for call in calls:
            try:
                call()
            except Exception:
                log.exception("a connection could not go on")

    def _run(self) -> None:
        try:
            while not (self._stopping and not self._outboxes):
                wait_s = self._pass(time.monotonic())
                self._work.wait(wait_s)
                self._work.clear()
        except Exception:
            log.exception("a thread that sends SRT ended")
            self._give_up()

    def _give_up(self) -> None:
        """Close what nobody would close any more."""
        with self._lock:
            outboxes, self._outboxes = self._outboxes, []
        for outbox in outboxes:
            outbox.endpoint.close()
        self._bridge.put([partial(outbox.owner.broken, ENDED) for outbox in outboxes])

    def _pass(self, now: float) -> float | None:
        """One turn for everybody; the seconds until the next is due, None = when there is work."""
        due: float | None = None
        with self._lock:
            outboxes = list(self._outboxes)
        for outbox in outboxes:
            again = outbox.pump(now)
            if outbox.full and outbox.queued <= outbox.limit / 4:
                outbox.full = False
                self._bridge.put([outbox.owner.drained])
            if outbox.close_by is not None:
                again = STEP_S
                if now >= outbox.close_by or outbox.finished(now):
                    self._close(outbox)
            if again is not None:
                due = STEP_S
        return due

    def _close(self, outbox: Outbox) -> None:
        with self._lock:
            self._outboxes.remove(outbox)
        outbox.endpoint.close()
