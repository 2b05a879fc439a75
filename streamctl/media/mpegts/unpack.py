"""Access units out of PES packets and sections, one unpacker per track.

Times are those of the wire, unwrapped by the program's one clock. Where a PES packet holds several
units only the first has a time of its own; the others follow by the length of a frame.
Specifications: ISO/IEC 13818-1 §2.4.3.7, §2.14; SCTE 35 §9 for cues.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from struct import pack
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.aac import AacConfig, AacReader
from streamctl.media.ac3 import Ac3Reader
from streamctl.media.eac3 import Eac3Reader
from streamctl.media.h264 import H264Reader
from streamctl.media.h264.field import FieldPairs
from streamctl.media.hevc import HevcReader
from streamctl.media.mpeg2video import Mpeg2Reader
from streamctl.media.mpegaudio import MpegAudioReader
from streamctl.media.mpegts.assemble import Pes, PesAssembler
from streamctl.media.mpegts.crc import crc32
from streamctl.media.mpegts.elementary import (
    EXTENSION,
    OPUS_CONTROL,
    OPUS_EXTENSION,
    OPUS_MAPPINGS,
)
from streamctl.media.mpegts.frames import Framer, SampleClock, raw_frame, sound_codec
from streamctl.media.mpegts.tables import SectionAssembler, split_descriptors
from streamctl.media.mpegts.units import split_units
from streamctl.media.nal import split_annexb
from streamctl.media.opus import MAGIC, OpusReader
from streamctl.media.packet import TIMESCALE, Codec, Flag, Kind, Media, Packet, Track
from streamctl.media.timestamps import Unwrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamctl.media.mpegts.batch import Run
    from streamctl.media.unit import TrackReader, Unit

CUE_TABLE_ID = 0xFC
"""``splice_info_section``."""

FIELD_HEAD_BYTES = 4096
"""Enough of a picture to tell a field: its headers, and the start of its first slice."""

OPEN_GOP, LEADING, CORRUPT = int(Flag.OPEN_GOP), int(Flag.LEADING), int(Flag.CORRUPT)
"""As plain numbers, since the bits of an enum are slow to test."""

DEFAULT_STEP = TIMESCALE // 25
"""Between pictures of one PES packet whose rate nothing tells."""

MAX_FAULTS = 32
"""Kinds of faults that are told apart."""

PRE_SKIP = 312
"""Samples that Opus decoders drop at the start, as encoders usually ask for: the wire tells
nothing of it."""

HALF_WRAP = 1 << 32


class ProgramTime:
    """What the tracks of a program share: one clock, and a count of faults by their names."""

    def __init__(self) -> None:
        self.unwrapper = Unwrapper(33)
        self.faults: Counter[str] = Counter()

    @property
    def now(self) -> int | None:
        """The newest time of the program; None before the first one."""
        return self.unwrapper.last

    def stamps(self, pes: Pes) -> tuple[int, int] | None:
        """Presentation and decoding time of a PES packet, unwrapped."""
        pts, dts = pes.header.pts, pes.header.dts
        if pts is None or dts is None:
            return None
        time = self.unwrapper.unwrap(dts)
        return time + ((pts - dts + HALF_WRAP) & (2 * HALF_WRAP - 1)) - HALF_WRAP, time

    def fault(self, text: str) -> None:
        """Count a fault of the stream."""
        if text in self.faults or len(self.faults) < MAX_FAULTS:
            self.faults[text] += 1


Found = Packet | Track
"""An access unit, or the track anew because its configuration became known or changed."""


class Unpacker(ABC):
    """Takes the packets of one PID."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        self.track = track
        """As far as it is known."""
        self.time = time

    @abstractmethod
    def packet(self, packet: bytes, out: list[Found]) -> None:
        """Take one packet; what it completes is appended."""

    @abstractmethod
    def run(self, run: Run, out: list[Found]) -> None:
        """Take several packets that have nothing but payload."""

    def give(self, unit: Unit, pts: int, dts: int, flags: int, out: list[Found]) -> None:
        """Append an access unit, behind the track if it has changed."""
        if unit.data and self.track.config is not None:
            out.append(
                Packet(self.track.id, pts, dts, unit.kind, unit.flags | flags, unit.data, unit.dur)
            )


class PesUnpacker(Unpacker):
    """Takes PES packets."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.assembler = PesAssembler(pictures=track.media is Media.VIDEO)

    def packet(self, packet: bytes, out: list[Found]) -> None:
        """Take one packet; what it completes is appended."""
        done: list[Pes] = []
        self.assembler.packet(packet, done)
        for pes in done:
            self.take(pes, out)

    def run(self, run: Run, out: list[Found]) -> None:
        """Take several packets that have nothing but payload."""
        done: list[Pes] = []
        self.assembler.run(run.payload, run.first, run.last, done)
        for pes in done:
            self.take(pes, out)

    @property
    def scrambled(self) -> bool:
        """The newest packet could not be read for its scrambling."""
        return self.assembler.scrambled

    def flush(self, out: list[Found]) -> None:
        """Give what was held back, since nothing comes behind it."""
        done: list[Pes] = []
        self.assembler.flush(done)
        for pes in done:
            self.take(pes, out)

    @abstractmethod
    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take a whole PES packet."""

    def announce(self, reader: TrackReader, out: list[Found]) -> None:
        """Append the track if its reader knows more of it than was announced."""
        track = reader.track(self.track)
        if track != self.track:
            self.track = track
            out.append(track)


@dataclass(slots=True)
class HeldField:
    """The first field of a frame."""

    data: bytes
    pts: int
    dts: int
    flags: int


PICTURE_READERS: dict[Codec, Callable[[], TrackReader]] = {
    Codec.H264: lambda: H264Reader(byte_stream=True),
    Codec.HEVC: lambda: HevcReader(byte_stream=True),
    Codec.MPEG2: Mpeg2Reader,
}


class PictureUnpacker(PesUnpacker):
    """Video: usually one PES packet is one access unit, but not always."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.reader = PICTURE_READERS[track.codec]()
        self.fields = FieldPairs() if track.codec is Codec.H264 else None
        self._held: HeldField | None = None
        self._last = (0, 0)
        """Decoding time of the last PES packet, and how many units were in it."""
        self._open_point: int | None = None
        """PTS of an open random-access point whose leading pictures may come."""

    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take the pictures of a PES packet."""
        stamps = self.time.stamps(pes)
        if stamps is None:
            self.time.fault("a picture without a time")
            return
        flags = CORRUPT if pes.torn else 0
        pts, dts = stamps
        units = split_units(self.track.codec, pes.payload)
        distance = self._distance(dts)
        self._last = (dts, len(units))
        for number, data in enumerate(units):
            second = self.fields is not None and self._is_second(data, out)
            if second and self._held is not None:
                held, self._held = self._held, None
                self._read(held.data + data, held.pts, held.dts, held.flags | flags, out)
                continue
            if number:
                # The first picture may have told the rate.
                step = round(TIMESCALE / self.track.fps) if self.track.fps else distance
                pts, dts = pts + step, dts + step
            if self.fields is not None and self.fields.waiting is not None:
                self._held = HeldField(data, pts, dts, flags)
            else:
                self._read(data, pts, dts, flags, out)

    def flush(self, out: list[Found]) -> None:
        """Give what was held back, since nothing comes behind it."""
        super().flush(out)
        self._release(out)

    def _is_second(self, data: bytes, out: list[Found]) -> bool:
        """Whether a picture completes the frame of the field that is held; else that goes."""
        second = self.fields is not None and self.fields.second(
            split_annexb(data[:FIELD_HEAD_BYTES])
        )
        if not second:
            self._release(out)
        return second

    def _release(self, out: list[Found]) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._read(held.data, held.pts, held.dts, held.flags, out)

    def _distance(self, dts: int) -> int:
        """How far the pictures of the last PES packet were apart, which ended here."""
        last, count = self._last
        return (dts - last) // count if count and 0 < dts - last < TIMESCALE else DEFAULT_STEP

    def _read(self, data: bytes, pts: int, dts: int, flags: int, out: list[Found]) -> None:
        """Give one access unit."""
        try:
            unit = self.reader.unit(data)
        except ProtocolError as error:
            self.time.fault(str(error))
            return
        if unit.config is not None:
            self.announce(self.reader, out)
        if unit.kind is Kind.KEY:
            self._open_point = pts if unit.flags & OPEN_GOP else None
        elif self._open_point is not None and pts < self._open_point:
            flags |= LEADING
        else:
            self._open_point = None
        self.give(unit, pts, dts, flags, out)


SOUND_READERS: dict[Codec, Callable[[], TrackReader]] = {
    Codec.AAC: AacReader,
    Codec.MP2: MpegAudioReader,
    Codec.MP3: MpegAudioReader,
    Codec.AC3: Ac3Reader,
    Codec.EAC3: Eac3Reader,
}


class SoundUnpacker(PesUnpacker):
    """Sound whose frames have headers."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.samples = SampleClock()
        self._config: AacConfig | None = None
        self.framer = Framer(track.codec)
        self.reader = SOUND_READERS[track.codec]()
        self._found = False
        """The codec is that of the frames, whatever the program map says."""

    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take the frames of a PES packet."""
        if not self._found:
            self._identify(pes.payload)
        if pes.gap:
            self.framer.reset()
        stamps = self.time.stamps(pes)
        time = stamps[0] if stamps else None
        for frame in self.framer.cut(pes.payload, time, torn=pes.torn):
            self._found = True
            try:
                unit = self._unit(frame.data)
            except ProtocolError as error:
                self.time.fault(str(error))
                continue
            facts = self.reader.facts
            length = facts.frame if facts and facts.frame else Fraction(unit.dur)
            place = self.samples.place(frame.time, length)
            if unit.config is not None:
                self.announce(self.reader, out)
            if place is not None:
                self.give(unit, place, place, 0, out)

    def _identify(self, payload: bytes) -> None:
        """Take the codec from the frames if the program map is wrong."""
        codec = sound_codec(self.track.codec, payload)
        if codec is not self.track.codec:
            self.track = replace(self.track, codec=codec)
            self._use(codec)

    def _use(self, codec: Codec) -> None:
        self.framer = Framer(codec)
        self.reader = SOUND_READERS[codec]()

    def _unit(self, frame: bytes) -> Unit:
        if not isinstance(self.reader, AacReader):
            return self.reader.unit(frame)
        config, data = raw_frame(frame)
        news = None
        if config is not self._config:
            self._config = config
            news = self.reader.configure(config.serialize())
        unit = self.reader.unit(data)
        unit.config = news
        return unit


class OpusUnpacker(PesUnpacker):
    """Opus, whose packets stand behind control headers; the program map has its configuration."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.reader = OpusReader()
        self.samples = SampleClock()
        if track.config:
            self.reader.configure(track.config)

    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take the packets of a PES packet."""
        stamps = self.time.stamps(pes)
        time = stamps[0] if stamps else None
        try:
            for data in opus_packets(pes.payload):
                unit = self.reader.unit(data)
                place = self.samples.place(time, Fraction(unit.dur))
                time = None
                if place is not None:
                    self.give(unit, place, place, 0, out)
        except ProtocolError as error:
            self.time.fault(str(error))


def opus_packets(payload: bytes) -> Iterator[bytes]:
    """The Opus packets behind their control headers.

    Raises:
        RemoteProtocolError: a header is damaged, or a packet is cut off.
    """
    at = 0
    while at + 3 <= len(payload):
        flags = payload[at + 1]
        if payload[at] != OPUS_CONTROL[0] or flags & 0xE0 != OPUS_CONTROL[1]:
            raise RemoteProtocolError("an Opus packet does not begin with its control header")
        at += 2
        size = 0
        while at < len(payload) and payload[at] == 0xFF:
            size, at = size + 255, at + 1
        size += payload[at] if at < len(payload) else 0
        # Start and end trim of 16 bits each, and an extension behind its length.
        at += 1 + 2 * bool(flags & 0x10) + 2 * bool(flags & 0x08)
        if flags & 0x04:
            at += 1 + (payload[at] if at < len(payload) else 0)
        if at + size > len(payload):
            raise RemoteProtocolError("an Opus packet is cut off")
        yield payload[at : at + size]
        at += size


def opus_head(descriptors: bytes) -> bytes | None:
    """The identification header that a program map stands for; None if it tells none."""
    for tag, payload in split_descriptors(descriptors):
        if tag == EXTENSION and len(payload) > 1 and payload[0] == OPUS_EXTENSION:
            for (family, channels), mapping in OPUS_MAPPINGS.items():
                if channels == payload[1] and (family == 0 or channels > 2):
                    fixed = pack("<8sBBHIHB", MAGIC, 1, channels, PRE_SKIP, 48_000, 0, family)
                    return fixed + mapping
    return None


class DataUnpacker(PesUnpacker):
    """Data in PES packets, each of which is one unit."""

    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take a PES packet; one without a time belongs to the newest time of the program."""
        stamps = self.time.stamps(pes)
        pts = stamps[0] if stamps else self.time.now
        if pes.torn or pts is None or not pes.payload:
            return
        out.append(Packet(self.track.id, pts, pts, Kind.DATA, 0, pes.payload))


class CueUnpacker(Unpacker):
    """Splice information sections, which belong to the time at which they come."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.sections = SectionAssembler()

    def packet(self, packet: bytes, out: list[Found]) -> None:
        """Take one packet; what it completes is appended."""
        self._take(self.sections.feed(packet), out)

    def run(self, run: Run, out: list[Found]) -> None:
        """Take several packets that have nothing but payload."""
        self._take(self.sections.run(run.payload, run.first, run.last), out)

    def _take(self, sections: list[bytes], out: list[Found]) -> None:
        for section in sections:
            if section[0] != CUE_TABLE_ID or crc32(section):
                self.time.fault("a damaged splice information section")
            elif (now := self.time.now) is not None:
                out.append(Packet(self.track.id, now, now, Kind.DATA, 0, section))
