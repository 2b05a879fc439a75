"""HTTP-FLV with FFmpeg, curl, and mpegts.js in a browser, wherever its timestamps stand."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.plugins.streamctl_http_flv.file import FlvTag, tags
from tests.support.browser import Browser
from tests.support.clients import current_ffmpeg
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.pages import page_server
from tests.support.peers import CONFIG, HOST, HttpRecorder, Streamctl, ffmpeg_publish, stream_toml
from tests.support.process import Process, eventually
from tests.support.tools import tool

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.needs("ffmpeg", "curl"), pytest.mark.timeout(240)]

RECIPE = Recipe(seconds=60, video_kbps=500, gop=25, bframes=2)
HEADER_BYTES = 13
EXTENDED_MS = 0xFFFFFF
LAST_MS = 2**31 - 600_000
STARTED = """
import sys
from streamctl_http_flv.packer import FlvConverter
FlvConverter.__init__.__defaults__ = (int(sys.argv.pop(1)) * 90,)
from streamctl.__main__ import main
main()
"""
"""A server whose flv lanes begin elsewhere."""


class Late(Streamctl):
    """A server whose flv lanes begin at some millisecond."""

    def __init__(self, folder: Path, first_ms: int) -> None:
        self.config = folder / "streams.toml"
        self.config.write_text(CONFIG + stream_toml())
        argv = [sys.executable, "-c", STARTED, str(first_ms), "serve", str(self.config)]
        env = {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        Process.__init__(self, argv, env=env, cwd=folder)


def keep(program: str, url: str, path: Path) -> Process:
    """Ten seconds of a stream, with its own timestamps."""
    quiet = [program, "-v", "warning", "-nostdin", "-y"]
    return Process([*quiet, "-copyts", "-t", "10", "-i", url, "-c", "copy", str(path)])


def recorded(data: bytes) -> list[FlvTag]:
    """The tags of a recording, the last one perhaps cut off."""
    body, at = data[HEADER_BYTES:], 0
    while (end := at + 15 + int.from_bytes(body[at + 1 : at + 4], "big")) <= len(body):
        at = end
    return tags(body[:at])


def play(browser: Browser, url: str) -> None:
    """Open mpegts.js with a stream, on a page of another origin."""
    port = page_server().server_address[1]
    browser.open(f"http://{HOST}:{port}/#{quote(url, safe='')}")


@pytest.mark.parametrize("first_ms", [1000, EXTENDED_MS - 6000], ids=["as ever", "at 4.66 hours"])
def test_every_player_plays(tmp_path: Path, media: MediaCache, first_ms: int) -> None:
    copies = {name: tmp_path / f"{name}.flv" for name in ("old", "current")}
    programs = {"old": tool("ffmpeg"), "current": current_ffmpeg() or tool("ffmpeg")}
    with (
        Late(tmp_path, first_ms) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        url = server.http("/news.flv")
        records = [keep(programs[name], url, path) for name, path in copies.items()]
        with HttpRecorder(url) as raw, Browser() as browser:
            play(browser, url)
            eventually(lambda: browser.playing().frames > 200, 30, "8 s on the screen")
            state = browser.playing()
            problems = browser.evaluate("window.problems")
            for record in records:
                assert record.wait() == 0, record.describe()
            data = raw.stop()
    assert (problems, state.errors) == ([], [])
    # A browser that has to share the machine may wait once, as it begins.
    assert state.waits <= 1
    assert state.audio_bytes > 0
    for path in copies.values():
        verdict = judge(path)
        assert (verdict.decode_errors, verdict.dts_disorder, verdict.missing) == ([], 0, 0)
        assert verdict.frames > 200
    times = [tag.timestamp for tag in recorded(data) if tag.kind in (8, 9) and tag.timestamp]
    assert times[0] < first_ms + 4000
    assert times[-1] > times[0] + 8000
    if first_ms > 1000:
        assert times[0] < EXTENDED_MS < times[-1], "the fourth byte was needed"


def test_viewers_come_anew_before_timestamps_turn_negative(
    tmp_path: Path, media: MediaCache
) -> None:
    with (
        Late(tmp_path, LAST_MS - 6000) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        server.wait_on_air()
        url = server.http("/news.flv")
        with HttpRecorder(url) as before:
            before.thread.join(20)
            assert not before.thread.is_alive(), "the server ends it"
            first = recorded(bytes(before.data))
        argv = [tool("curl"), "-sN", "--max-time", "3", "-o", str(tmp_path / "after"), url]
        with Process(argv) as after:
            assert after.wait() == 28, "it goes on until curl ends it"
    assert max(tag.timestamp for tag in first) <= LAST_MS + 1500
    later = recorded((tmp_path / "after").read_bytes())
    assert max(tag.timestamp for tag in later) < 12_000


@pytest.mark.parametrize(
    ("recipe", "flags", "kinds"),
    [
        (Recipe(seconds=30, video=False), 4, {8, 18}),
        (Recipe(seconds=30, audio=False), 1, {9, 18}),
    ],
    ids=["sound only", "picture only"],
)
def test_the_header_names_the_media_there_are(
    tmp_path: Path, media: MediaCache, recipe: Recipe, flags: int, kinds: set[int]
) -> None:
    with (
        Streamctl(tmp_path, stream_toml()) as server,
        ffmpeg_publish(media(recipe).path, server.rtmp()),
    ):
        server.wait_on_air()
        with HttpRecorder(server.http("/news.flv")) as raw, Browser() as browser:
            play(browser, server.http("/news.flv"))
            browser.wait_playing(3, 20)
            assert browser.evaluate("window.problems") == []
            data = raw.stop()
    assert data[:5] == b"FLV\x01" + bytes((flags,))
    assert {tag.kind for tag in recorded(data)} == kinds


def test_a_stream_that_is_not_on_air_asks_players_to_come_back(tmp_path: Path) -> None:
    with (
        Streamctl(tmp_path, stream_toml()) as server,
        HttpRecorder(server.http("/news.flv")) as raw,
    ):
        raw.thread.join(5)
    assert raw.status == 503
