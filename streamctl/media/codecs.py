"""What is known about a track across codecs: names, durations, and facts from its config."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media import aac, ac3, av1, eac3, flac, h264, hevc, mpeg2video, opus, vp9
from streamctl.media.packet import TIMESCALE, Codec, Media, Track

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.media.unit import Facts

FACTS: dict[Codec, Callable[[bytes], Facts]] = {
    Codec.H264: h264.facts,
    Codec.HEVC: hevc.facts,
    Codec.AV1: av1.facts,
    Codec.VP9: vp9.facts,
    Codec.MPEG2: mpeg2video.facts,
    Codec.AAC: aac.facts,
    Codec.OPUS: opus.facts,
    Codec.AC3: ac3.facts,
    Codec.EAC3: eac3.facts,
    Codec.FLAC: flac.facts,
}
"""Reads what a configuration tells, by codec; may raise ``RemoteProtocolError``."""

CODEC_STRINGS = {
    Codec.MP3: "mp4a.40.34",
    Codec.MP2: "mp4a.40.33",
    Codec.AC3: "ac-3",
    Codec.EAC3: "ec-3",
    Codec.OPUS: "opus",
    Codec.FLAC: "fLaC",
    Codec.VP8: "vp8",
}
"""RFC 6381 names that don't depend on the configuration."""

FRAME_SAMPLES = {Codec.MP3: 1152, Codec.MP2: 1152, Codec.AC3: 1536, Codec.EAC3: 1536}
"""Samples per frame where no configuration tells; MP3 below 32 kHz has half of it."""

MPEG1_LOWEST_RATE = 32_000

TITLES = {
    Codec.H264: "H.264",
    Codec.HEVC: "HEVC",
    Codec.AV1: "AV1",
    Codec.VP9: "VP9",
    Codec.VP8: "VP8",
    Codec.MPEG2: "MPEG-2",
    Codec.AAC: "AAC",
    Codec.OPUS: "Opus",
    Codec.MP3: "MP3",
    Codec.MP2: "MP2",
    Codec.AC3: "AC-3",
    Codec.EAC3: "E-AC-3",
    Codec.FLAC: "FLAC",
    Codec.G711A: "G.711 A-law",
    Codec.G711U: "G.711 µ-law",
    Codec.SCTE35: "SCTE-35",
    Codec.TELETEXT: "teletext",
    Codec.DVBSUB: "DVB subtitles",
    Codec.KLV: "KLV",
    Codec.ID3: "ID3",
    Codec.DATA: "data",
}

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


@lru_cache(maxsize=64)
def facts(codec: Codec, config: bytes | None) -> Facts | None:
    """What a configuration tells; None when it is missing or can't be read."""
    read = FACTS.get(codec)
    if read is None or not config:
        return None
    try:
        return read(config)
    except ProtocolError:
        return None


def codec_string(track: Track) -> str:
    """The RFC 6381 name of a track; empty while it can't be told."""
    told = facts(track.codec, track.config)
    return told.name if told else CODEC_STRINGS.get(track.codec, "")


def complete(track: Track) -> Track:
    """The track with size, frame rate, sampling rate and channels as its config tells them.

    What the config doesn't tell stays as the source declared it; an unreadable config tells
    nothing.
    """
    told = facts(track.codec, track.config)
    return told.complete(track) if told else track


def frame_period(track: Track) -> Fraction:
    """Exact ticks of one access unit; 0 when the track doesn't tell, or they differ."""
    if track.media is Media.VIDEO:
        return TIMESCALE / Fraction(track.fps) if track.fps > 0 else Fraction(0)
    told = facts(track.codec, track.config)
    if told is not None and told.frame is not None:
        return told.frame
    samples = FRAME_SAMPLES.get(track.codec, 0)
    if track.codec is Codec.MP3 and track.sample_rate < MPEG1_LOWEST_RATE:
        samples //= 2
    return Fraction(samples * TIMESCALE, track.sample_rate) if track.sample_rate else Fraction(0)


@lru_cache(maxsize=64)
def frame_duration(track: Track) -> int:
    """Duration of one access unit in 90 kHz ticks; 0 when the track doesn't tell.

    The rounded duration is good for the end of a single unit; where many follow each other,
    their positions are to be taken from samples.
    """
    return round(frame_period(track))


def describe(track: Track) -> str:
    """The track in a few words, such as ``H.264 High 3.1, 1280x720, 25 fps``."""
    parts = [title(track)]
    if track.width and track.height:
        parts.append(f"{track.width}x{track.height}")
    if track.fps > 0:
        parts.append(f"{track.fps:.3f}".rstrip("0").rstrip(".") + " fps")
    if track.sample_rate:
        parts.append(f"{track.sample_rate / 1000:g} kHz")
    if track.channels:
        parts.append(LAYOUTS.get(track.channels, f"{track.channels} channels"))
    if track.language:
        parts.append(track.language)
    return ", ".join(parts)


def title(track: Track) -> str:
    """The codec with its profile and level, as far as the config tells them."""
    told = facts(track.codec, track.config)
    return told.title if told else TITLES[track.codec]
