"""Publishers: real programs that send a file over RTMP in real time, without transcoding it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.clients import (
    CLASSIC,
    ENHANCED,
    current_ffmpeg,
    ffmpeg_version,
    gstreamer_version,
    own_version,
)
from tests.support.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FFMPEG = ("-hide_banner", "-nostdin", "-loglevel", "warning", "-re")
PARSERS = {"h264": "h264parse", "aac": "aacparse", "mp3": "mpegaudioparse"}
"""The elements of GStreamer that prepare a codec for FLV."""


@dataclass(frozen=True)
class Publisher:
    """A program that publishes."""

    name: str
    codecs: frozenset[str]
    """What it can send."""
    version: Callable[[], str]
    """Nothing when it is not installed."""
    start: Callable[[Path, Sequence[str], str], Process]
    """Publishes a file with these codecs to a URL."""
    container: str = "mp4"
    """What the file has to be."""
    channels: int = 8
    """How many of sound it can send."""
    protocol: str = "rtmp"
    """rtmp, srt or rtsp, where it calls the server; udp, rtp (with MPEG-TS inside) or tracks, where
    it sends to a port; http-ts, http-flv, hls or rtsp-pull, where the server fetches from it."""
    describe: Callable[[Path, Sequence[str], str, Path], None] | None = None
    """Writes a session description, for a server that is told one."""
    tracks: int = 2
    """How many of them it can send."""

    def sends(self, codecs: Sequence[str], channels: int = 2) -> bool:
        """Whether it can send a file with these codecs and so many channels of sound."""
        fits = channels <= self.channels and len(codecs) <= self.tracks
        return fits and self.codecs.issuperset(codecs)


def with_ffmpeg(program: Callable[[], str]) -> Callable[[Path, Sequence[str], str], Process]:
    """Publishing with one of the installed versions of ffmpeg."""

    def start(path: Path, codecs: Sequence[str], url: str) -> Process:
        return Process([program(), *FFMPEG, "-i", str(path), "-c", "copy", "-f", "flv", url])

    return start


def with_gstreamer(sink: str) -> Callable[[Path, Sequence[str], str], Process]:
    """Publishing with one of the RTMP elements of GStreamer.

    It plays from FLV, whose reader keeps the times of packets that the one of MP4 cuts off.
    """

    def start(path: Path, codecs: Sequence[str], url: str) -> Process:
        pipeline = f"filesrc location={path} ! flvdemux name=d  flvmux name=m streamable=true"
        for codec in codecs:
            media = "video" if codec == "h264" else "audio"
            pipeline += f"  d.{media} ! queue ! {PARSERS[codec]} ! m.{media}"
        pipeline += "  m. ! identity sync=true !"
        return Process(["gst-launch-1.0", "-q", "-e", *pipeline.split(), *sink.format(url).split()])

    return start


def with_push(path: Path, codecs: Sequence[str], url: str) -> Process:
    """Publishing with our own command."""
    return Process([sys.executable, "-m", "streamctl", "push", f"file:{path}", url])


PUBLISHERS = (
    Publisher("ffmpeg", CLASSIC, lambda: ffmpeg_version("ffmpeg"), with_ffmpeg(lambda: "ffmpeg")),
    Publisher(
        "current ffmpeg",
        ENHANCED,
        lambda: ffmpeg_version(current_ffmpeg()),
        with_ffmpeg(current_ffmpeg),
    ),
    Publisher(
        "GStreamer rtmp2sink",
        CLASSIC,
        lambda: gstreamer_version("rtmp2sink"),
        with_gstreamer("rtmp2sink location={}"),
        "flv",
        channels=2,
    ),
    Publisher(
        "GStreamer rtmpsink",
        CLASSIC,
        lambda: gstreamer_version("rtmpsink"),
        with_gstreamer("rtmpsink location={}"),
        "flv",
        channels=2,
    ),
    Publisher("streamctl push", ENHANCED, own_version, with_push),
)
