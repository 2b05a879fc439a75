"""Child processes of tests: in a group of their own, their output kept, their end certain."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

POLL_S = 0.05
LEASH = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""Ends a program when the test run itself is killed and leaves no context (util-linux)."""


class Process:
    """A running program; leaving its context ends it and everything that it started."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.argv = list(argv)
        self.lines: list[str] = []
        self.printed = threading.Condition()
        self.began = time.time()
        self.child = subprocess.Popen(
            [*LEASH, *self.argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def read(self) -> None:
        """Collect output until the program and its children have closed it."""
        assert self.child.stdout is not None
        with self.child.stdout as output:
            for line in output:
                with self.printed:
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
                    self.printed.notify_all()
        with self.printed:
            self.printed.notify_all()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.child.pid

    @property
    def output(self) -> str:
        """Everything printed so far, both streams in order."""
        with self.printed:
            return "\n".join(self.lines)

    def running(self) -> bool:
        """Whether the program has not ended."""
        return self.child.poll() is None

    def wait_line(self, pattern: str, timeout_s: float = 30.0) -> re.Match[str]:
        """The first line, past or future, that the pattern is found in."""
        compiled = re.compile(pattern)
        patience, seen = Patience(timeout_s), 0
        while True:
            # Looked at first: what is printed with the last breath is still read.
            reading = self.reader.is_alive()
            with self.printed:
                fresh = self.lines[seen:]
                seen = len(self.lines)
                if not fresh and reading:
                    self.printed.wait(POLL_S * 4)
            for line in fresh:
                found = compiled.search(line)
                if found is not None:
                    return found
            if not fresh and (patience.over() or not reading):
                raise AssertionError(f"`{pattern}` never came from {self.describe()}")

    def wait(self, timeout_s: float = 30.0) -> int:
        """The exit code, once the program has ended by itself."""
        if not self.ends(timeout_s):
            self.kill()
            raise AssertionError(f"still running after {timeout_s} s: {self.describe()}")
        self.reader.join(1)
        return self.child.returncode

    def ends(self, timeout_s: float) -> bool:
        """Whether the program ends by itself in time."""
        patience = Patience(timeout_s)
        while True:
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(POLL_S * 4)
                return True
            if patience.over():
                return False

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 12.0) -> int:
        """Ask the program to end; kill it, and what is left of its group, when it does not."""
        if self.running():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
        self.ends(timeout_s)
        self.kill()
        return self.child.returncode

    def kill(self) -> None:
        """End the whole group at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.child.wait(15)
        self.reader.join(1)

    def describe(self) -> str:
        """The command and the end of its output, for messages."""
        state = "running" if self.running() else f"exit {self.child.returncode}"
        return f"{' '.join(self.argv)} ({state}):\n" + "\n".join(self.output.splitlines()[-25:])


def cpu_seconds(pid: int) -> float:
    """CPU time that a process, its threads and its living descendants have used so far.

    From the scheduler's own nanosecond count; a process that has ended meanwhile counts 0.
    """
    total = 0
    for member in family(pid):
        with suppress(OSError):
            for task in Path(f"/proc/{member}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for member in found:
        with suppress(OSError):
            for task in Path(f"/proc/{member}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def eventually(condition: Callable[[], object], timeout_s: float = 20.0, what: str = "") -> None:
    """Return as soon as the condition holds; an exception in it counts as not yet."""
    patience = Patience(timeout_s)
    waiter = threading.Event()
    last: object = None
    while True:
        try:
            last = condition()
        except (OSError, AssertionError, LookupError) as error:
            last = error
        else:
            if last:
                return
        if patience.over():
            raise AssertionError(f"not within {timeout_s} s: {what or condition}; last: {last!r}")
        waiter.wait(POLL_S)
