"""The converter from the ``packets`` lane to the ``mpegts`` lane.

Decides what stands around access units: tables at random-access points and at least every
half second, what a joiner must get first, and the signals between epochs. One access unit
becomes one chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.codecs import frame_duration
from streamctl.media.mpegts.elementary import CODECS
from streamctl.media.mpegts.mux import TsMuxer
from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    Flag,
    InitChange,
    Kind,
    Media,
    Packet,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamctl.media.mpegts.pidmap import PidMap
    from streamctl.media.packet import Item, Track

__all__ = ["CODECS", "TsConverter"]

PSI_INTERVAL = TIMESCALE * 400 // 1000
"""Tables are due after this; with one more access unit they stay within half a second."""

AUDIO_RAP_INTERVAL = TIMESCALE // 2
"""Without video, viewers may join at the first frame of each such span."""


LEADING = int(Flag.LEADING)
"""As a plain number, since the bits of an enum are slow to test."""


class TsConverter:
    """Multiplexes access units; PIDs, counters and versions go on across epochs."""

    def __init__(self, pids: PidMap | None = None) -> None:
        self.muxer = TsMuxer(pids)
        self.durations: dict[int, int] = {}
        """Of one access unit per audio track."""
        self.broken = False
        """An epoch began and its discontinuity is still to be written."""
        self.psi_due: int | None = None
        """Decoding time from which tables are due; None = now."""
        self.rap_due: int | None = None
        """The same for random-access points without video."""

    def convert(self, items: Sequence[Item]) -> list[Item]:
        """The chunks for these access units; boundaries and changes keep their place."""
        out: list[Item] = []
        for item in items:
            if isinstance(item, Packet):
                self.write(item, out)
            elif isinstance(item, Boundary):
                # Whoever wrote before: another converter, or packets that passed through.
                self.broken = self.muxer.pids.written
                self.muxer.restart_clock(told=self.broken)
                self.announce(item.init.tracks)
                out.append(item)
            elif isinstance(item, InitChange):
                self.announce(item.init.tracks)
                out.append(item)
        return out

    def flush(self) -> list[Item]:
        """Nothing: no access unit is held back."""
        return []

    def announce(self, tracks: Iterable[Track]) -> None:
        """Take these tracks on air, with new tables before the next access unit."""
        self.muxer.announce(tracks)
        # A declared frame rate is no measure of the next frame, the samples of audio are.
        self.durations = {
            track.id: frame_duration(track) for track in tracks if track.media is Media.AUDIO
        }
        self.psi_due = self.rap_due = None

    def write(self, packet: Packet, out: list[Item]) -> None:
        """Append the chunk of one access unit, unless its track is not carried."""
        muxer = self.muxer
        leads = muxer.leads(packet.track)
        if muxer.has_video:
            rap = leads and packet.kind is Kind.KEY
        else:
            rap = leads and (self.rap_due is None or packet.dts >= self.rap_due)
        if rap and (early := muxer.catch_up(packet.dts)):
            # They belong to the time before, so whoever joins here must not get them.
            out.append(Chunk(early, packet.pts, packet.pts, False, False, packet.epoch))
        signals = muxer.discontinuities() if rap or self.broken else b""
        data = muxer.unit(packet, rap)
        if not data:
            return
        if self.broken:
            self.broken = False
            out.append(Chunk(signals, packet.pts, packet.pts, False, False, packet.epoch))
        if rap or self.psi_due is None or packet.dts >= self.psi_due:
            self.psi_due = packet.dts + PSI_INTERVAL
            if packet.flags & LEADING:
                # Those who go without this picture need the tables all the same.
                tables = muxer.tables()
                out.append(Chunk(tables, packet.pts, packet.pts, False, False, packet.epoch))
            else:
                data = muxer.tables() + data
        if rap:
            self.rap_due = packet.dts + AUDIO_RAP_INTERVAL
        end = packet.pts + (packet.dur or self.durations.get(packet.track, 0))
        flush = leads or not muxer.has_video
        join = signals if rap else b""
        if packet.flags & LEADING:
            # For those who go without this picture, counters and clock go on behind it.
            join = muxer.discontinuities() + muxer.time()
        chunk = Chunk(data, packet.pts, end, rap, flush, packet.epoch, join, packet.flags)
        out.append(chunk)
