"""``make failover``: rehearses every scenario, prints what was measured, and judges it.

The tables are Markdown. The exit code tells whether every bound of :mod:`tests.support.review` was
kept; some of the scenarios, without the numbers, are tests as well: ``tests/e2e/test_failover*``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.failover import browser, encoders, faults, lines, pulls, tracks, transport
from tests.support.media import MediaCache
from tests.support.review import broken, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.review import Review

SCENARIOS: dict[str, Callable[[Path, MediaCache], Review]] = {
    "two encoders and a slate": encoders.rehearse,
    "SRT encoder, RTMP and RTSP pulls, slate": pulls.rehearse,
    "MPEG-TS at a constant rate": transport.rehearse,
    "garbage, pictures that stop": faults.rehearse,
    "stuffing, silence and noise": lines.rehearse,
    "other sizes and sounds": tracks.sizes,
    "fewer and more tracks": tracks.tracks,
    "other codecs, sound alone": tracks.codecs,
    "the player page in a browser": browser.rehearse,
}


def main(wanted: list[str]) -> int:
    """Run the scenarios whose names contain one of the words, or all; the exit code."""
    say = sys.stdout.write
    chosen = [title for title in SCENARIOS if any(word in title for word in wanted or [""])]
    if not chosen:
        say("".join(f"{title}\n" for title in ("There are:", *SCENARIOS)))
        return 2
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="failover-") as name:
        folder = Path(name)
        media = MediaCache(folder)
        for number, title in enumerate(chosen):
            own = folder / str(number)
            own.mkdir()
            began = time.monotonic()
            say(f"## {title}\n\n")
            try:
                review = SCENARIOS[title](own, media)
            except (AssertionError, LookupError) as error:
                found = [f"it went wrong: {error}"]
            else:
                found = broken(review)
                for line in report(review):
                    say(f"{line}\n")
            failed += [f"{title}: {fault}" for fault in found]
            say("".join(f"BROKEN: {fault}\n" for fault in found))
            say(f"\n{time.monotonic() - began:.0f} s\n\n")
            sys.stdout.flush()
    say(f"{len(failed)} bounds are broken\n" if failed else "Every bound was kept.\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
