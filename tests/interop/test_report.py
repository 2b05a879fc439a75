"""The report says what happened, and nothing of the machine or the day."""

from __future__ import annotations

import re

from tests.interop.matrix import KINDS, MEDIA, PLAYERS, PUBLISHERS, deal
from tests.interop.report import OUTPUTS, Report
from tests.interop.run import Cell


def run(state: str = "ok", text: str = "150 frames") -> list[Cell]:
    dealt = deal(MEDIA, KINDS, PLAYERS)
    return [Cell(one, player, state, text) for one in dealt for player in one.players]


def test_the_document_names_everybody_and_everything() -> None:
    text = Report(run()).document()
    names = [one.name for one in PUBLISHERS] + [one.name for one in PLAYERS]
    names += [one.name for one in MEDIA] + list(OUTPUTS.values())
    assert [name for name in names if name not in text] == []
    assert not re.search(r"\{\w+\}", text)
    assert not re.search(r"/tmp|127\.0\.0\.1|\d{4}-\d\d-\d\d", text)


def test_a_failure_is_told_with_its_cell() -> None:
    cells = run()
    broken = Cell(cells[0].publication, cells[0].player, "failed", "3 frames are missing")
    report = Report([broken, *cells[1:]])
    assert report.failed == [broken]
    assert "failed: 3 frames are missing" in report.document()
    assert report.mark(broken.publication.medium, broken.player).startswith("failed")


def test_reasons_of_refusals_stand_once() -> None:
    text = Report(run("refused", "406: MPEG-TS can't carry it")).document()
    line = "- AV1, Opus over HLS: `406: MPEG-TS can't carry it`"
    assert text.count(line) == 1


def test_every_output_has_a_table() -> None:
    assert [table.title for table in Report(run()).tables()] == list(OUTPUTS.values())
