"""The ports that the tracks of a player are sent from, for as long as it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.errors import StreamctlError
from streamctl_rtsp.server.reply import Declined
from streamctl_rtsp.wire.message import Status

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup

    from streamctl.net.udp_outlet import UdpOutlet


class UdpDelivery:
    """One track's way out, opened and closed in a task of its own."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.outlet: UdpOutlet | None = None
        """Is there once :meth:`opened` has returned."""
        self._tasks = tasks
        self._failure: StreamctlError | None = None
        self._ready = anyio.Event()
        self._over = anyio.Event()

    async def open(self, opening: AbstractAsyncContextManager[UdpOutlet]) -> UdpOutlet:
        """Open a way out.

        Raises:
            Declined: there is none.
        """
        self._tasks.start_soon(self._run, opening)
        return await self.opened()

    async def opened(self) -> UdpOutlet:
        """The way out that somebody opens, or has opened.

        Raises:
            Declined: there is none.
        """
        await self._ready.wait()
        if self.outlet is None:
            reason = self._failure.message if self._failure else ""
            raise Declined(Status.INTERNAL_ERROR, reason)
        return self.outlet

    def close(self) -> None:
        """Send no more."""
        self._over.set()

    async def _run(self, opening: AbstractAsyncContextManager[UdpOutlet]) -> None:
        try:
            async with opening as self.outlet:
                self._ready.set()
                await self._over.wait()
        except StreamctlError as error:
            self._failure = error
        finally:
            self.outlet = None
            self._ready.set()
