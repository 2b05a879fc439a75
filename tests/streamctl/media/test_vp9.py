from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.packet import Codec, Kind, Track
from streamctl.media.vp9 import FrameHeader, Vp9Reader, VpcConfig, facts, parse_key_frame

KEY = bytes.fromhex("824983420013f00b360638241c184a000b4050661f")
INTER = bytes.fromhex("86004092f121400000887f91e46e8e31f1")
KEY_PROFILE_3 = bytes.fromhex("b124c1a100009f8059b031c120e0c2c000")
INTER_PROFILE_3 = bytes.fromhex("b30020497890a00000807fbc5b5afed4")
RECORD = bytes.fromhex("01000000000b820202020000")
RECORD_PROFILE_3 = bytes.fromhex("01000000030ba60202020000")


def key(profile: int, samples: str, *, width: int = 640, height: int = 360) -> bytes:
    head = "10" + f"{profile & 1}{profile >> 1}" + ("0" if profile == 3 else "") + "00" + "10"
    bits = head + f"{0x498342:024b}" + samples + f"{width - 1:016b}{height - 1:016b}"
    return int(bits.ljust(128, "0"), 2).to_bytes(16, "big")


def test_key_frames_of_real_encoders() -> None:
    assert parse_key_frame(KEY) == FrameHeader(0, 8, 0, False, 1, 320, 180)
    assert parse_key_frame(KEY_PROFILE_3) == FrameHeader(3, 10, 0, False, 3, 320, 180)


@pytest.mark.parametrize(
    ("profile", "samples", "depth", "full", "chroma"),
    [
        (0, "0100", 8, False, 1),
        (0, "0101", 8, True, 1),
        (0, "111", 8, True, 3),
        (1, "0100" + "000", 8, False, 3),
        (1, "0100" + "100", 8, False, 2),
        (1, "0100" + "010", 8, False, 2),
        (1, "0100" + "110", 8, False, 1),
        (1, "111" + "0", 8, True, 3),
        (2, "0" + "1010", 10, False, 1),
        (2, "1" + "1010", 12, False, 1),
        (3, "0" + "1010" + "000", 10, False, 3),
    ],
)
def test_sample_formats(profile: int, samples: str, depth: int, full: bool, chroma: int) -> None:
    found = parse_key_frame(key(profile, samples))
    assert found is not None
    assert (found.profile, found.bit_depth) == (profile, depth)
    assert (found.full_range, found.chroma) == (full, chroma)
    assert (found.width, found.height) == (640, 360)


@pytest.mark.parametrize("frame", [INTER, INTER_PROFILE_3, b"\x88", b"\x84", b"\xb4"])
def test_other_frames_are_no_key_frames(frame: bytes) -> None:
    reader = Vp9Reader()
    unit = reader.unit(frame)
    assert (unit.data, unit.kind, unit.config) == (frame, Kind.P, None)


@pytest.mark.parametrize(
    "frame", [b"\x02" + KEY[1:], b"\x82\x49\x83\x43" + KEY[4:], KEY[:7], b"\xb8", b"\xc4"]
)
def test_damaged_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Vp9Reader().unit(frame)


@pytest.mark.parametrize(
    ("frame", "record", "name"),
    [(KEY, RECORD, "vp09.00.11.08"), (KEY_PROFILE_3, RECORD_PROFILE_3, "vp09.03.11.10")],
)
def test_the_first_key_frame_tells_the_track(frame: bytes, record: bytes, name: str) -> None:
    reader = Vp9Reader()
    assert reader.unit(b"").config is None
    unit = reader.unit(frame)
    assert (unit.data, unit.kind, unit.config) == (frame, Kind.KEY, record)
    assert reader.unit(frame).config is None
    track = reader.track(Track(0, Codec.VP9))
    assert (track.width, track.height, track.config) == (320, 180, record)
    assert facts(record).name == name


def test_the_record_of_the_source_is_kept_if_it_fits() -> None:
    told = bytes.fromhex("01000000001e820101010000")
    reader = Vp9Reader()
    assert reader.configure(told[4:]) == told
    assert reader.configure(told) is None
    assert reader.unit(KEY).config == told
    assert reader.track(Track(0, Codec.VP9)).width == 320
    assert reader.configure(told) is None
    assert reader.unit(KEY_PROFILE_3).config == RECORD_PROFILE_3


def test_another_size_is_announced_again() -> None:
    reader = Vp9Reader()
    reader.unit(KEY)
    assert reader.unit(key(0, "0100")).config is not None
    assert reader.track(Track(0, Codec.VP9)).width == 640


@pytest.mark.parametrize(
    ("size", "level"),
    [((320, 180), 11), ((640, 360), 21), ((1280, 720), 31), ((1920, 1080), 40),
     ((3840, 2160), 50), ((16384, 8704), 62)],
)  # fmt: skip
def test_levels_fit_the_size(size: tuple[int, int], level: int) -> None:
    header = FrameHeader(0, 8, 2, True, 1, *size)
    config = VpcConfig.from_frame(header)
    assert (config.level, config.colors, config.full_range) == (level, (1, 1, 1), True)
    assert VpcConfig.parse(config.serialize()) == config


@pytest.mark.parametrize("data", [b"", RECORD[:-1], b"\x04" + RECORD[5:], RECORD[4:-1] + b"\x01"])
def test_other_records_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        VpcConfig.parse(data)


def test_a_level_may_be_unknown() -> None:
    assert facts(RECORD[:5] + b"\0" + RECORD[6:]).title == "VP9 profile 0"
    assert facts(RECORD).title == "VP9 profile 0 1.1"


@given(st.binary(max_size=20), st.integers(0, 16))
def test_damage_raises_nothing_else(noise: bytes, at: int) -> None:
    reader = Vp9Reader()
    for frame in (KEY, KEY_PROFILE_3):
        with contextlib.suppress(ProtocolError):
            reader.unit(frame[:at] + noise)
    with contextlib.suppress(ProtocolError):
        reader.configure(RECORD[: at % 12] + noise)
