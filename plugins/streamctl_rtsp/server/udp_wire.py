"""The wire of a player over UDP: what the fan-out writes leaves as datagrams, spread over time.

A run of frames is prepared once for all players of a port; a player's own work is one call to the
kernel per wake-up. When too much waits the player is parked, like one whose connection is full.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.net.burst import Burst
from streamctl_rtsp.wire.frames import Shared, spans
from streamctl_rtsp.wire.spread import STEP_S, Spread
from streamctl_rtsp.wire.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from streamctl.media.rtp.announced import Described
    from streamctl.net.udp_outlet import UdpOutlet
    from streamctl.sdk.context import Clock, Timer

FULL_BYTES = 98_304
"""So much may wait of what a player catches up with: 8 ms at 100 Mbit/s."""
HEADER_BYTES = 12
"""Of a packet, before its payload."""
MARKER = 0x80
"""Of a packet's second byte: a picture ends (RFC 3550, section 5.1)."""
MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Of live media: the largest pictures there are, and some more."""


class Stretch:
    """Packets of one channel that follow each other."""

    __slots__ = ("_data", "_ends", "_found", "burst", "channel")

    def __init__(self, channel: int, data: bytes, found: Sequence[tuple[int, int]]) -> None:
        """``found`` tells where each packet begins and ends."""
        self.channel = channel
        self.burst = Burst(data, found)
        self._data, self._found = data, found
        self._ends: list[int] | None = None

    def through(self, count: int) -> int:
        """So many packets, and what is left of the picture of the last one."""
        if self._ends is None:
            marks = [self._data[start + 1] & MARKER for start, _ in self._found]
            self._ends = [place for place, mark in enumerate(marks, 1) if mark]
        at = bisect_left(self._ends, count)
        return self._ends[at] if at < len(self._ends) else self.burst.count


@dataclass(slots=True)
class Run:
    """A run of frames, ready to leave."""

    stretches: list[Stretch]
    reports: list[tuple[int, bytes]]
    """The reports among them, with the channel of their media."""


def prepared(data: bytes) -> Run:
    """A run of frames as datagrams, in their order."""
    media: list[tuple[int, list[tuple[int, int]]]] = []
    reports = []
    for span in spans(data):
        if span.channel & 1:
            reports.append((span.channel - 1, data[span.start : span.end]))
        elif media and media[-1][0] == span.channel:
            media[-1][1].append((span.start, span.end))
        else:
            media.append((span.channel, [(span.start, span.end)]))
    return Run([Stretch(channel, data, found) for channel, found in media], reports)


def whole_channels(tracks: Iterable[Described]) -> set[int]:
    """Those on which a picture leaves in one piece, however large."""
    return {2 * track.index for track in tracks if track.format.whole}


class Spreader:
    """Wakes the wires of one port while they have something to send."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.runs: Shared[Run] = Shared(prepared)
        self._active: dict[UdpWire, None] = {}
        self._timer: Timer | None = None

    def wake(self, wire: UdpWire) -> None:
        """Something of a wire waits."""
        self._active[wire] = None
        if self._timer is None:
            self._timer = self.clock.call_later(STEP_S, self._on_timer)

    def forget(self, wire: UdpWire) -> None:
        """Nothing of it does any more."""
        self._active.pop(wire, None)

    def _on_timer(self) -> None:
        self._timer = None
        now = self.clock.now()
        for wire in list(self._active):
            if not wire.pump(now):
                self._active.pop(wire, None)
        if self._active and self._timer is None:
            self._timer = self.clock.call_later(STEP_S, self._on_timer)


class UdpWire:
    """Implements :class:`streamctl.sdk.lane.Wire` for one player, or for a group."""

    def __init__(
        self,
        spreader: Spreader,
        outlets: Mapping[int, UdpOutlet],
        whole: Container[int],
        close: Callable[[str], None],
    ) -> None:
        """``outlets`` has what is sent of which channel; others are left out.

        On channels that are ``whole`` no picture is spread.
        """
        self.spreader = spreader
        self.outlets = outlets
        self.whole = whole
        self.spread = Spread()
        self.park: Callable[[], None] = nothing
        """Called when too much waits."""
        self.serve: Callable[[], None] = nothing
        """Called when there is room again."""
        self.full = False
        self.over = False
        self._close = close
        self._queue: deque[tuple[UdpOutlet, Stretch]] = deque()
        self._at = 0
        """Packets of the first stretch that have left."""

    def catch_up(self, rate: float) -> None:
        """What is written next is from before: the stream has so many bytes per second."""
        self.spread.catch_up(rate, self.spreader.clock.now())

    def write(self, data: bytes | memoryview) -> None:
        """Send without waiting; parks the player when too much waits."""
        if self.over:
            return
        run = self.spreader.runs.of(bytes(data))
        for channel, report in run.reports:
            if channel in self.outlets:
                self.outlets[channel].report(report)
        packets = size = 0
        for stretch in run.stretches:
            outlet = self.outlets.get(stretch.channel)
            if outlet is not None:
                self._queue.append((outlet, stretch))
                packets += stretch.burst.count
                size += stretch.burst.bytes
        now = self.spreader.clock.now()
        idle = not self.spread.waiting
        self.spread.put(packets, size, now)
        if idle and not self.pump(now):
            return
        self.spreader.wake(self)
        limit = FULL_BYTES if self.spread.rate else MAX_WAITING_BYTES
        if self.spread.waiting_bytes > limit and not self.full:
            self.full = True
            self.park()

    def pump(self, now: float) -> bool:
        """Send what is due; whether something is left."""
        due = self.spread.due(now)
        while due > 0 and self._queue:
            outlet, stretch = self._queue[0]
            burst = stretch.burst
            count = min(due, burst.count - self._at)
            if stretch.channel in self.whole:
                count = stretch.through(self._at + count) - self._at
            sent = outlet.send(burst, self._at, count)
            whole = sent == burst.count
            size = burst.bytes if whole else sum(burst.sizes[self._at : self._at + sent])
            self.spread.left(sent, size)
            due -= sent
            self._at += sent
            if self._at == burst.count:
                self._queue.popleft()
                self._at = 0
            elif sent < count:
                # The interface is busy: later.
                break
        if self.full and self.spread.waiting_bytes < FULL_BYTES // 2:
            self.full = False
            self.serve()
        return bool(self._queue)

    def waiting(self, track: int) -> Tally:
        """What of a track has not left."""
        wanted = self.outlets.get(2 * track)
        packets = octets = 0
        at = self._at
        for outlet, stretch in self._queue:
            if outlet is wanted:
                packets += stretch.burst.count - at
                octets += sum(stretch.burst.sizes[at:])
            at = 0
        return Tally(packets, octets - packets * HEADER_BYTES)

    def unsent(self) -> int:
        """Bytes that have not left."""
        return self.spread.waiting_bytes

    def set_send_buffer(self, size: int) -> None:
        """Nothing: a socket for datagrams has room for more than may wait here."""

    def read_least(self, size: int) -> None:
        """Nothing is read here."""

    def call_again(self) -> None:
        """Nothing is read here."""

    def clear(self) -> None:
        """Drop what waits."""
        self._queue.clear()
        self._at = 0
        self.full = False
        self.spread = Spread()
        self.spreader.forget(self)

    def close(self, reason: str) -> None:
        """Send no more."""
        if not self.over:
            self.over = True
            self.clear()
            self._close(reason)

    def abort(self, reason: str) -> None:
        """Send no more."""
        self.close(reason)


def nothing() -> None:
    """What happens when nobody wants to know."""
