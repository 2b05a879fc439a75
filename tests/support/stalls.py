"""Runs a test with real programs again if it has failed while the machine stood still.

Encoders, players and servers go by the clock of the wall, and so do the promises that are made to
them: after a pause of a second of everything, what they do is right, but is not what was asked
for. Such a test gets another try, with fixtures of its own; what it has said first is told at the
end. Where the machine goes on, a failure is a failure.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from _pytest.runner import runtestprotocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _pytest.terminal import TerminalReporter

TRIES = 3
SPARE_TRIES = 5
"""Those beyond the first ones of all tests of a module: a fixture that fails fails for all."""
LOOK_S = 0.05
PAUSE_S, STALL_S = 0.1, 1.0
"""Who sleeps for ``LOOK_S`` and comes back so much later was held up, or was not run at all: not
even a busy machine does the second."""
AGAIN = "run again"
"""The property of a report that tells what an earlier try has said."""
BEGAN = pytest.StashKey[float]()
"""When the fixtures of a module began to be made."""
TRIED = pytest.StashKey[int]()
"""How often a test was tried."""
SPENT = pytest.StashKey[int]()
"""How many spare tries a module has had."""


class StallWatch:
    """Notices stalls in a thread of its own, from the first test on that may need it."""

    def __init__(self) -> None:
        self.latest = float("-inf")
        """When a stall has ended last, by the clock that only goes forward."""
        self.total_s = 0.0
        """How long the machine has stood still by now, in all."""
        self.thread: threading.Thread | None = None

    def begin(self) -> None:
        """Watch from now on."""
        if self.thread is None:
            self.thread = threading.Thread(target=self.run, daemon=True, name="stall-watch")
            self.thread.start()

    def run(self) -> None:
        """Look at the clock for as long as the process lives."""
        before = time.monotonic()
        while True:
            time.sleep(LOOK_S)
            now = time.monotonic()
            late_s = now - before - LOOK_S
            if late_s > PAUSE_S:
                self.note(now, late_s)
            before = now

    def note(self, now: float, late_s: float) -> None:
        """A pause has ended, which was a stall if it was long."""
        self.total_s += late_s
        if late_s > STALL_S:
            self.latest = now

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        """Run a test with real programs; None leaves all others to pytest."""
        if item.get_closest_marker("e2e") is None:
            return None
        self.begin()
        module = item.getparent(pytest.Module) or item
        began = module.stash.setdefault(BEGAN, time.monotonic())
        tried = item.stash[TRIED] = item.stash.get(TRIED, 0) + 1
        if tried == 1:
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        failed = next((report for report in reports if report.failed), None)
        if failed is not None:
            # Of all that go on after a stall, the test may have been the first.
            time.sleep(2 * LOOK_S)
        spare = SPARE_TRIES - module.stash.setdefault(SPENT, 0)
        if failed is not None and tried < TRIES and spare and self.latest > began:
            module.stash[SPENT] += 1
            item.user_properties.append((AGAIN, first_words(failed)))
            forget(item, module)
            # From the beginning, so that every plugin takes part: the time limit begins anew.
            return item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Tell what was run again, and what it had said."""
        lines = dict.fromkeys(
            f"{report.nodeid}: {said}"
            for reports in terminalreporter.stats.values()
            for report in reports
            if isinstance(report, pytest.TestReport)
            for said in said_before(report.user_properties)
        )
        if lines:
            terminalreporter.section("run again, as the machine stood still")
            for line in lines:
                terminalreporter.write_line(line)


def forget(item: pytest.Item, module: pytest.Item | pytest.Module) -> None:
    """End all fixtures: what they have made may be what the stall has spoiled."""
    with suppress(Exception, pytest.fail.Exception):
        item.session._setupstate.teardown_exact(None)
    del module.stash[BEGAN]


def first_words(report: pytest.TestReport) -> str:
    """What a report complains of, in a line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash is not None else report.longreprtext
    return f"{report.when}: {text.partition(chr(10))[0][:300]}"


def said_before(properties: Sequence[tuple[str, object]]) -> list[str]:
    """What earlier tries have said."""
    return [str(said) for name, said in properties if name == AGAIN]
