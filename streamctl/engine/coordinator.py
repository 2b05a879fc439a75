"""Starts, stops and changes streams: one thing after the other in each, all streams at once.

Every step is undone when a part of it fails, and may be asked for twice. What failed stays noted
with its reason until it was made good; :mod:`~streamctl.engine.reconcile` sees to that.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from streamctl.engine import causes as cause
from streamctl.engine.stream import Stream
from streamctl.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from anyio.abc import TaskGroup

    from streamctl.config.model import StreamConfig
    from streamctl.engine.services import Services
    from streamctl.schema import PlanStep

log = logging.getLogger("streamctl.coordinator")

RESTART_S = 1.0
"""Pause before an input whose task failed is run again."""
STOP_S = 2.0
"""How long the tasks of a stopped stream are waited for: the next one may need what they hold."""


@dataclass(slots=True)
class Running:
    """The tasks of one stream."""

    stream: Stream
    # Made before the tasks run, so that they can be stopped before they have begun.
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class Coordinator:
    """The streams of a server, at work."""

    def __init__(
        self,
        services: Services,
        *,
        changed: Callable[[str], None] = lambda code: None,
        make: Callable[[StreamConfig, Services], Stream] = Stream,
    ) -> None:
        self.services = services
        self.running: dict[str, Stream] = {}
        """By code; the same mapping for the whole life."""
        self.failures: dict[str, str] = {}
        """Why a stream is not as it was last wanted, by code."""
        self._changed = changed
        self._make = make
        self._tasks: TaskGroup | None = None
        self._at_work: dict[str, Running] = {}
        self._turns: dict[str, anyio.Lock] = {}

    def begin(self, tasks: TaskGroup) -> None:
        """Run what is started from now on in ``tasks``."""
        self._tasks = tasks

    def alive(self, code: str) -> bool:
        """Whether a stream runs and its tasks do."""
        at_work = self._at_work.get(code)
        return at_work is not None and not at_work.ended.is_set()

    async def start(self, config: StreamConfig) -> None:
        """Run a stream; one that runs like this already goes on.

        Raises:
            Exception: it can't be started; nothing of it is left.
        """
        async with self._turn(config.code):
            running = self.running.get(config.code)
            if running is None:
                self._start(config)
            elif running.config != config or not self.alive(config.code):
                await self._restart(config, "started anew")
            self.failures.pop(config.code, None)

    def launch(self, config: StreamConfig) -> Stream:
        """Run a stream that does not run, at once.

        Raises:
            NotReady: the one before it has not stopped yet.
            Exception: it can't be started; nothing of it is left.
        """
        turn = self._turns.get(config.code)
        if turn is not None and turn.locked():
            raise NotReady(f"stream `{config.code}` is just being stopped")
        self._start(config)
        self.failures.pop(config.code, None)
        return self.running[config.code]

    async def stop(
        self, code: str, reason: str, *, still: Callable[[], bool] = lambda: True
    ) -> bool:
        """Stop a stream, if it runs and that is ``still`` wanted when it is its turn.

        Done to its end also when the caller is cancelled; whether it was wanted.
        """
        with anyio.CancelScope(shield=True):
            async with self._turn(code):
                wanted = still()
                if wanted:
                    await self._stop(code, reason)
                    self.failures.pop(code, None)
        return wanted

    async def restart(self, config: StreamConfig, reason: str) -> None:
        """Stop a stream and start it with this configuration.

        Raises:
            Exception: it can't be started; it runs as before, if it can.
        """
        with anyio.CancelScope(shield=True):
            async with self._turn(config.code):
                await self._restart(config, reason)
                self.failures.pop(config.code, None)

    async def update(self, config: StreamConfig) -> None:
        """Have a running stream go on with a configuration; one that doesn't run is started.

        Raises:
            Exception: it can't; it goes on as before, if it can.
        """
        with anyio.CancelScope(shield=True):
            async with self._turn(config.code):
                if config.code in self.running:
                    await self._update(config)
                else:
                    self._start(config)
                self.failures.pop(config.code, None)

    async def carry_out(
        self, steps: Iterable[PlanStep], configs: Mapping[str, StreamConfig]
    ) -> dict[str, str]:
        """Do the steps of a plan; why streams are not as wanted afterwards, by code.

        First is stopped what shall stop: others may want its ports and directories.
        """
        wanted = list(steps)
        for stopping in (True, False):
            async with anyio.create_task_group() as tasks:
                for step in wanted:
                    if (step.action == "stop") is stopping:
                        tasks.start_soon(self._carry_out, step, configs.get(step.stream))
        codes = {step.stream for step in wanted}
        return {code: why for code, why in self.failures.items() if code in codes}

    async def stop_all(self, reason: str) -> None:
        """Stop every stream, all at once; none is started any more."""
        self._tasks = None
        async with anyio.create_task_group() as tasks:
            for code in list(self.running):
                tasks.start_soon(self.stop, code, reason)

    async def _carry_out(self, step: PlanStep, config: StreamConfig | None) -> None:
        log.info("stream %s: %s: %s", step.stream, step.action, step.reason)
        try:
            if step.action == "stop" or config is None:
                await self.stop(step.stream, f"stream {step.reason}")
            elif step.action == "start":
                await self.start(config)
            elif step.action == "restart":
                await self.restart(config, f"stream {step.reason}")
            else:
                await self.update(config)
        except Exception as error:
            why = f"could not {step.action}: {type(error).__name__}: {error}"
            again = self.failures.get(step.stream) == why
            log.error("stream %s: %s", step.stream, why, exc_info=None if again else error)
            self.failures[step.stream] = why

    def _start(self, config: StreamConfig) -> None:
        tasks = self._tasks
        if tasks is None:
            raise RuntimeError("streams run only while the server does")
        stream = self._make(config, self.services)
        try:
            stream.start()
            self.running[config.code] = stream
            self._at_work[config.code] = at_work = Running(stream)
            self._changed(config.code)
            tasks.start_soon(self._run, at_work)
        except BaseException:
            self.running.pop(config.code, None)
            self._at_work.pop(config.code, None)
            self._close(stream, "it could not be started")
            raise

    async def _stop(self, code: str, reason: str) -> None:
        stream = self.running.pop(code, None)
        at_work = self._at_work.pop(code, None)
        if at_work is not None:
            at_work.scope.cancel()
        if stream is None:
            return
        self._close(stream, reason)
        self._changed(code)
        if at_work is not None:
            with anyio.move_on_after(STOP_S) as waiting:
                await at_work.ended.wait()
            if waiting.cancelled_caught:
                log.warning("stream %s: its tasks take long to end", code)

    async def _restart(self, config: StreamConfig, reason: str) -> None:
        before = self.running.get(config.code)
        await self._stop(config.code, reason)
        try:
            self._start(config)
        except Exception:
            if before is not None and before.config != config:
                await self._go_back(before.config)
            raise

    async def _update(self, config: StreamConfig) -> None:
        stream = self.running[config.code]
        before = stream.config
        try:
            stream.update(config)
            self._changed(config.code)
        except Exception:
            try:
                stream.update(before)
            except Exception:
                log.exception("stream %s: could not go back, so it starts anew", config.code)
                await self._go_back(before)
            raise

    async def _go_back(self, config: StreamConfig) -> None:
        """Start a stream as it was; why it was changed in vain is told, whatever this meets."""
        try:
            await self._stop(config.code, "could not be changed")
            self._start(config)
        except Exception:
            log.exception("stream %s: could not be started as it was", config.code)

    def _close(self, stream: Stream, reason: str) -> None:
        try:
            stream.close(reason)
        except Exception:
            log.exception("stream %s did not stop well", stream.code)

    async def _run(self, at_work: Running) -> None:
        """Run a stream's tasks; one that fails must not reach the other streams."""
        stream = at_work.stream
        try:
            with at_work.scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(stream.pushes.run)
                    await self._run_input(stream)
        except Exception as error:
            log.exception("stream %s: its tasks failed", stream.code)
            stream.causes.set(cause.INPUT_FAILED, f"{type(error).__name__}: {error}")
        finally:
            at_work.ended.set()

    async def _run_input(self, stream: Stream) -> None:
        while True:
            try:
                await stream.run()
            except Exception as error:
                log.exception("stream %s: restarted", stream.code)
                stream.causes.set(cause.INPUT_FAILED, f"{type(error).__name__}: {error}")
                await self.services.clock.sleep(RESTART_S)
            else:
                return

    @asynccontextmanager
    async def _turn(self, code: str) -> AsyncIterator[None]:
        """Wait until nobody else changes the stream."""
        lock = self._turns.setdefault(code, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._turns.pop(code, None)
