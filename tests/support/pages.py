"""Players in a browser: hls.js on the product's own page, mpegts.js on a page of ours.

Both draw each picture onto a canvas, where its number is read.
"""

from __future__ import annotations

import re
import shutil
import threading
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.support.browser import NAMES, Browser
from tests.support.clients import first_match
from tests.support.media import CELLS, ROW_FRACTION, number_of
from tests.support.peers import HOST
from tests.support.players import Player
from tests.support.seen import RHYTHM_S, SHOWN, Seen, Wanted, weigh_shown

if TYPE_CHECKING:
    from tests.support.browser import Playing

VENDOR = Path(__file__).with_name("vendor")
HLS_JS = Path(__file__).parents[2] / "plugins/streamctl_hls/vendor"
ROW = f"""
(() => {{
  const video = document.querySelector("video");
  if (!video || window.shown) return Boolean(video);
  const canvas = new OffscreenCanvas({CELLS} * 4, 4);
  const context = canvas.getContext("2d", {{ willReadFrequently: true }});
  window.shown = [];
  const look = (now, frame) => {{
    const row = video.videoHeight / {ROW_FRACTION};
    const width = Math.floor(video.videoWidth / {CELLS}) * {CELLS};
    context.drawImage(video, 0, row / 4, width, row / 2, 0, 0, canvas.width, canvas.height);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let bits = "";
    for (let cell = 0; cell < {CELLS}; cell += 1) {{
      const level = pixels[(2 * canvas.width + cell * 4 + 2) * 4 + 1];
      bits += level >= 150 ? "1" : level <= 100 ? "0" : "?";
    }}
    window.shown.push([frame.mediaTime, bits]);
    video.requestVideoFrameCallback(look);
  }};
  video.requestVideoFrameCallback(look);
  return true;
}})()
"""
"""Notes time and number row of each picture that reaches the screen."""
PLAYER = """<!doctype html><meta charset="utf-8"><title>mpegts.js</title>
<video muted autoplay></video><script src="mpegts.js"></script><script>
window.problems = [];
const url = decodeURIComponent(location.hash.slice(1));
const player = mpegts.createPlayer({ type: "flv", isLive: true, url }, { enableWorker: false });
player.on(mpegts.Events.ERROR, (...what) => window.problems.push(JSON.stringify(what)));
player.attachMediaElement(document.querySelector("video"));
player.load();
player.play();
</script>
"""


class Pages(BaseHTTPRequestHandler):
    """Serves the page around mpegts.js, and mpegts.js itself."""

    def do_GET(self) -> None:
        """Answer a browser."""
        script = self.path == "/mpegts.js"
        body = (VENDOR / "mpegts.js").read_bytes() if script else PLAYER.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if script else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its base's name)
        """Say nothing on stderr."""


@cache
def page_server() -> ThreadingHTTPServer:
    """The one server of such pages; its thread ends with the program."""
    server = ThreadingHTTPServer((HOST, 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class BrowserScreen:
    """A page with a player in headless Chromium."""

    def __init__(self, page: str, wanted: Wanted) -> None:
        self.page, self.wanted = page, wanted
        self.began: float | None = None
        self.state: Playing | None = None
        self.browser = Browser()
        try:
            self.browser.__enter__()
            self.browser.open(page)
        except AssertionError:
            self.browser.__exit__()
            raise

    def enough(self) -> bool:
        """Whether it has played for long enough."""
        with suppress(AssertionError):
            self.browser.evaluate(ROW)
            self.state = self.browser.playing()
            if self.state.time > 0 and self.began is None:
                self.began = self.state.time
        return self.played() >= self.wanted.seconds

    def played(self) -> float:
        """Media time since playing began."""
        return self.state.time - self.began if self.state and self.began is not None else 0.0

    def stop(self) -> Seen:
        """Close the browser; what its video element says, and what was on it."""
        wanted = self.wanted
        shown: list[tuple[float, str]] = []
        problems: list[str] = []
        with suppress(AssertionError):
            shown = self.browser.evaluate("window.shown || []")
            problems = self.browser.evaluate("window.problems || []")
        self.browser.__exit__()
        state = self.state
        if state is None:
            return Seen("", ["the page shows no player"], self.browser.process.output)
        faults = [f"says: {line[:120]}" for line in [*problems, *state.errors][:2]]
        if self.played() < 0.8 * wanted.seconds:
            faults.append(f"{self.played():.1f} s only")
        if wanted.audio and not state.audio_bytes:
            faults.append("no sound")
        summary = f"{self.played():.1f} s"
        if wanted.video:
            summary += f", {state.frames} frames"
            faults += weigh_screen(shown, state, wanted)
        return Seen(summary if state.frames or state.audio_bytes else "", faults, "")


def weigh_screen(shown: list[tuple[float, str]], state: Playing, wanted: Wanted) -> list[str]:
    """What is wrong with the pictures on a page."""
    faults = []
    if state.frames < SHOWN * wanted.frames:
        faults.append(f"{state.frames} frames, {wanted.frames} expected")
    if wanted.recipe is None:
        return faults
    numbers = [number_of(bits) for _, bits in shown]
    faults += weigh_shown(numbers, wanted)
    late = [
        time - float(wanted.recipe.time_of(number))
        for (time, _), number in zip(shown, numbers, strict=True)
        if number is not None
    ]
    # The canvas may already have a picture after the one that the callback tells of, on a busy
    # machine more than one: the outer tenths are left out.
    late = sorted(late)[len(late) // 10 : len(late) - len(late) // 10]
    longest = float(max(wanted.recipe.steps) / wanted.recipe.fps)
    if late and (uneven := late[-1] - late[0]) > longest + RHYTHM_S:
        faults.append(f"pictures are up to {uneven * 1000:.1f} ms off their rhythm")
    return faults


def watch_hls(url: str, folder: Path, wanted: Wanted) -> BrowserScreen:
    """Open the player page of a stream."""
    return BrowserScreen(url.removesuffix("/index.m3u8"), wanted)


def watch_flv(url: str, folder: Path, wanted: Wanted) -> BrowserScreen:
    """Open a page with mpegts.js, from another origin than the media."""
    port = page_server().server_address[1]
    return BrowserScreen(f"http://{HOST}:{port}/#{quote(url, safe='')}", wanted)


def version_in_browser(vendor: Path) -> str:
    """The releases of a vendored player and of the browser that runs it."""
    for name in filter(shutil.which, NAMES):
        browser = first_match(r"(Chrom\w+ [\d.]+)", name, "--version", "--no-sandbox")
        found = re.search(r"\| (\d[\d.]+) \|", (vendor / "README.md").read_text())
        assert found is not None
        return f"{found.group(1)} in {browser}"
    return ""


PAGES = (
    Player(
        "hls.js",
        "hls",
        frozenset({"h264", "aac", "mp3"}),
        lambda: version_in_browser(HLS_JS),
        watch_hls,
    ),
    Player(
        "mpegts.js",
        "http-flv",
        frozenset({"h264", "av1", "aac", "mp3", "opus"}),
        lambda: version_in_browser(VENDOR),
        watch_flv,
    ),
)
