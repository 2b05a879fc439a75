"""Results as a table on the terminal and as a document."""

from __future__ import annotations

import string
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.table import Table

from tests.interop.matrix import CARRIED, PLAYERS, PUBLISHERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.interop.matrix import Medium
    from tests.interop.run import Cell
    from tests.support.players import Player

TEMPLATE = Path(__file__).with_name("interop.md")
OUTPUTS = {
    "rtmp": "RTMP",
    "http-flv": "HTTP-FLV",
    "hls": "HLS",
    "http-ts": "MPEG-TS over HTTP",
    "srt": "SRT",
    "udp": "MPEG-TS over UDP",
    "rtsp": "RTSP over TCP",
    "rtsp udp": "RTSP over UDP",
}
COLOURS = {"ok": "green", "refused": "cyan", "failed": "bold red", "not run": "yellow"}
LETTERS = string.ascii_letters
Item = TypeVar("Item")


class Report:
    """The cells of a run, arranged."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self.media = unique(cell.publication.medium for cell in cells)
        publishers = {cell.publication.publisher for cell in cells}
        self.publishers = sorted(publishers, key=PUBLISHERS.index)
        self.players = sorted({cell.player for cell in cells}, key=PLAYERS.index)
        self.letters = dict(zip((one.name for one in self.publishers), LETTERS, strict=False))
        self.found: dict[tuple[str, Player], list[Cell]] = defaultdict(list)
        for cell in cells:
            self.found[cell.publication.medium.name, cell.player].append(cell)

    @property
    def failed(self) -> list[Cell]:
        """What should not have happened."""
        return [cell for cell in self.cells if cell.state == "failed"]

    @property
    def not_run(self) -> list[Cell]:
        """What could not be tried here."""
        return [cell for cell in self.cells if cell.state == "not run"]

    def mark(self, medium: Medium, player: Player) -> str:
        """What happened to a medium at a player, with the publishers that it came from."""
        cells = self.found.get((medium.name, player), [])
        marks = []
        for state in ("ok", "refused", "failed", "not run"):
            letters = [
                self.letters[c.publication.publisher.name] for c in cells if c.state == state
            ]
            if letters:
                marks.append(f"{state} {''.join(sorted(letters))}")
        return ", ".join(marks) or "-"

    def tables(self) -> Iterator[Table]:
        """The grids for a terminal, one for each output."""
        for output in CARRIED:
            players = [player for player in self.players if player.output == output]
            table = Table("medium", title=OUTPUTS[output], title_justify="left")
            for player in players:
                table.add_column(player.name)
            for medium in self.media:
                marks = [self.mark(medium, player) for player in players]
                table.add_row(medium.name, *(coloured(mark) for mark in marks))
            if players:
                yield table

    def legend(self) -> str:
        """The publishers by letter."""
        return ", ".join(f"{letter} {name}" for name, letter in self.letters.items())

    def document(self) -> str:
        """The document, in Markdown."""
        count = sum(cell.state in ("ok", "refused") for cell in self.cells)
        return (
            TEMPLATE.read_text()
            .replace("{clients}", self.clients())
            .replace("{count}", f"{count} of {len(self.cells)}")
            .replace("{grids}", "\n\n".join(self.grid(output) for output in CARRIED))
            .replace("{refusals}", self.refusals())
            .replace("{rest}", self.rest())
        )

    def clients(self) -> str:
        """Who took part, with versions."""
        rows = ["| client | version | part |", "|---|---|---|"]
        for publisher in self.publishers:
            part = f"publishes ({self.letters[publisher.name]})"
            rows.append(f"| {publisher.name} | {publisher.version() or 'missing'} | {part} |")
        for name in unique(player.name for player in self.players):
            players = [player for player in self.players if player.name == name]
            part = "plays " + ", ".join(OUTPUTS[player.output] for player in players)
            rows.append(f"| {name} | {players[0].version() or 'missing'} | {part} |")
        return "\n".join(rows)

    def grid(self, output: str) -> str:
        """The media at the players of one output."""
        players = [player for player in self.players if player.output == output]
        rows = [
            f"### {OUTPUTS[output]}\n",
            f"| medium | {' | '.join(player.name for player in players)} |",
            "|---" * (len(players) + 1) + "|",
        ]
        for medium in self.media:
            marks = (self.mark(medium, player) for player in players)
            rows.append(f"| {medium.name} | {' | '.join(marks)} |")
        return "\n".join(rows)

    def refusals(self) -> str:
        """Each reason once."""
        reasons = {
            (cell.publication.medium.name, cell.player.output): cell.text
            for cell in self.cells
            if cell.state == "refused"
        }
        return "\n".join(
            f"- {medium} over {OUTPUTS[output]}: `{text}`"
            for (medium, output), text in sorted(reasons.items())
        )

    def rest(self) -> str:
        """What failed and what was not tried."""
        lines = [
            f"- {cell.publication.publisher.name}, {cell.publication.medium.name}, "
            f"{OUTPUTS[cell.player.output]} in {cell.player.name}: {cell.state}: {cell.text}"
            for cell in (*self.failed, *self.not_run)
        ]
        return "\n".join(lines) or "Nothing."


def unique(items: Iterable[Item]) -> list[Item]:
    """Each item once, in order of appearance."""
    return list(dict.fromkeys(items))


def coloured(mark: str) -> str:
    """A mark for the terminal."""
    for state, colour in reversed(COLOURS.items()):
        if state in mark:
            return f"[{colour}]{mark}[/]"
    return mark
