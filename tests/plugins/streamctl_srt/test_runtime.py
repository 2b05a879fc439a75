from __future__ import annotations

import logging
import subprocess
import sys

import anyio
import pytest

from streamctl.errors import MissingLibrary
from streamctl_srt.runtime import LINES_PER_S, LogLines, Runtime
from tests.plugins.streamctl_srt.world import World, need_libsrt


@pytest.mark.anyio
async def test_it_runs_while_somebody_uses_it() -> None:
    need_libsrt()
    runtime = Runtime()
    async with runtime.running() as first:
        async with runtime.running() as second:
            assert second is first
        assert first.library.srt_create_socket() > 0
    async with runtime.running() as third:
        assert third is not first


@pytest.mark.anyio
async def test_two_of_them_share_the_library() -> None:
    need_libsrt()
    one, other = Runtime(), Runtime()
    async with one.running(), other.running() as engine:
        pass
    async with one.running() as engine:
        assert engine.library.srt_create_socket() > 0


@pytest.mark.anyio
async def test_without_a_library_it_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMCTL_LIBSRT", "libnothing.so")
    runtime = Runtime()
    for _ in range(2):
        with pytest.raises(MissingLibrary):
            async with runtime.running():
                pass


def test_lines_beyond_what_anybody_reads_are_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    lines = LogLines()
    with caplog.at_level(logging.DEBUG, "streamctl.srt"):
        for number in range(LINES_PER_S + 30):
            lines.take(None, 4, b"file", 1, b"area", b"line %d\n" % number)
        now[0] = 11.0
        lines.take(None, 4, b"file", 1, b"area", b"later \xff")
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "libsrt: area: line 0"
    assert said[-2:] == ["libsrt: 30 more lines", "libsrt: area: later \ufffd"]
    assert len(said) == LINES_PER_S + 2


LEAVE = """
import asyncio
from streamctl_srt.runtime import Runtime
async def main():
    async with Runtime().running() as engine:
        {end}
asyncio.run(main())
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", ["pass", "raise SystemExit(0)", "import sys; sys.exit(0)"])
def test_a_process_ends_cleanly_whatever_it_is_doing(end: str) -> None:
    need_libsrt()
    code = LEAVE.format(end=end)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.anyio
async def test_children_inherit_nothing_of_it() -> None:
    need_libsrt()
    world = World()
    count = "import os; print(len(os.listdir('/proc/self/fd')))"
    async with world.serving(), world.caller("read:news"):
        done = await anyio.run_process([sys.executable, "-c", count])
    # Three that every process has, and the folder that is being listed.
    assert int(done.stdout) <= 4
