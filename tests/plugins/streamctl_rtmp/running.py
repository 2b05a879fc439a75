"""A listener of the plugin on a free port, with the small world behind it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from streamctl_rtmp.listener import RtmpListener
from tests.plugins.streamctl_rtmp.world import World
from tests.support.steady import SteadyClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.net.tls import ServerTls
    from streamctl.sdk.endpoints import Address

HOST = "127.0.0.1"


@asynccontextmanager
async def serving(
    *, tls: ServerTls | None = None, first_timestamp: int | None = None
) -> AsyncIterator[tuple[World, int]]:
    """The world and the port that leads into it."""
    world = World(SteadyClock(), first_timestamp=first_timestamp)
    listener = RtmpListener((HOST, 0), world.ctx.as_context, tls)
    bound: list[Address] = []
    up = anyio.Event()

    def ready(address: Address) -> None:
        bound.append(address)
        up.set()

    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await listener.serve(world, ready=ready)

        tasks.start_soon(serve)
        await up.wait()
        yield world, bound[0][1]
        tasks.cancel_scope.cancel()
