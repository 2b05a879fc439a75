"""The pushes of one stream: started, changed and stopped without touching anything else.

A push is known by its destination. Its name and how it is tried again are changed under way; a
destination that is new is connected to, one that is gone is left in order, all others go on. One
that is connected to with other options is left before: servers take one publisher at a time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from streamctl.engine import causes as cause
from streamctl.engine.push import OFF_AIR_S, Destination, Push, PushState, Retry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from anyio.abc import TaskGroup

    from streamctl.config.model import PushConfig
    from streamctl.engine.stream import Stream

log = logging.getLogger("streamctl.push")

FAILING = frozenset({PushState.RECONNECTING, PushState.FAILED})


class Task:
    """A push at work, and the ways to end it and to start it over."""

    def __init__(self, push: Push) -> None:
        self.push = push
        self.scope = anyio.CancelScope()
        self.again = anyio.Event()
        self.ended = anyio.Event()

    async def run(self, before: Collection[Task]) -> None:
        """Push for as long as the stream is configured to, once all ``before`` have ended."""
        try:
            with self.scope:
                for task in before:
                    await task.ended.wait()
                await self._push()
        finally:
            self.ended.set()

    async def _push(self) -> None:
        while True:
            try:
                await self.push.run()
            except Exception as error:
                log.exception("push to %s ended", self.push.url.redacted)
                self.push.fail(f"{type(error).__name__}: {error}")
            self.again = anyio.Event()
            await self.again.wait()

    def start_over(self) -> None:
        """Try at once, also after the push was given up."""
        self.push.hurry()
        self.again.set()


class Pushes:
    """What a stream sends to other servers."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.tasks: dict[str, Task] = {}
        """By URL."""
        self.leaving: set[Task] = set()
        """Cancelled, and not at their end yet."""
        self._group: TaskGroup | None = None
        self._off_since: float | None = None

    def __iter__(self) -> Iterator[Push]:
        return iter(sorted((task.push for task in self.tasks.values()), key=lambda p: p.url.raw))

    async def run(self) -> None:
        """Push until cancelled."""
        async with anyio.create_task_group() as self._group:
            for task in self.tasks.values():
                self._group.start_soon(self._run, task, ())
            await anyio.sleep_forever()

    def apply(self, configs: Iterable[PushConfig]) -> None:
        """Make the pushes those of a configuration."""
        wanted = {config.url.raw: config for config in configs}
        for url, task in list(self.tasks.items()):
            config = wanted.get(url)
            if config is None or config.options != task.push.destination.options:
                self._stop(url)
                self.stream.services.events.emit(
                    "push.stopped", self.stream.code, name=task.push.destination.name
                )
        for url, config in wanted.items():
            if url in self.tasks:
                change(self.tasks[url], config)
            else:
                self._start(config)
        self.changed()

    def begun(self) -> None:
        """A new run of the input is on air."""
        self._off_since = None
        for task in self.tasks.values():
            task.push.on_air()
            task.start_over()

    def tick(self, now: float) -> None:
        """Notice that the stream is off air, and measure rates; called about once a second."""
        if self.stream.on_air():
            self._off_since = None
        elif self._off_since is None:
            self._off_since = now
        over = self.stream.inputs.finished
        off_air = self._off_since is not None and now - self._off_since >= OFF_AIR_S
        for task in self.tasks.values():
            push = task.push
            push.meter.bytes = push.bytes_sent
            push.meter.sample(now)
            if off_air:
                push.off_air(leave=over)

    def changed(self) -> None:
        """Bring the stream's cause up to date."""
        failing = [
            f"`{push.destination.name}`: {push.last_error}"
            for push in self
            if push.state in FAILING
        ]
        if failing:
            self.stream.causes.set(cause.PUSH_FAILED, "; ".join(failing))
        else:
            self.stream.causes.clear(cause.PUSH_FAILED)

    def _start(self, config: PushConfig) -> None:
        plugin = self.stream.services.plugins[config.url.kind]
        push = Push(self.stream, plugin, destination(config), retry(config))
        task = self.tasks[config.url.raw] = Task(push)
        if self._group is not None:
            before = [one for one in self.leaving if one.push.url.raw == config.url.raw]
            self._group.start_soon(self._run, task, before)

    def _stop(self, url: str) -> None:
        task = self.tasks.pop(url)
        task.scope.cancel()
        if self._group is not None:
            self.leaving.add(task)

    async def _run(self, task: Task, before: Collection[Task]) -> None:
        await task.run(before)
        self.leaving.discard(task)


def change(task: Task, config: PushConfig) -> None:
    """Let a push go on with another name or other retries."""
    push = task.push
    if push.destination == destination(config) and push.retry == retry(config):
        return
    push.destination = destination(config)
    push.retry = retry(config)
    task.start_over()


def destination(config: PushConfig) -> Destination:
    """Where a push goes."""
    return Destination(config.url, config.options, config.name, config.hold)


def retry(config: PushConfig) -> Retry:
    """How often a push is tried."""
    return Retry(config.retries or None, config.retry_s)
