from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamctl.cli import push
from streamctl.cli.app import run
from streamctl.errors import ConnectionFailed
from tests.streamctl.cli.status_of_job import job_status
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    import pytest


def test_a_document_has_what_a_supervisor_needs() -> None:
    document = push.document(job_status("reconnecting", "refused"))
    assert document["position_s"] == 5.0
    assert document["destinations"] == [
        {
            "url": "rtmp://x/live/***",
            "state": "reconnecting",
            "attempt": 1,
            "bytes_sent": 1_500_000,
            "error": "refused",
        }
    ]


def test_says_changes_once(capsys: pytest.CaptureFixture[str]) -> None:
    changes = push.Changes(quiet=False)
    for state, error in (("active", ""), ("active", ""), ("reconnecting", "gone"), ("active", "")):
        changes(job_status(state, error))
    assert capsys.readouterr().err.splitlines() == [
        "note: rtmp://x/live/***: active",
        "note: rtmp://x/live/***: reconnecting: gone",
        "note: rtmp://x/live/***: active",
    ]


def test_destinations_that_look_the_same_are_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes = push.Changes(quiet=False)
    status = job_status("active")
    status.destinations += job_status("failed", "no").destinations
    changes(status)
    changes(status)
    assert capsys.readouterr().err.splitlines() == [
        "note: rtmp://x/live/***: active",
        "note: rtmp://x/live/***: failed: no",
    ]


def test_a_part_of_the_destinations_is_no_failure_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    last = push.Last(lambda status: None)
    refused = ConnectionFailed("refused")
    last(job_status("failed", "refused"))
    assert not last.partly(refused)
    status = job_status("done")
    status.destinations += job_status("failed", "refused").destinations
    last(status)
    assert last.partly(ExceptionGroup("x", [refused]))
    assert not last.partly(ConnectionFailed("the source is gone"))
    last.lament()
    assert capsys.readouterr().err.splitlines() == [
        "error: refused",
        "note: 1 of 2 destinations failed",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    push.Changes(quiet=True)(job_status())
    assert capsys.readouterr() == ("", "")


def test_gives_up_with_the_code_of_the_failure(
    media: MediaCache, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(media(Recipe(seconds=1)).path)
    arguments = ["push", source, "rtmp://127.0.0.1:1/live/x", "--retries", "0", "--json"]
    assert run(arguments) == 3
    out, err = capsys.readouterr()
    last = json.loads(out.splitlines()[-1])
    assert [one["state"] for one in last["destinations"]] == ["failed"]
    assert err.splitlines()[-1].startswith("error: ")
    assert "refused" in err


def test_knows_what_can_be_pushed_to(media: MediaCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["push", str(media(Recipe(seconds=1)).path), "hls+http://127.0.0.1:1/x"]) == 2
    assert "hint: kinds that can: rtmp" in capsys.readouterr().err
