"""Sequence headers: picture size, frame rate, profile and sample format.

Specification: AV1 Bitstream & Decoding Process §5.5 (syntax), §6.4 (semantics), §A.3 (levels).
"""

from __future__ import annotations

from dataclasses import dataclass

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader

MAX_HEADER_BYTES = 512
"""A header with the most operating points is below 300 bytes."""

MAX_FPS = 300
"""What is above is no frame rate: encoders of variable rates declare a tick of a microsecond."""

MAX_PROFILE = 2
LOWEST_LEVEL_WITH_TIERS = 8
"""``seq_level_idx`` of level 4.0; those below have the main tier alone."""

BT_709, SRGB, IDENTITY = 1, 13, 0
"""Colour primaries, transfer and matrix that together mean 4:4:4 without more bits."""


@dataclass(frozen=True, slots=True)
class ColorConfig:
    """How samples are stored."""

    high_bit_depth: bool
    twelve_bit: bool
    mono: bool
    subsampling_x: bool
    subsampling_y: bool
    position: int
    """``chroma_sample_position``."""

    @property
    def bit_depth(self) -> int:
        """Bits per sample."""
        return 12 if self.twelve_bit else 10 if self.high_bit_depth else 8


@dataclass(frozen=True, slots=True)
class SequenceHeader:
    """What a sequence header says about its pictures."""

    profile: int
    level: int
    """``seq_level_idx`` of the first operating point, which has all layers."""
    high_tier: bool
    width: int
    height: int
    fps: float
    """0 = not told."""
    color: ColorConfig


@dataclass(slots=True)
class Timing:
    """The parts of the timing and decoder model that later fields depend on."""

    fps: float = 0.0
    delay_bits: int = 0
    """Length of the delays in the decoder models; 0 = there are none."""


def parse_sequence_header(payload: bytes) -> SequenceHeader:
    """Read the payload of a sequence header OBU.

    Raises:
        RemoteProtocolError: cut off, or with values that the standard reserves.
    """
    reader = BitReader(payload[:MAX_HEADER_BYTES])
    profile = reader.bits(3)
    if profile > MAX_PROFILE:
        raise RemoteProtocolError(f"an AV1 sequence header has the reserved profile {profile}")
    reader.flag()  # still_picture
    reduced = reader.flag()
    timing = Timing()
    if reduced:
        level, high_tier = reader.bits(5), False
    else:
        timing = read_timing(reader) if reader.flag() else timing
        level, high_tier = read_operating_points(reader, timing)
    width_bits, height_bits = reader.bits(4) + 1, reader.bits(4) + 1
    width, height = reader.bits(width_bits) + 1, reader.bits(height_bits) + 1
    if not reduced and reader.flag():
        reader.bits(7)  # lengths of frame ids
    reader.bits(3)  # 128x128 superblocks, filter intra, intra edge filter
    if not reduced:
        skip_inter_tools(reader)
    reader.bits(3)  # superres, cdef, restoration
    return SequenceHeader(
        profile, level, high_tier, width, height, timing.fps, read_color(reader, profile)
    )


def read_timing(reader: BitReader) -> Timing:
    """Timing and decoder model information."""
    tick, scale = reader.bits(32), reader.bits(32)
    # Without equal intervals the tick is no frame.
    ticks = reader.ue() + 1 if reader.flag() else 0
    fps = scale / (tick * ticks) if tick and ticks else 0.0
    timing = Timing(fps if fps <= MAX_FPS else 0.0)
    if reader.flag():
        timing.delay_bits = reader.bits(5) + 1
        reader.bits(42)  # decoding tick, lengths of removal and presentation times
    return timing


def read_operating_points(reader: BitReader, timing: Timing) -> tuple[int, bool]:
    """Level and tier of the first operating point; the others are passed over."""
    display_delays = reader.flag()
    found = []
    for _ in range(reader.bits(5) + 1):
        reader.bits(12)  # operating_point_idc
        level = reader.bits(5)
        high_tier = level >= LOWEST_LEVEL_WITH_TIERS and reader.flag()
        if timing.delay_bits and reader.flag():
            reader.bits(2 * timing.delay_bits + 1)
        if display_delays and reader.flag():
            reader.bits(4)
        found.append((level, high_tier))
    return found[0]


def skip_inter_tools(reader: BitReader) -> None:
    """Pass over what moving pictures may use."""
    reader.bits(4)  # interintra, masked, warped motion, dual filter
    order_hints = reader.flag()
    if order_hints:
        reader.bits(2)  # joint compound, reference motion vectors
    chosen_tools = reader.flag() or reader.flag()
    if chosen_tools and not reader.flag():
        reader.flag()  # seq_force_integer_mv
    if order_hints:
        reader.bits(3)


def read_color(reader: BitReader, profile: int) -> ColorConfig:
    """Sample format (§5.5.2)."""
    high = reader.flag()
    twelve = profile == MAX_PROFILE and high and reader.flag()
    mono = profile != 1 and reader.flag()
    description = (reader.bits(8), reader.bits(8), reader.bits(8)) if reader.flag() else None
    if mono:
        reader.flag()  # color_range
        return ColorConfig(high, twelve, True, True, True, 0)
    if description == (BT_709, SRGB, IDENTITY):
        return ColorConfig(high, twelve, False, False, False, 0)
    reader.flag()  # color_range
    if profile == MAX_PROFILE:
        x = reader.flag() if twelve else True
        y = twelve and x and reader.flag()
    else:
        x = y = profile == 0
    position = reader.bits(2) if x and y else 0
    return ColorConfig(high, twelve, False, x, y, position)
