"""Movie fragments: where the samples of each track are, and when they are due.

Specification: ISO/IEC 14496-12 section 8.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.fmp4.box import Box, Fields, boxes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamctl.media.fmp4.movie import MovieTrack

MAX_SAMPLES = 100_000
"""In one fragment, of all tracks; half an hour of sound."""
BASE_OFFSET, ENTRY, DURATION, SIZE, FLAGS, NO_DURATION, BASE_IS_MOOF = (
    *(0x1, 0x2, 0x8, 0x10, 0x20, 0x10000, 0x20000),
)
"""Flags of ``tfhd``."""
RUN_OFFSET, FIRST_FLAGS = 0x1, 0x4
EACH_DURATION, EACH_SIZE, EACH_FLAGS, EACH_OFFSET = 0x100, 0x200, 0x400, 0x800
"""Flags of ``trun``."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample, in the timescale of its track."""

    start: int
    """Where its bytes begin."""
    size: int
    time: int
    """Decoding time, from where the fragment's own begins."""
    duration: int
    offset: int
    """Presentation less decoding time."""


@dataclass(slots=True)
class TrackRun:
    """What a fragment holds of one track."""

    track: MovieTrack
    entry: int
    """Which of the track's sample entries, from 1."""
    time: int | None
    """Where decoding times begin; None = where those of the fragment before ended."""
    wide: bool
    """The time has 64 bits, so that it never wraps."""
    samples: list[Sample]


@dataclass(slots=True)
class Header:
    """What holds for all runs of a track fragment."""

    base: int
    entry: int
    duration: int
    size: int


def parse_fragment(data: bytes, moof: Box, tracks: Mapping[int, MovieTrack]) -> list[TrackRun]:
    """What a fragment holds of known tracks.

    Raises:
        RemoteProtocolError: it is damaged, or has more samples than any real one.
    """
    out: list[TrackRun] = []
    place = moof.begin
    for box in boxes(data, moof.start, moof.end):
        if box.kind == b"traf":
            run, place = parse_track_fragment(data, box, moof, tracks, place)
            if run is not None:
                out.append(run)
                count = sum(len(one.samples) for one in out)
                if count > MAX_SAMPLES:
                    raise RemoteProtocolError(f"a fragment claims to have {count} samples")
    return out


def parse_track_fragment(
    data: bytes, traf: Box, moof: Box, tracks: Mapping[int, MovieTrack], place: int
) -> tuple[TrackRun | None, int]:
    """One track of a fragment, and where its data ends.

    Raises:
        RemoteProtocolError: it is damaged.
    """
    inside = list(boxes(data, traf.start, traf.end))
    head = next((box for box in inside if box.kind == b"tfhd"), None)
    if head is None:
        raise RemoteProtocolError("a track fragment without its header")
    fields = Fields.of(data, head)
    _, flags = fields.full()
    track = tracks.get(fields.number(4))
    if track is None:
        return None, place
    header = track_header(fields, flags, track, moof.begin, place)
    found = TrackRun(track, header.entry, None, True, [])
    place = header.base
    for box in inside:
        if box.kind == b"tfdt":
            times = Fields.of(data, box)
            version, _ = times.full()
            found.time, found.wide = times.number(8 if version else 4), bool(version)
        elif box.kind == b"trun":
            place = parse_run(Fields.of(data, box), header, place, found.samples)
    return found, place


def track_header(fields: Fields, flags: int, track: MovieTrack, moof: int, place: int) -> Header:
    """What holds for all samples of a track fragment."""
    base = moof if flags & BASE_IS_MOOF else place
    if flags & BASE_OFFSET:
        base = fields.number(8)
    defaults = track.defaults
    entry = fields.number(4) if flags & ENTRY else defaults.entry
    duration = fields.number(4) if flags & DURATION else defaults.duration
    size = fields.number(4) if flags & SIZE else defaults.size
    return Header(base, entry, duration, size)


def parse_run(fields: Fields, header: Header, place: int, out: list[Sample]) -> int:
    """Append the samples of a run; where its data ends.

    Raises:
        RemoteProtocolError: it is damaged.
    """
    version, flags = fields.full()
    count = fields.number(4)
    # Where all samples have one size a run needs no bytes of its own to claim any number of them.
    least = 1 if flags & EACH_SIZE else max(header.size, 1)
    if count + len(out) > MAX_SAMPLES or count * least > len(fields.data):
        raise RemoteProtocolError(f"a fragment claims to have {count} samples")
    if flags & RUN_OFFSET:
        place = header.base + fields.signed(4)
    if place < 0:
        raise RemoteProtocolError("a run of samples begins before its file")
    fields.skip(4 if flags & FIRST_FLAGS else 0)
    time = out[-1].time + out[-1].duration if out else 0
    for _ in range(count):
        duration = fields.number(4) if flags & EACH_DURATION else header.duration
        size = fields.number(4) if flags & EACH_SIZE else header.size
        fields.skip(4 if flags & EACH_FLAGS else 0)
        offset = 0
        if flags & EACH_OFFSET:
            offset = fields.signed(4) if version else signed_anyway(fields.number(4))
        out.append(Sample(place, size, time, duration, offset))
        place += size
        time += duration
    return place


def signed_anyway(offset: int) -> int:
    """An unsigned offset that is meant to be negative: writers forget the version."""
    return offset - (1 << 32) if offset >> 31 else offset


def fragments(data: bytes) -> Iterator[Box]:
    """The fragments of a segment; what else is in it (styp, sidx, emsg, prft) is left out.

    Raises:
        RemoteProtocolError: boxes are damaged.
    """
    return (box for box in boxes(data) if box.kind == b"moof")
