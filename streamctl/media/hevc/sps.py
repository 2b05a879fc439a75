"""Sequence and video parameter sets: picture size, frame rate, profile and ids.

Specification: ITU-T H.265 §7.3.2.1, §7.3.2.2, §7.3.3 (profile, tier and level), §7.3.4
(scaling lists), §7.3.7 (reference picture sets), §E.2.1 (video usability).
"""

from __future__ import annotations

from dataclasses import dataclass

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.nal import unescape

MAX_SET_BYTES = 8192
"""Sets with 64 reference picture sets and every scaling list are below 4 KiB."""

MAX_SIDE = 16_888
"""Luma samples per side that level 6.2 allows (§A.4.1: sqrt(MaxLumaPs * 8))."""

MAX_FPS = 300
"""What is above is no frame rate: encoders of variable rates declare a tick of a microsecond."""

MAX_SUB_LAYERS = 7
MAX_REFERENCE_SETS = 64
MAX_LONG_TERM_SETS = 32
MAX_PICTURES = 16
MAX_LAYER_SETS = 1024
MAX_LAYER_ID = 62

MAX_SPS_ID = 15
MAX_PPS_ID = 63

ID_BYTES = 512
"""Enough of an SPS to read its id behind the levels of all sub-layers."""

EXTENDED_SAR = 255

VPS, SPS, PPS = 32, 33, 34


@dataclass(frozen=True, slots=True)
class Sps:
    """What a sequence parameter set says about its pictures."""

    id: int
    general: bytes
    """The twelve bytes of the general profile, tier and level."""
    layers: int
    """Temporal sub-layers."""
    nested: bool
    """``sps_temporal_id_nesting_flag``."""
    width: int
    """Luma samples of the picture that is shown, after cropping."""
    height: int
    fps: float
    """Pictures per second; 0 = not told."""
    chroma_format: int
    bit_depth_luma: int
    bit_depth_chroma: int
    max_num_reorder: int
    """Pictures that may precede one in decoding order and follow it in output order."""


def parse_sps(nal: bytes) -> Sps:
    """Read an SPS NAL unit with its header.

    Raises:
        RemoteProtocolError: not an SPS, cut off, or with values that the standard excludes.
    """
    reader = open_set(nal, SPS)
    reader.bits(4)  # sps_video_parameter_set_id
    sub_layers = bounded(reader.bits(3), MAX_SUB_LAYERS - 1, "sub-layer count")
    nested = reader.flag()
    general = read_profile_tier_level(reader, sub_layers)
    number = bounded(reader.ue(), MAX_SPS_ID, "id")
    chroma = bounded(reader.ue(), 3, "chroma format")
    separate = chroma == 3 and reader.flag()
    width = bounded(reader.ue(), MAX_SIDE, "width")
    height = bounded(reader.ue(), MAX_SIDE, "height")
    crop_x, crop_y = read_window(reader, 0 if separate else chroma)
    if crop_x >= width or crop_y >= height:
        raise RemoteProtocolError("an HEVC SPS has no picture to show")
    luma_depth = 8 + bounded(reader.ue(), 8, "bit depth")
    chroma_depth = 8 + bounded(reader.ue(), 8, "bit depth")
    log2_max_poc_lsb = 4 + bounded(reader.ue(), 12, "picture order count length")
    reorder = read_ordering(reader, sub_layers)
    skip_coding_tools(reader)
    skip_reference_sets(reader, log2_max_poc_lsb)
    reader.bits(2)  # sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    fps = read_vui(reader) if reader.flag() else 0.0
    return Sps(
        id=number,
        general=general,
        layers=sub_layers + 1,
        nested=nested,
        width=width - crop_x,
        height=height - crop_y,
        fps=fps,
        chroma_format=chroma,
        bit_depth_luma=luma_depth,
        bit_depth_chroma=chroma_depth,
        max_num_reorder=reorder,
    )


def vps_fps(nal: bytes) -> float:
    """Pictures per second that a VPS NAL unit tells; 0 = not told.

    Raises:
        RemoteProtocolError: not a VPS, cut off, or with values that the standard excludes.
    """
    reader = open_set(nal, VPS)
    reader.bits(12)  # id, base layer flags, vps_max_layers_minus1
    sub_layers = bounded(reader.bits(3), MAX_SUB_LAYERS - 1, "sub-layer count")
    reader.bits(17)  # vps_temporal_id_nesting_flag, vps_reserved_0xffff_16bits
    read_profile_tier_level(reader, sub_layers)
    read_ordering(reader, sub_layers)
    layers = 1 + bounded(reader.bits(6), MAX_LAYER_ID, "layer id")
    sets = bounded(reader.ue(), MAX_LAYER_SETS - 1, "layer set count")
    reader.bits(sets * layers)
    return read_timing(reader)


def vps_id(nal: bytes) -> int:
    """``vps_video_parameter_set_id``.

    Raises:
        RemoteProtocolError: cut off.
    """
    return BitReader(nal[2:3]).bits(4)


def sps_id(nal: bytes) -> int:
    """``sps_seq_parameter_set_id``, behind profile, tier and level.

    Raises:
        RemoteProtocolError: cut off or out of range.
    """
    reader = open_set(nal[:ID_BYTES], SPS)
    reader.bits(4)
    sub_layers = bounded(reader.bits(3), MAX_SUB_LAYERS - 1, "sub-layer count")
    reader.flag()
    read_profile_tier_level(reader, sub_layers)
    return bounded(reader.ue(), MAX_SPS_ID, "id")


def pps_id(nal: bytes) -> int:
    """``pps_pic_parameter_set_id``.

    Raises:
        RemoteProtocolError: cut off or out of range.
    """
    return bounded(open_set(nal[:16], PPS).ue(), MAX_PPS_ID, "id")


def open_set(nal: bytes, kind: int) -> BitReader:
    """The payload of a parameter set.

    Raises:
        RemoteProtocolError: another kind of unit, or longer than any set.
    """
    if not 2 < len(nal) <= MAX_SET_BYTES or nal[0] >> 1 & 63 != kind:
        raise RemoteProtocolError(f"not an HEVC parameter set of type {kind}")
    return BitReader(unescape(nal[2:]))


def bounded(value: int, highest: int, name: str) -> int:
    """The value, if the standard allows it.

    Raises:
        RemoteProtocolError: it doesn't.
    """
    if value > highest:
        raise RemoteProtocolError(f"an HEVC parameter set has an impossible {name}: `{value}`")
    return value


def read_profile_tier_level(reader: BitReader, sub_layers: int) -> bytes:
    """The general part; those of sub-layers are passed over."""
    general = reader.bits(96).to_bytes(12, "big")
    if sub_layers:
        present = reader.bits(16)
        for index in range(sub_layers):
            bits = present >> (14 - 2 * index) & 3
            reader.bits((88 if bits & 2 else 0) + (8 if bits & 1 else 0))
    return general


def read_window(reader: BitReader, chroma: int) -> tuple[int, int]:
    """Luma samples cut off horizontally and vertically by a window, if one is there."""
    if not reader.flag():
        return 0, 0
    left, right, top, bottom = (reader.ue() for _ in range(4))
    unit_x = 2 if chroma in {1, 2} else 1
    unit_y = 2 if chroma == 1 else 1
    return (left + right) * unit_x, (top + bottom) * unit_y


def read_ordering(reader: BitReader, sub_layers: int) -> int:
    """The reorder depth of the highest sub-layer."""
    reorder = 0
    for _ in range(sub_layers + 1 if reader.flag() else 1):
        reader.ue()  # max_dec_pic_buffering_minus1
        reorder = bounded(reader.ue(), MAX_PICTURES, "reorder depth")
        reader.ue()  # max_latency_increase_plus1
    return reorder


def skip_coding_tools(reader: BitReader) -> None:
    """Pass over block sizes, scaling lists, and PCM."""
    for _ in range(6):  # coding and transform block sizes, transform depths
        reader.ue()
    if reader.flag() and reader.flag():
        skip_scaling_lists(reader)
    reader.bits(2)  # amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if reader.flag():
        reader.bits(8)  # bit depths of PCM
        reader.ue()
        reader.ue()
        reader.flag()


def skip_scaling_lists(reader: BitReader) -> None:
    """Pass over the scaling lists (§7.3.4)."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not reader.flag():
                reader.ue()  # scaling_list_pred_matrix_id_delta
                continue
            if size > 1:
                reader.se()  # scaling_list_dc_coef_minus8
            for _ in range(min(64, 1 << (4 + 2 * size))):
                reader.se()


def skip_reference_sets(reader: BitReader, log2_max_poc_lsb: int) -> None:
    """Pass over the short-term and long-term reference picture sets."""
    deltas: list[int] = []
    for index in range(bounded(reader.ue(), MAX_REFERENCE_SETS, "reference set count")):
        deltas = read_reference_set(reader, deltas, first=index == 0)
    if reader.flag():
        count = bounded(reader.ue(), MAX_LONG_TERM_SETS, "long-term reference count")
        reader.bits(count * (log2_max_poc_lsb + 1))


def read_reference_set(reader: BitReader, previous: list[int], *, first: bool) -> list[int]:
    """The picture distances of a short-term set, the closest earlier first, then later ones.

    Sets may be coded by their difference to the one before (§7.4.8), so how long one is depends
    on the distances in that.
    """
    if not first and reader.flag():
        negative = reader.flag()
        step = 1 + bounded(reader.ue(), 0x7FFF, "reference distance")
        step = -step if negative else step
        kept = [base for base in (*previous, 0) if reader.flag() or reader.flag()]
        moved = [base + step for base in kept if base + step]
        earlier = sorted((delta for delta in moved if delta < 0), reverse=True)
        return earlier + sorted(delta for delta in moved if delta > 0)
    counts = [bounded(reader.ue(), MAX_PICTURES, "reference count") for _ in range(2)]
    deltas: list[int] = []
    for count, sign in zip(counts, (-1, 1), strict=True):
        delta = 0
        for _ in range(count):
            delta += sign * (1 + bounded(reader.ue(), 0x7FFF, "reference distance"))
            reader.flag()  # used_by_curr_pic
            deltas.append(delta)
    return deltas


def read_vui(reader: BitReader) -> float:
    """Pictures per second by the video usability information; 0 = not told."""
    if reader.flag() and reader.bits(8) == EXTENDED_SAR:
        reader.bits(32)
    if reader.flag():
        reader.flag()  # overscan_appropriate_flag
    if reader.flag():
        reader.bits(4)  # video_format, video_full_range_flag
        if reader.flag():
            reader.bits(24)  # colour_primaries, transfer_characteristics, matrix_coeffs
    if reader.flag():
        reader.ue()  # chroma_sample_loc_type_top_field
        reader.ue()  # chroma_sample_loc_type_bottom_field
    reader.bits(3)  # neutral_chroma_indication, field_seq, frame_field_info_present
    read_window(reader, 0)  # default display window
    return read_timing(reader)


def read_timing(reader: BitReader) -> float:
    """Pictures per second by a tick and its scale, if they are there."""
    if not reader.flag():
        return 0.0
    tick, scale = reader.bits(32), reader.bits(32)
    fps = scale / tick if tick else 0.0
    return fps if fps <= MAX_FPS else 0.0
