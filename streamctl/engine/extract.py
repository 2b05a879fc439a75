"""The converter from the ``mpegts`` lane to the ``packets`` lane.

It takes apart what passes through while somebody reads access units: the times are those of the
timeline already, and what begins an epoch is what the passage lets through. Tracks are numbered
by their order in the program map, as the epoch numbers them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.engine.timeline import DISORDER_STEP, JUMP, REORDER_MAX
from streamctl.errors import RemoteProtocolError
from streamctl.media import hevc
from streamctl.media.codecs import frame_duration
from streamctl.media.mpegts.demux import TsDemuxer
from streamctl.media.packet import (
    Boundary,
    Chunk,
    Codec,
    Flag,
    Init,
    InitChange,
    Kind,
    Media,
    Packet,
    Track,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.media.mpegts.demux import Tracks
    from streamctl.media.packet import Item

KEY = Kind.KEY
PICTURES = frozenset({Kind.KEY, Kind.P, Kind.B})
LAYERS = {Codec.MP2, Codec.MP3}
LEADING, OPEN_GOP = int(Flag.LEADING), int(Flag.OPEN_GOP)
"""As plain numbers, since the bits of an enum are slow to test."""


@dataclass(slots=True)
class Pace:
    """Where a track stands."""

    dts: int
    step: int
    """Last plausible distance of two access units, 90 kHz."""
    starting: bool
    """Its first group of pictures: what leads it can't be decoded."""


class TsExtractor:
    """Takes access units out of the chunks of one lane."""

    def __init__(self) -> None:
        self.init: Init | None = None
        """What was announced last."""
        self._demuxer: TsDemuxer | None = None
        self._anchored = False
        self._numbers: dict[int, int] = {}
        """Track numbers by those of the demultiplexer."""
        self._paces: dict[int, Pace] = {}

    @property
    def faults(self) -> Mapping[str, int]:
        """What was wrong with access units of this epoch, and how often."""
        return self._demuxer.time.faults if self._demuxer is not None else {}

    @property
    def left_out(self) -> Mapping[int, str]:
        """Why streams are no tracks, by the PID that they have in the lane."""
        return self._demuxer.left_out if self._demuxer is not None else {}

    def convert(self, items: Sequence[Item]) -> list[Item]:
        """The access units of these chunks; boundaries and changes keep their place."""
        out: list[Item] = []
        for item in items:
            if isinstance(item, Chunk):
                if self._demuxer is not None:
                    self._chunk(self._demuxer, item, out)
            elif isinstance(item, Boundary):
                if self._demuxer is not None:
                    # The last picture is held back and may be torn: it goes with its epoch then.
                    self._take(self._demuxer.flush(pictures=item.whole), out)
                self._begin(item, out)
            elif isinstance(item, InitChange):
                self._announce(item.init.tracks, out)
        return out

    def flush(self) -> list[Item]:
        """The last access units, which nothing follows."""
        out: list[Item] = []
        if self._demuxer is not None:
            self._take(self._demuxer.flush(), out)
        return out

    def _begin(self, boundary: Boundary, out: list[Item]) -> None:
        version = self.init.version + 1 if self.init is not None else 0
        self.init = replace(boundary.init, version=max(version, boundary.init.version))
        self._demuxer = TsDemuxer()
        self._anchored = False
        self._numbers = {}
        self._paces = {}
        out.append(Boundary(boundary.epoch, self.init, boundary.reason))

    def _chunk(self, demuxer: TsDemuxer, chunk: Chunk, out: list[Item]) -> None:
        if not self._anchored:
            self._anchored = True
            demuxer.anchor(chunk.start)
        self._take(demuxer.feed(chunk.lead + chunk.data if chunk.lead else chunk.data), out)

    def _take(self, found: list[Packet | Tracks], out: list[Item]) -> None:
        for item in found:
            if not isinstance(item, Packet):
                self._retune(item.tracks, out)
                continue
            number = self._numbers.get(item.track)
            if number is not None:
                item.track = number
                self._unit(item, out)

    def _retune(self, tracks: Sequence[Track], out: list[Item]) -> None:
        """Take the tracks as the demultiplexer knows them now."""
        assert self.init is not None
        self._numbers = {track.id: number for number, track in enumerate(tracks)}
        known = {track.id: track for track in self.init.tracks}
        named = []
        for number, track in enumerate(tracks):
            before = known.get(number)
            if track.config is not None:
                named.append(replace(track, id=number))
            elif before is not None and alike(before.codec, track.codec):
                # The epoch has seen its configuration, which comes here with its first unit.
                named.append(before)
        self._announce(tuple(named), out)

    def _announce(self, tracks: tuple[Track, ...], out: list[Item]) -> None:
        init = self.init
        if init is not None and tracks != init.tracks:
            self.init = Init(init.version + 1, init.epoch, tracks)
            out.append(InitChange(self.init))

    def _unit(self, packet: Packet, out: list[Item]) -> None:
        """Append an access unit that may be shown; decoding times rise strictly per track."""
        assert self.init is not None
        pace = self._paces.get(packet.track)
        if pace is None:
            if packet.kind in PICTURES and packet.kind is not KEY:
                return
            pace = self._first(packet, self.init)
        elif pace.starting and packet.kind in PICTURES:
            if packet.flags & LEADING:
                return
            pace.starting = packet.kind is not KEY
        if abs(packet.pts - packet.dts) > REORDER_MAX:
            packet.pts = packet.dts
        step = packet.dts - pace.dts
        if 0 < step < JUMP:
            pace.step = step
        elif step <= 0:
            packet.dts = pace.dts + DISORDER_STEP
            packet.pts = max(packet.pts, packet.dts)
        pace.dts = packet.dts
        packet.dur = packet.dur or pace.step
        packet.epoch = self.init.epoch
        out.append(packet)

    def _first(self, packet: Packet, init: Init) -> Pace:
        """Begin a track; an open random-access point becomes one that nothing leads."""
        track = init.track(packet.track)
        picture = packet.kind is KEY
        if picture and packet.flags & OPEN_GOP:
            packet.flags &= ~OPEN_GOP
            if track is not None and track.codec is Codec.HEVC:
                packet.data = broken_link(packet.data)
        step = frame_duration(track) if track is not None and track.media is not Media.DATA else 0
        pace = Pace(packet.dts - max(step, 1), step, picture)
        self._paces[packet.track] = pace
        return pace


def alike(codec: Codec, told: Codec) -> bool:
    """Whether a program map that tells one codec may mean the other: its frames tell the layer."""
    return codec is told or {codec, told} == LAYERS


def broken_link(data: bytes) -> bytes:
    """The unit as a broken link, or as it is if it is damaged."""
    try:
        return hevc.broken_link(data)
    except RemoteProtocolError:
        return data
