from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.hevc.config import HevcConfig, codec_string
from streamctl.media.nal import START_CODE
from tests.streamctl.media.hevc.sets import PPS, SPS, SPS_1080, SPS_MAIN10, VPS, sps

HEAD = bytes.fromhex("01600000009000000000003cf000fcfdf8f80000")
SEI = b"\x4e\x01\x89\x18\x80"
BANNER = b"\x4e\x01\x05\x04x265\x80"


def array(kind: int, *units: bytes) -> bytes:
    body = b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
    return bytes((0x80 | kind,)) + len(units).to_bytes(2, "big") + body


HVCC = b"\x01" + HEAD + b"\x0f\x03" + array(32, VPS) + array(33, SPS) + array(34, PPS)


def test_a_real_record_is_read_and_written_again() -> None:
    config = HevcConfig.parse(HVCC)
    assert (config.vps, config.sps, config.pps, config.sei) == ((VPS,), (SPS,), (PPS,), ())
    assert (config.profile, config.high_tier, config.level) == (1, False, 60)
    assert config.length_size == 4
    assert config.serialize() == HVCC
    assert HevcConfig.from_parameter_sets([VPS], [SPS], [PPS]).serialize() == HVCC


def test_arrays_come_in_any_order_and_split() -> None:
    data = b"\0" + HVCC[1:22] + b"\x06"
    data += (
        array(39, SEI, BANNER, b"\x4e\x01")
        + array(34, PPS)
        + array(33)
        + array(41, b"?")
        + array(32, VPS)
    )
    config = HevcConfig.parse(data + array(33, SPS))
    assert config == replace(HevcConfig.parse(HVCC), sei=(SEI,))
    written = config.serialize()
    assert written.endswith(b"\x27" + array(39, SEI)[1:])
    assert HevcConfig.parse(written) == config
    assert config.annexb() == b"".join(START_CODE + one for one in (VPS, SPS, PPS, SEI))


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (SPS, "hvc1.1.6.L60.90"),
        (SPS_MAIN10, "hvc1.2.4.L60.90"),
        (SPS_1080, "hvc1.1.6.L120.90"),
        (sps(layers="0001" + f"{0xA4_08000000_9DC801000000_99:096b}"), "hvc1.B4.10.H153.9D.C8.1"),
        (sps(layers="0001" + f"{0x01_60000000_000000000000_5D:096b}"), "hvc1.1.6.L93"),
    ],
)
def test_codec_strings(first: bytes, name: str) -> None:
    assert codec_string(HevcConfig.from_parameter_sets([VPS], [first], [PPS])) == name


def test_sets_in_band_replace_those_of_their_number() -> None:
    config = replace(HevcConfig.parse(HVCC), sei=(SEI,))
    assert config.with_parameter_sets([VPS], [SPS], [PPS]) is config
    other = PPS[:2] + b"\xc0" + PPS[3:]
    changed = config.with_parameter_sets([], [], [other])
    assert (changed.pps, changed.head) == ((other,), config.head)
    changed = config.with_parameter_sets([], [SPS_1080], [])
    assert (changed.sps, changed.level, changed.sei) == ((SPS_1080,), 120, (SEI,))
    second = sps(number=3)
    assert config.with_parameter_sets([], [second], []).sps == (SPS, second)


LONG = HVCC[:22] + b"\1\x20" + b"\xff" * 2 + bytes(2 * 0xFFFF)
"""With as many sets as it can have, all of them empty."""


@pytest.mark.parametrize("data", [b"", b"\x02" + HVCC[1:], HVCC[:22], HVCC[:24], HVCC[:-1], LONG])
def test_torn_records_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        HevcConfig.parse(data)


@pytest.mark.parametrize("sets", [[], [b"\x42\x01\x01"]])
def test_without_a_readable_sps_there_is_no_record(sets: list[bytes]) -> None:
    with pytest.raises(RemoteProtocolError):
        HevcConfig.from_parameter_sets([VPS], sets, [PPS])


@given(st.integers(0, len(HVCC)), st.binary(max_size=8))
def test_damage_raises_nothing_else(at: int, noise: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        config = HevcConfig.parse(HVCC[:at] + noise + HVCC[at + len(noise) :])
        codec_string(config)
        HevcConfig.parse(config.serialize())
        config.with_parameter_sets([VPS], [SPS_1080], [PPS])


def test_sets_that_are_repeated_stand_once() -> None:
    config = HevcConfig.from_parameter_sets([VPS] * 3, [SPS, SPS], [PPS] * 70_000)
    assert (config.vps, config.sps, config.pps) == ((VPS,), (SPS,), (PPS,))


def test_sets_that_no_record_can_hold_are_refused() -> None:
    config = HevcConfig.from_parameter_sets([VPS], [SPS], [PPS + bytes(0x10000)])
    with pytest.raises(RemoteProtocolError):
        config.serialize()
