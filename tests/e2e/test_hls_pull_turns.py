"""HLS that is pulled and does not simply go on: ends, loops, restarts, failures and refusals."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.hls_origin import FORMS, live, origin, segments, vod
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HttpRecorder, Streamctl, pull_toml
from tests.support.process import eventually
from tests.support.recorded import wait_media
from tests.support.ts import inspect, whole_units

if TYPE_CHECKING:
    from tests.support.hls_origin import Origin
    from tests.support.stalls import StallWatch

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "nginx"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=1000, bframes=2, gop=25)
SHORT = Recipe(seconds=4, video_kbps=1000, bframes=2, gop=25)
LOOPS = ["loop-ts", "loop-fmp4"]
LOOPED_S = 2.5 * SHORT.seconds
REFUSED = {
    "missing": ("nothing.m3u8", "answers 404"),
    "closed": ("closed/x.m3u8", "answers 403"),
    "page": ("page.m3u8", "not a playlist"),
    "sealed": ("sealed.m3u8", "encrypted with `SAMPLE-AES`"),
    "text": ("text.m3u8", "the segments are text"),
    "circle": ("circle/x.m3u8", "in a circle"),
    "parts-of-mp4": ("vod-fmp4/index.m3u8?", "`program` and `pids` choose from MPEG-TS"),
}
CHOSEN = ["program = 1"]


@dataclass
class Show:
    """What was seen of all streams."""

    ts: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Documents of whole streams, at the end."""
    stalled_s: float = 0.0
    """How long the machine stood still, and everybody was late afterwards."""


def furnish(site: Origin) -> None:
    """Playlists that can't be played, and one of which only the second variant can."""
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
    key = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x"\n'
    (site.www / "page.m3u8").write_text("<html></html>")
    (site.www / "sealed.m3u8").write_text(f"{head}{key}#EXTINF:2,\na.vtt\n#EXT-X-ENDLIST\n")
    (site.www / "text.m3u8").write_text(f"{head}#EXTINF:2,\na.vtt\n#EXT-X-ENDLIST\n")
    (site.www / "a.vtt").write_text("WEBVTT\n")
    lines = ["#EXTM3U"]
    for bandwidth, uri in ((3000, "gone.m3u8"), (1000, "first/index.m3u8")):
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}000", uri]
    (site.www / "index.m3u8").write_text("\n".join(lines))


def configured(site: Origin) -> str:
    """All streams but the one that ends."""
    out = [
        pull_toml(site.url("first/index.m3u8"), code="restart"),
        pull_toml(site.url("index.m3u8"), code="fallback"),
        pull_toml(site.url("vod-ts/index.m3u8"), "loop = true", code="loop-ts"),
        pull_toml(site.url("vod-fmp4/index.m3u8"), "loop = true", code="loop-fmp4"),
    ]
    for code, (path, _) in REFUSED.items():
        chosen = CHOSEN if code == "parts-of-mp4" else []
        out.append(pull_toml(site.url(path).rstrip("?"), *chosen, code=code))
    return "".join(out)


def epochs_of(server: Streamctl, code: str) -> int:
    return int(server.stream(code)["media"]["epochs"])


@pytest.fixture(scope="module")
def show(
    tmp_path_factory: pytest.TempPathFactory, media: MediaCache, stall_watch: StallWatch
) -> Show:
    here = tmp_path_factory.mktemp("here")
    found, stalled_s = Show(), stall_watch.total_s
    codes = ["restart", "fallback", *LOOPS]
    with ExitStack() as running:
        site = running.enter_context(origin(here / "site"))
        path = media(RECIPE).path
        first = running.enter_context(live(path, site, "first", segment_s=1))
        for form in ("ts", "fmp4"):
            vod(media(SHORT).path, site, f"vod-{form}", *FORMS[form])
        furnish(site)
        eventually(lambda: segments(site, "first/index.m3u8") >= 4, 30, "segments")
        config = configured(site)
        server = running.enter_context(Streamctl(here, config))
        for code in codes:
            server.wait_on_air(code, timeout_s=30)
        recorders = {
            code: running.enter_context(HttpRecorder(server.http(f"/{code}/mpegts")))
            for code in codes
        }
        # A file that ends needs somebody who listens from the beginning.
        server.rewrite(config + pull_toml(site.url("moved/vod-ts/index.m3u8"), code="vod"))
        eventually(lambda: server.ask("/api/v1/streams/vod")[0] == 200, 30, "the new stream")
        server.wait_on_air("vod")
        recorders["vod"] = running.enter_context(HttpRecorder(server.http("/vod/mpegts")))
        for code in ("restart", "fallback"):
            wait_media(recorders[code], 4)
        fallback = recorders.pop("fallback")
        found.ts["fallback"] = whole_units(fallback.stop())
        epochs = epochs_of(server, "restart")
        first.kill()
        running.enter_context(live(path, site, "first", segment_s=1))
        server.wait_off_air("vod", timeout_s=15)
        eventually(lambda: epochs_of(server, "restart") > epochs, 30, "the upstream begins anew")
        wait_media(recorders["restart"], 4, len(recorders["restart"].data))
        for code in LOOPS:
            wait_media(recorders[code], LOOPED_S)
        for code, recorder in recorders.items():
            found.ts[code] = whole_units(recorder.stop())
        for code in (*codes, *REFUSED, "vod"):
            found.status[code] = server.stream(code)
    found.stalled_s = stall_watch.total_s - stalled_s
    return found


def test_a_playlist_that_ends_is_played_once_and_to_its_end(show: Show) -> None:
    verdict = judge(show.ts["vod"])
    assert verdict.decode_errors == []
    assert verdict.missing == verdict.repeated == 0
    assert verdict.restarts == []
    assert verdict.numbers[-1] == SHORT.frames - 1
    assert any("came to its end" in str(cause) for cause in show.status["vod"]["causes"])


@pytest.mark.parametrize("code", LOOPS)
def test_a_playlist_that_ends_is_played_in_a_loop(code: str, show: Show) -> None:
    verdict = judge(show.ts[code])
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert 0 in verdict.restarts
    assert verdict.missing == 0
    assert max(verdict.video_gaps, default=0) < 0.2 + show.stalled_s
    assert verdict.worst_offset_ms < 40
    assert inspect(show.ts[code]).continuity_errors == []


def test_an_upstream_that_starts_over_is_followed(show: Show) -> None:
    """Its numbers and timestamps begin anew, under the same names."""
    verdict = judge(show.ts["restart"])
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert len(verdict.restarts) == 1
    assert inspect(show.ts["restart"]).continuity_errors == []
    assert show.status["restart"]["inputs"][0]["reconnects"] == 0


def test_a_variant_that_fails_is_left_for_the_next_best(show: Show) -> None:
    verdict = judge(show.ts["fallback"])
    assert verdict.decode_errors == []
    assert verdict.missing == verdict.repeated == 0
    assert verdict.frames > 60
    assert show.status["fallback"]["inputs"][0]["reconnects"] == 0


@pytest.mark.parametrize("code", REFUSED)
def test_what_can_not_be_played_is_said(code: str, show: Show) -> None:
    assert REFUSED[code][1] in show.status[code]["inputs"][0]["last_error"]
