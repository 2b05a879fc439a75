from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError
from streamctl.media.packet import Codec, Kind, Track
from streamctl.media.vp8 import Vp8Reader, parse_key_frame

KEY = bytes.fromhex("70d0009d012a8002680100070000")
INTER = bytes.fromhex("b135000c1170001ec81e45a4")


def test_key_frames_tell_the_size() -> None:
    reader = Vp8Reader()
    assert reader.configure(b"record") is None
    unit = reader.unit(KEY)
    assert (unit.kind, unit.config, unit.data) == (Kind.KEY, b"", KEY)
    assert reader.unit(KEY).config is None
    track = reader.track(Track(0, Codec.VP8))
    assert (track.width, track.height, track.config) == (640, 360, b"")


def test_another_size_is_announced_again() -> None:
    reader = Vp8Reader()
    reader.unit(KEY)
    assert reader.unit(KEY[:6] + b"\x41\x41" + KEY[8:]).config == b""
    assert reader.track(Track(0, Codec.VP8)).width == 0x141


def test_other_frames_tell_nothing() -> None:
    assert Vp8Reader().unit(INTER).kind is Kind.P
    assert Vp8Reader().unit(b"").data == b""


@pytest.mark.parametrize("data", [KEY[:9], KEY[:3] + b"\x9d\x01\x2b" + KEY[6:]])
def test_other_key_frames_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_key_frame(data)


@given(st.binary(max_size=20))
def test_noise_raises_nothing_else(data: bytes) -> None:
    with suppress(ProtocolError):
        Vp8Reader().unit(data)
