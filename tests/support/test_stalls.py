"""Tests that fail while the machine stands still, in a pytest within this one."""

from __future__ import annotations

import pytest

from tests.support.stalls import SPARE_TRIES

pytest_plugins = ["pytester"]

HEAD = """
import time
import pytest
from tests.support.stalls import StallWatch

watch = StallWatch()
watch.begin = lambda: None
"""
CONFTEST = """
import {name} as test

def pytest_configure(config):
    config.addinivalue_line("markers", "e2e: real programs")
    config.pluginmanager.register(test.watch)
"""


def outcome(pytester: pytest.Pytester, body: str) -> pytest.RunResult:
    """What becomes of a file of tests."""
    pytester.makepyfile(world=HEAD)
    pytester.makeconftest(CONFTEST.format(name="world"))
    pytester.makepyfile("import time\nimport pytest\nimport world\n" + body)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", "-q")


STALLED = "world.watch.note(time.monotonic(), 2.0)"
FAILS = """
tries = []

@pytest.fixture(scope="module")
def shown():
    return []

{mark}
def test_it(shown):
    tries.append(len(tries))
    shown.append(1)
    assert shown == [1], "a fixture is made anew for each try"
    {stall}
    assert len(tries) == {wanted}, "this is what it said"

def test_other(shown):
    pass
"""
STALLS = """
tries = []

@pytest.fixture(scope="module")
def shown():
    tries.append(1)
    {stall}
    assert {holds}

"""


def test_who_fails_in_a_stall_is_run_again(pytester: pytest.Pytester) -> None:
    body = FAILS.format(mark="@pytest.mark.e2e", stall=STALLED, wanted=2)
    result = outcome(pytester, body)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*run again*stood still*", "*test_it: call: *what it said*"])


def test_a_fixture_that_fails_in_a_stall_is_made_again(pytester: pytest.Pytester) -> None:
    result = outcome(
        pytester,
        STALLS.format(stall=STALLED, holds="len(tries) > 1")
        + """

@pytest.mark.e2e
def test_it(shown):
    pass

@pytest.mark.e2e
def test_that(shown):
    assert len(tries) == 2
""",
    )
    result.assert_outcomes(passed=2)


def test_a_module_is_not_tried_for_ever(pytester: pytest.Pytester) -> None:
    result = outcome(
        pytester,
        STALLS.format(stall=STALLED, holds="False")
        + f"""
@pytest.mark.e2e
@pytest.mark.parametrize("number", range(9))
def test_it(shown, number):
    pass

def test_tries():
    assert len(tries) == 1 + {SPARE_TRIES}
""",
    )
    result.assert_outcomes(errors=9, passed=1)


@pytest.mark.parametrize(
    ("mark", "stall", "wanted"),
    [
        ("@pytest.mark.e2e", "pass", 2),
        ("", STALLED, 2),
        ("@pytest.mark.e2e", STALLED, 4),
    ],
    ids=["no stall", "no real programs", "too often"],
)
def test_others_fail(pytester: pytest.Pytester, mark: str, stall: str, wanted: int) -> None:
    result = outcome(pytester, FAILS.format(mark=mark, stall=stall, wanted=wanted))
    result.assert_outcomes(failed=1, passed=1)
