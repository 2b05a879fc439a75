from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.process import Process, cpu_seconds, eventually, family
from tests.support.waiting import PATIENCE_S

STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("child", child.pid, flush=True)
child.wait()
"""


def python(code: str) -> Process:
    return Process([sys.executable, "-u", "-c", code])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_lines_are_found_past_and_future() -> None:
    with python("print('one'); input_ = 1; print('port 80')") as process:
        assert process.wait_line(r"port (\d+)").group(1) == "80"
        assert process.wait_line("one").string == "one"
        assert process.wait() == 0


def test_a_line_that_never_comes_is_said_with_the_output() -> None:
    with python("print('something else')") as process, pytest.raises(AssertionError) as caught:
        process.wait_line("wanted", 5)
    assert "something else" in str(caught.value)


def test_a_program_that_ignores_the_signal_is_killed_with_its_children() -> None:
    with python(STUBBORN) as process:
        child = int(process.wait_line(r"child (\d+)").group(1))
        assert child in family(process.pid)
        started = time.monotonic()
        assert process.stop(timeout_s=0.2) == -signal.SIGKILL
    assert time.monotonic() - started < PATIENCE_S
    eventually(lambda: not alive(child))


@pytest.mark.needs("setpriv")
def test_a_killed_run_takes_its_programs_along() -> None:
    code = (
        "import sys, signal; from tests.support.process import Process; "
        "code = 'import signal; print(1, flush=True); signal.pause()'; "
        "child = Process([sys.executable, '-c', code]); child.wait_line('1'); "
        "print('child', child.pid); signal.pause()"
    )
    with python(code) as run:
        child = int(run.wait_line(r"child (\d+)").group(1))
        assert alive(child)
        os.kill(run.pid, signal.SIGKILL)
        eventually(lambda: not alive(child))


def test_cpu_time_is_measured() -> None:
    code = "x = sum(range(3_000_000)); print('done', flush=True); input()"
    with python(code.replace("input()", "import signal; signal.pause()")) as process:
        process.wait_line("done")
        assert cpu_seconds(process.pid) > 0.01


def test_a_condition_that_never_holds_is_said() -> None:
    with pytest.raises(AssertionError, match="the moon"):
        eventually(lambda: False, 0.1, "the moon")
