from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.av1.sequence import parse_sequence_header
from tests.streamctl.media.av1.obus import AOM, COLOR, POINT, SVT, sequence, still

TICK = f"{1001:032b}" + f"{60_000:032b}"
TWO_TICKS = "1" + "010"
MODEL = "1" + "00111" + "0" * 42
DESCRIBED = "1" + f"{1:08b}{13:08b}{0:08b}"


@pytest.mark.parametrize("payload", [SVT, AOM])
def test_headers_of_real_encoders(payload: bytes) -> None:
    found = parse_sequence_header(payload)
    assert (found.profile, found.level, found.high_tier) == (0, 0, False)
    assert (found.width, found.height, found.fps) == (320, 180, 0.0)
    assert (found.color.bit_depth, found.color.mono) == (8, False)
    assert (found.color.subsampling_x, found.color.subsampling_y) == (True, True)


VARIANTS = {
    "plain": sequence(),
    "frame ids": sequence(ids="1" + "0" * 7),
    "order hints": sequence(tools="1111" + "1" + "11" + "1" + "1" + "110"),
    "chosen tools": sequence(tools="0000" + "0" + "1" + "0" + "1"),
    "forced tools": sequence(tools="0000" + "0" + "01" + "01"),
    "no screen content": sequence(tools="0000" + "0" + "00"),
    "points": sequence(points="0" + "00001" + POINT + "0" * 12 + "01100" + "1"),
    "delays": sequence(points="1" + "00001" + POINT + "1" + "0110" + POINT + "0"),
    "still": still(),
}


@pytest.mark.parametrize("payload", VARIANTS.values(), ids=VARIANTS)
def test_every_part_of_other_length_is_passed_over(payload: bytes) -> None:
    """The chroma position at the end tells whether they were."""
    found = parse_sequence_header(payload)
    assert (found.width, found.height, found.level) == (640, 360, 5)
    assert found.color.position == 1


@pytest.mark.parametrize(
    ("timing", "points", "fps"),
    [
        ("0", POINT, 0.0),
        ("1" + TICK + TWO_TICKS + "0", POINT, 30_000 / 1001),
        ("1" + TICK + "1" + "1" + MODEL, POINT + "1" + "0" * 17, 60_000 / 1001),
        ("1" + TICK + "1" + "1" + MODEL, POINT + "0", 60_000 / 1001),
        ("1" + TICK + "0" + "0", POINT, 0.0),
        ("1" + "0" * 64 + "1" + "1" + "0", POINT, 0.0),
        ("1" + f"{1:032b}{90_000:032b}" + "1" + "1" + "0", POINT, 0.0),
    ],
)
def test_frame_rates(timing: str, points: str, fps: float) -> None:
    found = parse_sequence_header(sequence(timing=timing, points="0" + "00000" + points))
    assert (found.fps, found.color.position) == (fps, 1)


@pytest.mark.parametrize(
    ("profile", "color", "depth", "mono", "subsampling", "position"),
    [
        (0, COLOR, 8, False, (True, True), 1),
        (0, "1" + "0" + "0" + "0" + "10", 10, False, (True, True), 2),
        (0, "1" + "1" + "0" + "1", 10, True, (True, True), 0),
        (0, "0" + "0" + "1" + "0" * 24 + "1" + "01", 8, False, (True, True), 1),
        (0, "0" + "0" + DESCRIBED, 8, False, (False, False), 0),
        (1, "0" + "0" + "0", 8, False, (False, False), 0),
        (2, "0" + "0" + "0" + "0", 8, False, (True, False), 0),
        (2, "1" + "0" + "0" + "0" + "0", 10, False, (True, False), 0),
        (2, "1" + "1" + "0" + "0" + "0" + "1" + "1" + "10", 12, False, (True, True), 2),
        (2, "1" + "1" + "0" + "0" + "0" + "0", 12, False, (False, False), 0),
    ],
)
def test_sample_formats(
    profile: int,
    color: str,
    depth: int,
    mono: bool,
    subsampling: tuple[bool, bool],
    position: int,
) -> None:
    found = parse_sequence_header(sequence(profile=profile, color=color)).color
    assert (found.bit_depth, found.mono) == (depth, mono)
    assert (found.subsampling_x, found.subsampling_y) == subsampling
    assert found.position == position


def test_levels_from_four_on_have_tiers() -> None:
    found = parse_sequence_header(sequence(points="0" + "00000" + "0" * 12 + "01101" + "1"))
    assert (found.level, found.high_tier) == (13, True)


@pytest.mark.parametrize("payload", [b"", SVT[:6], b"\x60" + SVT[1:]])
def test_other_headers_are_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_sequence_header(payload)


@given(st.sampled_from([SVT, *VARIANTS.values()]), st.integers(0, 20), st.binary(max_size=30))
def test_damage_raises_nothing_else(payload: bytes, at: int, noise: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse_sequence_header(payload[:at] + noise + payload[at + len(noise) :])
