"""Turns libav's packets into access units as lanes carry them, one reader per track.

What a codec's frames are is known to :mod:`streamctl.media.reader`; the readers here add what
libav knows, the source's own timestamps in ticks, damage and configurations that came aside. They
run where ``av`` is loaded but only look at its objects.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final

from streamctl.avworker.decode_time import DecodeTimes
from streamctl.errors import RemoteProtocolError
from streamctl.media import aac, codecs
from streamctl.media.packet import TIMESCALE, Codec, Flag, Kind, Media, Packet, Track
from streamctl.media.reader import CODECS, open_reader
from streamctl.media.timestamps import Unwrapper, rescale

if TYPE_CHECKING:
    from av.packet import Packet as AvPacket
    from av.stream import Stream

    RawPacket = AvPacket[Stream]

NEW_EXTRADATA: Final = "new_extradata"
"""Side data of a packet from which on another decoder configuration is valid."""
WRAPPING = frozenset({"mpegts", "hls"})
"""Formats whose timestamps are 33-bit counters of the program."""
START_CODES = (b"\0\0\1", b"\0\0\0\1")
MAX_REORDER = 10 * TIMESCALE
"""Sixteen pictures at two a second; a larger distance of PTS and DTS is a damaged one."""
MAX_DURATION = 3600 * TIMESCALE
"""Nothing is shown for longer than an hour; a damaged duration claims it."""


class Clock:
    """Timestamps of one program in ticks, unwrapped, whatever libav made of the wraps."""

    def __init__(self, format_name: str) -> None:
        self.unwrapper = Unwrapper(33) if format_name in WRAPPING else None

    def ticks(self, value: int, base: tuple[int, int]) -> int:
        """A timestamp in units of ``base`` as unwrapped ticks."""
        scaled = to_ticks(value, base)
        if self.unwrapper is None:
            return scaled
        return self.unwrapper.unwrap(scaled & self.unwrapper.mask)


def to_ticks(value: int, base: tuple[int, int]) -> int:
    """A span in units of ``base`` as ticks."""
    numerator, denominator = base
    if numerator == 1 and denominator == TIMESCALE:
        return value
    return rescale(value * numerator, denominator, TIMESCALE)


class Reader:
    """One track of a source; reads what has no reader of its own, for reports only."""

    def __init__(self, track: Track, stream: Stream, clock: Clock) -> None:
        self.track = track
        self.stream = stream
        self.clock = clock
        rate = stream.time_base
        self.base = (rate.numerator, rate.denominator) if rate else (1, TIMESCALE)
        self.last_dts = 0
        self.damaged = 0
        """Packets that could not be read, or whose timestamps contradict each other."""
        self.changes = 0
        """How often the configuration changed after it was first known."""
        self.in_band = False
        """Whether the configuration is repeated within the packets."""

    def read(self, raw: RawPacket) -> list[Packet]:
        """The access units of a packet, or none when it is damaged or must wait."""
        kind = Kind.AUDIO
        if self.stream.type == "video":
            kind = Kind.KEY if raw.is_keyframe else Kind.P
        return self._timed(raw, bytes(raw), kind, 0)

    def flush(self) -> list[Packet]:
        """What still waited when the source ended."""
        return []

    def _timed(self, raw: RawPacket, data: bytes, kind: Kind, flags: int) -> list[Packet]:
        pts = raw.dts if raw.pts is None else raw.pts
        if pts is None:
            self.damaged += 1
            return []
        clock, base = self.clock, self.base
        shown = clock.ticks(pts, base)
        decoded = shown if raw.dts is None else clock.ticks(raw.dts, base)
        if abs(shown - decoded) > MAX_REORDER:
            shown = decoded = min(shown, decoded, key=lambda time: abs(time - self.last_dts))
            self.damaged += 1
        self.last_dts = decoded
        if raw.is_corrupt:
            flags |= Flag.CORRUPT
        duration = min(max(to_ticks(raw.duration or 0, base), 0), MAX_DURATION)
        if not duration:
            duration = codecs.frame_duration(self.track)
        return [Packet(self.track.id, shown, decoded, kind, flags, data, duration)]


class UnitReader(Reader):
    """A track that goes on air, in whatever form the container holds its frames."""

    def __init__(self, track: Track, stream: Stream, clock: Clock) -> None:
        super().__init__(track, stream, clock)
        self.declared = track
        self.units = open_reader(track.codec, byte_stream=True)
        self.decode_times = DecodeTimes()
        extradata = stream.codec_context.extradata or b""
        # Parameter sets that libav collected from a byte stream will come again in their place.
        if extradata and not extradata.startswith(START_CODES):
            self._configure(extradata)

    def read(self, raw: RawPacket) -> list[Packet]:
        if raw.has_sidedata(NEW_EXTRADATA):
            self._configure(bytes(raw.get_sidedata(NEW_EXTRADATA)))
        if raw.is_discard and self.track.media is Media.AUDIO:
            # Encoder priming, which the container's edit list cuts off.
            return []
        try:
            packets = self._units(raw)
        except RemoteProtocolError:
            self.damaged += 1
            return []
        return self.decode_times.fill(packets, known=raw.dts is not None)

    def flush(self) -> list[Packet]:
        return self.decode_times.flush()

    def _units(self, raw: RawPacket) -> list[Packet]:
        return self._unit(raw, bytes(raw))

    def _unit(self, raw: RawPacket, data: bytes) -> list[Packet]:
        before = deepcopy(self.units) if raw.is_corrupt else None
        unit = self.units.unit(data)
        if unit.config is not None:
            if before is not None and before.config is not None:
                # Damage to parameter sets must not reach the decoders.
                self.units = before
            else:
                self.in_band = True
                self._adopt(unit.config)
        if not unit.data:
            return []
        packets = self._timed(raw, unit.data, unit.kind, unit.flags)
        for packet in packets:
            # Containers shorten the last frame to what the encoder was fed; decoders don't.
            packet.dur = unit.dur or packet.dur
        return packets

    def _configure(self, record: bytes) -> None:
        """Take a configuration, unless it is of a kind that nothing here can carry."""
        try:
            config = self.units.configure(record)
        except RemoteProtocolError:
            self.damaged += 1
        else:
            if config is not None:
                self._adopt(config)

    def _adopt(self, config: bytes) -> None:
        self.changes += self.track.config not in {None, config}
        self.track = self.units.track(self.declared)


class AacReader(UnitReader):
    """AAC, which some containers hold with an ADTS header on each frame."""

    def __init__(self, track: Track, stream: Stream, clock: Clock) -> None:
        super().__init__(track, stream, clock)
        self.adts = not stream.codec_context.extradata
        self.config: aac.AacConfig | None = None
        """What the headers say."""
        self.candidate: aac.AacConfig | None = None
        """What the last one said."""

    def _units(self, raw: RawPacket) -> list[Packet]:
        if not self.adts:
            return self._unit(raw, bytes(raw))
        self.in_band = True
        packets: list[Packet] = []
        for frame in aac.split_adts(bytes(raw)):
            if not self._accepts(frame.config):
                self.damaged += 1
                continue
            for packet in self._unit(raw, frame.data):
                packet.pts += packet.dur * len(packets)
                packet.dts += packet.dur * len(packets)
                packets.append(packet)
        return packets

    def _accepts(self, config: aac.AacConfig) -> bool:
        """Whether a frame of this header is taken; a change counts when it is repeated.

        Loss inside a frame makes the reader find headers in the middle of sound.
        """
        repeated = config is self.candidate
        self.candidate = config
        if config is self.config:
            return True
        if self.config is not None and not repeated:
            return False
        self.config = config
        self._configure(config.serialize())
        return True


def reader_of(codec: Codec | None) -> type[Reader]:
    """What reads a stream of that codec."""
    if codec is Codec.AAC:
        return AacReader
    return UnitReader if codec in CODECS else Reader
