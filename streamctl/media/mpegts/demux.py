"""The demultiplexer: whole packets of a transport stream in, tracks and access units out.

It takes one program apart. Streams that can't be read are named and left; which access units go
on air when is left to whoever reads. Specification: ISO/IEC 13818-1 §2.4.

Theory of operation: packets are taken in batches. Tables come first, up to one that changes the
program; then each stream takes its packets of that stretch, in runs where they have nothing but
payload; what comes out is put back into the order in which it was complete. The tracks are given
anew whenever one of them changes: when the map comes, when a first frame tells a configuration,
when either changes later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.media.mpegts.batch import LOADED, PIDS, open_batch
from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.program import ProgramReader
from streamctl.media.mpegts.streams import LATM, Carriage, stream_kind, stream_track
from streamctl.media.mpegts.unpack import CueUnpacker, DataUnpacker, PesUnpacker, ProgramTime
from streamctl.media.mpegts.unpack_sound import (
    LatmUnpacker,
    OpusUnpacker,
    SoundUnpacker,
    opus_head,
)
from streamctl.media.mpegts.unpack_video import PictureUnpacker
from streamctl.media.packet import Codec, Media, Packet, Track

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from streamctl.media.mpegts.batch import Batch
    from streamctl.media.mpegts.psi import PmtStream
    from streamctl.media.mpegts.unpack import Found, Unpacker

Data = bytes | bytearray | memoryview

MAX_TRACKS = 64
"""Of a program; broadcasters with all their subtitles have half of it."""
MAX_PICTURE_TRACKS = 4
"""Since each may hold back a picture, of any size: views of one event, or its sign language."""
UNREAD = "passes in MPEG-TS alone"
"""Why a stream is no track whose kind has no codec."""


@dataclass(slots=True)
class Tracks:
    """The tracks of the program, as they are from here on."""

    tracks: tuple[Track, ...]


class TsDemuxer:
    """Takes one program apart."""

    def __init__(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.programs = ProgramReader(program, pids)
        self.time = ProgramTime()
        self.left_out: dict[int, str] = {}
        """Why streams of the program are no tracks, by PID."""
        self._unpackers: dict[int, Unpacker] = {}
        """By PID."""
        self._streams: dict[int, PmtStream] = {}
        self._shown: dict[int, Track] = {}
        """The tracks as they were given last, by number."""
        self._next_track = 0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as far as they are known, in the order of the program map."""
        return tuple(unpacker.track for unpacker in self._unpackers.values())

    @property
    def scrambled(self) -> bool:
        """No sound or picture of the program can be read for its scrambling."""
        media = [
            unpacker.assembler.scrambled
            for unpacker in self._unpackers.values()
            if isinstance(unpacker, PesUnpacker) and unpacker.track.media is not Media.DATA
        ]
        return bool(media) and all(media)

    def anchor(self, time: int) -> None:
        """Put the next timestamp next to this unwrapped time, instead of next to the last one."""
        self.time.anchor(time)

    def feed(self, data: Data) -> list[Packet | Tracks]:
        """Take whole packets; the access units that are complete by them, and new track sets."""
        batch = open_batch(data)
        out: list[Packet | Tracks] = []
        start = 0
        while start < batch.count:
            stop = self._read_tables(batch, data, start)
            out += self._read_streams(batch, data, start, stop)
            if self._retune():
                out.append(Tracks(self.tracks))
            start = stop
        return out

    def flush(self, *, pictures: bool = True) -> list[Packet | Tracks]:
        """The access units that were held back, since nothing comes behind them.

        Frames of sound are whole or left out; the last picture may be torn.
        """
        found: list[Found] = []
        for unpacker in self._unpackers.values():
            wanted = pictures or unpacker.track.media is not Media.VIDEO
            if wanted and isinstance(unpacker, PesUnpacker):
                unpacker.flush(found)
        found.sort(key=lambda item: item.dts if isinstance(item, Packet) else 0)
        return self._announced(self.time.placed(found))

    def _read_tables(self, batch: Batch, data: Data, start: int) -> int:
        """Read tables from a row on; behind which row the program is another one."""
        interest = bytearray(PIDS)
        for pid in self.programs.pids:
            interest[pid] = LOADED
        for row in batch.rows(interest, start):
            known = self.programs.pids
            at = row * PACKET_BYTES
            if self.programs.feed(bytes(data[at : at + PACKET_BYTES])):
                return row + 1
            if self.programs.pids != known:
                return row + 1
        return batch.count

    def _read_streams(
        self, batch: Batch, data: Data, start: int, stop: int
    ) -> list[Packet | Tracks]:
        """What the streams of the program give between two rows."""
        ordered: list[tuple[int, Found]] = []
        for pid, unpacker in self._unpackers.items():
            found: list[Found] = []
            for piece in batch.pieces(pid, start, stop):
                if isinstance(piece, int):
                    row = piece
                    at = row * PACKET_BYTES
                    unpacker.packet(bytes(data[at : at + PACKET_BYTES]), found)
                else:
                    row = piece.row
                    unpacker.run(piece, found)
                if found:
                    ordered += [(row, item) for item in found]
                    found.clear()
        ordered.sort(key=lambda entry: entry[0])
        return self._announced(self.time.placed(item for _, item in ordered))

    def _announced(self, found: Iterable[Found]) -> list[Packet | Tracks]:
        """Put the whole set of tracks in the place of each that has changed."""
        out: list[Packet | Tracks] = []
        for item in found:
            if isinstance(item, Packet):
                out.append(item)
            else:
                self._shown[item.id] = item
                out.append(Tracks(tuple(self._shown.values())))
        return out

    def _retune(self) -> bool:
        """Take the streams of the program as its map has them; whether they are others."""
        program = self.programs.program
        streams = {stream.pid: stream for stream in program.map.streams} if program else {}
        if streams == self._streams:
            return False
        unpackers: dict[int, Unpacker] = {}
        left_out: dict[int, str] = {}
        pictures = 0
        for pid, stream in streams.items():
            unpacker = self._kept(stream) or self._open(stream)
            picture = unpacker is not None and unpacker.track.media is Media.VIDEO
            if unpacker is None:
                left_out[pid] = UNREAD
            elif len(unpackers) == MAX_TRACKS:
                left_out[pid] = f"one of more than {MAX_TRACKS} tracks"
            elif picture and pictures == MAX_PICTURE_TRACKS:
                left_out[pid] = f"one of more than {MAX_PICTURE_TRACKS} video tracks"
            else:
                unpackers[pid] = unpacker
                pictures += picture
        self._streams = streams
        self._unpackers = unpackers
        self._shown = {track.id: track for track in self.tracks}
        self.left_out = left_out
        return True

    def _kept(self, stream: PmtStream) -> Unpacker | None:
        """The unpacker of a stream that goes on, though its language may have changed."""
        unpacker, known = self._unpackers.get(stream.pid), self._streams.get(stream.pid)
        if unpacker is None or known is None or stream_kind(known) != stream_kind(stream):
            return None
        told = stream_track(unpacker.track.id, stream)
        if told is not None and known != stream:
            config = told.config if told.media is Media.DATA else unpacker.track.config
            unpacker.track = replace(unpacker.track, language=told.language, config=config)
        return unpacker

    def _open(self, stream: PmtStream) -> Unpacker | None:
        """An unpacker for a stream; None for what can't be read."""
        track = stream_track(self._next_track, stream)
        if track is None:
            return None
        self._next_track += 1
        if stream_kind(stream).carriage is Carriage.SECTIONS:
            return CueUnpacker(track, self.time)
        if track.codec is Codec.OPUS:
            return OpusUnpacker(replace(track, config=opus_head(stream.descriptors)), self.time)
        if track.media is Media.VIDEO:
            return PictureUnpacker(track, self.time)
        if stream.stream_type == LATM:
            return LatmUnpacker(track, self.time)
        if track.media is Media.AUDIO:
            return SoundUnpacker(track, self.time)
        return DataUnpacker(track, self.time)
