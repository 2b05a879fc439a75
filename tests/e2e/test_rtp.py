"""RTP without RTSP, from senders that others wrote, to ports of inputs and to the shared one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, Streamctl
from tests.support.ports import udp_port
from tests.support.process import eventually
from tests.support.recorded import record_ts
from tests.support.rtp import (
    asked_encoder,
    assert_whole,
    described,
    ffmpeg_rtp,
    gst_rtp,
    hear_pictures,
    input_toml,
    tracks,
    viewed,
)
from tests.support.udp import SENDERS, listens

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=40, video_kbps=800, bframes=2, gop=25)
OPUS = Recipe(seconds=40, video_kbps=800, bframes=2, gop=25, audio_codec="opus")
REPORTED_S = 6.0
"""By then GStreamer has sent its first reports, and the sound was moved to where it belongs."""
OWN_CLOCKS_MS = 150
"""FFmpeg counts the time in the reports of each output from where it opened it."""


def test_two_ports_of_a_description_are_one_stream(tmp_path: Path, media: MediaCache) -> None:
    video, audio = udp_port(2), udp_port(2)
    sdp = tmp_path / "x.sdp"
    with ffmpeg_rtp(media(RECIPE).path, video, audio, sdp=sdp):
        described(sdp)
        with Streamctl(tmp_path, input_toml(f"rtp://{HOST}", 'sdp = "file:x.sdp"')) as server:
            server.wait_on_air()
            assert_whole(viewed(server), offset_ms=OWN_CLOCKS_MS)
            found = tracks(server)
    assert [one["encoding"] for one in found] == ["H264", "MPEG4-GENERIC"]
    assert [one["lost"] for one in found] == [0, 0]


@pytest.mark.parametrize("name", ["ffmpeg, RTP", "GStreamer, RTP"])
def test_a_transport_stream_needs_no_description(
    name: str, tmp_path: Path, media: MediaCache
) -> None:
    port = udp_port(2)
    path = media(Recipe(seconds=30, container="ts", video_kbps=1000, bframes=2)).path
    with Streamctl(tmp_path, input_toml(f"rtp://{HOST}:{port}")) as server:
        eventually(lambda: listens(port), 30, "an open port")
        with SENDERS[name](path, HOST, port):
            server.wait_on_air()
            assert_whole(viewed(server))
            assert tracks(server)[0]["encoding"] == "MP2T"


def test_the_packets_tell_what_nothing_describes(tmp_path: Path, media: MediaCache) -> None:
    """Also that the sender's reports put sound and picture together."""
    port = udp_port(2)
    video = "h264parse config-interval=-1 ! rtph264pay pt=96 config-interval=-1"
    audio = "opusparse ! rtpopuspay pt=97"
    with Streamctl(tmp_path, input_toml(f"rtp://{HOST}:{port}")) as server:
        eventually(lambda: listens(port), 30, "an open port")
        with gst_rtp(media(OPUS).path, port, video=video, audio=audio):
            server.wait_on_air(timeout_s=30)
            record_ts(server, REPORTED_S)
            assert_whole(viewed(server), "h264", "opus")
            assert sorted(one["encoding"] for one in tracks(server)) == ["H264", "OPUS"]


def test_an_encoder_is_asked_for_a_key_picture(tmp_path: Path) -> None:
    """Nobody who comes later would ever see one of it."""
    port = udp_port(2)
    with asked_encoder(port):
        hear_pictures(port, 10)
        with Streamctl(tmp_path, input_toml(f"rtp://{HOST}:{port}")) as server:
            server.wait_on_air()
            assert tracks(server)[0]["packets"] > 0
