from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from streamctl.avworker.client import AvWorkerClient
from streamctl.avworker.report import AudioReport, Finding, ProbeReport, TrackReport, VideoReport
from streamctl.cli.app import run
from tests.support.commands import unread
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.avworker.report import Severity


def report(*severities: Severity) -> ProbeReport:
    return ProbeReport(
        target="x.mp4",
        format="mp4",
        duration_s=30,
        tracks=[
            TrackReport(
                id=0, media="video", codec="h264", carried=True, video=VideoReport(width=2)
            ),
            TrackReport(id=1, media="audio", codec="aac", carried=True, audio=AudioReport()),
            TrackReport(id=2, media="data", codec="tmcd", carried=False),
        ],
        av_start_offset_ms=-21,
        notes=["left out: tmcd"],
        findings=[
            Finding(severity=one, code="x", message=f"an {one}", hint="h") for one in severities
        ],
    )


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[ProbeReport]:
    """What the next probe finds."""
    reports: list[ProbeReport] = []

    async def probe(self: AvWorkerClient, target: str, **options: object) -> ProbeReport:
        return reports[0]

    monkeypatch.setattr(AvWorkerClient, "probe", probe)
    return reports


@pytest.mark.parametrize(
    ("severities", "code"),
    [((), 0), (("info",), 0), (("warning", "info"), 0), (("info", "error"), 1)],
)
def test_an_error_among_the_findings_is_the_exit_code(
    severities: tuple[Severity, ...],
    code: int,
    found: list[ProbeReport],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found.append(report(*severities))
    assert run(["probe", "file:x.mp4"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    for severity in severities:
        assert f"{severity}: an {severity}\n  hint: h\n" in out
    assert ("nothing to complain about" in out) is (not severities)
    assert "A/V start offset -21 ms" in out
    assert "note: left out: tmcd" in out


def test_prints_the_report_as_a_document(
    found: list[ProbeReport], capsys: pytest.CaptureFixture[str]
) -> None:
    found.append(report("error"))
    assert run(["probe", "file:x.mp4", "--json"]) == 1
    assert ProbeReport.model_validate(json.loads(capsys.readouterr().out)) == found[0]


def test_reads_a_file(media: MediaCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", str(media(Recipe(seconds=2, gop=50)).path)]) == 0
    out = capsys.readouterr().out
    assert "320x180" in out
    assert "25.00" in out
    assert "48000 Hz, 2 ch" in out


def test_an_empty_argument_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", ""]) == 2
    assert capsys.readouterr().err.startswith("error: the source is an empty argument: `''`\n")


def test_a_pipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run(["probe", str(pipe)]) == 5
    assert capsys.readouterr().err == f"error: can't read `{pipe}`: not a regular file\n"


def test_a_reader_that_has_seen_enough_ends_it_without_a_word(media: MediaCache) -> None:
    source = str(media(Recipe(seconds=2)).path)
    assert unread("probe", source) == (1, "")
