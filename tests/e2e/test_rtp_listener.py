"""RTP to the shared port, from senders that others wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, Streamctl
from tests.support.ports import udp_port
from tests.support.process import eventually
from tests.support.rtp import assert_whole, described, ffmpeg_rtp, input_toml, viewed
from tests.support.udp import SENDERS

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=40, video_kbps=800, bframes=2, gop=25)
SOURCE = 0x1A2B3C4D
OWN_CLOCKS_MS = 150
"""FFmpeg counts the time in the reports of each output from where it opened it."""


def listener_toml(port: int, *lines: str) -> str:
    return "\n".join(["[listeners.rtp]", f'address = "{HOST}:{port}"', *lines, ""])


def test_an_input_at_the_listener_takes_its_sources(tmp_path: Path, media: MediaCache) -> None:
    port = udp_port(2)
    sdp = tmp_path / "x.sdp"
    keys = (f'ssrc = ["{SOURCE:#x}", {SOURCE + 1}]', 'sdp = "file:x.sdp"')
    toml = listener_toml(port) + input_toml("rtp://", *keys)
    with ffmpeg_rtp(media(RECIPE).path, port, port, sdp=sdp, ssrc=SOURCE):
        described(sdp)
        with Streamctl(tmp_path, toml) as server:
            server.wait_on_air()
            assert_whole(viewed(server), offset_ms=OWN_CLOCKS_MS)


def test_a_sender_publishes_by_the_template(tmp_path: Path, media: MediaCache) -> None:
    """It is a session that ends when the sender does."""
    port = udp_port(2)
    toml = listener_toml(port, 'stream = "news"', "timeout_s = 2")
    toml += '[streams.news]\ninputs = ["publish:"]\n'
    path = media(Recipe(seconds=30, container="ts", video_kbps=1000, bframes=2)).path
    with Streamctl(tmp_path, toml) as server:
        server.port("rtp")
        with SENDERS["ffmpeg, RTP"](path, HOST, port):
            server.wait_on_air()
            assert_whole(viewed(server))
            (session,) = server.sessions()
            assert (session["protocol"], session["action"]) == ("rtp", "publish")
            assert session["bytes_in"] > 100_000
        server.wait_off_air()
        eventually(lambda: not server.sessions(), 30, "the end of the session")
