"""From initialization sections and segments to tracks and access units.

Decoding times are those of the file after its edit lists, on one clock for all tracks. A sample
that can't be read is counted and left out. Specification: ISO/IEC 14496-12, 23000-19.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import MediaError, RemoteProtocolError
from streamctl.media.fmp4.fragment import TrackRun, fragments, parse_fragment
from streamctl.media.fmp4.movie import parse_movie
from streamctl.media.packet import TIMESCALE, Codec, Packet, Track
from streamctl.media.reader import CODECS, open_reader
from streamctl.media.timestamps import Unwrapper, rescale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.media.fmp4.movie import MovieTrack
    from streamctl.media.fmp4.sample_entry import Entry
    from streamctl.media.reader import TrackReader

CONFIGURED_BY_FRAMES = frozenset({Codec.AC3, Codec.EAC3, Codec.MP3})
"""Codecs whose records say nothing that frames don't."""


@dataclass(slots=True)
class Tracks:
    """The tracks, as they are from here on."""

    tracks: tuple[Track, ...]


class Strand:
    """One track that is read."""

    def __init__(self, number: int, movie: MovieTrack) -> None:
        self.number = number
        self.movie = movie
        self.entry = 0
        """Which sample entry its samples have, from 1."""
        self.reader: TrackReader | None = None
        self.track = Track(number, Codec.DATA)
        self.next = 0
        """Where the decoding times of the next fragment begin if it does not say."""
        self.clock = Unwrapper(32)

    def use(self, entry: int) -> bool:
        """Read samples of an entry from here on; whether that changes the track.

        Raises:
            RemoteProtocolError: its configuration can't be read.
        """
        if entry == self.entry:
            return False
        self.entry = entry
        found = entry_of(self.movie, entry)
        codec = found.codec if found is not None else None
        if found is None or codec is None or codec not in CODECS:
            self.reader = None
            return False
        self.reader = open_reader(codec)
        if found.record and codec not in CONFIGURED_BY_FRAMES:
            self.reader.configure(found.record)
        self.track = Track(
            self.number,
            codec,
            width=found.width,
            height=found.height,
            sample_rate=found.sample_rate,
            channels=found.channels,
            language=self.movie.language,
        )
        self.configured()
        return True

    def configured(self) -> None:
        """Take what the reader knows by now into the track."""
        if self.reader is not None and self.reader.config is not None:
            self.track = self.reader.track(self.track)

    def begin(self, run: TrackRun) -> int:
        """Where the decoding times of a run begin."""
        if run.time is None:
            return self.next
        return run.time if run.wide else self.clock.unwrap(run.time)


class Fmp4Demuxer:
    """Reads what follows one initialization section after the other."""

    def __init__(self) -> None:
        self.dropped = 0
        """Samples that could not be read."""
        self.left_out: tuple[str, ...] = ()
        """Tracks that can't be read, in words."""
        self._strands: dict[int, Strand] = {}
        """By the number in the file."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as far as they are known."""
        return tuple(each.track for each in self._strands.values() if each.reader is not None)

    def start(self, section: bytes) -> Tracks:
        """Take an initialization section.

        Raises:
            RemoteProtocolError: it is damaged.
            MediaError: nothing in it can be read.
        """
        strands: dict[int, Strand] = {}
        left_out = []
        for movie in parse_movie(section):
            strand = Strand(len(strands), movie)
            strand.use(movie.defaults.entry or 1)
            if strand.reader is not None:
                strands[movie.id] = strand
            elif movie.entries:
                left_out.append(why(movie.entries[0]))
        if not strands:
            raise MediaError(f"nothing can be read: {', '.join(left_out) or 'no tracks'}")
        for number, strand in strands.items():
            known = self._strands.get(number)
            if known is not None and known.movie.timescale == strand.movie.timescale:
                # The sections of one stream follow on its clock.
                strand.clock, strand.next = known.clock, known.next
        self._strands = strands
        self.left_out = tuple(left_out)
        return Tracks(self.tracks)

    def feed(self, data: bytes) -> Iterator[list[Packet | Tracks]]:
        """The access units of a segment or part, one fragment after the other.

        Raises:
            RemoteProtocolError: it is damaged.
        """
        movies = {number: each.movie for number, each in self._strands.items()}
        samples = 0
        for moof in fragments(data):
            runs = parse_fragment(data, moof, movies)
            samples += sum(len(run.samples) for run in runs)
            if samples > len(data):
                raise RemoteProtocolError("a segment claims to have more samples than bytes")
            found: list[Packet] = []
            changed = False
            for run in runs:
                changed |= self._read(data, run, found)
            found.sort(key=decoding_time)
            yield [Tracks(self.tracks), *found] if changed else [*found]

    def _read(self, data: bytes, run: TrackRun, out: list[Packet]) -> bool:
        """Append the access units of one track; whether the track is another one."""
        strand = self._strands[run.track.id]
        changed = strand.use(run.entry or 1)
        reader, scale = strand.reader, run.track.timescale
        begin = strand.begin(run)
        if run.samples:
            check_extent(run, len(data))
            last = run.samples[-1]
            strand.next = begin + last.time + last.duration
        if reader is None:
            self.dropped += len(run.samples)
            return changed
        begin += run.track.shift
        number = strand.number
        for sample in run.samples:
            try:
                unit = reader.unit(data[sample.start : sample.start + sample.size])
            except RemoteProtocolError:
                self.dropped += 1
                continue
            if unit.config is not None:
                strand.configured()
                changed = True
            if unit.data:
                time = begin + sample.time
                dts = rescale(time, scale, TIMESCALE)
                pts = rescale(time + sample.offset, scale, TIMESCALE)
                dur = rescale(time + sample.duration, scale, TIMESCALE) - dts
                out.append(Packet(number, pts, dts, unit.kind, unit.flags, unit.data, dur))
        return changed


def check_extent(run: TrackRun, size: int) -> None:
    """Check that samples lie inside their segment, beside one another.

    Raises:
        RemoteProtocolError: they don't.
    """
    ends = max(sample.start + sample.size for sample in run.samples)
    if ends > size or sum(sample.size for sample in run.samples) > size:
        raise RemoteProtocolError("a segment is cut off")


def entry_of(movie: MovieTrack, number: int) -> Entry | None:
    """A sample entry by its number from 1; None if there is none."""
    return movie.entries[number - 1] if 0 < number <= len(movie.entries) else None


def why(entry: Entry) -> str:
    """Why a track can't be read."""
    return f"`{entry.title}` is encrypted" if entry.encrypted else f"`{entry.title}` is unknown"


def decoding_time(packet: Packet) -> int:
    """What access units of several tracks are sorted by."""
    return packet.dts
