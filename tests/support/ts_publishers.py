"""Publishers of MPEG-TS: real programs that send a file over SRT, UDP, RTP or HTTP in real time.

Those of SRT call the server; those of UDP and RTP send to a port that an input of the stream
receives at; those of HTTP wait for the server to fetch the stream from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.clients import (
    TS,
    as_nobody,
    current_ffmpeg,
    ffmpeg_version,
    first_match,
    gstreamer_version,
    own_version,
    vlc_version,
)
from tests.support.process import Process
from tests.support.publishers import FFMPEG, Publisher, with_push
from tests.support.srt import SENDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.support.srt import Program

PACED = "tsparse set-timestamps=true alignment=7 ! identity sync=true"
GSTREAMER = TS - {"opus"}
"""What its ``tsparse`` knows the times of."""


def srt(program: Program, version: Callable[[], str]) -> Publisher:
    """One of the programs that publish over SRT."""

    def start(path: Path, codecs: Sequence[str], url: str) -> Process:
        return program.start(path, url)

    return Publisher(
        f"{program.name}, SRT" if "SRT" not in program.name.upper() else program.name,
        TS,
        version,
        start,
        "ts",
        protocol="srt",
    )


def with_ffmpeg(
    program: Callable[[], str], form: str, *options: str
) -> Callable[[Path, Sequence[str], str], Process]:
    """Sending with one of the installed versions of ffmpeg."""

    def start(path: Path, codecs: Sequence[str], url: str) -> Process:
        copy = ["-i", str(path), "-c", "copy", "-f", form, *options]
        return Process([program(), *FFMPEG, *copy, url])

    return start


def with_gstreamer(*payload: str) -> Callable[[Path, Sequence[str], str], Process]:
    """Sending with GStreamer's ``udpsink``."""

    def start(path: Path, codecs: Sequence[str], url: str) -> Process:
        host, _, port = url.rpartition("//")[2].rpartition(":")
        parts = [f"filesrc location={path}", PACED, *payload]
        text = " ! ".join([*parts, f"udpsink host={host} port={port} sync=false"])
        return Process(["gst-launch-1.0", "-q", "-e", *text.split()])

    return start


def with_vlc(path: Path, codecs: Sequence[str], url: str) -> Process:
    """Sending with VLC, which puts the transport stream together anew."""
    place = url.rpartition("//")[2]
    out = f"#standard{{access=udp,mux=ts,dst={place}}}"
    return Process(as_nobody("cvlc", "-I", "dummy", str(path), "--sout", out, "vlc://quit"))


def ffmpeg() -> str:
    """Debian's."""
    return "ffmpeg"


def transmit_version() -> str:
    """The release of libsrt's own program."""
    return first_match(r"version: ([\d.]+)", "srt-live-transmit", "-version")


VERSIONS = {
    "ffmpeg": lambda: ffmpeg_version("ffmpeg"),
    "current ffmpeg": lambda: ffmpeg_version(current_ffmpeg()),
    "GStreamer srtsink": lambda: gstreamer_version("srtsink"),
    "srt-live-transmit": transmit_version,
}
TS_PUBLISHERS = (
    *(srt(program, VERSIONS[program.name]) for program in SENDERS),
    Publisher("streamctl push, SRT", TS, own_version, with_push, "ts", protocol="srt"),
    Publisher(
        "ffmpeg, UDP",
        TS,
        VERSIONS["ffmpeg"],
        with_ffmpeg(ffmpeg, "mpegts", "-pkt_size", "1316"),
        "ts",
        protocol="udp",
    ),
    Publisher(
        "current ffmpeg, RTP",
        TS,
        VERSIONS["current ffmpeg"],
        with_ffmpeg(current_ffmpeg, "rtp_mpegts"),
        "ts",
        protocol="rtp",
    ),
    Publisher(
        "GStreamer udpsink",
        GSTREAMER,
        lambda: gstreamer_version("udpsink"),
        with_gstreamer(),
        "ts",
        protocol="udp",
    ),
    Publisher(
        "GStreamer rtpmp2tpay",
        GSTREAMER,
        lambda: gstreamer_version("rtpmp2tpay"),
        with_gstreamer("rtpmp2tpay"),
        "ts",
        protocol="rtp",
    ),
    Publisher(
        "VLC, UDP",
        frozenset({"h264", "aac", "mp3", "ac3"}),
        vlc_version,
        with_vlc,
        "ts",
        protocol="udp",
    ),
    Publisher(
        "ffmpeg, HTTP",
        TS,
        VERSIONS["ffmpeg"],
        with_ffmpeg(ffmpeg, "mpegts", "-listen", "1"),
        "ts",
        protocol="http-ts",
    ),
)
