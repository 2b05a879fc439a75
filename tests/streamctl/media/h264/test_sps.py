from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.h264.sps import MAX_SPS_BYTES, Sps, parse_sps
from tests.streamctl.media.h264.sets import SPS_720P, bits_of, payload

if TYPE_CHECKING:
    import random

REAL = [
    ("674d400cecc1827cfe0220000003002000000641e2853340", 180, 144, 25.0, True, 2, (1, 1)),
    ("67640020acd940c029b011000003000100000300320f183196", 768, 320, 25.0, True, 2, (1, 1)),
    (
        "6742c028da01e0089f970110000003001000000303ce06000f424001e84e6c20078c1950",
        *(1920, 1080, 30.0, True, 0, (1, 1)),
    ),
    ("6764000dacd94141fb0e1000000300100000030300f1429960", 320, 240, 24.0, True, 2, (4, 3)),
    (
        "6764001facd940c8146ffc11c40c8040000003004000000f03c60c6580",
        *(800, 640, 30.0, True, 2, (1137, 800)),
    ),
    (
        "6764001facd9405005bb016a020202800001f480007530078c18cb",
        *(1280, 720, 30_000 / 1001, True, 2, (1, 1)),
    ),
    ("6742801696540601bd3506060640000003004000000661", 768, 432, 12.5, True, 6, (0, 0)),
    ("2742e01ea9181687b600d418041adb0ad7bdf010", 720, 480, 0.0, True, 6, (0, 0)),
    ("674d401f965281806f4d418181900000030010000003014840", 768, 432, 10.0, True, 13, (0, 0)),
    ("6742c00dda0645fe4c0440000003004000000c23c50aa8", 400, 170, 24.0, True, 0, (1, 1)),
    (
        "67640028ac72140780447de02d1000000300100000030329cb1c308580",
        *(1920, 1080, 25.0, False, 3, (1, 1)),
    ),
    (
        "67f40015919b282867e6c044000003000400000300c9808007a10001e84e49300f8a14cb",
        *(320, 182, 25.0, False, 2, (1, 1)),
    ),
]


@pytest.mark.parametrize(("data", "width", "height", "fps", "frames", "reorder", "sar"), REAL)
def test_sets_of_real_encoders_are_read(
    data: str,
    width: int,
    height: int,
    fps: float,
    frames: bool,
    reorder: int,
    sar: tuple[int, int],
) -> None:
    sps = parse_sps(bytes.fromhex(data))
    assert (sps.width, sps.height, sps.fps) == (width, height, fps)
    assert (sps.frame_mbs_only, sps.max_num_reorder_frames, sps.sar) == (frames, reorder, sar)


@pytest.mark.parametrize(
    ("data", "profile", "level", "chroma", "depth"),
    [
        ("67f4000c90d9b282833f1780880000030008000003019078a14cb0", 244, 12, 3, 10),
        ("677a000cb6cd941419f8bc0440000003004000000c83c50a6580", 122, 12, 2, 10),
        ("6764001facd9405005bb016a020202800001f480007530078c18cb", 100, 31, 1, 8),
    ],
)
def test_chroma_and_bit_depths_are_read(
    data: str, profile: int, level: int, chroma: int, depth: int
) -> None:
    sps = parse_sps(bytes.fromhex(data))
    assert (sps.profile, sps.level, sps.chroma_format) == (profile, level, chroma)
    assert sps.bit_depth_luma == sps.bit_depth_chroma == depth


def test_a_tick_of_a_microsecond_is_no_frame_rate() -> None:
    sps = parse_sps(bytes.fromhex("674d401eeca05017fcb16e0000030002003d09001e2c5b2c"))
    assert (sps.width, sps.height, sps.fps) == (640, 360, 0.0)


def flags(*values: bool | int) -> str:
    return "".join(str(int(value)) for value in values)


def ue(*values: int) -> str:
    return "".join(map(bits_of, values))


def se(*values: int) -> str:
    return ue(*(2 * abs(value) - (value > 0) for value in values))


def build(
    *,
    profile: int = 66,
    compatibility: int = 0,
    level: int = 30,
    number: int = 0,
    chroma: str = "",
    order: str = "",
    references: int = 1,
    size: tuple[int, int] = (20, 15),
    frames: str = "1",
    crop: str = "0",
    vui: str = "0",
) -> bytes:
    """An SPS from its fields as bits; 320x240 unless told."""
    bits = ue(number) + chroma + ue(0) + (order or ue(2)) + ue(references) + "0"
    bits += ue(size[0] - 1, size[1] - 1) + frames + "1" + crop + vui
    return bytes((0x67, profile, compatibility, level)) + payload(bits)


def read(**fields: object) -> Sps:
    return parse_sps(build(**fields))  # type: ignore[arg-type]


def test_the_smallest_set_is_read() -> None:
    sps = read(number=3)
    assert (sps.width, sps.height, sps.fps, sps.id) == (320, 240, 0.0, 3)
    assert (sps.poc_type, sps.log2_max_frame_num, sps.log2_max_poc_lsb) == (2, 4, 0)


def test_order_counts_in_a_cycle_are_passed_over() -> None:
    order = ue(1) + "0" + se(-3, 5) + ue(2) + se(7, -9)
    assert read(order=order, size=(4, 4)).width == 64


def test_scaling_lists_are_passed_over() -> None:
    ended = se(-8)
    full = se(*[1] * 16)
    large = se(*[1] * 64)
    lists = "1" + ended + "1" + full + "0000" + "1" + large + "0"
    chroma = ue(1, 0, 0) + "0" + "1" + lists
    assert read(profile=100, chroma=chroma, size=(8, 8)).width == 128


def test_444_has_twelve_scaling_lists_and_may_separate_its_planes() -> None:
    chroma = ue(3) + "1" + ue(0, 0) + "0" + "1" + "0" * 12
    sps = read(profile=244, chroma=chroma, crop="1" + ue(0, 1, 0, 1))
    assert (sps.width, sps.height) == (319, 239)


@pytest.mark.parametrize(
    ("chroma", "frames", "size"),
    [
        (ue(0, 0, 0) + "00", "1", (319, 239)),
        (ue(1, 0, 0) + "00", "1", (318, 238)),
        (ue(2, 0, 0) + "00", "1", (318, 239)),
        (ue(3) + "0" + ue(0, 0) + "00", "1", (319, 239)),
        (ue(1, 0, 0) + "00", "00", (318, 476)),
        (ue(0, 0, 0) + "00", "01", (319, 478)),
    ],
)
def test_cropping_units_follow_chroma_and_interlacing(
    chroma: str, frames: str, size: tuple[int, int]
) -> None:
    sps = read(profile=100, chroma=chroma, frames=frames, crop="1" + ue(0, 1, 0, 1))
    assert (sps.width, sps.height) == size


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"order": ue(2)}, 0),
        ({"order": ue(0, 0)}, 16),
        ({"order": ue(0, 0), "level": 10}, 1),
        ({"order": ue(0, 0), "level": 77}, 16),
        ({"order": ue(0, 0), "profile": 77, "compatibility": 0x10}, 16),
        (
            {
                "order": ue(0, 0),
                "profile": 100,
                "compatibility": 0x10,
                "chroma": ue(1, 0, 0) + "00",
            },
            0,
        ),
    ],
)
def test_without_a_told_depth_the_standard_infers_one(
    fields: dict[str, object], wanted: int
) -> None:
    assert read(**fields).max_num_reorder_frames == wanted


HRD = ue(1) + "0" * 8 + (ue(5, 6) + "1") * 2 + "0" * 20


@pytest.mark.parametrize(
    ("vui", "sar", "fps", "reorder"),
    [
        ("0" + "0" * 8, (0, 0), 0.0, 0),
        ("1" + f"{200:08b}" + "0" * 8, (0, 0), 0.0, 0),
        ("1" + f"{255:08b}{7:016b}{5:016b}" + "0" * 8, (7, 5), 0.0, 0),
        ("0" + "11" + "1" + "0000" + "1" + "0" * 24 + "1" + ue(1, 1) + "00000", (0, 0), 0.0, 0),
        ("0000" + "1" + f"{1:032b}{50:032b}" + "1" + "0000", (0, 0), 25.0, 0),
        ("0000" + "1" + f"{0:032b}{50:032b}" + "1" + "0000", (0, 0), 0.0, 0),
        ("00000" + "1" + HRD + "0" + "1" + "0" + "0", (0, 0), 0.0, 0),
        ("00000" + "1" + HRD + "1" + HRD + "1" + "0" + "0", (0, 0), 0.0, 0),
        ("00000" + "0" + "1" + HRD + "1" + "0" + "1" + "1" + ue(0, 0, 9, 9, 3, 4), (0, 0), 0.0, 3),
    ],
)
def test_usability_information_is_read(
    vui: str, sar: tuple[int, int], fps: float, reorder: int
) -> None:
    sps = read(vui="1" + vui)
    assert (sps.sar, sps.fps, sps.max_num_reorder_frames) == (sar, fps, reorder)


@pytest.mark.parametrize(
    "nal",
    [
        b"",
        b"\x67\x42\x00\x1e",
        b"\x68" + SPS_720P[1:],
        SPS_720P + bytes(MAX_SPS_BYTES),
        build(number=32),
        build(order=ue(3)),
        build(order=ue(0, 13)),
        build(order=ue(1) + "0" + se(0, 0) + ue(256)),
        build(references=17),
        build(size=(1056, 10)),
        build(size=(10, 1056)),
        build(crop="1" + ue(160, 0, 0, 0)),
        build(crop="1" + ue(0, 0, 100, 20)),
        build(profile=100, chroma=ue(4)),
        build(profile=100, chroma=ue(1, 7)),
        build(vui="1" + "00000" + "1" + ue(32)),
        build(vui="1" + "00000" + "000" + "1" + "1" + ue(0, 0, 0, 0, 17, 0)),
    ],
)
def test_impossible_sets_are_refused(nal: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_sps(nal)


@pytest.mark.parametrize("data", [data for data, *_ in REAL])
def test_a_cut_off_set_is_refused_and_trailing_bytes_are_not(data: str) -> None:
    nal = bytes.fromhex(data)
    whole = parse_sps(nal)
    assert parse_sps(nal + b"\0\0\3\xff") == whole
    for size in range(len(nal) // 2):
        with pytest.raises(RemoteProtocolError):
            parse_sps(nal[:size])


@given(st.sampled_from([data for data, *_ in REAL]), st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_damaged_sets_raise_nothing_else(data: str, chance: random.Random) -> None:
    nal = bytearray.fromhex(data)
    for _ in range(chance.randint(1, 6)):
        nal[chance.randrange(len(nal))] ^= 1 << chance.randrange(8)
    try:
        sps = parse_sps(bytes(nal))
    except ProtocolError:
        return
    assert 0 < sps.width <= 16_880
    assert 0 < sps.height <= 33_760
