from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.mpegaudio import FrameHeader, MpegAudioReader, frame_bytes
from streamctl.media.packet import Codec, Kind, Track

STEREO_48 = bytes.fromhex("fffb94640000017a00596d0c")


@pytest.mark.parametrize(
    ("head", "codec", "rate", "channels", "samples"),
    [
        ("fffb9464", Codec.MP3, 48_000, 2, 1152),
        ("fffb9064", Codec.MP3, 44_100, 2, 1152),
        ("fffb98c4", Codec.MP3, 32_000, 1, 1152),
        ("fff340c4", Codec.MP3, 22_050, 1, 576),
        ("fff342c4", Codec.MP3, 22_050, 1, 576),
        ("ffe320c4", Codec.MP3, 11_025, 1, 576),
        ("ffe328c4", Codec.MP3, 8000, 1, 576),
        ("fffdc404", Codec.MP2, 48_000, 2, 1152),
        ("fff5c404", Codec.MP2, 24_000, 2, 1152),
    ],
)
def test_headers(head: str, codec: Codec, rate: int, channels: int, samples: int) -> None:
    wanted = FrameHeader(codec, rate, channels, samples)
    assert FrameHeader.parse(bytes.fromhex(head) + b"?") == wanted


@pytest.mark.parametrize("head", ["", "fffb94", "7ffb9464", "ffeb9464", "ffff9464", "fffb9c64"])
def test_other_headers_are_refused(head: str) -> None:
    with pytest.raises(RemoteProtocolError):
        FrameHeader.parse(bytes.fromhex(head))


def test_the_first_frame_tells_the_track() -> None:
    reader = MpegAudioReader()
    assert reader.configure(b"") is None
    assert reader.unit(b"").config is None
    unit = reader.unit(STEREO_48)
    assert (unit.data, unit.kind, unit.dur, unit.config) == (STEREO_48, Kind.AUDIO, 2160, b"")
    assert reader.unit(STEREO_48[:2] + b"\x96" + STEREO_48[3:]).config is None
    track = reader.track(Track(1, Codec.MP3))
    assert (track.config, track.sample_rate, track.channels) == (b"", 48_000, 2)


def test_another_rate_is_announced_again() -> None:
    reader = MpegAudioReader()
    reader.unit(STEREO_48)
    unit = reader.unit(bytes.fromhex("fff340c4"))
    assert (unit.config, unit.dur) == (b"", 2351)
    assert reader.track(Track(1, Codec.MP3)).sample_rate == 22_050


@given(st.binary(max_size=8), st.integers(0, 4))
def test_damage_raises_nothing_else(noise: bytes, at: int) -> None:
    with contextlib.suppress(ProtocolError):
        MpegAudioReader().unit(STEREO_48[:at] + noise)


@pytest.mark.parametrize(
    ("head", "size"),
    [
        ("fffdc404", 768),
        ("fffb9464", 384),
        ("fffb9064", 417),
        ("fffb9264", 418),
        ("fff340c4", 104),
        ("fff342c4", 105),
        ("fff5c404", 768),
        ("ffe328c4", 144),
    ],
)
def test_headers_tell_the_length_of_frames(head: str, size: int) -> None:
    assert frame_bytes(bytes.fromhex(head)) == size


@pytest.mark.parametrize("head", ["fffd0404", "fffdf404", "ffff9464", ""])
def test_frames_of_free_or_forbidden_rates_have_no_length(head: str) -> None:
    with pytest.raises(RemoteProtocolError):
        frame_bytes(bytes.fromhex(head))
