"""Sound out of PES packets, whose frames lie across them and may be others than announced.

The first frame that begins in a PES packet has its time; the others follow by their samples.
Specifications: ISO/IEC 13818-1 §2.4.3.7; the mapping of Opus is the one that ffmpeg follows.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.aac import AacConfig, AacReader
from streamctl.media.ac3 import Ac3Reader
from streamctl.media.eac3 import Eac3Reader
from streamctl.media.latm import LatmReader
from streamctl.media.mpegaudio import MpegAudioReader
from streamctl.media.mpegts.elementary import (
    EXTENSION,
    OPUS_CONTROL,
    OPUS_EXTENSION,
    OPUS_MAPPINGS,
)
from streamctl.media.mpegts.frames import (
    FRAMINGS,
    LOAS,
    Framer,
    SampleClock,
    raw_frame,
    sound_codec,
)
from streamctl.media.mpegts.tables import split_descriptors
from streamctl.media.mpegts.unpack import PesUnpacker
from streamctl.media.opus import USUAL_PRE_SKIP, OpusHead, OpusReader
from streamctl.media.packet import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamctl.media.mpegts.assemble import Pes
    from streamctl.media.mpegts.unpack import Found, ProgramTime
    from streamctl.media.packet import Track
    from streamctl.media.unit import TrackReader, Unit

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
        self.framer = Framer(FRAMINGS[track.codec])
        self.reader = SOUND_READERS[track.codec]()
        self._config: AacConfig | None = None
        """Of the last ADTS frame."""
        self._found = False
        """The codec is that of the frames, whatever the program map says."""

    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take the frames of a PES packet."""
        if not self._found:
            self.identify(pes.payload)
        if pes.gap:
            self.framer.reset()
        stamps = self.time.stamps(pes)
        time = stamps[0] if stamps else None
        for frame in self.framer.cut(pes.payload, time, torn=pes.torn):
            self._found = True
            time = frame.time
            try:
                for unit in self.units(frame.data):
                    self._place(unit, time, out)
                    time = None
            except ProtocolError as error:
                self.time.fault(str(error))

    def identify(self, payload: bytes) -> None:
        """Take the codec from the frames if the program map is wrong."""
        codec = sound_codec(self.track.codec, payload)
        if codec is not self.track.codec:
            self.track = replace(self.track, codec=codec)
            self.framer = Framer(FRAMINGS[codec])
            self.reader = SOUND_READERS[codec]()

    def units(self, frame: bytes) -> list[Unit]:
        """The access units of a frame.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        if not isinstance(self.reader, AacReader):
            return [self.reader.unit(frame)]
        config, data = raw_frame(frame)
        if config is self._config:
            return [self.reader.unit(data)]
        self._config = config
        return self.described(config.serialize(), [data])

    def described(self, config: bytes, frames: list[bytes]) -> list[Unit]:
        """Raw AAC frames under a configuration, of which the first one tells if it is new.

        Raises:
            RemoteProtocolError: the configuration can't be read.
        """
        news = self.reader.configure(config) if config != self.reader.config else None
        units = [self.reader.unit(data) for data in frames]
        units[0].config = news
        return units

    def _place(self, unit: Unit, time: int | None, out: list[Found]) -> None:
        """Give a unit at its time, or behind the one before it."""
        facts = self.reader.facts
        length = facts.frame if facts and facts.frame else Fraction(unit.dur)
        place = self.samples.place(time, length)
        if unit.config is not None:
            self.announce(self.reader, out)
        if place is not None:
            self.give(unit, place, place, 0, out)


class LatmUnpacker(SoundUnpacker):
    """AAC in LATM, which says seldom how it is coded."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.framer = Framer(LOAS)
        self.latm = LatmReader()

    def identify(self, payload: bytes) -> None:
        """Believe the program map: nothing else looks like LATM."""

    def units(self, frame: bytes) -> list[Unit]:
        frames = self.latm.read(frame)
        mux = self.latm.mux
        return self.described(mux.config, frames) if mux and frames else []


class OpusUnpacker(PesUnpacker):
    """Opus, whose packets stand behind control headers; the program map has its configuration."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.reader = OpusReader()
        self.samples = SampleClock()
        if track.config:
            self.reader.configure(track.config)
            self.track = self.reader.track(track)

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
                    return OpusHead(channels, USUAL_PRE_SKIP, family, mapping).serialize()
    return None
