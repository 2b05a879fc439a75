"""Tells others what happens: each hook chooses events, queues them, and delivers them by itself.

Choosing is all that is done in the turn of the loop in which something happens; no hook delays the
engine or another hook. When the configuration changes, a hook that stays goes on; one that changes
keeps its queue, and begins anew with what lasts. Hooks that belong to a stream end their work when
the stream is gone.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import anyio

from streamctl.config.eventtypes import TEST, chooser, matcher
from streamctl.config.hooks import KINDS, short_hooks
from streamctl.config.model import CommandConfig, EventFileConfig, WebhookConfig
from streamctl.counters import HookCounters
from streamctl.engine.commands import Commands
from streamctl.engine.courier import Courier
from streamctl.engine.eventfile import EventFile
from streamctl.engine.hookqueue import HookQueue
from streamctl.engine.lasting import DURING, Begun, Lasting
from streamctl.engine.webhook import Webhook
from streamctl.errors import ConfigError, NotFound, StreamctlError
from streamctl.hookstatus import HookStatus, HookTest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.abc import TaskGroup

    from streamctl.config.model import HookKeys, StreamConfig
    from streamctl.engine.events import EventLog
    from streamctl.schema import Event
    from streamctl.sdk.context import Clock

LOOK_S = 0.05
"""How often it is looked whether a hook has finished that is to end."""
LINGER_S = 10.0
"""How long hooks of a stream that is gone hear of the sessions that it had."""

log = logging.getLogger("streamctl.hooks")


class Runner(Protocol):
    """What delivers the events of a hook."""

    queue: HookQueue
    delivered: int
    failed: int
    error: str

    @property
    def target(self) -> str:
        """Who is told, without secrets."""

    @property
    def running(self) -> int:
        """Deliveries under way."""

    @property
    def waiting(self) -> int:
        """Events that nothing was done for yet."""

    @property
    def stuck(self) -> bool:
        """Whether what waits can't be delivered now."""

    def hear(self, event: Event) -> None:
        """Take an event that was chosen; at once."""

    def hurry(self) -> None:
        """Deliver what waits for more to come."""

    async def run(self) -> None:
        """Deliver until cancelled."""

    async def test(self, event: Event) -> str:
        """Deliver one event beside the queue; how it went, in words.

        Raises:
            StreamctlError: it did not work.
        """


class Hook:
    """One hook at work."""

    def __init__(self, config: HookKeys, clock: Clock, before: Hook | None = None) -> None:
        """``before`` is the hook of this name whose place it takes."""
        self.config = config
        self.before = before
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        same = before is not None and type(before.config) is type(config)
        old = before.runner if before is not None and same else None
        during = during_of(config)
        # What lasts is begun with anew.
        lasts = during or (before is not None and during_of(before.config))
        queue = old.queue if old is not None and not lasts else HookQueue()
        self.runner: Runner = runner_of(config, queue, clock)
        if old is not None:
            self.runner.delivered = old.delivered
            self.runner.failed = old.failed
        self._chosen = chooser(DURING[during][:2] if during else config.events)
        self._of = concerned(config)

    def hear(self, event: Event) -> None:
        """Take the event if it is one of those that were asked for."""
        if self._chosen(event.type) and self._of(event.stream) and self._says(event):
            self.runner.hear(event)

    async def run(self) -> None:
        """Deliver until the scope is cancelled."""
        try:
            if self.before is not None:
                # However soon this one is replaced: one at a time delivers from a queue.
                with anyio.CancelScope(shield=True):
                    await self.before.ended.wait()
                self.before = None
            with self.scope:
                await self.runner.run()
        except Exception:
            log.exception("hook %s ended", self.config.name)
        finally:
            self.ended.set()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do, or nothing that can be done now."""
        pending = self.runner.waiting or self.runner.running
        return not pending or self.runner.stuck

    def _says(self, event: Event) -> bool:
        where, payload = self.config.where, event.payload
        return not where or all(str(payload.get(key)) == text for key, text in where.items())


class Hooks:
    """All hooks of a server: those of the configuration, and those of its streams."""

    def __init__(self, events: EventLog) -> None:
        self.events = events
        self.by_name: dict[str, Hook] = {}
        self._by_owner: dict[str, dict[str, Hook]] = {"": {}}
        """The same by the code of the stream that they belong to; empty = to none."""
        self._leaving: set[Hook] = set()
        self._gone: dict[str, list[Hook]] = {}
        """Hooks of streams that are gone, whose last viewers need a moment to leave."""
        self._begun = Begun()
        self._tasks: TaskGroup | None = None
        events.listen(self._hear)

    def begin(self, tasks: TaskGroup) -> None:
        """Run the hooks in ``tasks``."""
        self._tasks = tasks
        for hook in self.by_name.values():
            tasks.start_soon(hook.run)

    def apply(self, configs: Iterable[HookKeys]) -> None:
        """Make the hooks that belong to no stream those of a configuration."""
        self._become({config.name: config for config in configs}, owner="")

    def adopt(self, code: str, stream: StreamConfig | None) -> None:
        """Make the hooks of a stream those of its configuration; None = it is gone."""
        if stream is not None:
            self._gone.pop(code, None)
        elif owned := self._by_owner.get(code):
            self._gone[code] = list(owned.values())
        configs = short_hooks(stream) if stream is not None else ()
        self._become({config.name: config for config in configs}, owner=code)

    def status(self) -> list[HookStatus]:
        """How each hook stands."""
        return [status(hook) for _, hook in sorted(self.by_name.items())]

    def counters(self) -> list[HookCounters]:
        """Plain numbers for a scrape."""
        return [
            HookCounters(
                name=name,
                delivered=hook.runner.delivered,
                failed=hook.runner.failed,
                dropped=hook.runner.queue.dropped,
                queue=hook.runner.waiting,
            )
            for name, hook in sorted(self.by_name.items())
        ]

    async def test(self, name: str) -> HookTest:
        """Deliver a test to a hook, at once and whatever waits in its queue.

        Raises:
            NotFound: no hook has this name.
        """
        hook = self.by_name.get(name)
        if hook is None:
            names = ", ".join(sorted(self.by_name)) or "none"
            raise NotFound(f"no hook `{name}`", hint=f"hooks: {names}")
        event = self.events.made(TEST, "", 0, {"hook": name})
        begun = self.events.clock.now()
        try:
            ok, detail = True, await hook.runner.test(event)
        except (StreamctlError, OSError) as error:
            ok, detail = False, str(error)
        duration_s = round(self.events.clock.now() - begun, 3)
        return HookTest(name=name, ok=ok, detail=detail, duration_s=duration_s)

    async def drain(self, within_s: float) -> None:
        """Wait until all was delivered that can be, but not for long."""
        for hook in self.by_name.values():
            hook.runner.hurry()
        clock = self.events.clock
        deadline = clock.now() + within_s
        while clock.now() < deadline and not all(
            hook.finished or self._lasts(hook) for hook in (*self.by_name.values(), *self._leaving)
        ):
            await clock.sleep(LOOK_S)

    def _lasts(self, hook: Hook) -> bool:
        """Whether a hook's work is only begun with, and ends when it is told to."""
        return bool(during_of(hook.config)) and not hook.runner.waiting

    def _hear(self, event: Event) -> None:
        self._begun.hear(event)
        for hook in self._by_owner[""].values():
            hook.hear(event)
        if event.stream:
            gone = self._gone.get(event.stream, ())
            for hook in (*self._by_owner.get(event.stream, {}).values(), *gone):
                hook.hear(event)

    def _become(self, wanted: dict[str, HookKeys], *, owner: str) -> None:
        owned = self._by_owner.setdefault(owner, {})
        for name in [name for name in owned if name not in wanted]:
            del self.by_name[name]
            self._leave(owned.pop(name), owner)
        for name, config in wanted.items():
            before = owned.get(name)
            if before is not None and before.config == config:
                continue
            try:
                hook = Hook(config, self.events.clock, before)
            except ConfigError as error:
                log.error("hook %s: %s", name, error)
                continue
            self.by_name[name] = owned[name] = hook
            if before is not None:
                self._leave(before)
            if during := during_of(config):
                for event in self._begun.of(during):
                    hook.hear(event)
            if self._tasks is not None:
                self._tasks.start_soon(hook.run)
        if owner and not owned:
            del self._by_owner[owner]

    def _leave(self, hook: Hook, owner: str = "") -> None:
        if self._tasks is None:
            hook.ended.set()
        elif owner:
            self._leaving.add(hook)
            self._tasks.start_soon(self._finish, hook, owner)
        else:
            hook.scope.cancel()

    async def _finish(self, hook: Hook, owner: str) -> None:
        """Let a hook of a stream do what is left to do."""
        clock = self.events.clock
        deadline = clock.now() + LINGER_S
        while not hook.finished or (
            hook in self._gone.get(owner, ())
            and self._begun.sessions(owner)
            and clock.now() < deadline
        ):
            await clock.sleep(LOOK_S)
        hook.scope.cancel()
        self._leaving.discard(hook)
        if hook in (gone := self._gone.get(owner, [])):
            gone.remove(hook)
        if not gone:
            self._gone.pop(owner, None)


def runner_of(config: HookKeys, queue: HookQueue, clock: Clock) -> Runner:
    """What delivers the events of a hook.

    Raises:
        ConfigError: nothing does.
    """
    if isinstance(config, WebhookConfig):
        return Courier(config.name, Webhook(config), queue, clock)
    if isinstance(config, EventFileConfig):
        return Courier(config.name, EventFile(config), queue, clock)
    if isinstance(config, CommandConfig):
        return Lasting(config, queue, clock) if config.during else Commands(config, queue)
    raise ConfigError(f"hook `{config.name}` does nothing")


def during_of(config: HookKeys) -> str:
    """What a hook's command lasts as long as; empty for one that does not last."""
    return config.during if isinstance(config, CommandConfig) else ""


def concerned(config: HookKeys) -> Callable[[str], bool]:
    """Whether a hook is told what happens to a stream; an empty code stands for no stream."""
    matches = matcher(config.streams or config.except_streams)
    if config.streams:
        return lambda code: bool(code) and matches(code)
    return lambda code: not code or not matches(code)


def kind_of(config: HookKeys) -> str:
    """The key that says what a hook does."""
    return next(kind for kind, model in KINDS.items() if isinstance(config, model))


def status(hook: Hook) -> HookStatus:
    """How a hook stands."""
    work, config = hook.runner, hook.config
    busy = work.running or work.waiting
    return HookStatus.model_validate(
        {
            "name": config.name,
            "kind": kind_of(config),
            "target": work.target,
            "state": "failing" if work.error else "delivering" if busy else "idle",
            "error": work.error,
            "events": config.events,
            "streams": config.streams,
            "except_streams": config.except_streams,
            "delivered": work.delivered,
            "failed": work.failed,
            "dropped": work.queue.dropped,
            "queue": work.waiting,
            "running": work.running,
        }
    )
