"""The player page in a browser, while encoders fail: it shows all of them, one after the other.

A player of HLS stays some segments behind, so it has to be waited for at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tests.support.browser import Browser
from tests.support.media import CELLS, ROW_FRACTION, number_of
from tests.support.process import eventually
from tests.support.rehearsal import KEYS, SETTLE_S, Rehearsal, medium
from tests.support.review import BLOCK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.review import Review

MAIN, SPARE, AGAIN, SLATE = range(1, 5)
TABLE = f"""
inputs = ["publish:", "publish:"]
slate = "file:slate.mp4"
slate_after_s = 0.2
standby = "hot"
{KEYS}
"""
FREEZE_S = 3.0
"""A picture may stand still for so long, in all: as long as nothing came, and while the player
finds its way across the hole."""
SHOWN_S = 2
"""Of the last source, so that it is certain that the page plays on."""
SAMPLER = f"""
(() => {{
  window.shown = [];
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d", {{ willReadFrequently: true }});
  setInterval(() => {{
    const video = document.querySelector("video");
    if (!video || !video.videoWidth) return;
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    pen.drawImage(video, 0, 0);
    const row = Math.floor(canvas.height / {ROW_FRACTION} / 2);
    const cell = Math.floor(canvas.width / {CELLS});
    const line = pen.getImageData(0, row, canvas.width, 1).data;
    let bits = "";
    for (let at = 0; at < {CELLS}; at += 1) {{
      const level = line[(at * cell + Math.floor(cell / 2)) * 4];
      bits += level < 90 ? "0" : level < 160 ? "?" : "1";
    }}
    window.shown.push([performance.now() / 1000, bits]);
  }}, 40);
}})()
"""
plain = partial(medium, bframes=0)


@dataclass
class Screen:
    """What a page shows."""

    browser: Browser

    def shown(self) -> list[tuple[float, int]]:
        """When which picture was on the screen."""
        samples: list[list[Any]] = self.browser.evaluate("window.shown")
        found = [(float(at), number_of(bits)) for at, bits in samples]
        return [(at, number) for at, number in found if number is not None]

    def lasts(self, source: int) -> bool:
        """Whether that source has been on the screen for long enough."""
        times = [at for at, number in self.shown() if number // BLOCK == source]
        return bool(times) and times[-1] - times[0] >= SHOWN_S


def rehearse(folder: Path, media: MediaCache) -> Review:
    """A wish, SIGKILL, SIGSTOP, and a recovery from the slate, as a page shows them."""
    main, spare, again = (media(plain(source)).path for source in (MAIN, SPARE, AGAIN))
    slate = media(plain(SLATE, seconds=8)).path
    (folder / "slate.mp4").write_bytes(slate.read_bytes())
    with Rehearsal(folder, TABLE, kinds=("hls",)) as show, Browser() as browser:
        show.encoder("main", main)
        show.server.wait_input(0)
        show.encoder("spare", spare)
        show.settled(1, "standby")
        show.settled(2, "standby")
        show.opens(MAIN)
        browser.open(show.server.http("/news"))
        browser.evaluate(SAMPLER)
        screen = Screen(browser)
        eventually(lambda: screen.lasts(MAIN), SETTLE_S, "the page shows the first encoder")
        show.act("switched by hand", 1, SPARE, at=show.wish(1))
        show.plays(3)
        show.act("killed", 0, MAIN, at=show.kill("spare"))
        show.plays(3)
        show.act("frozen", 2, SLATE, at=show.freeze("main"), wait_s=0.2)
        show.plays(3)
        process = show.encoder("again", again)
        show.act("back", 0, AGAIN, at=process.began)
        eventually(lambda: screen.lasts(AGAIN), SETTLE_S, "the page shows the last encoder")
        shown, errors = screen.shown(), browser.playing().errors
        review = show.closes()
    weigh(review, shown, errors)
    return review


def weigh(review: Review, shown: list[tuple[float, int]], errors: list[str]) -> None:
    """Note what was on the screen, and what should not have been."""
    sources = [source for source, _ in groupby(number // BLOCK for _, number in shown)]
    changed = [at for at, _ in (next(group) for _, group in groupby(shown, itemgetter(1)))]
    still = max((after - before for before, after in pairwise(changed)), default=0.0)
    review.notes.append(f"browser: showed {sources}, stood still for {still:.2f} s at most")
    review.faults += [f"browser: {error}" for error in errors]
    wanted = [MAIN, *(act.source for act in review.acts)]
    if sources[-len(wanted) :] != wanted:
        review.faults.append(f"browser: pictures of {sources}, not of {wanted}")
    if still > FREEZE_S:
        review.faults.append(f"browser: stood still for {still:.2f} s")
