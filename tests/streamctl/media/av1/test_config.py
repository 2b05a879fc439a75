from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.av1.config import Av1Config, codec_string
from tests.streamctl.media.av1.obus import AOM, DELIMITER, SVT, obu, sequence

AV1C = bytes.fromhex("81000c000a0b000000043cfeccdaf90040")
METADATA = obu(5, b"\x04hdr")
HIGH = sequence(
    profile=2,
    points="0" + "00000" + "0" * 12 + "01101" + "1",
    color="1" + "1" + "0" + "0" + "0" + "1" + "1" + "10",
)


def test_a_real_record_is_read_and_written_again() -> None:
    config = Av1Config.parse(AV1C)
    assert (config.profile, config.level, config.high_tier, config.bit_depth) == (0, 0, False, 8)
    assert config.sequence == AOM
    assert config.header().width == 320
    assert config.serialize() == AV1C
    assert Av1Config.from_sequence_header(AOM) == config


def test_other_units_are_kept_but_delimiters() -> None:
    record = b"\x81\x00\x0c\x1f" + DELIMITER + METADATA + obu(1, SVT, size=False)
    config = Av1Config.parse(record)
    assert (config.sequence, config.metadata) == (SVT, METADATA)
    assert config.serialize() == b"\x81\x00\x0c\x00" + obu(1, SVT) + METADATA
    assert Av1Config.parse(config.serialize()) == config


def test_a_record_may_bring_no_sequence_header() -> None:
    config = Av1Config.parse(b"\x81\x05\x4c\x00")
    assert (config.sequence, config.bit_depth) == (b"", 10)
    assert config.serialize() == b"\x81\x05\x4c\x00"
    with pytest.raises(RemoteProtocolError):
        config.header()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (Av1Config.parse(AV1C), "av01.0.00M.08"),
        (Av1Config.from_sequence_header(sequence()), "av01.0.05M.08"),
        (Av1Config.from_sequence_header(HIGH), "av01.2.13H.12"),
        (Av1Config(b"\x05\x40\0", b""), "av01.0.05M.10"),
    ],
)
def test_codec_strings(config: Av1Config, name: str) -> None:
    assert codec_string(config) == name


def test_the_head_says_what_the_sequence_header_says() -> None:
    config = Av1Config.from_sequence_header(HIGH)
    assert config.head == bytes((2 << 5 | 13, 0b11101110, 0))


LONG = AV1C + b"\x2a\0" * 40_000
"""With more metadata than any stream has."""


@pytest.mark.parametrize("data", [b"", b"\x81\0\x0c", b"\x01\0\x0c\0", AV1C[:-1], LONG])
def test_other_records_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Av1Config.parse(data)


@given(st.integers(0, 17), st.binary(max_size=8))
def test_damage_raises_nothing_else(at: int, noise: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        config = Av1Config.parse(AV1C[:at] + noise + AV1C[at + len(noise) :])
        codec_string(config)
        config.serialize()
        config.header()
