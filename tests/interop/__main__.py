"""The matrix of publishers, outputs, players and media: ``python -m tests.interop``.

Prints each cell as it is known and the grid at the end; a complete run writes ``docs/interop.md``.
Ends with 1 if a cell failed, and, where tools are required, if one could not be tried.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.interop.matrix import KINDS, MEDIA, PLAYERS, deal
from tests.interop.real import real_rows
from tests.interop.report import COLOURS, Report
from tests.interop.run import Cell, Matrix
from tests.support.media import MediaCache
from tests.support.tools import real_media, tools_required

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/interop.md"
CACHE = ROOT / "build/interop"
WIDTH = 140
"""Of the tables in a file or a pipe."""


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make interop", description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="everybody publishes and watches everything"
    )
    parser.add_argument("--only", metavar="TEXT", help="cells whose names contain this")
    parser.add_argument("--at-once", type=int, default=3, help="publications at a time (3)")
    parser.add_argument("--no-document", action="store_true", help="leave docs/interop.md alone")
    return parser.parse_args()


def main() -> int:
    """Run, print, write."""
    wanted = arguments()
    console = Console(width=None if os.isatty(1) else WIDTH)
    folder = real_media()
    media = [*MEDIA, *(real_rows(folder) if folder is not None else ())]
    dealt = deal(media, KINDS, PLAYERS, full=wanted.full)
    publications = [one.only(wanted.only) for one in dealt] if wanted.only else dealt
    publications = [one for one in publications if one.players]
    CACHE.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def say(cell: Cell) -> None:
        console.print(
            f"{time.monotonic() - began:4.0f} s  {cell.publication.publisher.name}, "
            f"{cell.publication.medium.name}, {cell.player.output} in {cell.player.name}: "
            f"[{COLOURS[cell.state]}]{cell.state}[/] {cell.text}",
            soft_wrap=True,
            highlight=False,
        )

    with tempfile.TemporaryDirectory(prefix="interop-") as scratch:
        matrix = Matrix(Path(scratch), MediaCache(CACHE), publications)
        report = Report(matrix.run(at_once=wanted.at_once, report=say))
    for table in report.tables():
        console.print(table)
    console.print(f"Published with: {report.legend()}")
    console.print(
        f"{len(report.cells)} cells, {len(report.failed)} failed, {len(report.not_run)} not run"
    )
    if not wanted.only and not wanted.no_document:
        DOCUMENT.write_text(report.document())
    return int(bool(report.failed) or (tools_required() and bool(report.not_run)))


if __name__ == "__main__":
    raise SystemExit(main())
