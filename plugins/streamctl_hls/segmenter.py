"""Where segments begin and end: pure decisions, and the state that applies them.

Theory of operation. A segment starts at a random-access point and ends before the first one at
or past ``segment_s``. The target duration is fixed by the first segment that ended so; when a
later segment outgrows it, it is cut where its newest random-access point was, which came before
``segment_s``; without one it is cut by force at the target duration, on a chunk boundary where no
later picture is shown before an earlier one, and the next segment gets a copy of the newest PAT
and PMT in front, because nothing else starts it. The cut is decided late, when waiting longer
would break the rule that a rounded EXTINF may not exceed the target duration, so that keyframes
which come a little late still end a segment.

Another epoch begins with sound that goes with the last pictures of the one before, since sound is
sent later than pictures: it is added to their segment, which ends with the first picture of the
new one. What sounds later than these pictures and before the new ones would make a segment begin
without a picture; it is left out.

Durations are differences of media times and add up without drift: a segment ends where the next
one starts, and before a discontinuity where its own last picture ends. Wall-clock times are
anchored once per epoch, at the newest media of the first batch: the history that a reader gets
when it attaches lies in the past.

Specification: RFC 8216 3, 4.3.2, 4.3.3.1. Playlists and retention are left to ``window``.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE, Boundary, Chunk, Init, InitChange, Media, Skipped
from streamctl_hls.segment import Segment, segment_name, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Codec, Item

EARLY = TIMESCALE // 50
"""A keyframe that is this much too early still ends a segment: clocks of publishers round to
milliseconds or jitter, and a GOP of 1.999 s must not become a segment of 4 s."""
LATE = TIMESCALE // 10
"""A first segment that is this much longer than whole seconds doesn't raise the target duration
by a second (29.97 fps gives 2.002 s); RFC 8216 4.3.3.1 compares rounded durations."""
FIRST_LIMIT_S = 10
"""How long the first segment may grow while the target duration is open; longer groups of
pictures would let viewers wait and memory grow without bound."""
HOLE = TIMESCALE // 2
"""A pause between two pictures from which on a cut that is due anyway is put into the pause."""


class Cut(enum.Enum):
    """What to do before a picture is added to the open segment."""

    HOLD = enum.auto()
    AT_RAP = enum.auto()
    BY_FORCE = enum.auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """Ages of a segment in ticks."""

    wanted: int
    """From here on the next random-access point ends the segment."""
    limit: int
    """From here on a cut can't wait."""


def cut(elapsed: int, rule: Rule, *, rap: bool) -> Cut:
    """Decide about a picture that starts ``elapsed`` ticks after its segment."""
    if elapsed >= rule.limit:
        return Cut.BY_FORCE
    return Cut.AT_RAP if rap and elapsed >= rule.wanted else Cut.HOLD


def target_duration(segment_s: float, first: int) -> int:
    """EXT-X-TARGETDURATION in seconds, given the ticks of the first segment that ended at a RAP."""
    return max(1, math.ceil(segment_s), math.ceil((first - LATE) / TIMESCALE))


def limit_ticks(target_s: int) -> int:
    """The shortest duration that rounds to more than the target duration."""
    return target_s * TIMESCALE + TIMESCALE // 2


@dataclass(frozen=True, slots=True)
class Split:
    """A place in the open segment where it can still be cut."""

    rap: bool
    """A random-access point that came too early to end the segment."""
    index: int
    size: int
    pictures: int
    end: int
    """Media time where everything before the place has been shown."""


@dataclass(slots=True)
class Growing:
    """The open segment."""

    start: int
    discontinuity: bool
    independent: bool
    newest: int
    """Media time of the newest picture, 90 kHz."""
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    pictures: int = 0
    end: int = 0
    split: Split | None = None

    def add(self, chunk: Chunk, split_until: int) -> None:
        """Append a chunk; remember the best place so far for a cut that can't wait."""
        if chunk.flush:
            if self.pictures and (chunk.rap or self._splits(chunk, split_until)):
                end = chunk.start if chunk.rap else self.media_end()
                self.split = Split(chunk.rap, len(self.parts), self.size, self.pictures, end)
            self.pictures += 1
            self.newest = max(self.newest, chunk.start)
            self.end = max(self.end, chunk.end)
        self.parts.append(chunk.data)
        self.size += len(chunk.data)

    def _splits(self, chunk: Chunk, until: int) -> bool:
        """Whether a cut before ``chunk`` tears no reordered pictures apart and is the best yet."""
        return self.newest < chunk.start <= until and not (self.split and self.split.rap)

    def media_end(self) -> int:
        """Where the newest picture ends: by its duration, else by the mean of the segment's."""
        if self.end > self.newest:
            return self.end
        mean = (self.newest - self.start) // max(1, self.pictures - 1)
        return self.newest + max(1, mean)

    def rest(self, split: Split) -> Growing:
        """What stays open after a cut at ``split``."""
        head = b"" if split.rap else tables(self.parts[: split.index])
        rest = self.parts[split.index :]
        return Growing(
            start=split.end,
            discontinuity=False,
            independent=split.rap,
            newest=self.newest,
            parts=[head, *rest] if head else rest,
            size=len(head) + self.size - split.size,
            pictures=self.pictures - split.pictures,
            end=self.end,
        )


class Segmenter:
    """Turns the items of an ``mpegts`` lane into segments."""

    def __init__(self, segment_s: float, first_number: int, generation: int = 0) -> None:
        self.segment_s = segment_s
        self.generation = generation
        """Part of the names of segments."""
        self.target_s = 0
        """EXT-X-TARGETDURATION; 0 until it is known, fixed from then on."""
        self.next_number = first_number
        self.forced_cuts = 0
        self.open: Growing | None = None
        self._ending: Growing | None = None
        """The last one of an epoch, until there is a picture of the next."""
        self._sounds: frozenset[tuple[Codec, int, int]] = frozenset()
        self._produced = False
        self._break_next = False
        self._tracks: tuple[tuple[int, Codec, bytes | None], ...] = ()
        self._tracks_changed = False
        self._dropped = False
        self._anchored = False
        self._anchor = 0.0
        self._batch_anchor = 0.0
        self._wall_end = 0.0
        self._not_before: int | None = None
        self._closed: list[Segment] = []

    @property
    def limit(self) -> int:
        """The age in ticks at which the open segment is cut, whatever comes."""
        return limit_ticks(self._target())

    def successor(self, generation: int, last: Segment | None) -> Segmenter:
        """A fresh segmenter for the same stream, which goes on after the segment ``last``.

        It takes nothing that was in that segment, although its input may begin earlier.
        """
        number = last.number + 1 if last is not None else self.next_number
        fresh = Segmenter(self.segment_s, number, generation)
        fresh.target_s = self.target_s
        fresh.forced_cuts = self.forced_cuts
        fresh._produced = fresh._break_next = self._produced
        if last is not None:
            fresh._not_before = last.end
            fresh._wall_end = last.wall + last.duration
        return fresh

    def feed(self, items: Sequence[Item], wall: float) -> list[Segment]:
        """Take the items of one write at Unix time ``wall``; return the segments they ended."""
        newest = next((item for item in reversed(items) if isinstance(item, Chunk)), None)
        if newest is not None:
            self._batch_anchor = wall - newest.start / TIMESCALE
        for item in items:
            if isinstance(item, Chunk):
                self._chunk(item)
            elif isinstance(item, Boundary):
                self._turn(item.init)
            elif isinstance(item, InitChange):
                changed = self._signature(item.init)
                self._tracks_changed |= changed and self.open is not None
            elif isinstance(item, Skipped):
                self._dropped = True
                self.interrupt()
        closed, self._closed = self._closed, []
        return closed

    def interrupt(self) -> None:
        """End the open segment: what follows is not connected with it."""
        self._end()
        self._ending, self.open = self.open, None
        self._end()
        self._break_next = self._produced
        self._tracks_changed = False
        self._anchored = False

    def discard(self) -> None:
        """Forget the open segment; numbers and the target duration go on."""
        self.open = self._ending = None
        self.interrupt()
        self._dropped = False

    def _turn(self, init: Init) -> None:
        """Another epoch begins; its sound may go on where the open segment's ends."""
        before, grown = self._sounds, self.open
        self._signature(init)
        goes_on = bool(self._sounds) and self._sounds <= before
        if grown is not None and goes_on:
            self.open = None
        self.interrupt()
        if grown is not None and goes_on:
            self._ending, self._break_next = grown, True

    def _end(self) -> None:
        """Close the last segment of the epoch before, if it is still open."""
        ending, self._ending = self._ending, None
        if ending is not None:
            self._close(ending, ending.media_end())

    def _signature(self, init: Init) -> bool:
        """Note the tracks; tell whether decoders see a difference."""
        tracks = tuple((track.id, track.codec, track.config) for track in init.tracks)
        changed, self._tracks = tracks != self._tracks, tracks
        heard = (track for track in init.tracks if track.media is Media.AUDIO)
        self._sounds = frozenset(
            (track.codec, track.sample_rate, track.channels) for track in heard
        )
        return changed

    def _chunk(self, chunk: Chunk) -> None:
        grown = self.open
        if grown is None and not self._opens(chunk):
            ending = self._ending
            if ending is not None and not chunk.flush and chunk.start < ending.media_end():
                ending.add(chunk, ending.start)
            else:
                self._dropped = True
            return
        while grown is not None and chunk.flush:
            decision = cut(chunk.start - grown.start, self._rule(grown), rap=chunk.rap)
            if decision is Cut.HOLD:
                break
            grown = self._cut(grown, chunk, decision)
        if grown is None:
            self._end()
            grown = self._begin(chunk)
        self.open = grown
        grown.add(chunk, grown.start + self._target() * TIMESCALE)

    def _opens(self, chunk: Chunk) -> bool:
        """Whether a segment that nothing precedes can begin here."""
        return chunk.rap and (self._not_before is None or chunk.start >= self._not_before)

    def _target(self) -> int:
        return self.target_s or max(FIRST_LIMIT_S, 2 * math.ceil(self.segment_s))

    def _rule(self, grown: Growing) -> Rule:
        wanted = round(self.segment_s * TIMESCALE) - EARLY
        if not grown.independent or self._tracks_changed:
            wanted = 1
        return Rule(wanted, self.limit)

    def _begin(self, chunk: Chunk, head: bytes = b"") -> Growing:
        """A new segment for ``chunk``, which is not added yet, led by ``head``."""
        if self._dropped:
            head = tables([chunk.data]) + chunk.join
        discontinuity, self._break_next, self._dropped = self._break_next, False, False
        if not self._anchored:
            self._anchored, self._anchor = True, self._batch_anchor
        return Growing(
            start=chunk.start,
            discontinuity=discontinuity,
            independent=chunk.rap,
            newest=chunk.start,
            parts=[head] if head else [],
            size=len(head),
        )

    def _cut(self, grown: Growing, chunk: Chunk, decision: Cut) -> Growing | None:
        """Close ``grown`` before ``chunk``; return what stays open, None to begin with it."""
        if decision is Cut.AT_RAP:
            if not self.target_s:
                self.target_s = target_duration(self.segment_s, chunk.start - grown.start)
            self._close(grown, chunk.start)
            self._break_next, self._tracks_changed = self._tracks_changed, False
            return None
        self.target_s = self._target()
        end = grown.media_end()
        if grown.split is not None and chunk.start - end < HOLE:
            self.forced_cuts += not grown.split.rap
            self._close(grown, grown.split.end, grown.split)
            return grown.rest(grown.split)
        self._close(grown, end)
        self._break_next = True
        if chunk.rap:
            return None
        self.forced_cuts += 1
        return self._begin(chunk, tables(grown.parts))

    def _close(self, grown: Growing, end: int, split: Split | None = None) -> None:
        wall = max(self._anchor + grown.start / TIMESCALE, self._wall_end)
        segment = Segment(
            name=segment_name(self.generation, self.next_number),
            number=self.next_number,
            start=grown.start,
            end=max(end, grown.start + 1),
            parts=tuple(grown.parts[: split.index] if split else grown.parts),
            size=split.size if split else grown.size,
            wall=wall,
            discontinuity=grown.discontinuity,
            independent=grown.independent,
        )
        self.next_number += 1
        self._produced = True
        self._wall_end = wall + segment.duration
        self._closed.append(segment)
