"""AC-3: sync frames, and the record that ISO files describe them by.

Specification: ETSI TS 102 366 §4.4 (frames), F.4 (dac3).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader, BitWriter
from streamctl.media.packet import TIMESCALE, Kind
from streamctl.media.unit import Facts, TrackReader, Unit

SYNC = b"\x0b\x77"
RATES = (48_000, 44_100, 32_000)
"""By ``fscod``."""
CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
"""Full-range channels by ``acmod``."""
FRAME_SAMPLES = 1536
MAX_BSID = 10
"""8 is AC-3; 9 and 10 are its low rates, a half and a quarter; 16 is E-AC-3."""
MAX_FRAME_CODE = 37
KBPS = (
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640
)  # fmt: skip
"""By ``frmsizecod`` without its last bit."""
HEAD_BYTES = 7
"""From the sync word to ``lfeon``, if every field before it is there."""


@dataclass(frozen=True, slots=True)
class Substream:
    """What the records of AC-3 and E-AC-3 say of each substream, in the words of its frames."""

    rate_code: int
    """``fscod``."""
    bsid: int
    bsmod: int
    acmod: int
    lfe: int

    @property
    def channels(self) -> int:
        """Channels with the low-frequency one."""
        return CHANNELS[self.acmod] + self.lfe


@dataclass(frozen=True, slots=True)
class Ac3Frame:
    """The header of an AC-3 sync frame."""

    stream: Substream
    bit_rate_code: int
    """``frmsizecod`` without its last bit, which alternates at 44.1 kHz."""

    @classmethod
    def parse(cls, data: bytes) -> Ac3Frame:
        """Read the header at the start of a frame.

        Raises:
            RemoteProtocolError: no AC-3 header, or cut off.
        """
        if data[:2] != SYNC or len(data) < HEAD_BYTES:
            raise RemoteProtocolError("an AC-3 frame does not begin with its sync word")
        return parse_ac3(data[4:HEAD_BYTES])

    def dac3(self) -> bytes:
        """The payload of the box (F.4)."""
        writer = BitWriter()
        one = self.stream
        fields = ((one.rate_code, 2), (one.bsid, 5), (one.bsmod, 3), (one.acmod, 3), (one.lfe, 1))
        for value, count in (*fields, (self.bit_rate_code, 5), (0, 5)):
            writer.bits(value, count)
        return writer.data()


@lru_cache(maxsize=64)
def parse_ac3(head: bytes) -> Ac3Frame:
    """Read what stands behind the checksum.

    Raises:
        RemoteProtocolError: reserved values.
    """
    reader = BitReader(head)
    rate_code, frame_code = reader.bits(2), reader.bits(6)
    bsid, bsmod, acmod = reader.bits(5), reader.bits(3), reader.bits(3)
    if rate_code == len(RATES) or frame_code > MAX_FRAME_CODE or bsid > MAX_BSID:
        raise RemoteProtocolError("an AC-3 frame has a header of reserved values")
    if acmod & 1 and acmod != 1:
        reader.bits(2)  # cmixlev
    if acmod & 4:
        reader.bits(2)  # surmixlev
    if acmod == 2:
        reader.bits(2)  # dsurmod
    return Ac3Frame(Substream(rate_code, bsid, bsmod, acmod, reader.bits(1)), frame_code >> 1)


def frame_bytes(code: int) -> int:
    """The length of a frame by its byte of ``fscod`` and ``frmsizecod`` (table 4.13).

    Raises:
        RemoteProtocolError: reserved values.
    """
    rate, size = code >> 6, code & 63
    if rate == len(RATES) or size > MAX_FRAME_CODE:
        raise RemoteProtocolError("an AC-3 frame has a header of reserved values")
    kbps = KBPS[size >> 1]
    if RATES[rate] == 44_100:
        return 2 * (320 * kbps // 147 + (size & 1))
    return kbps * 1000 * FRAME_SAMPLES // 8 // RATES[rate]


class Ac3Reader(TrackReader):
    """The configuration is written from the headers of the frames."""

    def __init__(self) -> None:
        super().__init__()
        self.frame: Ac3Frame | None = None
        self.dur = 0

    def configure(self, record: bytes) -> bytes | None:
        """Nothing: frames tell all that a record could."""
        del record
        return None

    def unit(self, data: bytes) -> Unit:
        if not data:
            return Unit(data, Kind.AUDIO)
        frame = Ac3Frame.parse(data)
        config = None
        if frame is not self.frame and frame != self.frame:
            self.frame = frame
            record = frame.dac3()
            told = facts(record)
            self.dur = round(told.frame or 0)
            config = self.adopt(record, told)
        return Unit(data, Kind.AUDIO, 0, config, self.dur)


def facts(config: bytes) -> Facts:
    """What a dac3 payload tells.

    Raises:
        RemoteProtocolError: cut off, or with reserved values.
    """
    reader = BitReader(config[:3])
    rate_code, bsid = reader.bits(2), reader.bits(5)
    if rate_code == len(RATES) or bsid > MAX_BSID:
        raise RemoteProtocolError("a dac3 box has reserved values")
    one = Substream(rate_code, bsid, reader.bits(3), reader.bits(3), reader.bits(1))
    rate = RATES[rate_code] >> max(0, bsid - 8)
    frame = Fraction(TIMESCALE * FRAME_SAMPLES, rate)
    return Facts("ac-3", "AC-3", sample_rate=rate, channels=one.channels, frame=frame)
