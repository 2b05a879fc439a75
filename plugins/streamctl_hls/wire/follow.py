"""What of a media playlist is to be fetched next, load after load: a state of values.

Segments come by their sequence numbers, each once; parts of the newest one come early where the
server offers them. Numbers that begin anew, and segments that were gone before they could be
fetched, are told as breaks. When to load again is told too, fetching is left to others.

Specification: RFC 8216bis, sections 4.4.2.2, 6.2.1, 6.3.3, 6.3.4 and 6.2.5.2.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl_hls.wire.playlist import Key, Map, MediaPlaylist, Resource, Segment

START_TARGETS = 3
"""How far from the end of a live playlist fetching begins, in target durations (6.3.3)."""
ROUNDING_S = 0.001
"""What sums of durations may be wrong by."""
REMEMBERED = 64
"""Addresses of segments, by which an old playlist is told from one that begins anew."""
MOST_TAKEN = 1000
"""Segments at a time, which take a few milliseconds; long recordings have some ten thousand."""
STALE_LOADS = 3
"""A cache may give an old playlist once or twice; when it stays, the numbers began anew."""
TAGGED = "the playlist tells a discontinuity"
BEGUN_ANEW = "the numbers of the playlist begin anew"


@dataclass(frozen=True, slots=True)
class Piece:
    """Something to fetch, and what it means."""

    at: Resource | None
    """None = there is a gap here."""
    sequence: int
    duration_s: float
    key: Key | None
    map: Map | None
    part: int = -1
    """Number within its segment; -1 = a whole segment."""
    broken: str = ""
    """Why it does not go on from what was before, in its times and tracks; empty = it does."""
    missed: str = ""
    """Why something is missing before it, although its times go on; empty = nothing is."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"segment {self.sequence}" + (f", part {self.part}" if self.part >= 0 else "")


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a playlist was taken."""

    name: str
    """The last segment that was taken whole."""
    part: int = 0
    """How many parts of the one after it were."""


class Follower:
    """Follows one media playlist."""

    def __init__(self) -> None:
        self.former: Mark | None = None
        """How far somebody else had come, who was cut off: a live playlist is not begun before."""
        self.next: int | None = None
        """The segment that is wanted next; None = nothing was seen yet."""
        self.part = 0
        """How many parts of it were taken."""
        self.lost = 0
        """Segments that were gone before they could be taken."""
        self.start_s: float | None = None
        """Where playlists are begun that don't tell themselves."""
        self.behind_s = 0.0
        """How far behind the end of a live playlist its server wanted us to begin."""
        self._seen: OrderedDict[int, str] = OrderedDict()
        self._shift = 0
        """By how much the numbers of the server are too low, since they did not go on."""
        self._stale = 0
        self._broken = self._missed = ""

    def take(self, playlist: MediaPlaylist) -> list[Piece]:
        """What is new in a playlist; not all at once if that is very much."""
        playlist = self._renumbered(playlist)
        if self.next is None:
            self._start(playlist)
        elif self._stands_back(playlist):
            return []
        assert self.next is not None
        if self.next < playlist.sequence:
            self._miss(playlist.sequence - self.next, playlist.sequence)
        self._remember(playlist.segments[-REMEMBERED:])
        out: list[Piece] = []
        begin = self.next - playlist.sequence
        for segment in playlist.segments[begin : begin + MOST_TAKEN]:
            if segment.at is not None:
                out += self._whole(segment)
            else:
                out += self._partial(segment)
        return out

    @property
    def mark(self) -> Mark | None:
        """How far the playlist was taken; None = not even one segment."""
        name = self._seen.get(self.next - 1) if self.next is not None else None
        return Mark(name, self.part) if name is not None else None

    def restart(self, reason: str) -> None:
        """Begin anew with the next playlist; ``reason`` is told with its first piece."""
        self.next, self.part = None, 0
        self._broken = reason
        self._shift = 0
        self._seen.clear()

    def resume(self, sequence: int, reason: str) -> None:
        """Go on with that segment of another playlist, or as near to it as possible."""
        self.next, self._broken = sequence, reason

    def wanted(self, url: str, playlist: MediaPlaylist) -> str:
        """The address by which the next playlist is asked for."""
        if not playlist.blocking or self.next is None:
            return url
        # The path stays as it is, whatever it looks like.
        parts = urlsplit(url)
        pairs = [each for each in parts.query.split("&") if each and "_HLS_" not in each]
        pairs.append(f"_HLS_msn={self.next - self._shift}")
        if playlist.part_target_s:
            pairs.append(f"_HLS_part={self.part}")
        return urlunsplit(parts._replace(query="&".join(pairs)))

    def _whole(self, segment: Segment) -> list[Piece]:
        """A segment that is complete, or what is left of it."""
        assert segment.at is not None
        parts, begun = segment.parts, self.part
        self.next, self.part = segment.sequence + 1, 0
        if not begun:
            at = None if segment.gap else segment.at
            return [self._piece(segment, at, segment.duration_s)]
        if begun > len(parts):
            # Its parts are not listed any more.
            self._miss(1, segment.sequence + 1)
            return []
        return self._parts(segment, begun)

    def _partial(self, segment: Segment) -> list[Piece]:
        """A segment that is still growing; parts of encrypted ones are not read one by one."""
        if segment.key is not None:
            return []
        begun, self.part = self.part, max(self.part, len(segment.parts))
        return self._parts(segment, begun)

    def _parts(self, segment: Segment, begun: int) -> list[Piece]:
        return [
            self._piece(segment, None if part.gap else part.at, part.duration_s, number)
            for number, part in enumerate(segment.parts[begun:], begun)
        ]

    def _piece(
        self, segment: Segment, at: Resource | None, duration_s: float, part: int = -1
    ) -> Piece:
        broken, missed = self._broken, self._missed
        self._broken = self._missed = ""
        if segment.discontinuity and part <= 0:
            broken = broken or TAGGED
        return Piece(
            at, segment.sequence, duration_s, segment.key, segment.map, part, broken, missed
        )

    def _start(self, playlist: MediaPlaylist) -> None:
        """Choose where to begin, never before what was played already."""
        self._choose(playlist)
        former, self.former = self.former, None
        if former is None or playlist.ended:
            return
        for segment in reversed(playlist.segments):
            if segment.at is not None and name_of(segment.at) == former.name:
                assert self.next is not None
                place = segment.sequence + 1, former.part
                self.next, self.part = max((self.next, self.part), place)
                return

    def _choose(self, playlist: MediaPlaylist) -> None:
        """Choose where to begin: at the first segment, or some way from the end of a live list.

        ``EXT-X-START`` may lead anywhere in a list that has ended, and further back in a live one
        (4.4.2.2); from the beginning of that it is not counted, as each attempt would repeat it.
        """
        segments = playlist.segments
        start_s = playlist.start_s if playlist.start_s is not None else self.start_s or 0.0
        self.next, self.part = playlist.sequence, 0
        if not segments:
            return
        if playlist.ended:
            length_s = sum(each.duration_s for each in segments) if start_s < 0 else 0.0
            self.next = begun(segments, start_s + length_s)
            return
        self.behind_s = max(0.0, -start_s)
        if playlist.part_target_s and segments[-1].key is None and self._start_low(playlist):
            return
        left_s = max(START_TARGETS * playlist.target_s, playlist.hold_back_s, self.behind_s)
        for segment in reversed(segments):
            if segment.at is None:
                continue
            self.next = segment.sequence
            left_s -= segment.duration_s
            if left_s <= 0:
                return

    def _start_low(self, playlist: MediaPlaylist) -> bool:
        """Begin with an independent part near the end; whether there is one."""
        hold_s = playlist.part_hold_back_s or START_TARGETS * playlist.part_target_s
        left_s = max(hold_s, self.behind_s)
        for segment in reversed(playlist.segments):
            if not segment.parts:
                return False
            for number in range(len(segment.parts) - 1, -1, -1):
                part = segment.parts[number]
                left_s -= part.duration_s
                if left_s <= 0 and part.independent and not part.gap:
                    self.next, self.part = segment.sequence, number
                    return True
        return False

    def _renumbered(self, playlist: MediaPlaylist) -> MediaPlaylist:
        """A playlist with numbers that go on, though its server leaves them as they are.

        ffmpeg does so in live lists of a single file: each segment moves to the number of the one
        before.
        """
        playlist = moved(playlist, self._shift)
        step = self._step(playlist) if self._differs(playlist) else 0
        self._shift += step
        return moved(playlist, step)

    def _step(self, playlist: MediaPlaylist) -> int:
        """By how much the newest known segment is listed too low; 0 = it is not listed."""
        newest = playlist.segments[-MOST_TAKEN:]
        places = {name_of(each.at): each.sequence for each in newest if each.at is not None}
        for sequence in reversed(self._seen):
            place = places.get(self._seen[sequence])
            if place is not None:
                return max(0, sequence - place)
        return 0

    def _stands_back(self, playlist: MediaPlaylist) -> bool:
        """Whether a playlist is an old one; one that begins anew makes us begin anew."""
        assert self.next is not None
        if playlist.end >= self.next:
            self._stale = 0
            return False
        self._stale += 1
        if self._stale < STALE_LOADS and not self._differs(playlist):
            return True
        self._stale = 0
        self.restart(BEGUN_ANEW)
        self._start(playlist)
        return False

    def _differs(self, playlist: MediaPlaylist) -> bool:
        """Whether the newest segment that is listed by a known number is another one."""
        for segment in reversed(playlist.segments):
            if segment.at is not None and segment.sequence in self._seen:
                return self._seen[segment.sequence] != name_of(segment.at)
        return False

    def _miss(self, count: int, following: int) -> None:
        self.lost += count
        self.next, self.part = following, 0
        self._missed = f"{count} segments were gone before they could be fetched"

    def _remember(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            if segment.at is not None:
                self._seen[segment.sequence] = name_of(segment.at)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def begun(segments: Sequence[Segment], at_s: float) -> int:
    """The number of the segment that is played at a time; the nearest if there is none."""
    end_s = 0.0
    for segment in segments:
        end_s += segment.duration_s
        if end_s > at_s + ROUNDING_S:
            return segment.sequence
    return segments[-1].sequence


def moved(playlist: MediaPlaylist, step: int) -> MediaPlaylist:
    """A playlist with higher numbers, of a live one the end: what is before it was taken."""
    if not step:
        return playlist
    kept = playlist.segments if playlist.ended else playlist.segments[-MOST_TAKEN:]
    first = playlist.sequence + len(playlist.segments) - len(kept) + step
    segments = tuple(replace(each, sequence=each.sequence + step) for each in kept)
    return replace(playlist, sequence=first, segments=segments)


def name_of(at: Resource) -> str:
    """What tells segments apart: folders and queries may hold keys that change."""
    # There may be a hundred thousand of them, and to take URLs apart properly costs ten times this.
    name = at.url.partition("#")[0].partition("?")[0].rpartition("/")[2]
    return f"{name}@{at.span.start}" if at.span else name
