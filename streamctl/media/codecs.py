"""What is known about a track across codecs: names, durations, and facts from its config."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from streamctl.errors import ProtocolError
from streamctl.media import aac, h264
from streamctl.media.packet import TIMESCALE, Codec, Media, Track
from streamctl.media.timestamps import rescale

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
"""Samples per frame of codecs without a configuration; MP3 below 32 kHz has half of it."""

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
    Codec.DATA: "data",
}

H264_PROFILES = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4",
}
AAC_TITLES = {0: "AAC", aac.SBR: "HE-AAC", aac.PS: "HE-AAC v2"}
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def codec_string(track: Track) -> str:
    """The RFC 6381 name of a track; empty while it can't be told."""
    try:
        if track.codec is Codec.H264 and track.config:
            return h264.codec_string(track.config)
        if track.codec is Codec.AAC and track.config:
            return aac.codec_string(track.config)
    except ProtocolError:
        return ""
    return CODEC_STRINGS.get(track.codec, "")


def complete(track: Track) -> Track:
    """The track with size, frame rate, sampling rate and channels as its config tells them.

    What the config doesn't tell stays as the source declared it; an unreadable config tells
    nothing.
    """
    try:
        if track.codec is Codec.H264 and track.config:
            sps = h264.parse_sps(h264.AvcConfig.parse(track.config).sps[0])
            return replace(
                track, width=sps.width, height=sps.height, fps=track.fps or round(sps.fps, 3)
            )
        if track.codec is Codec.AAC and track.config:
            config = aac.AacConfig.parse(track.config)
            return replace(track, sample_rate=config.sample_rate, channels=config.channels)
    except ProtocolError:
        pass
    return track


@lru_cache(maxsize=64)
def frame_duration(track: Track) -> int:
    """Duration of one access unit in 90 kHz ticks; 0 when the track doesn't tell.

    The rounded duration is good for the end of a single unit; where many follow each other,
    their positions are to be taken from samples.
    """
    if track.media is Media.VIDEO:
        return round(TIMESCALE / track.fps) if track.fps > 0 else 0
    if track.codec is Codec.AAC and track.config:
        try:
            config = aac.AacConfig.parse(track.config)
        except ProtocolError:
            return 0
        return rescale(config.core_samples, config.core_rate, TIMESCALE)
    samples = FRAME_SAMPLES.get(track.codec, 0)
    if track.codec is Codec.MP3 and track.sample_rate < MPEG1_LOWEST_RATE:
        samples //= 2
    return rescale(samples, track.sample_rate, TIMESCALE) if track.sample_rate > 0 else 0


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
    try:
        if track.codec is Codec.H264 and track.config:
            config = h264.AvcConfig.parse(track.config)
            profile = H264_PROFILES.get(config.profile, f"profile {config.profile}")
            return f"H.264 {profile} {config.level / 10:.1f}"
        if track.codec is Codec.AAC and track.config:
            return AAC_TITLES[aac.AacConfig.parse(track.config).extension]
    except ProtocolError:
        pass
    return TITLES[track.codec]
