"""Hooks of commands at work, for tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.engine.commands import Commands


@asynccontextmanager
async def working(hook: Commands) -> AsyncIterator[None]:
    """Run a hook; no program of it is left behind."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hook.run)
        yield
        tasks.cancel_scope.cancel()
    assert hook.running == 0
