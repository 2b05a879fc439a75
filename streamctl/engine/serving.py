"""Serves the stream of a job to viewers: listeners and the media HTTP server around one stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from streamctl.config.model import ListenerConfig
from streamctl.engine.doors import Doors
from streamctl.engine.gate import EngineGate
from streamctl.engine.web import WebApp
from streamctl.errors import ConnectionFailed
from streamctl.net.http import serve_http

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anyio.abc import TaskGroup

    from streamctl.config.address import Address
    from streamctl.engine.job import Job
    from streamctl.errors import StreamctlError
    from streamctl.sdk.endpoints import Address as Bound

HTTP = "http"
TICK_S = 1.0
DRAIN_S = 2.0
"""How long viewers get to read what was already written to them when the source ends."""

DRAIN_STEP_S = 0.02


class Serving:
    """Implements :class:`streamctl.engine.job.Part`."""

    def __init__(
        self,
        addresses: Mapping[str, Address],
        *,
        movable: frozenset[str] = frozenset(),
        opened: Callable[[Serving], None] = lambda serving: None,
    ) -> None:
        self.wanted = addresses
        """Where to listen, by kind of listener; ``http`` for everything over HTTP."""
        self.movable = movable
        """Kinds that take any free port when theirs is taken."""
        self.doors: Doors
        self._opened = opened
        self._job: Job

    async def open(self, job: Job, tasks: TaskGroup) -> None:
        """Listen, and say where.

        Raises:
            StreamctlError: an address can't be bound.
        """
        self._job = job
        services = job.stream.services
        self.doors = Doors(services, self._failed)
        gate = EngineGate({job.stream.code: job.stream}, services.sessions)
        web = WebApp(gate, job.clock)
        job.stream.start()
        for kind, address in self.wanted.items():
            listen = partial(self._listen, tasks, gate, web)
            try:
                await listen(kind, address)
            except ConnectionFailed as error:
                if kind not in self.movable:
                    # No configuration has a key that could be changed.
                    hint = f"choose another address for {kind}, or port 0 for any that is free"
                    raise ConnectionFailed(error.message, hint=hint) from None
                await listen(kind, address._replace(port=0))
        tasks.start_soon(self._tick, web)
        self._opened(self)

    async def finish(self) -> None:
        """Say goodbye to the viewers, and let them read what was written to them."""
        job = self._job
        job.stream.close("the source ended")
        with anyio.move_on_after(DRAIN_S):
            while job.stream.services.sessions.by_id:
                await job.clock.sleep(DRAIN_STEP_S)

    def urls(self, host_of: Callable[[str], str]) -> list[str]:
        """Where viewers find the stream; ``host_of`` the door that they come by."""
        stream, services = self._job.stream, self._job.stream.services
        found = [
            services.url_of(plugin, stream.code, host_of(services.door_of(plugin)))
            for plugin in services.plugins.values()
        ]
        return [url for url in found if url]

    async def _listen(
        self, tasks: TaskGroup, gate: EngineGate, web: WebApp, kind: str, address: Address
    ) -> None:
        if kind == HTTP:
            await self.doors.open(tasks, HTTP, partial(serve_web, web, address))
            return
        plugin = self._job.stream.services.plugins[kind]
        config = ListenerConfig(address=address, options=plugin.ListenerOptions())
        await self.doors.listen(tasks, gate, plugin, config)

    def _failed(self, error: StreamctlError) -> None:
        self._job.failure = error
        self._job.stop()

    async def _tick(self, web: WebApp) -> None:
        while True:
            await self._job.clock.sleep(TICK_S)
            web.tick(self._job.clock.now())


async def serve_web(web: WebApp, address: Address, ready: Callable[[Bound], None]) -> None:
    """Serve media over HTTP until cancelled."""
    await serve_http(address, web, ready=ready)
