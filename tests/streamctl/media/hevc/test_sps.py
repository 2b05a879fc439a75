from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.hevc.sps import parse_sps, pps_id, sps_id, vps_fps, vps_id
from tests.streamctl.media.h264.sets import bits_of
from tests.streamctl.media.hevc.sets import (
    GENERAL,
    ORDERING,
    PPS,
    SPS,
    SPS_1080,
    SPS_MAIN10,
    SPS_PHONE,
    TIMING,
    TOOLS,
    VPS,
    VPS_PHONE,
    nal,
    sps,
    vps,
)

SIGNED_ONE = "010"
SCALING = "11" + "".join(
    "0" + bits_of(0)
    if matrix
    else "1" + (SIGNED_ONE if size > 1 else "") + SIGNED_ONE * min(64, 1 << (4 + 2 * size))
    for size in range(4)
    for matrix in range(2 if size == 3 else 6)
)
PLAIN_SET = bits_of(2) + bits_of(1) + (bits_of(0) + "1") * 2 + bits_of(0) + "1"
"""Distances -1, -2 and 1."""
DIFFERENCE = "1" + "1" + bits_of(0) + "1" + "01" + "00" + "1"
"""All by one earlier; the entries are used, kept, dropped, and used again."""
AFTER_FOUR = "1" + "0" + bits_of(1) + "1" * 4


@pytest.mark.parametrize(
    ("data", "size", "fps", "depth", "level"),
    [
        (SPS, (320, 180), 25.0, 8, 60),
        (SPS_MAIN10, (320, 180), 25.0, 10, 60),
        (SPS_1080, (1920, 1080), 30_000 / 1001, 8, 120),
        (SPS_PHONE, (720, 1280), 30.0, 8, 93),
    ],
)
def test_sets_of_real_encoders(
    data: bytes, size: tuple[int, int], fps: float, depth: int, level: int
) -> None:
    found = parse_sps(data)
    assert ((found.width, found.height), found.fps) == (size, fps)
    assert (found.bit_depth_luma, found.bit_depth_chroma) == (depth, depth)
    assert (found.general[11], found.layers, found.nested, found.id) == (level, 1, True, 0)
    assert found.chroma_format == 1


VUI = "1" + "0" * 4 + "000" + "0" + TIMING


def timed(**parts: str) -> bytes:
    return sps(vui=VUI, **parts)  # type: ignore[arg-type] # the id keeps its default


VARIANTS = {
    "plain": timed(),
    "sub-layers": timed(
        layers="0100" + GENERAL + "1101" + "0" * 12 + "0" * 88 + "0" * 8 + "0" * 8,
        ordering="1" + (bits_of(4) + bits_of(2) + bits_of(0)) * 3,
    ),
    "one ordering": timed(ordering="0" + ORDERING[1:]),
    "4:2:2": timed(chroma=bits_of(2), window="1" + bits_of(0) * 3 + bits_of(8)),
    "separate planes": timed(chroma=bits_of(3) + "1", window="1" + bits_of(0) * 3 + bits_of(8)),
    "scaling lists": timed(tools=TOOLS + SCALING + "11" + "0"),
    "default scaling": timed(tools=TOOLS + "10" + "11" + "0"),
    "pcm": timed(tools=TOOLS + "0" + "11" + "1" + "0" * 8 + bits_of(0) * 2 + "0"),
    "reference sets": timed(references=bits_of(3) + PLAIN_SET + DIFFERENCE + AFTER_FOUR + "0"),
    "explicit sets": timed(references=bits_of(2) + PLAIN_SET + "0" + PLAIN_SET + "0"),
    "long-term": timed(references=bits_of(0) + "1" + bits_of(2) + "0" * 18),
}


@pytest.mark.parametrize("data", VARIANTS.values(), ids=VARIANTS)
def test_every_part_of_other_length_is_passed_over(data: bytes) -> None:
    """The rate behind them all tells whether they were."""
    found = parse_sps(data)
    assert (found.width, found.height, found.max_num_reorder) == (640, 360, 2)
    assert found.fps == 30_000 / 1001


@pytest.mark.parametrize(
    ("vui", "fps"),
    [
        ("0", 0.0),
        ("1" + "0" * 4 + "000" + "0" + TIMING, 30_000 / 1001),
        ("1" + "1" + "00000001" + "000" + "000" + "0" + TIMING, 30_000 / 1001),
        (
            "1" + "1" + "1" * 8 + "0" * 32 + "11" + "1" + "0101" + "1" + "0" * 24
            + "1" + bits_of(1) * 2 + "000" + "1" + bits_of(0) * 4 + TIMING,
            30_000 / 1001,
        ),
        ("1" + "0" * 4 + "000" + "0" + "0", 0.0),
        ("1" + "0" * 4 + "000" + "0" + "1" + "0" * 64, 0.0),
        ("1" + "0" * 4 + "000" + "0" + "1" + f"{1:032b}" + f"{90_000:032b}", 0.0),
    ],
)  # fmt: skip
def test_frame_rates(vui: str, fps: float) -> None:
    for variant in (PLAIN_SET + DIFFERENCE + AFTER_FOUR, ""):
        count = bits_of(3) if variant else bits_of(0)
        assert parse_sps(sps(references=count + variant + "0", vui=vui)).fps == fps


@pytest.mark.parametrize(
    ("data", "fps"),
    [
        (VPS, 0.0),
        (VPS_PHONE, 0.0),
        (vps(TIMING), 30_000 / 1001),
        (vps(TIMING, layers="001"), 0.0),
        (vps(TIMING, sets=bits_of(3) + "101"), 30_000 / 1001),
    ],
)
def test_the_video_parameter_set_may_tell_the_rate(data: bytes, fps: float) -> None:
    if data == vps(TIMING, layers="001"):
        with pytest.raises(RemoteProtocolError):
            vps_fps(data[:40])
        return
    assert vps_fps(data) == fps


def test_ids() -> None:
    assert (vps_id(VPS), sps_id(SPS), pps_id(PPS)) == (0, 0, 0)
    assert sps_id(sps(number=7)) == 7
    assert pps_id(nal(34, bits_of(42) + bits_of(0))) == 42
    assert vps_id(b"\x40\x01\x70") == 7


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PPS,
        SPS[:12],
        SPS + bytes(9000),
        sps(layers="1111" + GENERAL),
        sps(number=16),
        sps(chroma=bits_of(4)),
        sps(size=bits_of(20_000) + bits_of(368)),
        sps(size=bits_of(0) + bits_of(368)),
        sps(window="1" + bits_of(320) + bits_of(0) * 3),
        sps(depths=bits_of(9) + bits_of(0)),
        sps(ordering="1" + bits_of(4) + bits_of(17) + bits_of(0)),
        sps(references=bits_of(65)),
        sps(references=bits_of(1) + bits_of(17)),
        sps(references=bits_of(0) + "1" + bits_of(33)),
    ],
)
def test_impossible_sets_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_sps(data)


@pytest.mark.parametrize("data", [SPS, nal(34, bits_of(64)), b"\x44\x01"])
def test_impossible_ids_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        pps_id(data)
    with pytest.raises(RemoteProtocolError):
        vps_id(b"\x40\x01")


@given(st.sampled_from([SPS, SPS_PHONE, *VARIANTS.values()]), st.integers(2, 60), st.binary())
def test_damage_raises_nothing_else(data: bytes, at: int, noise: bytes) -> None:
    torn = data[:at] + noise + data[at + len(noise) :]
    with contextlib.suppress(ProtocolError):
        sps_id(torn)
        parse_sps(torn)
    with contextlib.suppress(ProtocolError):
        vps_fps(b"\x40\x01" + torn[2:])
