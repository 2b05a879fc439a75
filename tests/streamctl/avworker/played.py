"""Runs demux jobs within the test process and puts what they yield back into a file."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from streamctl.avworker import wire
from streamctl.avworker.demux import demux
from streamctl.avworker.wire import DemuxJob, Opened, Record, RecordType
from streamctl.media import aac, h264
from streamctl.media.packet import TIMESCALE, Codec, Kind, Packet, Track

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class EnoughError(Exception):
    """The test has all packets that it wants."""


@dataclass
class Played:
    """Everything that a demux job sent."""

    opened: Opened | None = None
    packets: list[Packet] = field(default_factory=list)
    changes: list[tuple[Track, ...]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    ended: bool = False

    @property
    def tracks(self) -> tuple[Track, ...]:
        assert self.opened is not None
        return self.opened.tracks

    def track(self, number: int) -> list[Packet]:
        """The packets of one track."""
        return [packet for packet in self.packets if packet.track == number]

    def take(self, record: Record) -> None:
        """Keep what a record says."""
        match record.type:
            case RecordType.OPENED:
                self.opened = wire.parse_opened(record)
            case RecordType.TRACKS:
                self.changes.append(wire.parse_tracks_record(record))
            case RecordType.PACKETS:
                batch = wire.parse_packets(record)
                self.batches.append(len(batch))
                self.packets += batch
            case RecordType.END:
                self.ended = True
            case _:
                raise AssertionError(record.type)


def play(path: Path, *, until_s: float = 0.0, start_s: float = 0.0) -> Played:
    """Demux the file once, or in a loop until that much media has come."""
    played = Played()

    def send(record: Record) -> None:
        played.take(record)
        if until_s and played.packets and played.packets[-1].dts > until_s * TIMESCALE:
            raise EnoughError

    with suppress(EnoughError):
        demux(DemuxJob(str(path), loop=until_s > 0, start_s=start_s), send)
    return played


def remux(tracks: Sequence[Track], packets: Sequence[Packet]) -> bytes:
    """The access units as an MPEG-TS, muxed by libav."""
    out = io.BytesIO()
    shift = TIMESCALE
    with av.open(out, "w", format="mpegts") as container:
        streams = [
            container.add_mux_stream(track.codec.value, track.sample_rate or None)
            for track in tracks
        ]
        for packet in packets:
            unit = av.Packet(wire_form(tracks[packet.track], packet))
            unit.stream = streams[packet.track]
            unit.time_base = Fraction(1, TIMESCALE)
            unit.pts, unit.dts = packet.pts + shift, packet.dts + shift
            unit.is_keyframe = packet.kind in {Kind.KEY, Kind.AUDIO}
            container.mux_one(unit)
    return out.getvalue()


def wire_form(track: Track, packet: Packet) -> bytes:
    """An access unit as a byte stream that explains itself."""
    assert track.config is not None
    if track.codec is Codec.H264:
        config = h264.AvcConfig.parse(track.config)
        sets = b"".join(b"\0\0\0\1" + unit for unit in (*config.sps, *config.pps))
        return h264.annexb(packet.data, sets if packet.kind is Kind.KEY else b"")
    return aac.adts_header(aac.AacConfig.parse(track.config), len(packet.data)) + packet.data
