"""RTP whose senders begin anew, and whose packets change places on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.lossy_udp import Link, LossyUdp
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, Streamctl
from tests.support.ports import udp_port
from tests.support.process import eventually
from tests.support.recorded import record_ts
from tests.support.rtp import assert_whole, described, ffmpeg_rtp, input_toml, tracks, viewed

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=40, video_kbps=800, bframes=2, gop=25)
OWN_CLOCKS_MS = 150
"""FFmpeg counts the time in the reports of each output from where it opened it."""


def test_a_sender_that_begins_anew_is_taken(tmp_path: Path, media: MediaCache) -> None:
    """A second one beside the first has to wait until that is silent."""
    video, audio = udp_port(2), udp_port(2)
    sdp = tmp_path / "x.sdp"
    path = media(RECIPE).path
    toml = input_toml(f"rtp://{HOST}", 'sdp = "file:x.sdp"')
    with ffmpeg_rtp(path, video, audio, sdp=sdp) as first:
        described(sdp)
        with Streamctl(tmp_path, toml) as server:
            server.wait_on_air()
            epochs = server.stream()["media"]["epochs"]
            with ffmpeg_rtp(path, video, audio, sdp=tmp_path / "y.sdp", ssrc=0x2000):
                eventually(lambda: tracks(server)[0]["other_sources"] > 0, 30, "a second sender")
                assert_whole(viewed(server, 3), offset_ms=OWN_CLOCKS_MS)
                assert tracks(server)[0]["ssrc"] == 0x1000
                assert server.stream()["media"]["epochs"] == epochs
                first.stop()
                eventually(lambda: tracks(server)[0]["ssrc"] == 0x2000, 30, "the second sender")
                assert server.stream()["media"]["epochs"] == epochs + 1
                server.wait_on_air()
                # The cut may go through a flash or a beep.
                record_ts(server, 2)
                assert_whole(viewed(server), offset_ms=OWN_CLOCKS_MS)


def test_packets_that_change_places_are_put_in_order(tmp_path: Path, media: MediaCache) -> None:
    video, audio = udp_port(2), udp_port(2)
    sdp = tmp_path / "x.sdp"
    link = Link(delay_s=0.02, reorder=0.05, hold_s=0.02, duplicate=0.02)
    with (
        LossyUdp((HOST, video), there=link) as relay,
        ffmpeg_rtp(media(RECIPE).path, relay.port, audio, sdp=sdp),
    ):
        described(sdp)
        sdp.write_text(sdp.read_text().replace(f"video {relay.port}", f"video {video}"))
        # The relay may stand still for longer than packets are waited for otherwise.
        keys = ('sdp = "file:x.sdp"', "reorder_ms = 1000")
        with Streamctl(tmp_path, input_toml(f"rtp://{HOST}", *keys)) as server:
            server.wait_on_air()
            verdict = viewed(server)
            found = tracks(server)[0]
    assert verdict.decode_errors == []
    assert verdict.missing == 0
    assert found["lost"] == 0
    assert int(found["late"]) > 0
