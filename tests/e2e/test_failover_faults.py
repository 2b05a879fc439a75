"""Faults that are not silence: bytes that are no media, pictures that stop while sound goes on."""

from __future__ import annotations

import random
import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.media import Recipe
from tests.support.peers import HOST, ffmpeg
from tests.support.ports import udp_port
from tests.support.rehearsal import KEYS, Rehearsal, in_sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.rehearsal import Review

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg"),
    pytest.mark.timeout(180),
]

MEDIA = Recipe(seconds=20, video_kbps=500, gop=25)
SHORT = Recipe(seconds=6, video_kbps=500, gop=25)
SOUND = Recipe(seconds=30, video=False)
TRANSPORT = Recipe(seconds=20, container="ts", video_kbps=500, gop=25)
TABLE = f"""
inputs = ["udp://{HOST}:PORT", "publish:", "publish:"]
standby = "hot"
{KEYS}
[streams.news.degrade]
no_frames_s = 2
"""
VIEWERS = ("rtmp", "rtsp", "http-ts", "hls")
SILENCE_S = 2.0
SLACK_S = 1.0


def rehearse(folder: Path, media: MediaCache) -> Review:
    port = udp_port()
    table = TABLE.replace("PORT", str(port))
    with Rehearsal(folder, table, kinds=VIEWERS) as show:
        show.encoder("main", media(TRANSPORT).path, f"udp://{HOST}:{port}?pkt_size=1316")
        show.server.wait_input(0)
        show.encoder("spare", media(MEDIA).path)
        show.settled(1, "standby")
        show.opens()
        show.plays(2)
        began = time.time()
        show.kill("main")
        babble(port, 4.5)
        show.act("garbage", 1, at=began)
        two = ("-re", "-i", str(media(SHORT).path), "-re", "-i", str(media(SOUND).path))
        # A stream that has ended is waited for by ffmpeg, unless it is told not to.
        maps = ("-map", "0:v", "-map", "1:a", "-c", "copy", "-max_interleave_delta", "100000")
        show.kill("spare")
        show.stack.enter_context(ffmpeg(*two, *maps, "-f", "flv", show.server.rtmp()))
        show.act("sound goes on", 1)
        show.encoder("third", media(MEDIA).path)
        show.settled(2, "standby")
        began = time.time()
        show.act("pictures stop", 2, at=began)
        show.plays(3)
        return show.closes()


def babble(port: int, seconds: float) -> None:
    """Send bytes that look like nothing."""
    source = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            wire.sendto(source.randbytes(1316), (HOST, port))
            time.sleep(0.02)


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Review:
    return rehearse(tmp_path_factory.mktemp("show"), media)


def test_garbage_is_silence(review: Review) -> None:
    act = review.acts[0]
    assert (act.after, act.reason) == (1, "timeout")
    assert act.noticed_s <= SILENCE_S + SLACK_S


def test_pictures_that_stop_are_noticed(review: Review) -> None:
    act = review.acts[2]
    assert (act.after, act.reason) == (2, "error")
    assert "no frames for 2 s" in review.switches[-1]["detail"]


@pytest.mark.parametrize("viewer", VIEWERS)
def test_viewers_see_clean_cuts(review: Review, viewer: str) -> None:
    verdict = review.seen[viewer]
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert in_sync(review, viewer)
