"""Sequence parameter sets: picture size, frame rate and reordering.

Specification: ITU-T H.264 §7.3.2.1.1 (syntax), §A.3 (levels), §E.1.1 (video usability).
"""

from __future__ import annotations

from dataclasses import dataclass

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.nal import unescape

CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose SPS carries chroma format, bit depths and scaling lists."""

INTRA_PROFILES = frozenset({44, 86, 100, 110, 122, 244})
"""Profiles that are intra-only, hence never reorder, when constraint_set3_flag is set."""

EXTENDED_SAR = 255

MAX_SPS_BYTES = 4096
"""An SPS with every scaling list and both HRDs is below 1 KiB; more is not an SPS."""

MAX_SIDE_MBS = 1055
"""Macroblocks per side that level 6.2 allows (§A.3.1: sqrt(MaxFS * 8))."""

MAX_FPS = 300
"""What is above is no frame rate: encoders of variable rates declare a tick of a microsecond."""

MAX_CPB_COUNT = 32
MAX_POC_CYCLE = 255
MAX_DPB_FRAMES = 16

MAX_DPB_MBS = {
    9: 396, 10: 396, 11: 900, 12: 2376, 13: 2376, 20: 2376, 21: 4752, 22: 8100, 30: 8100,
    31: 18000, 32: 20480, 40: 32768, 41: 32768, 42: 34816, 50: 110400, 51: 184320, 52: 184320,
    60: 696320, 61: 696320, 62: 696320,
}  # fmt: skip
"""Table A-1, by ``level_idc``."""


@dataclass(frozen=True, slots=True)
class Sps:
    """What a sequence parameter set says about its pictures."""

    profile: int
    compatibility: int
    level: int
    id: int
    width: int
    """Luma samples of the picture that is shown, after cropping."""
    height: int
    fps: float
    """Frames per second of a fixed or nominal rate; 0 = not told."""
    frame_mbs_only: bool
    """Frames only: no field pictures and no interlaced macroblocks."""
    max_num_ref_frames: int
    max_num_reorder_frames: int
    """Pictures that may precede one in decoding order and follow it in output order: told by
    the bitstream restriction, else the standard's inference for profile and level."""
    poc_type: int
    log2_max_frame_num: int
    log2_max_poc_lsb: int
    """0 when ``poc_type`` is not 0."""
    chroma_format: int
    bit_depth_luma: int
    bit_depth_chroma: int
    sar: tuple[int, int]
    """Sample aspect ratio; (0, 0) = not told."""


@dataclass(slots=True)
class Vui:
    """The parts of the video usability information that are used."""

    sar: tuple[int, int] = (0, 0)
    fps: float = 0.0
    reorder: int | None = None


SARS = (
    (0, 0), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11),
    (80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip
"""Table E-1, by ``aspect_ratio_idc``."""


def parse_sps(nal: bytes) -> Sps:
    """Read an SPS NAL unit with its header.

    Raises:
        RemoteProtocolError: not an SPS, cut off, or with values that the standard excludes.
    """
    if not 5 <= len(nal) <= MAX_SPS_BYTES or nal[0] & 31 != 7:
        raise RemoteProtocolError("not an H.264 sequence parameter set")
    profile, compatibility, level = nal[1:4]
    reader = BitReader(unescape(nal[4:]))
    number = bounded(reader.ue(), 31, "id")
    chroma, separate, luma_depth, chroma_depth = 1, False, 8, 8
    if profile in CHROMA_PROFILES:
        chroma, separate, luma_depth, chroma_depth = read_chroma(reader)
    log2_max_frame_num = 4 + bounded(reader.ue(), 12, "frame number length")
    poc_type, log2_max_poc_lsb = read_picture_order(reader)
    references = bounded(reader.ue(), MAX_DPB_FRAMES, "reference frame count")
    reader.flag()  # gaps_in_frame_num_value_allowed_flag
    width_mbs = 1 + bounded(reader.ue(), MAX_SIDE_MBS - 1, "width")
    map_units = 1 + bounded(reader.ue(), MAX_SIDE_MBS - 1, "height")
    frame_mbs_only = reader.flag()
    if not frame_mbs_only:
        reader.flag()  # mb_adaptive_frame_field_flag
    reader.flag()  # direct_8x8_inference_flag
    height_mbs = map_units * (1 if frame_mbs_only else 2)
    crop_x, crop_y = read_cropping(reader, 0 if separate else chroma, frame_mbs_only)
    vui = read_vui(reader) if reader.flag() else Vui()
    if crop_x >= width_mbs * 16 or crop_y >= height_mbs * 16:
        raise RemoteProtocolError("an H.264 SPS crops the whole picture away")
    reorder = vui.reorder
    if reorder is None:
        intra_only = profile in INTRA_PROFILES and compatibility & 0x10
        in_order = intra_only or poc_type == 2
        reorder = 0 if in_order else dpb_frames(level, width_mbs * height_mbs)
    return Sps(
        profile=profile,
        compatibility=compatibility,
        level=level,
        id=number,
        width=width_mbs * 16 - crop_x,
        height=height_mbs * 16 - crop_y,
        fps=vui.fps,
        frame_mbs_only=frame_mbs_only,
        max_num_ref_frames=references,
        max_num_reorder_frames=reorder,
        poc_type=poc_type,
        log2_max_frame_num=log2_max_frame_num,
        log2_max_poc_lsb=log2_max_poc_lsb,
        chroma_format=chroma,
        bit_depth_luma=luma_depth,
        bit_depth_chroma=chroma_depth,
        sar=vui.sar,
    )


def bounded(value: int, highest: int, name: str) -> int:
    """The value, if the standard allows it.

    Raises:
        RemoteProtocolError: it doesn't.
    """
    if value > highest:
        raise RemoteProtocolError(f"an H.264 SPS has an impossible {name}: `{value}`")
    return value


def dpb_frames(level: int, frame_mbs: int) -> int:
    """``MaxDpbFrames`` of §A.3.1; the absolute maximum for levels that don't exist."""
    limit = MAX_DPB_MBS.get(level)
    return MAX_DPB_FRAMES if limit is None else min(limit // frame_mbs, MAX_DPB_FRAMES)


def read_chroma(reader: BitReader) -> tuple[int, bool, int, int]:
    """Chroma format, separate planes, and the two bit depths."""
    chroma = bounded(reader.ue(), 3, "chroma format")
    separate = chroma == 3 and reader.flag()
    luma_depth = 8 + bounded(reader.ue(), 6, "bit depth")
    chroma_depth = 8 + bounded(reader.ue(), 6, "bit depth")
    reader.flag()  # qpprime_y_zero_transform_bypass_flag
    if reader.flag():
        for index in range(12 if chroma == 3 else 8):
            if reader.flag():
                skip_scaling_list(reader, 16 if index < 6 else 64)
    return chroma, separate, luma_depth, chroma_depth


def skip_scaling_list(reader: BitReader, size: int) -> None:
    """Pass over a scaling list (§7.3.2.1.1.1)."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.se()) % 256
        last = following or last


def read_picture_order(reader: BitReader) -> tuple[int, int]:
    """``pic_order_cnt_type``, and the bits of ``pic_order_cnt_lsb`` when that is 0."""
    kind = bounded(reader.ue(), 2, "picture order count type")
    if kind == 0:
        return kind, 4 + bounded(reader.ue(), 12, "picture order count length")
    if kind == 1:
        reader.flag()  # delta_pic_order_always_zero_flag
        reader.se()  # offset_for_non_ref_pic
        reader.se()  # offset_for_top_to_bottom_field
        for _ in range(bounded(reader.ue(), MAX_POC_CYCLE, "picture order count cycle")):
            reader.se()
    return kind, 0


def read_cropping(reader: BitReader, chroma: int, frame_mbs_only: bool) -> tuple[int, int]:
    """Luma samples cut off horizontally and vertically (§7.4.2.1.1)."""
    if not reader.flag():
        return 0, 0
    left, right, top, bottom = (reader.ue() for _ in range(4))
    unit_x = 2 if chroma in {1, 2} else 1
    unit_y = (2 if chroma == 1 else 1) * (1 if frame_mbs_only else 2)
    return (left + right) * unit_x, (top + bottom) * unit_y


def read_vui(reader: BitReader) -> Vui:
    """Read the video usability information up to what is used (§E.1.1)."""
    vui = Vui(sar=read_sar(reader))
    skip_signal_type(reader)
    if reader.flag():
        tick, scale = reader.bits(32), reader.bits(32)
        reader.flag()  # fixed_frame_rate_flag
        # A tick is a field, and a frame has two of them, also in progressive video.
        fps = scale / (2 * tick) if tick else 0.0
        vui.fps = fps if fps <= MAX_FPS else 0.0
    nal_hrd = reader.flag()
    if nal_hrd:
        skip_hrd(reader)
    vcl_hrd = reader.flag()
    if vcl_hrd:
        skip_hrd(reader)
    if nal_hrd or vcl_hrd:
        reader.flag()  # low_delay_hrd_flag
    reader.flag()  # pic_struct_present_flag
    if reader.flag():
        reader.flag()  # motion_vectors_over_pic_boundaries_flag
        for _ in range(4):  # size denominators and motion vector lengths
            reader.ue()
        vui.reorder = bounded(reader.ue(), MAX_DPB_FRAMES, "reorder depth")
    return vui


def read_sar(reader: BitReader) -> tuple[int, int]:
    """The sample aspect ratio; (0, 0) when it is absent or reserved."""
    if not reader.flag():
        return 0, 0
    index = reader.bits(8)
    if index == EXTENDED_SAR:
        return reader.bits(16), reader.bits(16)
    return SARS[index] if index < len(SARS) else (0, 0)


def skip_signal_type(reader: BitReader) -> None:
    """Pass over overscan, colours and the place of chroma samples."""
    if reader.flag():
        reader.flag()  # overscan_appropriate_flag
    if reader.flag():
        reader.bits(4)  # video_format, video_full_range_flag
        if reader.flag():
            reader.bits(24)  # colour_primaries, transfer_characteristics, matrix_coefficients
    if reader.flag():
        reader.ue()  # chroma_sample_loc_type_top_field
        reader.ue()  # chroma_sample_loc_type_bottom_field


def skip_hrd(reader: BitReader) -> None:
    """Pass over hypothetical reference decoder parameters (§E.1.2)."""
    count = 1 + bounded(reader.ue(), MAX_CPB_COUNT - 1, "CPB count")
    reader.bits(8)  # bit_rate_scale, cpb_size_scale
    for _ in range(count):
        reader.ue()  # bit_rate_value_minus1
        reader.ue()  # cpb_size_value_minus1
        reader.flag()  # cbr_flag
    reader.bits(20)  # delay and time offset lengths
