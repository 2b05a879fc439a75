from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import anyio
import pytest

from streamctl.engine.program import (
    LEASH,
    PAUSE_S,
    VALUE_BYTES,
    Ended,
    environment,
    last_line,
    run,
)
from streamctl.schema import Event
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.anyio

EVENT = Event(
    id=7,
    type="session.opened",
    stream="region/a",
    time="2025-06-01T12:00:00.000Z",
    payload={"peer": "192.0.2.7:1", "user_agent": "$(reboot); `x`\0", "tracks": ["h264"], "n": 3},
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leash ends at once, unless the machine stands still."""
    monkeypatch.setattr("streamctl.engine.program.REAP_S", PATIENCE_S)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def gone(pid: int) -> None:
    with anyio.fail_after(PATIENCE_S):
        while alive(pid):
            await anyio.sleep(0.01)


async def appeared(path: Path) -> str:
    """The text of a file, once there is some."""
    with anyio.fail_after(PATIENCE_S):
        while not (path.exists() and path.read_text().endswith("\n")):
            await anyio.sleep(0.01)
    return path.read_text().strip()


def test_the_event_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "x")
    monkeypatch.setenv("STREAMCTL_TOKEN", "x")
    found = environment(EVENT, {"TARGET": "disk2"})
    assert {key: text for key, text in found.items() if key.startswith("STREAMCTL_")} == {
        "STREAMCTL_EVENT": "session.opened",
        "STREAMCTL_EVENT_ID": "7",
        "STREAMCTL_STREAM": "region/a",
        "STREAMCTL_TIME": "2025-06-01T12:00:00.000Z",
        "STREAMCTL_PEER": "192.0.2.7:1",
        "STREAMCTL_USER_AGENT": "$(reboot); `x`",
        "STREAMCTL_TRACKS": '["h264"]',
        "STREAMCTL_N": "3",
    }
    assert found["TARGET"] == "disk2"
    assert found["PATH"] == os.environ["PATH"]
    assert "SOME_SECRET" not in found


def test_what_is_too_long_for_a_variable_is_left_out() -> None:
    long = EVENT.model_copy(update={"payload": {"steps": "x" * (VALUE_BYTES + 1)}})
    assert "STREAMCTL_STEPS" not in environment(long, {})


@pytest.mark.parametrize(
    ("said", "line"),
    [(b"", ""), (b"\n \n", ""), (b"one\ntwo\n\n", "two"), (b"\x1b[1mbold\xff", "[1mbold\ufffd")],
)
def test_the_last_line_is_shown_as_far_as_it_can(said: bytes, line: str) -> None:
    assert last_line(said) == line


async def test_a_program_gets_the_event_and_tells_how_it_went() -> None:
    code = "import sys, os; print(sys.stdin.read() + os.environ['STREAMCTL_STREAM']); sys.exit(3)"
    ended = await run([sys.executable, "-c", code], EVENT, {})
    assert ended == Ended(3, "region/a")
    assert str(ended) == "exit code 3: region/a"
    reader = "import sys; print(sys.stdin.readline())"
    ended = await run([sys.executable, "-c", reader], EVENT, {})
    assert json.loads(ended.words) == EVENT.model_dump()


async def test_words_of_a_command_are_words() -> None:
    ended = await run(["printf", "%s|", "a b", "$HOME", "*"], EVENT, {})
    assert ended.words == "a b|$HOME|*|"


async def test_a_program_that_is_not_there_is_told() -> None:
    ended = await run(["/no/such"], EVENT, {})
    assert ended == Ended(127, "can't run `/no/such`: no such file or directory")


async def test_much_output_is_cut() -> None:
    ended = await run(["sh", "-c", "yes | head -c 3000000; echo; echo end"], EVENT, {})
    assert ended == Ended(0, "end")


async def test_who_says_much_is_slowed_down_and_not_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    told = caplog.records
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, ["yes", "again"], EVENT, {})
        await until(lambda: len(told) > 20)
        tasks.cancel_scope.cancel()
    took_s = told[-1].created - told[0].created
    assert took_s > 0.9 * PAUSE_S * (len(told) - 1)
    assert set(caplog.messages) == {"yes says: again"}


async def test_a_large_event_for_a_program_that_reads_nothing() -> None:
    large = Event(id=8, type="config.changed", time="", payload={"steps": "x" * 1_000_000})
    assert await run(["true"], large, {}) == Ended(0, "")


FAMILY = "sleep 300 & echo $$ $! > {path}; wait"
STUBBORN = "trap '' TERM INT HUP; " + FAMILY.replace("sleep", "nohup sleep")


@pytest.mark.parametrize("script", [FAMILY, STUBBORN])
async def test_who_is_cancelled_ends_the_program_and_its_children(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamctl.engine.program.GRACE_S", 0.3)
    path = tmp_path / "pids"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, ["sh", "-c", script.format(path=path)], EVENT, {})
        pids = [int(pid) for pid in (await appeared(path)).split()]
        assert [alive(pid) for pid in pids] == [True, True]
        tasks.cancel_scope.cancel()
    for pid in pids:
        await gone(pid)


async def test_what_a_program_leaves_behind_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with anyio.fail_after(PATIENCE_S):
        await run(["sh", "-c", f"sleep 300 & echo $! > {path}"], EVENT, {})
    await gone(int(path.read_text()))


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_session_of_its_own_is_no_escape(tmp_path: Path, cancelled: bool) -> None:
    path = tmp_path / "pids"
    away = f"setsid sh -c 'nohup sleep 300 & echo $$ $! > {path}; wait' & "
    until = f"while ! test -s {path}; do sleep 0.01; done"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, ["sh", "-c", away + ("wait" if cancelled else until)], EVENT, {})
        pids = [int(pid) for pid in (await appeared(path)).split()]
        if cancelled:
            tasks.cancel_scope.cancel()
    assert [alive(pid) for pid in pids] == [False, False]


async def test_orphans_that_end_are_no_zombies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = tmp_path / "leash.py"
    quick.write_text(LEASH.read_text().replace("LOOK_MS = 5000", "LOOK_MS = 10"))
    monkeypatch.setattr("streamctl.engine.program.LEASH", quick)
    path = tmp_path / "pid"
    script = f"(sh -c 'echo $$ > {path}' &); sleep 300"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, ["sh", "-c", script], EVENT, {})
        orphan = Path(f"/proc/{await appeared(path)}")
        with anyio.fail_after(PATIENCE_S):
            while orphan.exists():
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()


SERVER = """
import anyio
from streamctl.engine.program import run
from streamctl.schema import Event
anyio.run(run, ["sh", "-c", {script!r}], Event(id=1, type="x", time=""), {{}})
"""


async def test_no_orphans_are_left_by_a_server_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "pids"
    code = SERVER.format(script=FAMILY.format(path=path))
    async with await anyio.open_process([sys.executable, "-c", code]) as server:
        pids = [int(pid) for pid in (await appeared(path)).split()]
        server.kill()
        for pid in pids:
            await gone(pid)
