"""E-AC-3: access units of several sync frames, and the record that ISO files describe them by.

An access unit holds the frames of all substreams for the same time: independent programmes,
each followed by the dependent substreams that add channels to it.

Specification: ETSI TS 102 366 annex E.1.2, E.1.3 (frames), F.6 (dec3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from streamctl.errors import RemoteProtocolError
from streamctl.media.ac3 import FRAME_SAMPLES, RATES, SYNC, Substream
from streamctl.media.bits import BitReader, BitWriter
from streamctl.media.packet import TIMESCALE, Kind
from streamctl.media.unit import Facts, TrackReader, Unit

HALF_RATES = 3
"""``fscod`` of frames whose rate is half of one of the others; dec3 can't tell which."""
BLOCK_SAMPLES = 256
BLOCKS = (1, 2, 3, 6)
"""Audio blocks of a frame by ``numblkscod``."""
MIN_BSID, MAX_BSID = 11, 16
HEAD_BYTES = 12
"""From the sync word to ``chanmap``, if every field before it is there."""
MAX_FRAMES = 48
"""Sync frames of an access unit: six blocks, of eight substreams, in frames of one block."""

DEPENDENT = 1
"""``strmtyp`` of substreams that add channels to the one before."""
RESERVED = 3

LOCATIONS = {10: 0, 9: 1, 8: 2, 7: 3, 6: 4, 5: 5, 4: 6, 3: 7, 1: 8}
"""Bit of ``chan_loc`` in dec3 by bit of ``chanmap`` for the same place (tables E.1.4, F.6.1)."""
PAIRS = frozenset({10, 9, 6, 5, 4})
"""Bits of ``chanmap`` that stand for two channels each."""


@dataclass(frozen=True, slots=True)
class Eac3Frame:
    """The header of a sync frame."""

    kind: int
    """``strmtyp``."""
    number: int
    """``substreamid``, counted among frames of the same kind."""
    size: int
    """Bytes of the whole frame."""
    sample_rate: int
    samples: int
    stream: Substream
    chanmap: int
    """Channels of a dependent substream; 0 = not told."""


@dataclass(slots=True)
class Programme:
    """An independent substream, and what depends on it."""

    stream: Substream
    dependents: int = 0
    locations: int = 0
    """``chan_loc``."""
    added: int = 0
    """Channels beyond those of the independent substream."""

    def add(self, frame: Eac3Frame) -> None:
        """Take the channels of a dependent substream."""
        self.dependents += 1
        for bit, place in LOCATIONS.items():
            if frame.chanmap >> bit & 1 and not self.locations >> place & 1:
                self.locations |= 1 << place
                self.added += 2 if bit in PAIRS else 1


def parse_frame(data: bytes, position: int = 0) -> Eac3Frame:
    """Read the header of the frame at a position.

    Raises:
        RemoteProtocolError: no E-AC-3 header, cut off, or with reserved values.
    """
    if data[position : position + 2] != SYNC:
        raise RemoteProtocolError("an E-AC-3 frame does not begin with its sync word")
    reader = BitReader(data[position + 2 : position + HEAD_BYTES])
    kind, number, size = reader.bits(2), reader.bits(3), 2 * (reader.bits(11) + 1)
    rate_code, other = reader.bits(2), reader.bits(2)
    half = rate_code == HALF_RATES
    acmod, lfe, bsid = reader.bits(3), reader.bits(1), reader.bits(5)
    if kind == RESERVED or (half and other == HALF_RATES) or not MIN_BSID <= bsid <= MAX_BSID:
        raise RemoteProtocolError("an E-AC-3 frame has a header of reserved values")
    return Eac3Frame(
        kind,
        number,
        size,
        RATES[other] // 2 if half else RATES[rate_code],
        BLOCK_SAMPLES * (6 if half else BLOCKS[other]),
        Substream(rate_code, bsid, 0, acmod, lfe),
        read_chanmap(reader, acmod) if kind == DEPENDENT else 0,
    )


def read_chanmap(reader: BitReader, acmod: int) -> int:
    """``chanmap`` of a dependent substream, behind its levels; 0 when it is not told."""
    for _ in range(1 if acmod else 2):
        reader.bits(5)  # dialnorm
        if reader.flag():
            reader.bits(8)  # compr
    return reader.bits(16) if reader.flag() else 0


def parse_frames(data: bytes) -> list[Eac3Frame]:
    """The headers of all sync frames of an access unit.

    Raises:
        RemoteProtocolError: a damaged frame, too many of them, or one that is cut off.
    """
    frames: list[Eac3Frame] = []
    position = 0
    while position < len(data):
        frame = parse_frame(data, position)
        position += frame.size
        if position > len(data) or len(frames) == MAX_FRAMES:
            raise RemoteProtocolError("an E-AC-3 access unit is cut off")
        frames.append(frame)
    return frames


def programmes(frames: list[Eac3Frame]) -> list[Programme]:
    """The programmes of an access unit.

    Raises:
        RemoteProtocolError: it begins with a substream that depends on another.
    """
    found: dict[int, Programme] = {}
    current: Programme | None = None
    depending: set[tuple[int, int]] = set()
    last = 0
    for frame in frames:
        if frame.kind != DEPENDENT:
            last = frame.number
            current = found.setdefault(last, Programme(frame.stream))
        elif current is None:
            raise RemoteProtocolError("an E-AC-3 access unit begins with a dependent substream")
        elif (last, frame.number) not in depending:
            depending.add((last, frame.number))
            current.add(frame)
    return list(found.values())


def dec3(frames: list[Eac3Frame]) -> bytes:
    """The payload of the box (F.6) for an access unit with these frames.

    Raises:
        RemoteProtocolError: it begins with a substream that depends on another.
    """
    found = programmes(frames)
    size = sum(frame.size for frame in frames)
    rate = size * 8 * frames[0].sample_rate // (unit_samples(frames) * 1000)
    writer = BitWriter()
    writer.bits(min(rate, 0x1FFF), 13)
    writer.bits(len(found) - 1, 3)
    for one in found:
        stream = one.stream
        writer.bits(stream.rate_code, 2)
        writer.bits(stream.bsid, 5)
        writer.bits(0, 2)  # reserved, asvc
        writer.bits(stream.bsmod, 3)
        writer.bits(stream.acmod, 3)
        writer.bits(stream.lfe, 1)
        writer.bits(0, 3)
        writer.bits(one.dependents, 4)
        writer.bits(one.locations, 9 if one.dependents else 1)
    return writer.data()


def unit_samples(frames: list[Eac3Frame]) -> int:
    """Samples per channel of an access unit: those of its first programme."""
    first = frames[0].number
    return sum(f.samples for f in frames if f.kind != DEPENDENT and f.number == first)


class Eac3Reader(TrackReader):
    """The configuration is written from the headers of the frames."""

    def __init__(self) -> None:
        super().__init__()
        self.head = b""
        """The start and the length of the last unit, which most of them have in common."""
        self.dur = 0

    def configure(self, record: bytes) -> bytes | None:
        """Nothing: frames tell all that a record could."""
        del record
        return None

    def unit(self, data: bytes) -> Unit:
        if not data:
            return Unit(data, Kind.AUDIO)
        head = data[:6] + len(data).to_bytes(4, "big")
        config = None
        if head != self.head:
            config = self.read(parse_frames(data))
            self.head = head
        return Unit(data, Kind.AUDIO, 0, config, self.dur)

    def read(self, frames: list[Eac3Frame]) -> bytes | None:
        """Take what the headers of an access unit tell.

        Raises:
            RemoteProtocolError: it begins with a substream that depends on another.
        """
        record = dec3(frames)
        told = facts(record)
        rate = frames[0].sample_rate
        frame = Fraction(TIMESCALE * unit_samples(frames), rate)
        self.dur = round(frame)
        told = replace(told, sample_rate=rate, frame=frame)
        if self.config and self.config[2:] == record[2:] and told == self.facts:
            # The data rate alone is no other stream: it varies.
            return None
        return self.adopt(record, told)


def facts(config: bytes) -> Facts:
    """What a dec3 payload tells of its first programme.

    Raises:
        RemoteProtocolError: cut off.
    """
    reader = BitReader(config[:6])
    reader.bits(16)  # data_rate, num_ind_sub
    rate_code, bsid = reader.bits(2), reader.bits(5)
    reader.bits(2)
    one = Substream(rate_code, bsid, reader.bits(3), reader.bits(3), reader.bits(1))
    reader.bits(3)
    places = reader.bits(9) if reader.bits(4) else 0
    pairs = {LOCATIONS[bit] for bit in PAIRS}
    added = sum((2 if place in pairs else 1) for place in range(9) if places >> place & 1)
    # Which of the half rates it is, only the frames tell.
    rate = RATES[rate_code] if rate_code < HALF_RATES else 0
    return Facts(
        "ec-3",
        "E-AC-3",
        sample_rate=rate,
        channels=one.channels + added,
        frame=Fraction(TIMESCALE * FRAME_SAMPLES, rate) if rate else None,
    )
