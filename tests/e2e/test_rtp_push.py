"""Streams that are pushed as RTP: to FFmpeg, to GStreamer, and to us, by the description alone."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HOST,
    HttpRecorder,
    Streamctl,
    ffmpeg,
    ffmpeg_publish,
    gst,
    stream_toml,
)
from tests.support.ports import udp_port
from tests.support.process import Process, eventually
from tests.support.tools import tool
from tests.support.ts import whole_units
from tests.support.udp import listens
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(240),
]

PLAIN = Recipe(seconds=60, video_kbps=800, gop=25)
"""Without B-frames: what other programs record of RTP has no decoding times."""
WITH_B_FRAMES = Recipe(seconds=60, video_kbps=800, bframes=2, gop=25)
SECONDS = 5.0
SDP = ("-protocol_whitelist", "file,rtp,udp")


def push_toml(port: int) -> str:
    keys = ('name = "copy"', f'url = "rtp://{HOST}:{port}"', 'sdp = "file:x.sdp"')
    return stream_toml() + "\n".join(["[[streams.news.push]]", *keys, ""])


def written(path: Path) -> Verdict:
    """What a recorder got."""
    eventually(lambda: media_time(path) > SECONDS, 40, f"{SECONDS} s in {path}")
    return judge(path)


def whole(verdict: Verdict, *codecs: str) -> None:
    assert verdict.codecs == codecs
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0


def test_ffmpeg_reads_the_description(tmp_path: Path, media: MediaCache) -> None:
    sdp, out = tmp_path / "x.sdp", tmp_path / "x.mkv"
    with (
        Streamctl(tmp_path, push_toml(udp_port(4))) as server,
        ffmpeg_publish(media(PLAIN).path, server.rtmp()),
    ):
        eventually(sdp.exists, 40, "the description")
        with ffmpeg(*SDP, "-i", str(sdp), "-c", "copy", "-flush_packets", "1", "-y", str(out)):
            verdict = written(out)
        # Reports are what it knows of both clocks. It begins in the middle, and moves the sound
        # when the first one comes, even back.
        whole(replace(verdict, disorder=verdict.disorder[1:]), "h264", "aac")
        assert verdict.video_gaps == []
        assert verdict.worst_offset_ms < 40


def test_gstreamer_takes_the_packets(tmp_path: Path, media: MediaCache) -> None:
    tool("gst-launch-1.0")
    out, port = tmp_path / "x.mkv", udp_port(4)
    caps = "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96"
    pipeline = (
        f"udpsrc address={HOST} port={port} caps={caps} ! rtpjitterbuffer ! rtph264depay "
        f"! h264parse ! matroskamux streamable=true ! filesink location={out} buffer-mode=2"
    )
    with Streamctl(tmp_path, push_toml(port)) as server, gst(*pipeline.split()):
        eventually(lambda: listens(port), 40, "an open port")
        with ffmpeg_publish(media(PLAIN).path, server.rtmp()):
            whole(written(out), "h264")


def test_we_take_what_the_command_sends(tmp_path: Path, media: MediaCache) -> None:
    """Reports put both clocks together."""
    port = udp_port(4)
    url = f"rtp://{HOST}:{port}?sdp=file:{tmp_path}/x.sdp"
    path = media(WITH_B_FRAMES).path
    toml = '[streams.news]\n[[streams.news.inputs]]\nurl = "rtp://"\nsdp = "file:x.sdp"\n'
    command = [sys.executable, "-m", "streamctl", "push", str(path), url]
    with Process(command, cwd=tmp_path):
        eventually((tmp_path / "x.sdp").exists, 40, "the description")
        with Streamctl(tmp_path, toml) as server:
            server.wait_on_air()
            with HttpRecorder(server.http("/news/mpegts")) as recorder:
                eventually(lambda: len(recorder.data) > 600_000, 30, "media")
                verdict = judge(whole_units(recorder.stop()))
            whole(verdict, "h264", "aac")
            assert verdict.video_gaps == []
            # What reports differ by for the sender's scheduling is left alone.
            assert verdict.worst_offset_ms < 12
