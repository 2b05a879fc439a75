"""Turns libav's packets into access units as lanes carry them, one reader per track.

Containers store H.264 length-prefixed or as Annex B and AAC raw or in ADTS; the readers tell by
what they find and yield the one form of :class:`streamctl.media.packet.Packet`, with the
source's own timestamps in ticks. They run where ``av`` is loaded but only look at its objects.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from streamctl.avworker.decode_time import DecodeTimes
from streamctl.errors import RemoteProtocolError
from streamctl.media import aac, codecs, h264
from streamctl.media.nal import split_annexb
from streamctl.media.packet import TIMESCALE, Codec, Flag, Kind, Packet, Track
from streamctl.media.timestamps import Unwrapper, rescale

if TYPE_CHECKING:
    from av.packet import Packet as AvPacket
    from av.stream import Stream

    RawPacket = AvPacket[Stream]

NEW_EXTRADATA: Final = "new_extradata"
"""Side data of a packet from which on another decoder configuration is valid."""
WRAPPING = frozenset({"mpegts", "hls"})
"""Formats whose timestamps are 33-bit counters of the program."""
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

    def _adopt(self, config: bytes) -> None:
        if config == self.track.config:
            return
        self.changes += self.track.config is not None
        self.track = codecs.complete(replace(self.track, config=config))

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


class H264Reader(Reader):
    """H.264 in either framing; keeps the configuration up to date with in-band sets."""

    def __init__(self, track: Track, stream: Stream, clock: Clock) -> None:
        super().__init__(track, stream, clock)
        self.config: h264.AvcConfig | None = None
        self.length_size = 0
        """0 = Annex B."""
        self.decode_times = DecodeTimes()
        self._configure(stream.codec_context.extradata or b"")

    def read(self, raw: RawPacket) -> list[Packet]:
        if raw.has_sidedata(NEW_EXTRADATA):
            self._configure(bytes(raw.get_sidedata(NEW_EXTRADATA)))
        try:
            unit = self._unit(bytes(raw))
            if (unit.sps or unit.pps) and not (raw.is_corrupt and self.config):
                self._in_band(unit.sps, unit.pps)
        except RemoteProtocolError:
            self.damaged += 1
            return []
        if not unit.data:
            return []
        packets = self._timed(raw, unit.data, unit.kind, unit.flags)
        return self.decode_times.fill(packets, known=raw.dts is not None)

    def flush(self) -> list[Packet]:
        return self.decode_times.flush()

    def _unit(self, data: bytes) -> h264.AccessUnit:
        if self.length_size:
            return h264.normalize_prefixed(data, self.length_size)
        return h264.normalize(split_annexb(data))

    def _configure(self, extradata: bytes) -> None:
        """Take a decoder configuration, in either of its forms."""
        try:
            if extradata[:1] == b"\1":
                record = h264.AvcConfig.parse(extradata)
                self.length_size = record.length_size
                self._take(replace(record, length_size=4))
            elif extradata:
                sets = h264.normalize(split_annexb(extradata))
                self._take(h264.AvcConfig.from_parameter_sets(sets.sps, sets.pps))
        except RemoteProtocolError:
            self.damaged += 1

    def _in_band(self, sps: tuple[bytes, ...], pps: tuple[bytes, ...]) -> None:
        self.in_band = True
        if self.config is not None:
            self._take(self.config.with_parameter_sets(sps, pps))
        elif sps:
            self._take(h264.AvcConfig.from_parameter_sets(sps, pps))

    def _take(self, config: h264.AvcConfig) -> None:
        if config != self.config:
            self.config = config
            self._adopt(config.serialize())


class AacReader(Reader):
    """AAC, raw with a configuration aside or in ADTS."""

    def __init__(self, track: Track, stream: Stream, clock: Clock) -> None:
        super().__init__(track, stream, clock)
        extradata = stream.codec_context.extradata
        self.adts = not extradata
        self.config: aac.AacConfig | None = None
        self.frame_ticks = 0
        self.candidate: aac.AacConfig | None = None
        """What the last frame said."""
        if extradata:
            self._configure(extradata)

    def read(self, raw: RawPacket) -> list[Packet]:
        if raw.is_discard:
            # Encoder priming, which the container's edit list cuts off.
            return []
        if raw.has_sidedata(NEW_EXTRADATA):
            self._configure(bytes(raw.get_sidedata(NEW_EXTRADATA)))
        try:
            return self._split(raw) if self.adts else self._frame(raw, bytes(raw))
        except RemoteProtocolError:
            self.damaged += 1
            return []

    def _split(self, raw: RawPacket) -> list[Packet]:
        self.in_band = True
        packets: list[Packet] = []
        for frame in aac.split_adts(bytes(raw)):
            if not self._accepts(frame.config):
                self.damaged += 1
                continue
            for packet in self._frame(raw, frame.data):
                packet.pts += packet.dur * len(packets)
                packet.dts += packet.dur * len(packets)
                packets.append(packet)
        return packets

    def _frame(self, raw: RawPacket, data: bytes) -> list[Packet]:
        packets = self._timed(raw, data, Kind.AUDIO, 0)
        for packet in packets:
            # Containers shorten the last frame to what the encoder was fed; decoders don't.
            packet.dur = self.frame_ticks or packet.dur
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
        self._adopt(config.serialize())
        return True

    def _adopt(self, config: bytes) -> None:
        super()._adopt(config)
        self.frame_ticks = codecs.frame_duration(self.track)

    def _configure(self, config: bytes) -> None:
        """Take an AudioSpecificConfig unless it is of a kind that nothing here can carry."""
        try:
            self.config = aac.AacConfig.parse(config)
        except RemoteProtocolError:
            self.damaged += 1
        else:
            self._adopt(config)


READERS: dict[Codec, type[Reader]] = {Codec.H264: H264Reader, Codec.AAC: AacReader}
"""Codecs that streamctl puts on air from a file."""
