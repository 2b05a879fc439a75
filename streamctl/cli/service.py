"""Runs a server in a terminal or under a service manager: signals, hot reload, summary line."""

from __future__ import annotations

import gc
import logging
import signal
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.cli.banner import Summary, banner
from streamctl.config.watch import changes
from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from anyio.abc import TaskStatus

    from streamctl.cli.liveline import LiveLine
    from streamctl.config.watch import Look
    from streamctl.engine.server import Server
    from streamctl.log import TextStream
    from streamctl.schema import Plan

log = logging.getLogger("streamctl.serve")

SUMMARY_S = 1.0
GC_THRESHOLD = 50_000
"""Media objects come by the thousand and hold no cycles: looking at them often finds nothing."""


class Service:
    """A server with everything that a process around it needs."""

    def __init__(
        self,
        server: Server,
        file: Path,
        *,
        line: LiveLine | None = None,
        announce: TextStream | None = None,
        since: Look | None = None,
    ) -> None:
        self.server = server
        self.file = file
        self.line = line
        """Where the summary goes; None = nowhere."""
        self.announce = announce
        """Where the banner goes; None = nowhere."""
        self.since = since
        """The file as it stood before it was loaded; None = it has not changed since."""
        self._hangups = anyio.Event()
        """A SIGHUP waits to be obeyed."""
        self.interrupted = False
        """Whether the shutdown was cut short by a second signal."""

    async def run(self) -> None:
        """Serve until a signal says to stop.

        Raises:
            StreamctlError: a listener could not start.
        """
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.obey_signals, tasks.cancel_scope)
            tasks.start_soon(self.obey_hangups)
            tasks.start_soon(self.follow_file)
            if self.line is not None:
                tasks.start_soon(self.summarise, self.line)
            await self.server.run(started=self.started)
            tasks.cancel_scope.cancel()

    def started(self) -> None:
        """Say where everything is; what was loaded until now is never garbage."""
        if self.announce is not None:
            self.announce.write(banner(self.server, str(self.file)) + "\n")
            self.announce.flush()
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)

    async def obey_signals(
        self, scope: anyio.CancelScope, *, task_status: TaskStatus[None]
    ) -> None:
        """Stop on SIGINT and SIGTERM, at once on the second; read the file again on SIGHUP."""
        stopping = False
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with anyio.open_signal_receiver(*wanted) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    self.hang_up()
                elif stopping:
                    self.interrupted = True
                    scope.cancel()
                else:
                    stopping = True
                    self.server.stop()

    def hang_up(self) -> None:
        """Read the file again as soon as that can be."""
        self._hangups.set()

    async def obey_hangups(self) -> None:
        """Read the file again after a SIGHUP; those that come meanwhile are one."""
        while True:
            await self._hangups.wait()
            self._hangups = anyio.Event()
            await self.take(self.server.configuration.reload)

    async def follow_file(self) -> None:
        """Apply every change of the file."""
        try:
            async for _ in changes(self.file, self.since):
                await self.take(self.server.configuration.noticed)
        except (OSError, RuntimeError) as error:
            log.warning("changes of %s are not noticed: %s; send SIGHUP", self.file, error)

    async def take(self, reload: Callable[[], Awaitable[Plan | None]]) -> None:
        """Read the file again; a faulty one changes nothing, and says so once."""
        try:
            plan = await reload()
        except StreamctlError as error:
            for one in getattr(error, "errors", (error,)):
                log.error("configuration not applied: %s%s", one, one.hint and f" ({one.hint})")
        except Exception:
            # A fault of ours, or of a plugin that judged the file, is no reason to go off air.
            log.exception("configuration not applied")
        else:
            if plan is not None:
                log.info("configuration applied: %s", self.file)

    async def summarise(self, line: LiveLine) -> None:
        """Keep the last line of the terminal current."""
        summary = Summary()
        try:
            while True:
                await anyio.sleep(SUMMARY_S)
                text = summary.line(self.server.counters())
                # A stopped terminal must stop this task only.
                await to_thread.run_sync(line.show, text, abandon_on_cancel=True)
        finally:
            line.show("")
