"""MPEG audio, layers II and III (MP2, MP3): frame headers.

Specifications: ISO/IEC 11172-3 §2.4.2.3, ISO/IEC 13818-3 §2.4.2.3 (lower rates); MPEG 2.5, with
half of those rates, is what encoders agreed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from streamctl.errors import RemoteProtocolError
from streamctl.media.packet import TIMESCALE, Codec, Kind
from streamctl.media.unit import Facts, TrackReader, Unit

SYNC = 0x7FF
LAYERS = {1: Codec.MP3, 2: Codec.MP2}
"""By the two bits of the header; 3 is layer I."""
RATES = (44_100, 48_000, 32_000)
"""Of MPEG 1; version bits 2 halve them, 0 quarter them."""
VERSION_SHIFTS = {3: 0, 2: 1, 0: 2}
MONO = 3
NAMES = {Codec.MP3: "mp4a.40.34", Codec.MP2: "mp4a.40.33"}
TITLES = {Codec.MP3: "MP3", Codec.MP2: "MP2"}

HEADER_MASK = 0xFFFE0CC0
"""The bits of a header that say what the stream is: all but bit rate, padding, and the like."""

HEADER_BYTES = 4
KBPS = {
    (Codec.MP2, 3): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (Codec.MP3, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
LOW_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""By bit rate index, for codec and version bits; the lower rates of MPEG 2 have one table."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What the header of a frame says about its stream."""

    codec: Codec
    sample_rate: int
    channels: int
    samples: int
    """Per frame and channel."""

    @classmethod
    def parse(cls, data: bytes) -> FrameHeader:
        """Read the header at the start of a frame.

        Raises:
            RemoteProtocolError: no header, of layer I, or with reserved values.
        """
        return parse_header(int.from_bytes(data[:4], "big") & HEADER_MASK)

    @property
    def facts(self) -> Facts:
        """The same for whoever does not know the codec."""
        return Facts(
            NAMES[self.codec],
            TITLES[self.codec],
            sample_rate=self.sample_rate,
            channels=self.channels,
            frame=Fraction(TIMESCALE * self.samples, self.sample_rate),
        )


@lru_cache(maxsize=64)
def parse_header(header: int) -> FrameHeader:
    """Read the masked bits of a header.

    Raises:
        RemoteProtocolError: no header, of layer I, or with reserved values.
    """
    shift = VERSION_SHIFTS.get(header >> 19 & 3)
    codec = LAYERS.get(header >> 17 & 3)
    rate = header >> 10 & 3
    if header >> 21 != SYNC or shift is None or codec is None or rate == len(RATES):
        raise RemoteProtocolError("an MPEG audio frame does not begin with a valid header")
    samples = 576 if codec is Codec.MP3 and shift else 1152
    channels = 1 if header >> 6 & 3 == MONO else 2
    return FrameHeader(codec, RATES[rate] >> shift, channels, samples)


def frame_bytes(head: bytes) -> int:
    """The length of the frame that begins with this header of four bytes.

    Raises:
        RemoteProtocolError: no header, of layer I, with reserved values, or of a free rate.
    """
    word = int.from_bytes(head, "big")
    header = parse_header(word & HEADER_MASK)
    table = KBPS.get((header.codec, word >> 19 & 3), LOW_KBPS)
    index = word >> 12 & 15
    if not 0 < index < len(table):
        raise RemoteProtocolError("an MPEG audio frame does not tell its bit rate")
    return header.samples * 125 * table[index] // header.sample_rate + (word >> 9 & 1)


class MpegAudioReader(TrackReader):
    """There is no configuration: frames tell everything."""

    def __init__(self) -> None:
        super().__init__()
        self.header: FrameHeader | None = None
        self.dur = 0

    def configure(self, record: bytes) -> bytes | None:
        """Nothing: what some containers put in place of a record says nothing new."""
        del record
        return None

    def unit(self, data: bytes) -> Unit:
        if not data:
            return Unit(data, Kind.AUDIO)
        header = FrameHeader.parse(data)
        config = None
        if header is not self.header:
            self.header = header
            told = header.facts
            self.dur = round(told.frame or 0)
            config = self.adopt(b"", told)
        return Unit(data, Kind.AUDIO, 0, config, self.dur)
