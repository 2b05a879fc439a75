from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.h264.config import AvcConfig, codec_string
from tests.streamctl.media.h264.sets import PPS, SPS_720P, SPS_854, SPS_BASELINE, SPS_MAIN

HIGH = bytes.fromhex(
    "0164001e ffe1001a 6764001eacd940d83de6f011000003000100000300300f162d96"
    "01 0005 68ebecb22c fdf8f800"
)
SECOND_PPS = bytes.fromhex("6858ebecb2")


def test_a_record_is_read_and_written_back() -> None:
    config = AvcConfig.parse(HIGH)
    assert config == AvcConfig(100, 0, 30, 4, (SPS_854,), (PPS,))
    assert config.serialize() == HIGH


def test_plain_profiles_have_no_extension() -> None:
    config = AvcConfig.from_parameter_sets([SPS_MAIN], [PPS])
    data = config.serialize()
    assert data.endswith(PPS)
    assert AvcConfig.parse(data) == config


def test_reserved_bits_and_missing_extensions_are_tolerated() -> None:
    data = bytes.fromhex("0142e01e ff 01 0014") + SPS_BASELINE + b"\x01\0\x05" + PPS
    assert AvcConfig.parse(data).sps == (SPS_BASELINE,)
    assert AvcConfig.parse(HIGH[:-4]) == AvcConfig.parse(HIGH)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_size_of_lengths_is_kept(size: int) -> None:
    data = bytes((*HIGH[:4], 0xFC | (size - 1), *HIGH[5:]))
    config = AvcConfig.parse(data)
    assert config.length_size == size
    assert config.serialize() == data


def test_several_sets_are_kept_and_empty_ones_are_not() -> None:
    data = b"\x01\x64\0\x1f\xff\xe2\0\0\0\x1b" + SPS_720P + b"\x02\0\x05" + PPS + b"\0\0"
    config = AvcConfig.parse(data)
    assert (config.sps, config.pps) == ((SPS_720P,), (PPS,))


@pytest.mark.parametrize("size", range(len(HIGH) - 4))
def test_a_cut_off_record_is_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError):
        AvcConfig.parse(HIGH[:size])


@pytest.mark.parametrize(
    "data",
    [
        b"\0" + HIGH[1:],
        b"\x01\x64\0\x1f\xff\xe0\x01\0\x05" + PPS,
        b"\x01\x64\0\x1f\xff\xe1\0\0\x01\0\x05" + PPS,
    ],
)
def test_a_record_of_another_kind_or_without_an_sps_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        AvcConfig.parse(data)


@pytest.mark.parametrize("sps", [[], [b"\x67\x64\0"]])
def test_a_record_needs_an_sps(sps: list[bytes]) -> None:
    with pytest.raises(RemoteProtocolError):
        AvcConfig.from_parameter_sets(sps, [PPS])


def test_sets_of_the_same_id_are_replaced() -> None:
    config = AvcConfig.parse(HIGH)
    changed = config.with_parameter_sets([SPS_720P], [SECOND_PPS])
    assert (changed.sps, changed.pps) == ((SPS_720P,), (PPS, SECOND_PPS))
    assert (changed.profile, changed.level, changed.length_size) == (100, 31, 4)


def test_known_sets_change_nothing() -> None:
    config = AvcConfig.parse(HIGH)
    assert config.with_parameter_sets([SPS_854], [PPS]) is config
    assert config.with_parameter_sets([], []) is config


@pytest.mark.parametrize(
    ("sps", "pps"),
    [
        ([b"\x67\x64\0\x1e"], []),
        ([b"\x67\x64\0\x1e\x04\x20"], []),
        ([], [b"\x68"]),
        ([], [b"\x68\0\x40\x40"]),
    ],
)
def test_sets_without_a_valid_id_are_refused(sps: list[bytes], pps: list[bytes]) -> None:
    with pytest.raises(RemoteProtocolError):
        AvcConfig.parse(HIGH).with_parameter_sets(sps, pps)


def test_the_codec_string_is_profile_constraints_and_level() -> None:
    assert codec_string(HIGH) == "avc1.64001e"
    assert codec_string(AvcConfig.from_parameter_sets([SPS_MAIN], []).serialize()) == "avc1.4d400c"
    with pytest.raises(RemoteProtocolError):
        codec_string(HIGH[:3])


def test_sets_stand_behind_start_codes() -> None:
    assert AvcConfig.parse(HIGH).annexb() == b"\0\0\0\1" + SPS_854 + b"\0\0\0\1" + PPS


@given(st.binary(max_size=80) | st.binary(max_size=40).map(lambda tail: HIGH[:12] + tail))
def test_noise_raises_nothing_else(data: bytes) -> None:
    try:
        config = AvcConfig.parse(data)
        config.with_parameter_sets([data], [data])
        config.serialize()
    except ProtocolError:
        pass


def test_sets_that_are_repeated_stand_once() -> None:
    config = AvcConfig.from_parameter_sets([SPS_MAIN, SPS_854] * 20, [PPS] * 300)
    assert (config.sps, config.pps) == ((SPS_854,), (PPS,))


@pytest.mark.parametrize(
    "pps", [[PPS + bytes(0x10000)], [bytes((0x68, 0, 0x80 | number)) for number in range(256)]]
)
def test_sets_that_no_record_can_hold_are_refused(pps: list[bytes]) -> None:
    config = replace(AvcConfig.parse(HIGH), pps=tuple(pps))
    with pytest.raises(RemoteProtocolError):
        config.serialize()
