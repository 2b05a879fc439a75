from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.av1 import Av1Config
from streamctl.media.av1.reader import Av1Reader, facts
from streamctl.media.packet import Codec, Kind, Track
from tests.streamctl.media.av1.obus import AOM, DELIMITER, INTER, KEY, SVT, obu, sequence

AV1C = Av1Config.from_sequence_header(AOM).serialize()
METADATA = obu(5, b"\x04hdr")


def test_a_record_is_taken_once() -> None:
    reader = Av1Reader()
    assert reader.configure(AV1C) == AV1C
    assert reader.configure(AV1C) is None
    track = reader.track(Track(0, Codec.AV1))
    assert (track.width, track.height, track.config) == (320, 180, AV1C)
    unit = reader.unit(obu(1, AOM) + obu(6, KEY))
    assert (unit.kind, unit.config) == (Kind.KEY, None)


def test_the_sequence_header_of_a_picture_wins() -> None:
    reader = Av1Reader()
    reader.configure(AV1C + METADATA)
    unit = reader.unit(DELIMITER + obu(1, sequence()) + obu(6, KEY))
    assert unit.data == obu(1, sequence()) + obu(6, KEY)
    assert unit.config == Av1Config.from_sequence_header(sequence()).serialize() + METADATA
    assert reader.unit(obu(1, sequence()) + obu(6, KEY)).config is None
    assert reader.track(Track(0, Codec.AV1)).width == 640


@pytest.mark.parametrize("record", [None, b"\x81\0\x0c\0"])
def test_without_a_sequence_header_the_first_key_frame_tells(record: bytes | None) -> None:
    reader = Av1Reader()
    if record:
        assert reader.configure(record) is None
    assert reader.unit(obu(6, INTER)).config is None
    assert reader.unit(obu(1, AOM) + obu(6, KEY)).config == AV1C


@pytest.mark.parametrize("record", [b"", AV1C[:-1]])
def test_a_bad_record_changes_nothing(record: bytes) -> None:
    reader = Av1Reader()
    reader.configure(AV1C)
    with pytest.raises(RemoteProtocolError):
        reader.configure(record)
    assert reader.config == AV1C


@pytest.mark.parametrize(
    ("head", "title"),
    [
        (b"\x05\x0c\0", "AV1 Main 3.1"),
        (b"\x2d\x8c\0", "AV1 High 5.1 high tier"),
        (b"\x1f\x0c\0", "AV1 Main"),
        (b"\xe0\x0c\0", "AV1 profile 7 2.0"),
    ],
)
def test_titles(head: bytes, title: str) -> None:
    assert facts(Av1Config(head, b"").serialize()).title == title


@given(st.integers(0, 30), st.binary(max_size=12))
def test_damage_raises_nothing_else(at: int, noise: bytes) -> None:
    reader = Av1Reader()
    with contextlib.suppress(ProtocolError):
        reader.configure(AV1C[:at] + noise)
    data = obu(1, SVT) + obu(6, KEY)
    with contextlib.suppress(ProtocolError):
        reader.unit(data[:at] + noise + data[at + len(noise) :])
