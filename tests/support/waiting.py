"""Waiting for what tasks, threads and sockets of a test bring about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S = 0.005
PATIENCE_S = 15.0
"""More than anything takes on a machine that does other work as well."""


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as the condition holds."""
    with anyio.fail_after(timeout_s):
        while not condition():
            await anyio.sleep(POLL_S)
