"""``make failover``: rehearses every scenario and prints what was measured, as Markdown.

What happens in them, and what is demanded of it, stands in ``tests/e2e/test_failover*.py``.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e import (
    test_failover,
    test_failover_codecs,
    test_failover_faults,
    test_failover_pull,
)
from tests.support.media import MediaCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.rehearsal import Review

SCENARIOS: dict[str, Callable[[Path, MediaCache], Review]] = {
    "two encoders and a slate": test_failover.rehearse,
    "SRT encoder, RTMP and RTSP pulls, slate": test_failover_pull.rehearse,
    "garbage, pictures that stop": test_failover_faults.rehearse,
    "other sizes and sounds": test_failover_codecs.sizes_change,
    "other codecs, sound alone": test_failover_codecs.codecs_change,
}
LINE = re.compile(r"^([\d:.]{12}) \S+ +stream: stream news: (input ended|on air)")


def main(wanted: list[str]) -> None:
    """Run the scenarios whose names contain one of the words, or all."""
    say = sys.stdout.write
    with tempfile.TemporaryDirectory(prefix="failover-") as name:
        folder = Path(name)
        media = MediaCache(folder)
        for title, rehearse in SCENARIOS.items():
            if wanted and not any(word in title for word in wanted):
                continue
            own = folder / str(len(list(folder.iterdir())))
            own.mkdir()
            began = time.monotonic()
            review = rehearse(own, media)
            for line in report(review):
                say(f"{line}\n")
            say(f"\n({title}: {time.monotonic() - began:.0f} s)\n\n")
            sys.stdout.flush()


def report(review: Review) -> Iterator[str]:
    """The tables of one rehearsal."""
    yield "| what happened | input | reason | noticed after, s |"
    yield "|---|---|---|---|"
    for act in review.acts:
        yield f"| {act.name} | {act.after} | {act.reason} | {act.noticed_s:.2f} |"
    yield ""
    turns = ", ".join(f"{ms:.0f}" for ms in switch_ms(review.log))
    yield f"From the end of one epoch to the first picture of the next, ms: {turns}"
    if review.seen:
        yield ""
        yield "| viewer | pictures missed, s | worst A/V offset, ms | decode errors | disorder |"
        yield "|---|---|---|---|---|"
    for kind, seen in review.seen.items():
        gaps = ", ".join(f"{gap:.2f}" for gap in review.gaps(kind)) or "none"
        errors = len(seen.decode_errors)
        yield f"| {kind} | {gaps} | {seen.worst_offset_ms:.0f} | {errors} | {seen.dts_disorder} |"
    for kind, reasons in review.farewells.items():
        yield f"\n{kind} was sent away: {'; '.join(reasons) or 'not at all'}"


def switch_ms(log: str) -> list[float]:
    """How long nothing was written at each change of epoch."""
    found, ended = [], None
    for line in log.splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        at = datetime.strptime(match.group(1), "%H:%M:%S.%f")  # noqa: DTZ007
        if match.group(2) == "input ended":
            ended = at
        elif ended is not None:
            found.append((at - ended).total_seconds() * 1000)
            ended = None
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
