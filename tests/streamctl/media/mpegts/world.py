"""Access units of real encoders, invented ones, and a reader of what became of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import av

from streamctl.media import h264
from streamctl.media.aac import ADTS_HEADER_BYTES, AacReader
from streamctl.media.mpegts.psi import Pat, Pmt
from streamctl.media.nal import join_length_prefixed
from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    Codec,
    Init,
    InitChange,
    Kind,
    Packet,
    Track,
)
from streamctl.media.reader import CODECS as READABLE
from streamctl.media.reader import open_reader
from tests.streamctl.media.h264.sets import PPS, SPS_720P, slice_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from streamctl.media.packet import Item
    from streamctl.media.unit import TrackReader

WRAP = 1 << 33
AVCC = h264.AvcConfig.from_parameter_sets([SPS_720P], [PPS]).serialize()
VIDEO = Track(0, Codec.H264, AVCC, width=1280, height=720)
AUDIO = Track(1, Codec.AAC, b"\x11\x90", sample_rate=48_000, channels=2)
SOUND = Track(0, Codec.AAC, b"\x12\x10", sample_rate=44_100, channels=2)

CODECS = {"mp3float": Codec.MP3, **{codec.value: codec for codec in READABLE}}
"""By the name that libav gives the codec."""


def init(*tracks: Track, epoch: int = 1) -> Init:
    return Init(1, epoch, tracks)


def boundary(*tracks: Track, epoch: int = 1) -> Boundary:
    return Boundary(epoch, init(*tracks, epoch=epoch), "test")


def change(*tracks: Track) -> InitChange:
    return InitChange(init(*tracks))


def picture(dts: int, *, key: bool = False, track: int = 0, pts: int | None = None) -> Packet:
    """An access unit that is long enough for a few packets."""
    nal = slice_of(7, kind=5) if key else slice_of(5)
    data = join_length_prefixed([nal + dts.to_bytes(8, "big", signed=True) * 40])
    return Packet(track, dts if pts is None else pts, dts, Kind.KEY if key else Kind.P, 0, data)


def sound(pts: int, *, track: int = 1, size: int = 300) -> Packet:
    return Packet(track, pts, pts, Kind.AUDIO, 0, b"\x21" + bytes(size - 1))


def pictures(count: int, *, start: int = 0, step: int = 3600, gop: int = 25) -> list[Packet]:
    return [picture(start + n * step, key=n % gop == 0) for n in range(count)]


def sounds(count: int, *, start: int = 0, step: int = 1920, track: int = 1) -> list[Packet]:
    return [sound(start + n * step, track=track) for n in range(count)]


def interleaved(*runs: Iterable[Packet]) -> list[Packet]:
    return sorted((packet for run in runs for packet in run), key=lambda packet: packet.dts)


def shifted(packets: Iterable[Packet], by: int, epoch: int = 1) -> list[Packet]:
    return [
        replace(packet, pts=packet.pts + by, dts=packet.dts + by, epoch=epoch) for packet in packets
    ]


def load(path: Path) -> tuple[list[Track], list[Packet]]:
    """The tracks and access units of a file, as a source would deliver them."""
    bases: dict[int, Track] = {}
    readers: dict[int, TrackReader] = {}
    packets = []
    with av.open(str(path), metadata_errors="replace") as container:
        for stream in container.streams:
            if stream.type not in {"video", "audio"}:
                continue
            codec = CODECS.get(stream.codec_context.codec.canonical_name)
            if codec is not None:
                extradata = bytes(stream.codec_context.extradata or b"")
                byte_stream = container.format.name in {"mpegts", "hevc"}
                reader = open_reader(codec, byte_stream=byte_stream)
                if extradata:
                    reader.configure(extradata)
                bases[stream.index] = Track(len(bases), codec, language=stream.language or "")
                readers[stream.index] = reader
        for packet in container.demux():
            number = packet.stream_index
            if number in readers and packet.size:
                packets.append(access_unit(bases[number].id, readers[number], packet))
    return [reader.track(bases[number]) for number, reader in readers.items()], packets


def access_unit(track: int, reader: TrackReader, packet: av.Packet[Any]) -> Packet:
    assert packet.pts is not None
    assert packet.dts is not None
    assert packet.time_base is not None
    ticks = packet.time_base * TIMESCALE
    pts, dts = round(packet.pts * ticks), round(packet.dts * ticks)
    data = bytes(packet)
    if isinstance(reader, AacReader) and reader.config is None:
        return Packet(track, pts, dts, Kind.AUDIO, 0, data[ADTS_HEADER_BYTES:])
    unit = reader.unit(data)
    return Packet(track, pts, dts, unit.kind, unit.flags, unit.data, unit.dur)


def pictures_of(path: Path) -> list[str]:
    """A digest of each picture of the first video stream, as it is shown."""
    with av.open(str(path)) as container:
        return [
            hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()
            for frame in container.decode(video=0)
        ]


def chunks(items: Iterable[Item]) -> list[Chunk]:
    return [item for item in items if isinstance(item, Chunk)]


def joined(items: Iterable[Item]) -> bytes:
    return b"".join(chunk.data for chunk in chunks(items))


@dataclass
class TsPacket:
    """One packet of a transport stream."""

    pid: int
    start: bool
    counter: int
    fields: bytes
    """The adaptation field without its length."""
    payload: bytes | None

    @property
    def flags(self) -> int:
        return self.fields[0] if self.fields else 0

    @property
    def pcr(self) -> int | None:
        """In 90 kHz ticks; the extension must be 0."""
        if not self.flags & 0x10:
            return None
        value = int.from_bytes(self.fields[1:7], "big")
        assert value & 0x7FFF == 0x7E00
        return value >> 15


def ts_packets(data: bytes, pid: int | None = None) -> list[TsPacket]:
    """Every packet, its structure checked."""
    assert len(data) % 188 == 0
    found = []
    for at in range(0, len(data), 188):
        packet = data[at : at + 188]
        assert packet[0] == 0x47
        fields, payload = b"", packet[4:]
        if packet[3] & 0x20:
            fields, payload = packet[5 : 5 + packet[4]], packet[5 + packet[4] :]
            assert len(fields) == packet[4]
        number = int.from_bytes(packet[1:3], "big") & 0x1FFF
        one = TsPacket(
            number,
            bool(packet[1] & 0x40),
            packet[3] & 15,
            fields,
            payload if packet[3] & 0x10 else None,
        )
        assert one.payload != b""
        if pid in (None, number):
            found.append(one)
    return found


@dataclass
class Pes:
    """One PES packet, read back."""

    stream_id: int
    length: int
    pts: int
    dts: int
    payload: bytes
    first: TsPacket


def pes_packets(data: bytes, pid: int) -> list[Pes]:
    """The PES packets of one PID."""
    runs: list[tuple[TsPacket, list[bytes]]] = []
    for packet in ts_packets(data, pid):
        if packet.payload is None:
            continue
        if packet.start:
            runs.append((packet, []))
        runs[-1][1].append(packet.payload)
    return [read_pes(b"".join(parts), first) for first, parts in runs]


def read_pes(data: bytes, first: TsPacket) -> Pes:
    assert data[:3] == b"\0\0\1"
    assert data[6] == 0x84
    stamps = data[9 : 9 + data[8]]
    pts = read_timestamp(stamps[:5], 3 if len(stamps) == 10 else 2)
    dts = read_timestamp(stamps[5:], 1) if len(stamps) == 10 else pts
    length = int.from_bytes(data[4:6], "big")
    assert length in (0, len(data) - 6)
    return Pes(data[3], length, pts, dts, data[9 + data[8] :], first)


def read_timestamp(data: bytes, prefix: int) -> int:
    value = int.from_bytes(data, "big")
    assert len(data) == 5
    assert value >> 36 == prefix
    assert value & 0x100010001 == 0x100010001
    return (value >> 33 & 7) << 30 | (value >> 17 & 0x7FFF) << 15 | value >> 1 & 0x7FFF


def sections(data: bytes, pid: int) -> Iterator[bytes]:
    """The sections of one PID, each with the stuffing behind it."""
    found: list[bytes] = []
    for packet in ts_packets(data, pid):
        if packet.payload is not None and packet.start:
            found.append(packet.payload[1 + packet.payload[0] :])
        elif packet.payload is not None:
            found[-1] += packet.payload
    yield from found


def program_maps(data: bytes) -> list[Pmt]:
    """Every program map, found by the tables before it."""
    pid = next(pid for _, pid in Pat.parse(next(sections(data, 0))).programs)
    return [Pmt.parse(section) for section in sections(data, pid)]


def pcrs(data: bytes, pid: int) -> list[int]:
    return [packet.pcr for packet in ts_packets(data, pid) if packet.pcr is not None]


def steps(values: Sequence[int]) -> list[int]:
    """Distances of neighbouring 33-bit times."""
    return [(after - before + WRAP // 2) % WRAP - WRAP // 2 for before, after in pairwise(values)]
