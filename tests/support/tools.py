"""External programs that tests drive: found, or skipped locally and failed in CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REQUIRING = ("CI", "STREAMCTL_REQUIRE_TOOLS")
"""Environment variables that turn a missing tool from a skip into a failure."""


def tools_required() -> bool:
    """Whether a missing tool is a failure."""
    return any(os.environ.get(name, "") not in ("", "0", "false") for name in REQUIRING)


def missing(what: str) -> None:
    """End the running test because something outside the repository is not installed."""
    if tools_required():
        pytest.fail(f"missing, and {' or '.join(REQUIRING)} is set: {what}", pytrace=False)
    pytest.skip(f"missing: {what}")


def tool(name: str) -> str:
    """The path of a program, or the end of the test."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        missing(f"the program `{name}`")
    return path or name


def real_media() -> Path | None:
    """The folder of real media, if the environment names one."""
    folder = os.environ.get("STREAMCTL_TEST_MEDIA", "")
    return Path(folder) if folder else None
