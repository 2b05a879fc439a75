from __future__ import annotations

from fractions import Fraction

import av
import pytest

from streamctl.media.aac import AacConfig
from streamctl.media.opus import OpusHead
from streamctl.media.packet import TIMESCALE, Codec, Track
from streamctl.media.silence import silent_unit

UNITS = 10


def sound(codec: Codec, config: bytes = b"", rate: int = 0, channels: int = 0) -> Track:
    return Track(1, codec, config, sample_rate=rate, channels=channels)


def aac(config: AacConfig) -> Track:
    return sound(Codec.AAC, config.serialize(), config.sample_rate, config.channels)


@pytest.mark.parametrize(
    "config",
    [
        *(AacConfig(2, 48_000, channels) for channels in range(1, 7)),
        AacConfig(2, 44_100, 2),
        AacConfig(2, 8_000, 1),
        AacConfig(2, 24_000, 2, 5, 48_000),
        AacConfig(2, 24_000, 2, 5, 48_000, compatible=True),
        AacConfig(2, 24_000, 1, 29, 48_000),
    ],
)
def test_decoders_of_aac_hear_silence_of_the_right_length(config: AacConfig) -> None:
    assert_silent("aac", aac(config), config.frame_samples)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 8_000])
@pytest.mark.parametrize("codec", [Codec.MP2, Codec.MP3])
def test_decoders_of_mpeg_audio_hear_silence(codec: Codec, rate: int, channels: int) -> None:
    samples = 576 if codec is Codec.MP3 and rate < 32_000 else 1152
    assert_silent(codec.value, sound(codec, b"", rate, channels), samples)


def assert_silent(name: str, track: Track, samples: int) -> None:
    unit = silent_unit(track)
    assert unit is not None
    assert unit.length == Fraction(TIMESCALE * samples, track.sample_rate)
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    if track.config:
        decoder.extradata = track.config
    heard = [frame for _ in range(UNITS) for frame in decoder.decode(av.Packet(unit.data))]
    assert sum(frame.samples for frame in heard) == UNITS * samples
    found = {(one.sample_rate, one.layout.nb_channels) for one in heard}
    assert found == {(track.sample_rate, track.channels)}
    assert not any(any(bytes(plane)) for frame in heard for plane in frame.planes)


@pytest.mark.parametrize("channels", [1, 2])
def test_decoders_of_opus_hear_silence(channels: int) -> None:
    head = OpusHead(channels, 312, 0, b"").serialize()
    unit = silent_unit(sound(Codec.OPUS, head))
    assert unit is not None
    assert unit.length == Fraction(1800)
    decoder = av.CodecContext.create("opus", "r")
    decoder.extradata = head
    heard = [frame for _ in range(UNITS) for frame in decoder.decode(av.Packet(unit.data))]
    assert UNITS * 960 - 400 <= sum(frame.samples for frame in heard) <= UNITS * 960
    assert not any(any(bytes(plane)) for frame in heard for plane in frame.planes)


def test_samples_of_g711_are_zero() -> None:
    low, high = (
        silent_unit(sound(codec, b"", 8_000, channels))
        for codec, channels in ((Codec.G711A, 1), (Codec.G711U, 2))
    )
    assert low is not None
    assert high is not None
    assert (low.data, low.length) == (b"\xd5" * 160, Fraction(1800))
    assert (high.data, high.length) == (b"\xff" * 320, Fraction(1800))


@pytest.mark.parametrize(
    "track",
    [
        sound(Codec.AC3, b"x", 48_000, 2),
        Track(1, Codec.AAC, None, channels=2),
        sound(Codec.AAC, b"\xff"),
        aac(AacConfig(1, 48_000, 2)),
        aac(AacConfig(2, 48_000, 7)),
        sound(Codec.OPUS, b"x"),
        sound(Codec.OPUS, OpusHead(6, 312, 1, b"\4\2\0\4\1\2\3\5").serialize()),
        sound(Codec.MP3, b"", 47_000, 2),
        sound(Codec.MP3, b"", 48_000, 6),
        sound(Codec.G711A),
    ],
)
def test_some_silence_is_not_to_be_had(track: Track) -> None:
    assert silent_unit(track) is None
