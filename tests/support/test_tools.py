from __future__ import annotations

import pytest

from tests.support.tools import tool


def test_a_found_program_is_returned_with_its_path() -> None:
    assert tool("sh").endswith("/sh")


def test_a_missing_program_skips_locally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("STREAMCTL_REQUIRE_TOOLS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        tool("no-such-program")


@pytest.mark.parametrize("variable", ["CI", "STREAMCTL_REQUIRE_TOOLS"])
def test_a_missing_program_fails_where_tools_are_required(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        tool("no-such-program")
