"""RTP without RTSP: programs of others that send it, and what they say about it."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING, Any

from tests.support.judge import judge
from tests.support.peers import HOST, ffmpeg, gst
from tests.support.ports import udp_port
from tests.support.process import Process, eventually
from tests.support.recorded import record_ts
from tests.support.rtsp_servers import PYTHON
from tests.support.tools import missing, tool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict
    from tests.support.peers import Streamctl

ANNEXB = ("-bsf:v", "h264_mp4toannexb")
"""Parameter sets stand before each key picture, not in the description alone."""

ENCODER = r"""
import gi, sys
gi.require_version("Gst", "1.0")
from gi.repository import Gst, GLib
Gst.init(None)
host, port = sys.argv[1], int(sys.argv[2])
line = Gst.parse_launch(
    "rtpbin name=r videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 "
    "! x264enc tune=zerolatency key-int-max=100000 speed-preset=ultrafast "
    "! rtph264pay pt=96 config-interval=-1 ! r.send_rtp_sink_0 "
    f"r.send_rtp_src_0 ! udpsink host={host} port={port} sync=false async=false "
    f"r.send_rtcp_src_0 ! udpsink name=out host={host} port={port + 1} sync=false async=false "
    "udpsrc name=back port=0 ! r.recv_rtcp_sink_0"
)
back, out = line.get_by_name("back"), line.get_by_name("out")
back.set_state(Gst.State.READY)
out.set_property("close-socket", False)
out.set_property("socket", back.get_property("used-socket"))
line.set_state(Gst.State.PLAYING)
GLib.MainLoop().run()
"""
"""Sends one key picture at its start, and others when it is asked; hears what comes back to the
port that its reports leave from."""


def ffmpeg_rtp(media: Path, video: int, audio: int, *, sdp: Path, ssrc: int = 0x1000) -> Process:
    """FFmpeg, which sends one track to each port and describes both in a file."""
    tracks = [
        *("-map", "0:v:0", "-c", "copy", *ANNEXB, "-ssrc", f"{ssrc}", "-payload_type", "96"),
        *("-f", "rtp", f"rtp://{HOST}:{video}?rtcpport={video + 1}"),
        *("-map", "0:a:0", "-c", "copy", "-ssrc", f"{ssrc + 1}", "-payload_type", "97"),
        *("-f", "rtp", f"rtp://{HOST}:{audio}?rtcpport={audio + 1}"),
    ]
    return ffmpeg("-re", "-i", str(media), *tracks, "-sdp_file", str(sdp))


def gst_rtp(media: Path, port: int, *, video: str, audio: str) -> Process:
    """GStreamer's session, which sends both tracks and their reports to one pair of ports."""
    tool("gst-launch-1.0")
    back = udp_port(2)
    pipeline = (
        f"rtpbin name=r filesrc location={media} ! qtdemux name=d "
        f"d.video_0 ! queue ! {video} ! identity sync=true ! r.send_rtp_sink_0 "
        f"d.audio_0 ! queue ! {audio} ! identity sync=true ! r.send_rtp_sink_1 "
        f"r.send_rtp_src_0 ! udpsink host={HOST} port={port} sync=false async=false "
        f"r.send_rtp_src_1 ! udpsink host={HOST} port={port} sync=false async=false "
        f"r.send_rtcp_src_0 ! udpsink host={HOST} port={port + 1} bind-port={back} "
        "sync=false async=false "
        f"r.send_rtcp_src_1 ! udpsink host={HOST} port={port + 1} sync=false async=false "
        f"udpsrc port={back} reuse=true ! r.recv_rtcp_sink_0"
    )
    return gst(*pipeline.split())


def asked_encoder(port: int) -> Process:
    """GStreamer, which sends key pictures only when it is asked for them."""
    probe = [PYTHON, "-c", "import gi; gi.require_version('Gst', '1.0')"]
    try:
        subprocess.run(probe, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        missing("GStreamer with its bindings for Python")
    return Process([PYTHON, "-c", ENCODER, HOST, str(port)])


def hear_pictures(port: int, count: int) -> None:
    """Listen at a port until so many pictures have come: the last packet of each is marked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind((HOST, port))
        ear.settimeout(20)
        while count > 0:
            count -= ear.recv(65_536)[1] >> 7


def input_toml(url: str, *lines: str) -> str:
    """A stream with one input."""
    keys = [f'url = "{url}"', *lines]
    return "\n".join(["[streams.news]", "[[streams.news.inputs]]", *keys, ""])


def tracks(server: Streamctl) -> list[dict[str, Any]]:
    """What the input has counted of each track."""
    found: list[dict[str, Any]] = server.source()["link"]["tracks"]
    return found


def described(sdp: Path) -> None:
    """Wait for the whole description."""
    eventually(lambda: "config=" in sdp.read_text(), 10, "a session description")


def viewed(server: Streamctl, seconds: float = 5.0) -> Verdict:
    """What a viewer of MPEG-TS over HTTP gets."""
    return judge(record_ts(server, seconds))


def assert_whole(verdict: Verdict, *codecs: str, offset_ms: float = 40) -> None:
    """Everything came, and sound and picture together."""
    assert sorted(verdict.codecs) == sorted(codecs or ("h264", "aac"))
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0
    assert verdict.video_gaps == []
    assert verdict.worst_offset_ms < offset_ms
