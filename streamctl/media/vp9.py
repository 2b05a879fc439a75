"""VP9: frame headers and codec configuration records (vpcC).

A frame or superframe stays as it is: the first frame in it tells whether it is a key frame, and
only key frames tell size and format, so the reader writes the record from them. Specifications:
VP9 Bitstream & Decoding Process §6.2, §7.2, annex A (levels); VP Codec ISO Media File Format
Binding (record, codec strings).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.packet import Kind
from streamctl.media.unit import Facts, TrackReader, Unit

FRAME_MARKER = 2
SYNC_CODE = 0x498342
HEADER_BYTES = 16
"""Enough for the uncompressed header up to the frame size."""

RGB = 7
"""``color_space`` without a matrix: always 4:4:4."""
COLORS = ((2, 2, 2), (6, 6, 6), (1, 1, 1), (6, 6, 6), (7, 7, 7), (9, 14, 9), (2, 2, 2), (1, 13, 0))
"""Primaries, transfer and matrix (ISO/IEC 23091-2) by ``color_space``."""

CHROMA_420, CHROMA_422, CHROMA_444 = 1, 2, 3
"""``chromaSubsampling``; 4:4:0 has no number of its own, and counts as 4:2:2."""

LEVELS = (
    (10, 36_864, 829_440), (11, 73_728, 2_764_800), (20, 122_880, 4_608_000),
    (21, 245_760, 9_216_000), (30, 552_960, 20_736_000), (31, 983_040, 36_864_000),
    (40, 2_228_224, 83_558_400), (41, 2_228_224, 160_432_128), (50, 8_912_896, 311_951_360),
    (51, 8_912_896, 588_251_136), (52, 8_912_896, 1_176_502_272), (60, 35_651_584, 1_176_502_272),
    (61, 35_651_584, 2_353_004_544), (62, 35_651_584, 4_706_009_088),
)  # fmt: skip
"""Level times ten, largest picture in luma samples, and most luma samples per second."""

NOMINAL_FPS = 30
"""Frames do not tell their rate, and levels depend on it."""

FULL_BOX_HEADER = b"\x01\0\0\0"
"""Version and flags of the box, which belong to its payload."""
RECORD_BYTES = 8


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The start of the uncompressed header of a key frame."""

    profile: int
    bit_depth: int
    color_space: int
    full_range: bool
    chroma: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class VpcConfig:
    """A ``VPCodecConfigurationRecord``."""

    profile: int
    level: int
    """Times ten; 0 = not told."""
    bit_depth: int
    chroma: int
    full_range: bool
    colors: tuple[int, int, int]
    """Primaries, transfer and matrix."""

    @classmethod
    def parse(cls, data: bytes) -> VpcConfig:
        """Read the payload of a box, or a bare record.

        Raises:
            RemoteProtocolError: cut off, or of another version.
        """
        if len(data) >= len(FULL_BOX_HEADER) + RECORD_BYTES and data[:4] == FULL_BOX_HEADER:
            data = data[4:]
        if len(data) < RECORD_BYTES or data[0] > 3 or data[6:8] != b"\0\0":
            raise RemoteProtocolError("not a VP9 codec configuration record")
        sample = data[2]
        colors = (data[3], data[4], data[5])
        return cls(data[0], data[1], sample >> 4, sample >> 1 & 7, bool(sample & 1), colors)

    @classmethod
    def from_frame(cls, header: FrameHeader) -> VpcConfig:
        """The record for a stream of such key frames."""
        size = header.width * header.height
        fits = (
            level
            for level, picture, rate in LEVELS
            if size <= picture and size * NOMINAL_FPS <= rate
        )
        return cls(
            header.profile,
            next(fits, LEVELS[-1][0]),
            header.bit_depth,
            header.chroma,
            header.full_range,
            COLORS[header.color_space],
        )

    def serialize(self) -> bytes:
        """The payload of the box."""
        sample = self.bit_depth << 4 | self.chroma << 1 | self.full_range
        head = bytes((self.profile, self.level, sample, *self.colors))
        return FULL_BOX_HEADER + head + b"\0\0"

    def describes(self, header: FrameHeader) -> bool:
        """Whether such key frames are no news."""
        return (self.profile, self.bit_depth) == (header.profile, header.bit_depth)


def parse_key_frame(data: bytes) -> FrameHeader | None:
    """Read the header of a frame; None unless it is a key frame.

    Raises:
        RemoteProtocolError: not a VP9 frame, or a key frame that is cut off.
    """
    reader = BitReader(data[:HEADER_BYTES])
    if reader.bits(2) != FRAME_MARKER:
        raise RemoteProtocolError("a VP9 frame does not begin with its marker")
    profile = reader.bits(1) | reader.bits(1) << 1
    if profile == 3 and reader.flag():
        raise RemoteProtocolError("a VP9 frame has a reserved profile")
    # An existing frame that is shown again, or a frame that refers to others.
    if reader.flag() or reader.flag():
        return None
    reader.bits(2)  # show_frame, error_resilient_mode
    if reader.bits(24) != SYNC_CODE:
        raise RemoteProtocolError("a VP9 key frame does not begin with its sync code")
    bit_depth = 8 if profile < 2 else 12 if reader.flag() else 10
    space = reader.bits(3)
    full_range, chroma = read_samples(reader, profile, space)
    width, height = reader.bits(16) + 1, reader.bits(16) + 1
    return FrameHeader(profile, bit_depth, space, full_range, chroma, width, height)


def read_samples(reader: BitReader, profile: int, space: int) -> tuple[bool, int]:
    """Colour range and chroma subsampling (§6.2.2)."""
    odd = profile & 1
    if space == RGB:
        if odd:
            reader.flag()
        return True, CHROMA_444
    full_range = reader.flag()
    if not odd:
        return full_range, CHROMA_420
    across, down = reader.flag(), reader.flag()
    reader.flag()
    if across and down:
        return full_range, CHROMA_420
    return full_range, CHROMA_422 if across or down else CHROMA_444


class Vp9Reader(TrackReader):
    """Writes the record from the key frames, unless the source sent one that fits."""

    def __init__(self) -> None:
        super().__init__()
        self.record: VpcConfig | None = None

    def configure(self, record: bytes) -> bytes | None:
        parsed = VpcConfig.parse(record)
        self.record = parsed
        told = facts(record)
        if self.facts is not None:
            told = replace(told, width=self.facts.width, height=self.facts.height)
        return self.adopt(parsed.serialize(), told)

    def unit(self, data: bytes) -> Unit:
        if not data:
            return Unit(data, Kind.P)
        # Most frames are told by their first bits: profiles 0 to 2, no key frame.
        if data[0] & 0xCC == 0x84 and data[0] & 0x30 != 0x30:
            return Unit(data, Kind.P)
        header = parse_key_frame(data)
        if header is None:
            return Unit(data, Kind.P)
        return Unit(data, Kind.KEY, 0, self.key_frame(header))

    def key_frame(self, header: FrameHeader) -> bytes | None:
        """Take what a key frame tells."""
        record = self.record
        if record is None or not record.describes(header):
            record = self.record = VpcConfig.from_frame(header)
        config = record.serialize()
        told = replace(facts(config), width=header.width, height=header.height)
        return self.adopt(config, told)


def facts(config: bytes) -> Facts:
    """What a record tells; the size it leaves to the frames.

    Raises:
        RemoteProtocolError: it can't be read.
    """
    record = VpcConfig.parse(config)
    name = f"vp09.{record.profile:02}.{record.level:02}.{record.bit_depth:02}"
    level = f" {record.level / 10:.1f}" if record.level else ""
    return Facts(name, f"VP9 profile {record.profile}{level}")
