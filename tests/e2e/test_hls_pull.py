"""HLS that is pulled from others who make it well: ffmpeg and nginx, our own server, LL-HLS.

Everything is pulled at once by one server, and what comes out of it is judged stream by stream.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from tests.support.hls_origin import FORMS, live, live_groups, origin, segmented, segments
from tests.support.judge import judge
from tests.support.ll_origin import PART_S, low_latency
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HttpRecorder, Streamctl, ffmpeg_publish, pull_toml, stream_toml
from tests.support.process import eventually
from tests.support.recorded import wait_media
from tests.support.ts import inspect, whole_units

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.hls_origin import Origin

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "nginx"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=1000, bframes=2, gop=25)
PARTED = Recipe(seconds=60, video_kbps=1000, bframes=2, gop=10)
SEGMENT_S = 1.0
RECORDED_S = 6.0
GROUPS = {"groups-ts": "mpegts", "groups-fmp4": "fmp4"}
LIVE = [*FORMS, *GROUPS, "own", "segmented", "parts"]


@dataclass
class Pulled:
    """What was seen of one stream."""

    ts: bytes
    status: dict[str, Any]


@dataclass
class Show:
    """What was seen of all."""

    pulled: dict[str, Pulled] = field(default_factory=dict)
    log: str = ""
    """Of nginx."""
    asked: list[str] = field(default_factory=list)
    """Of the server of parts."""
    newest_s: float = 0.0
    """The newest part there when the recording ended."""


def await_segments(site: Origin, place: str) -> None:
    eventually(lambda: segments(site, place) >= 4, 30, "segments")


@contextmanager
def upstream(site: Origin, path: Path, folder: Path) -> Iterator[dict[str, str]]:
    """URLs of playlists that others write, once all have some segments."""
    folder.mkdir()
    with ExitStack() as running:
        there = running.enter_context(
            Streamctl(folder, stream_toml("x", "[streams.x.hls]", "segment_s = 1"))
        )
        running.enter_context(ffmpeg_publish(path, there.rtmp("x")))
        for form, options in FORMS.items():
            running.enter_context(live(path, site, form, *options, segment_s=SEGMENT_S))
        for name, kind in GROUPS.items():
            running.enter_context(live_groups(path, site, name, kind, segment_s=SEGMENT_S))
        segmented(path, site, "segmented", segment_s=SEGMENT_S)
        there.wait_on_air("x")
        eventually(lambda: urlopen(there.http("/x/index.m3u8")).read(), 30, "a playlist")
        for name in (*FORMS, *(f"{name}/low" for name in GROUPS)):
            place = f"{name}.m3u8" if "/" in name else f"{name}/index.m3u8"
            await_segments(site, place)
        urls = {name: site.url(f"{name}/index.m3u8") for name in (*FORMS, *GROUPS, "segmented")}
        yield urls | {"own": there.http("/x/index.m3u8")}


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory, media: MediaCache) -> Show:
    here = tmp_path_factory.mktemp("here")
    found = Show()
    with ExitStack() as running:
        site = running.enter_context(origin(here / "site"))
        parted = media(PARTED).path
        urls = running.enter_context(upstream(site, media(RECIPE).path, here / "there"))
        parts = running.enter_context(low_latency(parted, here / "parts"))
        urls["parts"] = parts.url()
        config = "".join(pull_toml(url, code=code) for code, url in urls.items())
        server = running.enter_context(Streamctl(here, config))
        for code in urls:
            server.wait_on_air(code, timeout_s=30)
        recorders = {
            code: running.enter_context(HttpRecorder(server.http(f"/{code}/mpegts")))
            for code in urls
        }
        for recorder in recorders.values():
            wait_media(recorder, RECORDED_S)
        found.newest_s = parts.parts * PART_S
        for code, recorder in recorders.items():
            status = server.stream(code)["inputs"][0]
            found.pulled[code] = Pulled(whole_units(recorder.stop()), status)
        found.log, found.asked = site.log(), list(parts.asked)
    return found


@pytest.mark.parametrize("code", LIVE)
def test_what_others_make_is_played(code: str, show: Show) -> None:
    pulled = show.pulled[code]
    verdict = judge(pulled.ts)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.missing == verdict.repeated == 0
    assert verdict.video_gaps == []
    assert verdict.worst_offset_ms < 40
    assert verdict.codecs == ("h264", "aac")
    assert verdict.frames > 100, pulled.status
    assert inspect(pulled.ts).continuity_errors == []
    assert pulled.status["reconnects"] == 0


def test_counters_that_begin_anew_in_each_segment_are_no_losses(show: Show) -> None:
    assert show.pulled["segmented"].status["transport"]["lost_packets"] == 0


@pytest.mark.parametrize("name", GROUPS)
def test_the_best_variant_is_fetched_alone(name: str, show: Show) -> None:
    assert f"/{name}/high.m3u8" in show.log
    assert f"/{name}/low.m3u8" not in show.log


def test_parts_are_fetched_as_they_come(show: Show) -> None:
    assert not any("/s" in path for path in show.asked), "parts were fetched, no segments"
    assert any("_HLS_msn" in path for path in show.asked)
    parts = [path for path in show.asked if "/p" in path]
    assert len(parts) == len(set(parts)), "each part once, although some before they are listed"
    last = judge(show.pulled["parts"].ts).numbers[-1]
    assert show.newest_s - last / 25 < 3, "seconds from the server's newest part"
