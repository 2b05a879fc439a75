"""Publishers of RTSP and RTP: real programs that send a file's tracks in real time.

Those of RTSP call the server; those of RTP send to ports that an input of the stream receives at,
with a session description or without one.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.clients import (
    ENHANCED,
    current_ffmpeg,
    ffmpeg_version,
    gstreamer_version,
    own_version,
)
from tests.support.process import Process
from tests.support.publishers import FFMPEG, Publisher, with_push

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CLASSIC_RTP = frozenset({"h264", "hevc", "vp9", "aac", "mp3", "opus"})
"""What ffmpeg 5.1 can packetise."""
RTP = ENHANCED - {"flac"}
"""What RTP has a payload format for."""
GSTREAMER = frozenset({"h264", "hevc", "vp9", "aac", "mp3", "opus", "ac3"})
"""What the packetisers of GStreamer 1.22 know."""
TOLD = frozenset({"h264", "hevc", "vp9", "aac", "mp3", "opus"})
"""What packets tell of themselves."""
PICTURES = {"h264", "hevc", "vp9", "av1"}
PARSERS = {
    "h264": "h264parse config-interval=-1",
    "hevc": "h265parse config-interval=-1",
    "vp9": "vp9parse",
    "aac": "aacparse",
    "mp3": "mpegaudioparse",
    "opus": "opusparse",
    "ac3": "ac3parse",
}
PAYERS = {
    "h264": "rtph264pay config-interval=-1",
    "hevc": "rtph265pay config-interval=-1",
    "vp9": "rtpvp9pay",
    "aac": "rtpmp4gpay",
    "mp3": "rtpmpapay",
    "opus": "rtpopuspay",
    "ac3": "rtpac3pay",
}
EXPERIMENTAL = ("-strict", "experimental")
"""What ffmpeg wants to hear before it packetises VP9 or AV1."""


def with_ffmpeg(
    program: Callable[[], str], transport: str
) -> Callable[[Path, Sequence[str], str], Process]:
    """Publishing over RTSP with one of the installed versions of ffmpeg."""

    def start(path: Path, codecs: Sequence[str], url: str) -> Process:
        form = ["-f", "rtsp", "-rtsp_transport", transport, *EXPERIMENTAL]
        return Process([program(), *FFMPEG, "-i", str(path), "-c", "copy", *form, url])

    return start


def with_rtspclientsink(path: Path, codecs: Sequence[str], url: str) -> Process:
    """Publishing over RTSP with GStreamer."""
    text = f"filesrc location={path} ! qtdemux name=d "
    text += f"rtspclientsink name=s location={url} protocols=tcp latency=200"
    for number, codec in enumerate(codecs):
        text += f" d.{pad(codec)} ! queue ! {PARSERS[codec]} ! identity sync=true"
        text += f" ! s.sink_{number}"
    return Process(["gst-launch-1.0", "-q", *text.split()])


def with_rtpbin(step: int) -> Callable[[Path, Sequence[str], str], Process]:
    """Sending with GStreamer, each track and its reports ``step`` ports after the one before."""

    def start(path: Path, codecs: Sequence[str], url: str) -> Process:
        host, first = where(url)
        text = f"rtpbin name=r filesrc location={path} ! qtdemux name=d"
        for number, codec in enumerate(codecs):
            to = f"udpsink host={host} sync=false async=false port"
            port = first + step * number
            text += f" d.{pad(codec)} ! queue ! {PARSERS[codec]} ! {PAYERS[codec]}"
            text += f" pt={96 + number} ! identity sync=true ! r.send_rtp_sink_{number}"
            text += f" r.send_rtp_src_{number} ! {to}={port}"
            text += f" r.send_rtcp_src_{number} ! {to}={port + 1}"
        return Process(["gst-launch-1.0", "-q", *text.split()])

    return start


def pad(codec: str) -> str:
    """Where GStreamer's reader of MP4 has the track of a codec."""
    return "video_0" if codec in PICTURES else "audio_0"


def with_ffmpeg_rtp(path: Path, codecs: Sequence[str], url: str) -> Process:
    """Sending a track with ffmpeg: reports of several do not go together.

    It counts the time in the reports of each output from where it opened it.
    """
    return Process(["ffmpeg", *FFMPEG, "-i", str(path), *outputs(codecs, url)])


def describe(path: Path, codecs: Sequence[str], url: str, out: Path) -> None:
    """Have ffmpeg write the session description of what it is going to send."""
    argv = ["ffmpeg", "-nostdin", "-loglevel", "error", "-t", "0.1", "-i", str(path)]
    argv += [*outputs(codecs, url), "-sdp_file", str(out)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


def outputs(codecs: Sequence[str], url: str) -> list[str]:
    """One output of ffmpeg for each track."""
    host, first = where(url)
    found: list[str] = []
    for number, codec in enumerate(codecs):
        port = first + 2 * number
        found += ["-map", f"0:{'v' if codec in PICTURES else 'a'}:0", "-c", "copy"]
        if codec in ("h264", "hevc"):
            found += ["-bsf:v", f"{codec}_mp4toannexb"]
        found += ["-ssrc", f"{0x1000 + number}", "-payload_type", f"{96 + number}"]
        found += [*EXPERIMENTAL, "-f", "rtp", f"rtp://{host}:{port}?rtcpport={port + 1}"]
    return found


def where(url: str) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def debian() -> str:
    """The release of Debian's ffmpeg."""
    return ffmpeg_version("ffmpeg")


RTSP_PUBLISHERS = (
    Publisher(
        "ffmpeg, RTSP",
        CLASSIC_RTP,
        debian,
        with_ffmpeg(lambda: "ffmpeg", "tcp"),
        protocol="rtsp",
    ),
    Publisher(
        "ffmpeg, RTSP over UDP",
        CLASSIC_RTP,
        debian,
        with_ffmpeg(lambda: "ffmpeg", "udp"),
        protocol="rtsp",
    ),
    Publisher(
        "current ffmpeg, RTSP",
        CLASSIC_RTP | {"av1"},
        lambda: ffmpeg_version(current_ffmpeg()),
        with_ffmpeg(current_ffmpeg, "tcp"),
        protocol="rtsp",
    ),
    Publisher(
        "GStreamer rtspclientsink",
        GSTREAMER,
        lambda: gstreamer_version("rtspclientsink"),
        with_rtspclientsink,
        "cut.mp4",
        protocol="rtsp",
    ),
    Publisher("streamctl push, RTSP", RTP, own_version, with_push, protocol="rtsp"),
    Publisher(
        "ffmpeg, RTP with SDP",
        CLASSIC_RTP,
        debian,
        with_ffmpeg_rtp,
        protocol="tracks",
        describe=describe,
        tracks=1,
    ),
    Publisher(
        "GStreamer rtpbin, with SDP",
        TOLD,
        lambda: gstreamer_version("rtpbin"),
        with_rtpbin(2),
        "cut.mp4",
        protocol="tracks",
        describe=describe,
    ),
    Publisher(
        "GStreamer rtpbin, without SDP",
        TOLD,
        lambda: gstreamer_version("rtpbin"),
        with_rtpbin(0),
        "cut.mp4",
        protocol="tracks",
        channels=2,
    ),
)
