"""One time for the tracks of a source, whose RTP clocks have nothing in common.

Theory of operation: a track's clock is put on the common time where its first unit arrived, less
exactly than its sender knows. Sender reports tell the same moment on each track's clock: as soon as
two tracks have them, the second one is moved to where it belongs beside the first. Before the first
unit has left it is moved at once, later by little and little, so that time neither jumps nor steps
back. Reports that contradict the arrivals by more than any network could are left out: there are
cameras whose tracks have clocks of their own. Drift between the tracks is corrected the same way;
the first track's own time is never touched.
Specification: RFC 3550, sections 5.1 and 6.4.1.
"""

from __future__ import annotations

from streamctl.media.packet import TIMESCALE
from streamctl.media.timestamps import rescale

NTP_BITS = 32
MAX_SKEW = 3 * TIMESCALE
"""No track arrives that much later than another."""
DEAD_BAND = TIMESCALE // 100
"""Reports are as exact as the sender's scheduling: less than 10 ms is left alone."""
SLEW = 32
"""A track is moved by a 32nd of the time that passes on it at most, a frame of sound by 1 ms."""
JUMP = 2 * TIMESCALE
"""A step of a track's clock against the arrivals that is longer means that it was set."""
TIMESTAMP_MASK = 0xFFFF_FFFF
HALF = 1 << 31


class TrackTime:
    """The clock of one track on the common time."""

    def __init__(self, clock_rate: int) -> None:
        self.rate = clock_rate
        self.offset: int | None = None
        """Common time less track time, in ticks; None before the first unit."""
        self.jumps = 0
        """How often the sender has set the clock."""
        self._goal = 0
        """Where the offset is on its way to."""
        self._last = 0
        """The newest unit on the track's clock, in ticks."""
        self._raw = 0
        """The same on the clock of the format, unwrapped."""
        self._arrival = 0.0
        self._report: tuple[int, int] | None = None
        """NTP time and timestamp of the newest sender report, until a unit tells its wraps."""
        self._place: int | None = None

    def start(self, timestamp: int, common: int, now: float) -> None:
        """Put the first unit where the common time is."""
        ticks = rescale(timestamp, self.rate, TIMESCALE)
        self.offset = self._goal = common - ticks
        self._last, self._raw, self._arrival = ticks, timestamp, now

    def restart(self) -> None:
        """The sender begins anew, with another clock."""
        self.offset = None
        self._forget()

    def report(self, ntp: int, timestamp: int) -> None:
        """Take a sender report."""
        self._forget()
        self._report = (ntp, timestamp)

    @property
    def reported(self) -> bool:
        """Whether a sender report has told what the clock means."""
        return self._report is not None or self._place is not None

    def place(self) -> int | None:
        """NTP time less track time, in ticks; None if it is not known yet."""
        if self._report is not None and self.offset is not None:
            ntp, timestamp = self._report
            # Reports are of the same hour as the units: the nearer way round.
            distance = ((timestamp - self._raw + HALF) & TIMESTAMP_MASK) - HALF
            ticks = rescale(self._raw + distance, self.rate, TIMESCALE)
            self._place = (ntp * TIMESCALE >> NTP_BITS) - ticks
            self._report = None
        return self._place

    def aim(self, offset: int, *, at_once: bool) -> bool:
        """Move to an offset; False if that can't be right."""
        assert self.offset is not None
        if abs(offset - self.offset) > MAX_SKEW:
            return False
        if at_once:
            self.offset = self._goal = offset
        elif abs(offset - self._goal) > DEAD_BAND:
            self._goal = offset
        return True

    def shift(self, ticks: int) -> None:
        """Move the clock before anything of it has gone out; not by more than can be right."""
        if self.offset is not None and abs(ticks) <= MAX_SKEW:
            self.offset += ticks
            self._goal = self.offset

    def peek(self, timestamp: int) -> int:
        """The common time of a unit, as it is known now; nothing is learned of it."""
        return rescale(timestamp, self.rate, TIMESCALE) + (self.offset or 0)

    def time(self, timestamp: int, now: float) -> int:
        """The common time of a unit, whose timestamp is unwrapped."""
        assert self.offset is not None
        ticks = rescale(timestamp, self.rate, TIMESCALE)
        step = ticks - self._last
        if step < -JUMP or step > JUMP + (now - self._arrival) * TIMESCALE:
            self.jumps += 1
            elapsed = round((now - self._arrival) * TIMESCALE)
            self.offset = self._goal = self._last + self.offset + elapsed - ticks
            self._forget()
        elif self.offset != self._goal:
            most = max(step, 0) // SLEW
            self.offset += max(-most, min(self._goal - self.offset, most))
        self._last, self._raw, self._arrival = ticks, timestamp, now
        return ticks + self.offset

    def _forget(self) -> None:
        self._report = self._place = None


class CommonTime:
    """Keeps the tracks of one source together."""

    def __init__(self, tracks: list[TrackTime]) -> None:
        self.tracks = tracks
        """The first one leads, the others follow it."""
        self.implausible = 0
        """Reports that contradict the arrivals."""

    @property
    def known(self) -> bool:
        """Whether reports tell how all tracks stand to each other."""
        return all(track.offset is not None and track.reported for track in self.tracks)

    def align(self, *, at_once: TrackTime | None = None) -> None:
        """Move the tracks to where their newest reports want them; one may be moved at once."""
        lead = self.tracks[0] if self.tracks else None
        place = lead.place() if lead is not None else None
        if lead is None or place is None:
            return
        assert lead.offset is not None
        for track in self.tracks[1:]:
            other = track.place()
            if other is None:
                continue
            if not track.aim(lead.offset + other - place, at_once=track is at_once):
                self.implausible += 1
