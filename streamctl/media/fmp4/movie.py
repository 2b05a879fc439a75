"""Initialization sections: the tracks of a movie and what its fragments leave out.

Specification: ISO/IEC 14496-12 sections 8.2 to 8.8; ISO/IEC 23000-19 section 7.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streamctl.errors import RemoteProtocolError
from streamctl.media.fmp4.box import Box, Fields, boxes, child, needed
from streamctl.media.fmp4.sample_entry import Entry, parse_entry

MAX_TRACKS = 64
"""As many as of a transport stream."""
MAX_ENTRIES = 16
"""Kinds of samples in one track."""
MAX_EDITS = 1000
"""Only those before the first media matter."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What samples are where a fragment does not say (8.8.3)."""

    entry: int = 1
    duration: int = 0
    size: int = 0


@dataclass(slots=True)
class MovieTrack:
    """A track as its movie describes it."""

    id: int
    timescale: int
    entries: tuple[Entry, ...]
    language: str = ""
    shift: int = 0
    """Added to the times of its samples, in its timescale, by its edit list."""
    defaults: Defaults = field(default_factory=Defaults)


def parse_movie(data: bytes) -> list[MovieTrack]:
    """The tracks of an initialization section.

    Raises:
        RemoteProtocolError: it is none, or damaged.
    """
    movie = next((box for box in boxes(data) if box.kind == b"moov"), None)
    if movie is None:
        raise RemoteProtocolError("an initialization section without `moov`")
    scale = movie_scale(data, movie)
    tracks: dict[int, MovieTrack] = {}
    for box in boxes(data, movie.start, movie.end):
        if box.kind == b"trak" and len(tracks) < MAX_TRACKS:
            track = parse_track(data, box, scale)
            tracks[track.id] = track
    extends = child(data, movie, b"mvex")
    if extends is not None:
        for box in boxes(data, extends.start, extends.end):
            if box.kind == b"trex":
                fields = Fields.of(data, box)
                fields.full()
                number = fields.number(4)
                if number in tracks:
                    values = (fields.number(4) for _ in range(3))
                    tracks[number].defaults = Defaults(*values)
    return list(tracks.values())


def movie_scale(data: bytes, movie: Box) -> int:
    """The timescale of the movie; 0 where it does not say."""
    header = child(data, movie, b"mvhd")
    if header is None:
        return 0
    fields = Fields.of(data, header)
    version, _ = fields.full()
    fields.skip(16 if version else 8)
    return fields.number(4)


def parse_track(data: bytes, box: Box, movie_timescale: int) -> MovieTrack:
    """One track.

    Raises:
        RemoteProtocolError: it is damaged.
    """
    fields = Fields.of(data, needed(data, box, b"tkhd"))
    version, _ = fields.full()
    fields.skip(16 if version else 8)
    number = fields.number(4)
    media = needed(data, box, b"mdia")
    fields = Fields.of(data, needed(data, media, b"mdhd"))
    version, _ = fields.full()
    fields.skip(16 if version else 8)
    timescale = fields.number(4)
    fields.skip(8 if version else 4)
    language = letters(fields.number(2))
    if not timescale:
        raise RemoteProtocolError("a track without a timescale")
    description = needed(data, media, b"minf", b"stbl", b"stsd")
    entries = [
        parse_entry(data, entry) for entry in boxes(data, description.start + 8, description.end)
    ]
    shift = edit_shift(data, box, timescale, movie_timescale)
    return MovieTrack(number, timescale, tuple(entries[:MAX_ENTRIES]), language, shift)


def letters(packed: int) -> str:
    """A language of three letters; empty when it is not told."""
    if not packed:
        return ""
    text = "".join(chr(0x60 + (packed >> shift & 31)) for shift in (10, 5, 0))
    return text if text.isalpha() and text != "und" else ""


def edit_shift(data: bytes, track: Box, timescale: int, movie_timescale: int) -> int:
    """What an edit list adds to the times of a track (8.6.6), up to its first media."""
    edits = child(data, track, b"edts")
    found = child(data, edits, b"elst") if edits is not None else None
    if found is None:
        return 0
    fields = Fields.of(data, found)
    version, _ = fields.full()
    size = 8 if version else 4
    shift = 0
    for _ in range(min(fields.number(4), MAX_EDITS)):
        duration, time = fields.number(size), fields.signed(size)
        fields.skip(4)
        if time >= 0:
            return shift - time
        if movie_timescale:
            shift += duration * timescale // movie_timescale
    return shift
