from __future__ import annotations

from functools import partial

import pytest

from streamctl.engine.carriage import left_out, refusal
from streamctl.media.packet import Codec, Format, Track
from streamctl.sdk.plugin import ConverterSpec
from tests.streamctl.engine.rig import TextConverter

CARRIED = {
    Format.MPEGTS: frozenset({Codec.H264, Codec.AAC}),
    Format.RTMP: frozenset({Codec.H264, Codec.VP9, Codec.AAC, Codec.FLAC}),
    Format.FLV: frozenset({Codec.H264, Codec.VP9, Codec.AAC, Codec.FLAC}),
}
SPECS = {
    target: ConverterSpec(Format.PACKETS, target, codecs, TextConverter)
    for target, codecs in CARRIED.items()
}
OUTPUTS = {"hls": Format.MPEGTS, "rtmp": Format.RTMP, "http-flv": Format.FLV, "dash": Format.CMAF}


def tracks(*codecs: Codec) -> list[Track]:
    return [Track(number, codec) for number, codec in enumerate(codecs)]


@pytest.mark.parametrize(
    ("codecs", "sentence"),
    [
        ((), ""),
        ((Codec.H264, Codec.FLAC), ""),
        ((Codec.H264, Codec.VP9), ""),
        ((Codec.VP9, Codec.AAC), "MPEG-TS can't carry VP9 video: use http-flv or rtmp"),
        ((Codec.AV1,), "MPEG-TS can't carry AV1 video: no output of this stream can"),
        ((Codec.FLAC, Codec.AAC), ""),
        ((Codec.TELETEXT, Codec.KLV), ""),
        ((Codec.FLAC,), "MPEG-TS can't carry FLAC audio: use http-flv or rtmp"),
    ],
)
def test_viewers_are_refused_what_they_came_for_with_the_outputs_that_have_it(
    codecs: tuple[Codec, ...], sentence: str
) -> None:
    assert refusal(tracks(*codecs), Format.MPEGTS, SPECS, OUTPUTS) == sentence


def test_a_format_that_nothing_makes_is_somebody_elses_refusal() -> None:
    assert refusal(tracks(Codec.H264), Format.CMAF, SPECS, OUTPUTS) == ""


@pytest.mark.parametrize(
    ("able", "choice"),
    [
        ({"rtmp": Format.RTMP}, "use rtmp"),
        (dict.fromkeys("abc", Format.RTMP), "use a, b or c"),
    ],
)
def test_the_choice_is_said_in_words(able: dict[str, Format], choice: str) -> None:
    assert refusal(tracks(Codec.VP9), Format.MPEGTS, SPECS, able).endswith(choice)


def test_tracks_that_are_left_out_are_named_once() -> None:
    assert left_out([], Format.RTMP) == ""
    assert left_out(tracks(Codec.MP2, *[Codec.DVBSUB] * 17), Format.RTMP) == (
        "RTMP can't carry MP2 audio, DVB subtitles: left out"
    )


def test_what_passes_as_it_came_is_refused_to_nobody() -> None:
    exotic = tracks(Codec.MPEG2)
    assert refusal(exotic, Format.MPEGTS, SPECS, OUTPUTS, passing=Format.MPEGTS) == ""
    sentence = refusal(exotic, Format.RTMP, SPECS, OUTPUTS, passing=Format.MPEGTS)
    through = [kind for kind, fmt in sorted(OUTPUTS.items()) if fmt is Format.MPEGTS]
    assert sentence == f"RTMP can't carry MPEG-2 video: use {' or '.join(through)}"


def test_a_scrambled_program_is_only_passed_through() -> None:
    scrambled = partial(refusal, [], specs=SPECS, passing=Format.MPEGTS, sealed=True)
    assert scrambled(target=Format.MPEGTS, outputs=OUTPUTS) == ""
    text = "RTMP can't carry a scrambled program: "
    assert scrambled(target=Format.RTMP, outputs={}) == text + "no output of this stream can"
    assert scrambled(target=Format.RTMP, outputs={"x": Format.MPEGTS}) == text + "use x"
