from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamctl.cli import status
from streamctl.cli.app import run
from streamctl.errors import ConnectionFailed
from streamctl.schema import Check, ElementaryStatus, InputStatus, SwitchStatus, TransportStatus
from tests.support.control import push, session, stream

if TYPE_CHECKING:
    import pytest

    from tests.support.control import FakeControl


def test_lists_streams(control: FakeControl, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 0
    head, _, news, region, sport = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["STREAM", "STATE", "INPUT"]
    assert " ".join(news.split()) == (
        "news active rtmp 192.0.2.1:40000 h264 1280x720 2628 25.0 2 1:02:05"
    )
    assert region.split()[0] == "region/a"
    assert region.split()[-1] == "no_publisher"
    assert sport.split()[:2] == ["sport", "stopped"]


def test_shows_one_stream(control: FakeControl, capsys: pytest.CaptureFixture[str]) -> None:
    control.all_streams["region/a"] = stream(
        "region/a", "degraded", sessions=[session("s1", skips=3, lag_s=1.5)]
    )
    assert run(["status", "region/a"]) == 0
    out = capsys.readouterr().out
    assert "no_publisher: nobody publishes (since " in out
    assert "avc1.64001f" in out
    assert "48000 Hz, 2 ch" in out
    assert "rtmp://127.0.0.1/live/region/a" in out
    line = next(line for line in out.splitlines() if line.startswith("s1"))
    assert " ".join(line.split()) == "s1 rtmp play 192.0.2.7:51234 0:12 7.0 MB 1.5 s 3"


def test_marks_streams_that_are_in_no_file(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    control.all_streams["cam/a"] = stream("cam/a", runtime=True, template="cam")
    assert run(["status", "cam/a"]) == 0
    out = capsys.readouterr().out
    assert "active runtime" in out
    assert "made of template cam, and in no file" in out


def test_shows_several_inputs_and_the_last_switches(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    main = InputStatus(
        priority=0, url="publish:", kind="publish", status="degraded", complaint="5 % lost"
    )
    spare = InputStatus(
        priority=1, url="rtsp://cam", kind="rtsp", status="active", on_air=True, fps=25.0
    )
    slate = InputStatus(
        priority=2, url="file:s.mp4", kind="file", role="slate", status="standby", loss_pct=0.5
    )
    switches = [
        SwitchStatus(at=f"T{number}", before=number - 1, after=number, reason="error", detail="x")
        for number in range(7)
    ]
    control.all_streams["big"] = stream("big", inputs=[main, spare, slate], switches=switches)
    assert run(["status", "big"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "0 degraded publish: 5 % lost" in lines
    assert "1 on air active rtsp://cam 25.0" in lines
    assert "2 standby file:s.mp4 (slate) 0.5" in lines
    assert "T0 - → 0 error x" in lines
    assert not any(line.startswith("T5") for line in lines)


def test_names_what_is_wrong_with_an_input_of_mpegts(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    found = TransportStatus(
        clock_gaps=3,
        faults={"a picture without a time": 2},
        streams=[
            ElementaryStatus(pid=256, kind="H.264"),
            ElementaryStatus(pid=257, kind="AAC", packets=10, scrambled_packets=9),
            ElementaryStatus(pid=258, kind="DSM-CC", left_out="passes in MPEG-TS alone"),
        ],
    )
    shown = InputStatus(priority=0, url="udp://", kind="udp", status="active", transport=found)
    control.all_streams["air"] = stream("air", inputs=[shown])
    assert run(["status", "air"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("input: ")]
    assert said == [
        "input: PCR gaps: 3",
        "input: a picture without a time: 2",
        "input: AAC (PID 257): 9 of 10 packets scrambled",
        "input: DSM-CC (PID 258): passes in MPEG-TS alone",
    ]


def test_prints_the_documents_of_the_api(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in listing["streams"]] == ["news", "region/a", "sport"]
    assert listing["count"] == 3
    assert run(["status", "region/a", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "region/a"


def test_prints_codes_for_completion(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--codes"]) == 0
    assert capsys.readouterr().out == "news\nregion/a\nsport\n"


def test_says_that_there_are_none(control: FakeControl, capsys: pytest.CaptureFixture[str]) -> None:
    control.all_streams.clear()
    assert run(["status"]) == 0
    assert capsys.readouterr().out == "no streams\n"


def test_an_unknown_stream_is_an_error(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "nwes"]) == 1
    assert capsys.readouterr().err.startswith("error: no stream has this code: `nwes`\nhint: ")


def test_watching_prints_a_document_a_line_until_the_server_goes(
    control: FakeControl, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "WATCH_S", 0.01)
    looks = 0

    async def look(client: object, code: str) -> object:
        nonlocal looks
        looks += 1
        if looks > 2:
            raise ConnectionFailed("gone")
        return stream(code)

    monkeypatch.setattr(status, "look", look)
    assert run(["status", "news", "--watch", "--json"]) == 3
    out, err = capsys.readouterr()
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["news", "news"]
    assert err == "error: gone\n"


def test_watching_waits_for_a_server_that_is_away(
    control: FakeControl, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "WATCH_S", 0.01)
    answers = iter([stream("one"), ConnectionFailed("away"), stream("two"), KeyboardInterrupt()])

    async def look(client: object, code: str) -> object:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(status, "look", look)
    assert run(["status", "x", "--watch"]) == 130
    out = capsys.readouterr().out
    assert "two" in out


def test_shows_the_destinations_of_a_stream(
    control: FakeControl, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    pushes = [
        push("fb", "reconnecting", attempt=3, last_error="connection refused", bitrate_kbps=0.0),
        push("yt", connected_since="2025-06-01T12:00:00.000Z", lag_s=0.04, last_error="old"),
        push("zz", left_out="MP2"),
    ]
    control.all_streams["news"] = stream("news", pushes=pushes)
    assert run(["status", "news"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "fb reconnecting rtmps://fb.example/live2/*** 3 7.0 MB connection refused" in lines, (
        lines
    )
    assert "yt active rtmps://yt.example/live2/*** 7.0 MB 2500 0.0 s" in lines, lines
    assert "zz active rtmps://zz.example/live2/*** 7.0 MB 2500 can't carry MP2: left out" in lines


def test_a_reload_that_failed_stands_above_the_streams(
    control: FakeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        Check(name="configuration", status="degraded", message="reload failed since 12:00: x"),
        Check(name="stream news", status="degraded", message="no packets"),
    ]
    control.report = control.report.model_copy(update={"status": "degraded", "checks": checks})
    assert run(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["configuration: reload failed since 12:00: x", ""]
    assert "no packets" not in "".join(lines[:2])
