"""HLS that is pulled: from ffmpeg and nginx, from our own server, and from bad ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.hls_origin import FORMS, live, origin, segments
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HttpRecorder, Streamctl
from tests.support.process import eventually
from tests.support.ts import inspect, whole_units

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.judge import Verdict

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "nginx"),
    pytest.mark.timeout(120),
]

RECIPE = Recipe(seconds=60, video_kbps=1000, bframes=2, gop=25)


def pull_toml(url: str, *lines: str) -> str:
    keys = ["packet_timeout_s = 2", "[[streams.news.inputs]]", f'url = "{url}"', *lines]
    return "\n".join(["[streams.news]", *keys, ""])


def source(server: Streamctl) -> dict[str, Any]:
    found: dict[str, Any] = server.stream()["inputs"][0]
    return found


def record(server: Streamctl, seconds: float = 8.0) -> bytes:
    with HttpRecorder(server.http("/news/mpegts")) as recorder:
        time.sleep(seconds)
        return whole_units(recorder.stop())


def clean(verdict: Verdict) -> None:
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0
    assert verdict.video_gaps == []
    assert verdict.worst_offset_ms < 40
    assert verdict.codecs == ("h264", "aac")
    assert verdict.frames > 120


@pytest.mark.parametrize("form", FORMS)
def test_what_ffmpeg_writes_is_played(form: str, tmp_path: Path, media: MediaCache) -> None:
    with (
        origin(tmp_path / "there") as site,
        live(media(RECIPE).path, site, form, *FORMS[form]),
    ):
        eventually(lambda: segments(site, f"{form}/index.m3u8") >= 4, 30, "segments")
        with Streamctl(tmp_path, pull_toml(site.url(f"{form}/index.m3u8"))) as server:
            server.wait_on_air(timeout_s=20)
            ts = record(server)
            assert source(server)["reconnects"] == 0
    clean(judge(ts))
    assert inspect(ts).continuity_errors == []
