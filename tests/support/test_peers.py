"""The peers of the end-to-end tests work with one another, without any server of ours."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HOST,
    ffmpeg_publish,
    ffmpeg_record,
    gst_publish,
    nginx_rtmp,
    rtmpdump,
)
from tests.support.ports import free_port
from tests.support.process import eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "nginx", "rtmpdump", "gst-launch-1.0"),
]


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("publish", [ffmpeg_publish, gst_publish])
@pytest.mark.timeout(60)
def test_a_known_server_carries_generated_media(
    tmp_path: Path, media: MediaCache, publish: type
) -> None:
    made = media(Recipe(seconds=30, video_kbps=500, bframes=2))
    server, port = nginx_rtmp(tmp_path)
    url, dumped, recorded = f"rtmp://{HOST}:{port}/live/x", tmp_path / "d.flv", tmp_path / "r.flv"
    with server, publish(made.path, url), rtmpdump(url, dumped) as dump:
        with ffmpeg_record(url, recorded, seconds=4) as record:
            eventually(lambda: size(dumped) > 200_000, 20, "a recording")
            assert record.wait(20) == 0
        dump.stop(signal.SIGINT)
    verdict = judge(recorded)
    assert verdict.decode_errors == []
    assert verdict.missing == 0
    assert abs(verdict.offset_ms) < 40


def test_a_free_port_is_free() -> None:
    assert free_port() > 1024
