"""The doors of a process: what listens, where, and what happens when it stops.

A service that can't bind fails the start of whoever opens it; one that fails later is reported,
because a server without one of its doors must not look healthy.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from streamctl.errors import MissingLibrary, StreamctlError
from streamctl.net.address import show

if TYPE_CHECKING:
    import anyio.abc

    from streamctl.config.model import ListenerConfig
    from streamctl.engine.services import Services
    from streamctl.sdk.endpoints import Address, Gate
    from streamctl.sdk.plugin import ProtocolPlugin

Service = Callable[[Callable[["Address"], None]], Awaitable[None]]
"""Serves until cancelled; calls its argument with the bound address."""

log = logging.getLogger("streamctl.server")


class Doors:
    """Listeners and services, each in a task of its own."""

    def __init__(self, services: Services, failed: Callable[[StreamctlError], None]) -> None:
        self.services = services
        self.addresses: dict[str, Address] = {}
        """Bound addresses by kind; ``http`` and ``api`` too."""
        self._failed = failed

    async def listen(
        self,
        tasks: anyio.abc.TaskGroup,
        gate: Gate,
        plugin: ProtocolPlugin,
        config: ListenerConfig,
        *,
        name: str = "",
    ) -> None:
        """Open a listener of a plugin: the one called ``name``, or the one that every kind has.

        Where the system lacks what the plugin needs, there is a warning and no listener.

        Raises:
            StreamctlError: it could not start.
        """
        context = self.services.context(plugin.kind)
        kind = name or plugin.kind
        try:
            listener = plugin.listener(config.address, config.options, context)
            await self.open(tasks, kind, lambda ready: listener.serve(gate, ready=ready))
        except MissingLibrary as error:
            # The rest of the server works without.
            log.warning("no listener for %s: %s (%s)", kind, error, error.hint)

    async def open(self, tasks: anyio.abc.TaskGroup, kind: str, service: Service) -> None:
        """Start a service and wait until its address is bound.

        Raises:
            StreamctlError: it could not start.
        """
        await tasks.start(self._serve, kind, service)

    async def _serve(
        self, kind: str, service: Service, *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        def ready(address: Address) -> None:
            self.addresses[kind] = address
            self.services.ports[kind] = address[1]
            log.info("listening kind=%s address=%s", kind, show(address))
            task_status.started()

        try:
            await service(ready)
        except Exception as error:
            if kind not in self.addresses:
                raise
            log.exception("%s stopped serving", kind)
            self._failed(StreamctlError(f"{kind} stopped serving: {error}"))
