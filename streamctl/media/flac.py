"""FLAC: stream information and the lengths of frames.

Specification: RFC 9639 §8.2 (streaminfo), §9.1 (frame header).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.packet import TIMESCALE, Kind
from streamctl.media.timestamps import rescale
from streamctl.media.unit import Facts, TrackReader, Unit

MAGIC = b"fLaC"
STREAMINFO_BYTES = 34
BLOCK_HEADER_BYTES = 4
MIN_BLOCK = 16
"""Smallest block that streaminfo may announce (§8.2)."""

SYNC = 0x7FFC
"""The fifteen bits in front of each frame; the next one is the blocking strategy."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the streaminfo block says."""

    min_block: int
    """Samples per frame; the last one may have fewer."""
    max_block: int
    sample_rate: int
    channels: int
    bits: int

    @classmethod
    def parse(cls, data: bytes) -> StreamInfo:
        """Read the block without its header.

        Raises:
            RemoteProtocolError: cut off, or with values that the format excludes.
        """
        if len(data) < STREAMINFO_BYTES:
            raise RemoteProtocolError("a FLAC streaminfo block is cut off")
        reader = BitReader(data[:STREAMINFO_BYTES])
        low, high = reader.bits(16), reader.bits(16)
        reader.bits(48)  # frame sizes
        rate, channels, bits = reader.bits(20), reader.bits(3) + 1, reader.bits(5) + 1
        if not rate or high < max(low, MIN_BLOCK):
            raise RemoteProtocolError("a FLAC streaminfo block has impossible values")
        return cls(low, high, rate, channels, bits)


class FlacReader(TrackReader):
    """Frames tell their lengths themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.sample_rate = 0

    def configure(self, record: bytes) -> bytes | None:
        """Take a streaminfo block, bare, behind its header, or behind ``fLaC``.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        block = streaminfo(record)
        told = facts(block)
        self.sample_rate = told.sample_rate
        return self.adopt(block, told)

    def unit(self, data: bytes) -> Unit:
        if not self.sample_rate:
            raise RemoteProtocolError("FLAC frames came before their stream information")
        if not data:
            return Unit(data, Kind.AUDIO)
        samples = block_size(data)
        return Unit(data, Kind.AUDIO, 0, None, rescale(samples, self.sample_rate, TIMESCALE))


def streaminfo(record: bytes) -> bytes:
    """The bare streaminfo block of a configuration record.

    Raises:
        RemoteProtocolError: it is not there.
    """
    block = record.removeprefix(MAGIC)
    if len(block) > STREAMINFO_BYTES or block is not record:
        # The block has to be the first one, of type 0.
        if block[:1] not in {b"\0", b"\x80"} or block[1:4] != b"\0\0\x22":
            raise RemoteProtocolError("FLAC stream information does not begin with its block")
        block = block[BLOCK_HEADER_BYTES:]
    return block[:STREAMINFO_BYTES]


def block_size(frame: bytes) -> int:
    """Samples per channel of a frame.

    Raises:
        RemoteProtocolError: not a frame, cut off, or of a reserved size.
    """
    head = int.from_bytes(frame[:4], "big")
    if head >> 17 != SYNC or len(frame) < 6:
        raise RemoteProtocolError("a FLAC frame does not begin with its sync code")
    code = frame[2] >> 4
    if code >= 8:
        return 256 << (code - 8)
    if code in {6, 7}:
        start = 4 + number_length(frame[4])
        end = start + code - 5
        if end > len(frame):
            raise RemoteProtocolError("a FLAC frame header is cut off")
        return 1 + int.from_bytes(frame[start:end], "big")
    if not code:
        raise RemoteProtocolError("a FLAC frame has a reserved block size")
    return 192 if code == 1 else 576 << (code - 2)


def number_length(first: int) -> int:
    """Bytes of the coded number that begins with this one.

    Raises:
        RemoteProtocolError: nothing begins so.
    """
    if first < 0x80:
        return 1
    zeros = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= zeros <= 7:
        raise RemoteProtocolError("a FLAC frame number is damaged")
    return zeros


def facts(config: bytes) -> Facts:
    """What a streaminfo block tells.

    Raises:
        RemoteProtocolError: it can't be read.
    """
    info = StreamInfo.parse(config)
    fixed = info.min_block == info.max_block
    return Facts(
        "fLaC",
        "FLAC",
        sample_rate=info.sample_rate,
        channels=info.channels,
        frame=Fraction(TIMESCALE * info.max_block, info.sample_rate) if fixed else None,
    )
