from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.opus import OpusHead
from streamctl.media.packet import Codec
from streamctl.media.rtp.parameters import (
    configure,
    describe,
    join,
    length,
    mux_config,
    number,
    plain_aac,
    sets,
)
from tests.streamctl.media.rtp.packets import H264, HEVC, PPS, SPS, track


@pytest.mark.parametrize(
    ("text", "value"), [("13", 13), ("", 7), ("-1", 7), ("x", 7), ("9" * 11, 7), ("²", 7)]
)
def test_what_is_no_number_is_the_default(text: str, value: int) -> None:
    assert number(text, 7) == value


def test_lengths_follow_from_the_mode() -> None:
    assert length({}, "sizelength") == 13
    assert length({"mode": "AAC-lbr"}, "sizelength") == 6
    assert length({"mode": "AAC-lbr", "sizelength": "8"}, "sizelength") == 8
    assert length({"mode": "odd"}, "ctsdeltalength") == 0


def test_sets_are_separated_by_commas() -> None:
    assert sets(join([SPS, PPS])) == [SPS, PPS]
    assert sets("aOvssiw, !!! ,,Zw") == [PPS, b"g"]
    assert sets("a,ü") == []
    assert sets(join([PPS + b"\0", b"\0"])) == [PPS]


@pytest.mark.parametrize(
    "fmtp",
    [
        {},
        {"sprop-parameter-sets": ""},
        {"sprop-parameter-sets": join([PPS])},
        {"sprop-parameter-sets": join([SPS[:2], PPS])},
        {"sprop-parameter-sets": "%%%"},
    ],
)
def test_damaged_sets_are_awaited_in_band(fmtp: dict[str, str]) -> None:
    assert configure(track(Codec.H264, None), "H264", fmtp).config is None


def test_hevc_needs_its_sps() -> None:
    base = track(Codec.HEVC, None)
    only = {name: value for name, value in HEVC.fmtp.items() if name != "sprop-sps"}
    assert configure(base, "H265", only).config is None
    assert configure(base, "H265", HEVC.fmtp).config is not None


@pytest.mark.parametrize(
    ("config", "taken"), [("1190", "1190"), ('"1190"', "1190"), ("f8", "1408"), ("zz", "1408")]
)
def test_damaged_configurations_of_aac_are_made_up(config: str, taken: str) -> None:
    base = track(Codec.AAC, None)
    got = configure(
        type(base)(0, Codec.AAC, sample_rate=16_000, channels=1),
        "MPEG4-GENERIC",
        {"config": config},
    )
    assert got.config == bytes.fromhex(taken)


@pytest.mark.parametrize(("channels", "number"), [(1, 1), (6, 6), (8, 7), (9, 2)])
def test_channels_have_numbers(channels: int, number: int) -> None:
    assert plain_aac(48_000, channels)[1] >> 3 & 15 == number


@pytest.mark.parametrize("config", ["", "4000", "c0", "zz"])
def test_latm_without_a_readable_configuration_has_none(config: str) -> None:
    fmtp = {"config": config}
    found = mux_config(fmtp)
    assert configure(track(Codec.AAC, None), "MP4A-LATM", fmtp).config == (
        found.config if found else None
    )


@pytest.mark.parametrize(
    ("fmtp", "channels"), [({}, 2), ({"sprop-stereo": "1"}, 2), ({"sprop-stereo": "0"}, 1)]
)
def test_opus_is_stereo_unless_it_says_mono(fmtp: dict[str, str], channels: int) -> None:
    config = configure(track(Codec.OPUS, None), "OPUS", fmtp).config
    assert OpusHead.parse(config or b"").channels == channels
    assert describe(track(Codec.OPUS, config)) == {"sprop-stereo": str(channels - 1)}


@pytest.mark.parametrize("mapping", ["", "0", "0,1,2,3,4,5,6"])
def test_surround_opus_names_a_place_for_each_channel(mapping: str) -> None:
    base = type(track(Codec.OPUS))(0, Codec.OPUS, channels=6)
    fmtp = {"num_streams": "4", "coupled_streams": "2", "channel_mapping": mapping}
    assert configure(base, "MULTIOPUS", fmtp).config is None


def test_h264_names_its_profile() -> None:
    config = configure(track(Codec.H264, None), "H264", H264.fmtp).config
    assert describe(track(Codec.H264, config)) == {
        "packetization-mode": "1",
        "sprop-parameter-sets": join([SPS, PPS]),
        "profile-level-id": "64000D",
    }


def test_hevc_names_profile_and_sets() -> None:
    config = configure(track(Codec.HEVC, None), "H265", HEVC.fmtp).config
    told = {"profile-id": "1", "tier-flag": "0", "level-id": "63", **HEVC.fmtp}
    assert describe(track(Codec.HEVC, config)) == told


NAMES = [
    "sprop-parameter-sets",
    "sprop-vps",
    "sprop-sps",
    "config",
    "num_streams",
    "channel_mapping",
    "coupled_streams",
]


@given(
    st.sampled_from(list(Codec)),
    st.sampled_from(["MP4A-LATM", ""]),
    st.dictionaries(st.sampled_from(NAMES), st.text("0123456789abcdefAF=+/,", max_size=60)),
)
def test_nonsense_raises_nothing(codec: Codec, encoding: str, fmtp: dict[str, str]) -> None:
    configure(track(codec, None), encoding, fmtp)
