"""Waiting for what tasks, threads and sockets of a test bring about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S = 0.005
PATIENCE_S = 15.0
"""More than anything takes on a machine that does other work as well."""
LONGEST_S = 0.5
"""Between two looks at the clock, on a machine that goes on."""


class Patience:
    """Seconds to wait in, of which those do not count in which the machine stood still."""

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds
        self.looked = time.monotonic()

    def over(self) -> bool:
        """Whether all of it has passed; to be asked often."""
        now = time.monotonic()
        self.left_s -= min(now - self.looked, LONGEST_S)
        self.looked = now
        return self.left_s <= 0


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as the condition holds.

    Raises:
        TimeoutError: it does not in time.
    """
    patience = Patience(timeout_s)
    while not condition():
        if patience.over():
            raise TimeoutError(f"not within {timeout_s:g} s")
        await anyio.sleep(POLL_S)
