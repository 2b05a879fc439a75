from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE_S

SETTLED = (
    "import os, resource as r; from streamctl.avworker.confine import confine;"
    "confine(os.getppid());"
    "print([r.getrlimit(n)[1] for n in (r.RLIMIT_CORE, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE)])"
)
LOWER = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (32, 32));" + SETTLED
PARENT = (
    "import os, subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import os, sys, time;"
    "from streamctl.avworker.confine import confine; confine(os.getppid());"
    "print(os.getpid(), flush=True); time.sleep(60)']);"
    "time.sleep(60)"
)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False
    )


def test_limits_are_lowered() -> None:
    assert run(SETTLED).stdout.strip() == "[0, 1048576, 64]"


def test_limits_are_never_raised() -> None:
    assert run(LOWER).stdout.strip() == "[0, 1048576, 32]"


def test_a_process_of_another_parent_ends_at_once() -> None:
    code = "from streamctl.avworker.confine import confine; confine(1); print('still here')"
    done = run(code)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_process_dies_with_its_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
    finally:
        parent.kill()
        parent.communicate()
    deadline = time.monotonic() + PATIENCE_S
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("arguments", [[], ["1"], ["x", "y"]])
def test_wrong_arguments_end_the_process(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streamctl.avworker", *arguments],
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 1
