from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError, Unsupported
from streamctl.media.aac import (
    PS,
    SBR,
    AacConfig,
    AdtsFrame,
    adts_header,
    facts,
    split_adts,
)

LC = AacConfig(2, 48_000, 2)

CONFIGS = [
    ("1190", LC, 48_000, 2, 1024, "mp4a.40.2"),
    ("1210", AacConfig(2, 44_100, 2), 44_100, 2, 1024, "mp4a.40.2"),
    ("1208", AacConfig(2, 44_100, 1), 44_100, 1, 1024, "mp4a.40.2"),
    ("11b0", AacConfig(2, 48_000, 6), 48_000, 6, 1024, "mp4a.40.2"),
    ("11b8", AacConfig(2, 48_000, 7), 48_000, 8, 1024, "mp4a.40.2"),
    ("1194", AacConfig(2, 48_000, 2, short_frames=True), 48_000, 2, 960, "mp4a.40.2"),
    ("0990", AacConfig(1, 48_000, 2), 48_000, 2, 1024, "mp4a.40.1"),
    ("1780411010", AacConfig(2, 33_312, 2), 33_312, 2, 1024, "mp4a.40.2"),
    ("2b118800", AacConfig(2, 24_000, 2, SBR, 48_000), 48_000, 2, 2048, "mp4a.40.5"),
    ("29918800", AacConfig(2, 48_000, 2, SBR, 48_000), 48_000, 2, 1024, "mp4a.40.5"),
    ("eb098800", AacConfig(2, 24_000, 1, PS, 48_000), 48_000, 2, 2048, "mp4a.40.29"),
    (
        "131056e598",
        AacConfig(2, 24_000, 2, SBR, 48_000, compatible=True),
        *(48_000, 2, 2048, "mp4a.40.5"),
    ),
    (
        "130856e59d4880",
        AacConfig(2, 24_000, 1, PS, 48_000, compatible=True),
        *(48_000, 2, 2048, "mp4a.40.29"),
    ),
]


@pytest.mark.parametrize(("data", "config", "rate", "channels", "samples", "name"), CONFIGS)
def test_configurations_are_read_and_written_back(
    data: str, config: AacConfig, rate: int, channels: int, samples: int, name: str
) -> None:
    asc = bytes.fromhex(data)
    assert AacConfig.parse(asc) == config
    assert config.serialize() == asc
    assert (config.sample_rate, config.channels, config.frame_samples) == (rate, channels, samples)
    assert facts(asc).name == name


@pytest.mark.parametrize(
    ("data", "config"),
    [
        ("119056e500", LC),
        ("1190000000", LC),
        ("119056ffff", LC),
        ("119056e5", LC),
        ("1192aaa8", LC),
        ("131056e5980000", AacConfig(2, 24_000, 2, SBR, 48_000, compatible=True)),
        ("130856e59d4800", AacConfig(2, 24_000, 1, SBR, 48_000, compatible=True)),
    ],
)
def test_what_stands_behind_the_core_may_be_no_extension(data: str, config: AacConfig) -> None:
    assert AacConfig.parse(bytes.fromhex(data)) == config


@pytest.mark.parametrize(
    "data",
    [
        *("", "11", "17804110", "2b", "2b11"),
        *("1690", "1780000010"),
        *("1180", "11d0"),
        *("3190", "f94640", "b990"),
    ],
)
def test_impossible_configurations_are_refused(data: str) -> None:
    with pytest.raises(RemoteProtocolError):
        AacConfig.parse(bytes.fromhex(data))


@given(st.binary(max_size=12))
def test_noise_is_refused_or_survives_a_round_trip(data: bytes) -> None:
    try:
        config = AacConfig.parse(data)
    except ProtocolError:
        return
    assert AacConfig.parse(config.serialize()) == config


def adts(config: AacConfig, *frames: bytes) -> bytes:
    return b"".join(adts_header(config, len(frame)) + frame for frame in frames)


def test_a_header_says_what_the_configuration_says() -> None:
    assert adts_header(LC, 0).hex() == "fff14c8000fffc"
    assert adts_header(AacConfig(2, 44_100, 1), 100).hex() == "fff150400d7ffc"


@pytest.mark.parametrize(
    "config", [LC, AacConfig(1, 7_350, 7), AacConfig(4, 96_000, 1), AacConfig(3, 44_100, 6)]
)
def test_frames_come_back_from_adts(config: AacConfig) -> None:
    frames = [b"\x21", b"\xff\xf1" * 50, bytes(8184)]
    assert split_adts(adts(config, *frames)) == [AdtsFrame(config, frame) for frame in frames]


def test_sbr_stays_implicit_in_adts() -> None:
    config = AacConfig(2, 24_000, 2, SBR, 48_000)
    assert split_adts(adts(config, b"\x21\0"))[0].config == AacConfig(2, 24_000, 2)


def test_a_checksum_is_passed_over() -> None:
    header = bytearray(adts_header(LC, 2 + 3))
    header[1] &= 0xFE
    assert split_adts(bytes(header) + b"\xaa\xbb" + b"abc") == [AdtsFrame(LC, b"abc")]


@pytest.mark.parametrize(
    "config",
    [AacConfig(2, 33_312, 2), AacConfig(2, 48_000, 12), AacConfig(2, 48_000, 2, short_frames=True)],
)
def test_what_adts_can_not_express_is_refused(config: AacConfig) -> None:
    with pytest.raises(Unsupported):
        adts_header(config, 100)


def test_a_frame_too_long_for_adts_is_refused() -> None:
    assert len(adts_header(LC, 8184)) == 7
    with pytest.raises(Unsupported):
        adts_header(LC, 8185)


GOOD = adts(LC, b"\x21\0\x49")


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:3],
        GOOD[:-1],
        GOOD + b"\xff",
        b"\0" + GOOD,
        b"\xff\x01" + GOOD[2:],
        GOOD[:6] + bytes((GOOD[6] | 1,)) + GOOD[7:],
        adts_header(LC, 0),
        bytes((0xFF, 0xF1, 0x7C)) + GOOD[3:],
        bytes((0xFF, 0xF1, 0x4C, 0x00)) + GOOD[4:],
    ],
)
def test_broken_adts_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        split_adts(data)


@given(st.binary(max_size=30) | st.binary(max_size=8).map(lambda noise: GOOD + noise + GOOD))
def test_noise_in_adts_raises_nothing_else(data: bytes) -> None:
    try:
        frames = split_adts(data)
    except ProtocolError:
        return
    assert sum(len(frame.data) + 7 for frame in frames) <= len(data)
