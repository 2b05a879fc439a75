"""The server: listeners, media HTTP, streams, and the control surface of the API.

:meth:`Server.run` is one task group. Every stream, listener and service has its own task in it; a
stream's failure is contained in its task, a listener that can't bind fails the start. Nothing here
knows a protocol by name: listeners and outputs come from the registry.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import anyio

from streamctl import __version__
from streamctl.avworker.client import AvWorkerClient
from streamctl.counters import ServerCounters
from streamctl.engine import causes as cause
from streamctl.engine.changes import tell
from streamctl.engine.configuration import Configuration
from streamctl.engine.coordinator import Coordinator
from streamctl.engine.diff import EVERYBODY, diff
from streamctl.engine.doors import Doors, Entrance
from streamctl.engine.events import EventLog, rfc3339
from streamctl.engine.gate import EngineGate
from streamctl.engine.hooks import Hooks
from streamctl.engine.looplag import LoopLag
from streamctl.engine.memory import enforce, spare
from streamctl.engine.proxies import Proxies
from streamctl.engine.reconcile import Reconciler
from streamctl.engine.runtime import RuntimeStreams
from streamctl.engine.services import Services, converter_specs
from streamctl.engine.sessions import Sessions
from streamctl.engine.status import counters, session_status, stopped_status, stream_status
from streamctl.engine.web import WebApp
from streamctl.errors import ConfigError, NotFound, StreamctlError
from streamctl.net.address import show
from streamctl.net.clock import LoopClock
from streamctl.net.http import HttpLimits, HttpServer
from streamctl.net.tls import ServerTls
from streamctl.schema import Check, Health, Plan, PlanStep
from streamctl.sdk.plugin import Cap, Options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from anyio.abc import TaskGroup

    from streamctl.config.file import ConfigFile
    from streamctl.config.model import Config, HttpConfig, StreamConfig
    from streamctl.registry import Registry
    from streamctl.schema import Event, PluginStatus, SessionStatus, StreamStatus
    from streamctl.sdk.context import Clock

log = logging.getLogger("streamctl.server")

TICK_S = 1.0
PAUSED_S = 2.0
"""A second that lasted this much longer was a pause of the process, not silence of its peers."""
DRAIN_S = 2.0
"""How long peers get to read what was already written to them at a shutdown, and hooks, too."""


class Server:
    """Runs a configuration; satisfies ``streamctl.api.control.Control``."""

    def __init__(
        self,
        config: Config,
        registry: Registry,
        clock: Clock | None = None,
        *,
        file: ConfigFile | None = None,
    ) -> None:
        """Serve ``config``, which came from ``file``; without one, changes live in memory."""
        self.config = config
        self.configuration = Configuration(self, file)
        self.registry = registry
        self.clock: Clock = clock or LoopClock()
        self.started = self.clock.now()
        plugins, broken = registry.load_all()
        registry.statuses()
        for line in broken:
            log.error("plugin not loaded: %s", line)
        limits = config.limits
        self.events_log = EventLog(self.clock)
        self.hooks = Hooks(self.events_log)
        self.sessions_table = Sessions(
            self.clock, total=limits.sessions, per_ip=limits.sessions_per_ip
        )
        self.services = Services(
            clock=self.clock,
            plugins={plugin.kind: plugin for plugin in plugins},
            specs=converter_specs(plugins),
            sessions=self.sessions_table,
            events=self.events_log,
            avworker=AvWorkerClient(),
            handshake_s=limits.handshake_s,
            media_roots=config.server.media_roots,
            http_scheme="https" if config.http.tls_cert else "http",
        )
        self.coordinator = Coordinator(self.services, changed=self._stream_changed)
        self.running = self.coordinator.running
        self.services.streams = self.running
        self.reconciler = Reconciler(self.coordinator, self._wanted, self.clock)
        self.gate = EngineGate(
            self.running, self.sessions_table, guesses_per_ip=limits.guesses_per_ip
        )
        self.runtime = RuntimeStreams(config, registry, self.coordinator)
        self.gate.runtime = self.runtime
        self.web = WebApp(self.gate, self.clock, Proxies(config.http.trusted_proxies))
        self.lag = LoopLag(self.clock)
        self.doors = Doors(self.services, self._door_failed)
        self.addresses = self.doors.addresses
        """Bound addresses by kind; ``http`` and ``api`` too."""
        self.reload_error = ""
        """Why the newest reload was refused; empty when the running configuration is current."""
        self.reload_failed_at = 0.0
        """Since when reloads are refused, Unix time."""
        self._extra: dict[str, Callable[[Config], Entrance]] = {}
        self._followers: list[Callable[[Config], None]] = []
        self._expecting: list[Callable[[Config], None]] = []
        self._tasks: TaskGroup | None = None
        self._stop = anyio.Event()
        self._failure: StreamctlError | None = None

    def add_door(self, kind: str, entrance: Callable[[Config], Entrance]) -> None:
        """Run another service, such as the control API, beside the listeners."""
        self._extra[kind] = entrance

    def follow(
        self,
        follower: Callable[[Config], None],
        *,
        expect: Callable[[Config], None] = lambda config: None,
    ) -> None:
        """Call ``follower`` with every configuration that is applied from now on.

        ``expect`` is called before its doors open; when they can't, ``follower`` with the old one.
        """
        self._followers.append(follower)
        self._expecting.append(expect)

    def stop(self) -> None:
        """Begin a graceful shutdown."""
        self._stop.set()

    async def run(self, *, started: Callable[[], None] = lambda: None) -> None:
        """Serve until :meth:`stop`.

        Raises:
            StreamctlError: a listener could not start, or failed later; everything was stopped.
        """
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self.coordinator.begin(tasks)
            try:
                await self._start(tasks)
                started()
                await self._stop.wait()
                with anyio.move_on_after(self.config.server.shutdown_s):
                    await self._shut_down()
            except StreamctlError as error:
                self._failure = error
                await self.coordinator.stop_all("the server could not go on")
            tasks.cancel_scope.cancel()
        self.lag.stop()
        if self._failure is not None:
            raise self._failure

    async def apply(self, config: Config) -> Plan:
        """Make the running server one of ``config``; the plan that was carried out.

        Raises:
            ConfigError: a listener can't be opened; nothing has changed.
        """
        async with self.reconciler.turn:
            await self._move_doors(config)
            # Publishers may have made streams meanwhile.
            plan = self.plan(config)
            streams = self.runtime.resolved(config)
            before, self.config = self.config, config
            self.runtime.adopt(config, streams)
            self._adopt(config)
            refused, self.reload_error = self.reload_error, ""
            for code in sorted(config.streams.keys() - before.streams.keys()):
                self.events_log.emit("stream.created", code)
            plan.failures = await self.coordinator.carry_out(plan.steps, streams)
            for step in plan.server:
                log.info("%s: %s: %s", step.part, step.action, step.reason)
            if refused or before != config:
                tell(self.events_log, plan, before, config, refused=bool(refused))
            return plan

    def plan(self, config: Config) -> Plan:
        """What would happen if ``config`` took the place of the running configuration."""
        now = {"streams": {**self.runtime.configs, **self.config.streams}}
        then = {"streams": self.runtime.resolved(config)}
        return diff(self.config.model_copy(update=now), config.model_copy(update=then))

    def made_of(self, code: str) -> str:
        """The template that a stream was made of that is in no file; empty = there is none."""
        config = self.runtime.configs.get(code)
        return config.template if config is not None else ""

    async def restart(self, code: str) -> Plan:
        """Start a stream anew, with the configuration that it has."""
        async with self.reconciler.turn:
            step = PlanStep(stream=code, action="restart", reason="asked for", notices=EVERYBODY)
            failures = await self.coordinator.carry_out([step], self._wanted())
            return Plan(steps=[step], failures=failures)

    def reload_failed(self, message: str) -> None:
        """A new configuration was refused; the running one goes on."""
        if not self.reload_error:
            self.reload_failed_at = self.clock.wall()
        self.reload_error = message
        self.events_log.emit("config.refused", error=message)

    def streams(self, status: str | None = None) -> list[StreamStatus]:
        """Every stream, or those in one state."""
        codes = {*self.config.streams, *(self.runtime.configs.keys() & self.running.keys())}
        found = [self.stream(code) for code in sorted(codes)]
        return [stream for stream in found if status is None or stream.status == status]

    def stream(self, code: str) -> StreamStatus:
        """One stream.

        Raises:
            NotFound: no stream has this code.
        """
        stream = self.running.get(code)
        if stream is not None:
            return stream_status(stream)
        config = self.config.streams.get(code)
        if config is None:
            raise NotFound(f"no stream `{code}`", hint=self._known())
        return stopped_status(config, self.coordinator.failures.get(code, ""))

    def switch(self, code: str, priority: int | None) -> StreamStatus:
        """Put an input of a stream on air as soon as it can; None = the best one again.

        Raises:
            NotFound: no stream has this code, or it has no such input, or it does not run.
            NotReady: the input can't go on air.
        """
        running = self.running.get(code)
        if running is None:
            raise NotFound(f"stream `{code}` does not run", hint=self._known())
        running.inputs.switch(priority)
        return self.stream(code)

    def sessions(self, stream: str | None = None) -> list[SessionStatus]:
        """Every open session, or those of one stream."""
        for running in self.running.values():
            running.account()
        wall = self.clock.wall()
        table = self.sessions_table
        return [
            session_status(session, wall)
            for session in table.by_id.values()
            if stream is None or session.code == stream
        ]

    def session(self, session_id: str) -> SessionStatus:
        """One open session.

        Raises:
            NotFound: the session is unknown or has ended.
        """
        session = self.sessions_table.by_id.get(session_id)
        if session is None:
            raise NotFound(f"no session `{session_id}`")
        if session.code in self.running:
            self.running[session.code].account()
        return session_status(session, self.clock.wall())

    def kick(self, session_id: str, reason: str) -> SessionStatus:
        """Close a session; answers what it had counted.

        Raises:
            NotFound: the session is unknown or has ended.
        """
        status = self.session(session_id)
        session = self.sessions_table.by_id[session_id]
        self.events_log.emit("session.kicked", session.code, session=session.id, reason=reason)
        session.reason = f"kicked: {reason}"
        self.web.ban(session)
        session.close(session.reason)
        return status

    def health(self) -> Health:
        """Health of the whole server."""
        checks = [
            Check(name=f"listener {kind}", status="ok", message=show(address))
            for kind, address in sorted(self.addresses.items())
        ]
        for code, stream in sorted(self.running.items()):
            usual = {cause.NO_PUBLISHER, cause.IDLE}
            bad = {n: d for n, (d, _) in stream.causes.active.items() if n not in usual}
            text = "; ".join(f"{name}: {detail}" for name, detail in bad.items())
            checks.append(
                Check(name=f"stream {code}", status="degraded" if bad else "ok", message=text)
            )
        for code, why in sorted(self.coordinator.failures.items()):
            checks.append(Check(name=f"stream {code}", status="degraded", message=why))
        for kind, why in sorted(self.doors.lost.items()):
            checks.append(Check(name=f"listener {kind}", status="degraded", message=why))
        if self.reload_error:
            since = rfc3339(self.reload_failed_at)
            text = f"reload failed since {since}: {self.reload_error}"
            checks.append(Check(name="configuration", status="degraded", message=text))
        states = {check.status for check in checks}
        return Health(
            status="down" if self._stop.is_set() else "degraded" if "degraded" in states else "ok",
            version=__version__,
            time=rfc3339(self.clock.wall()),
            uptime_s=round(self.clock.now() - self.started, 3),
            checks=checks,
        )

    def plugins(self) -> list[PluginStatus]:
        """Installed plugins, the broken ones too."""
        return self.registry.statuses()

    def counters(self) -> ServerCounters:
        """Plain numbers for a scrape."""
        table = self.sessions_table.by_id.values()
        return ServerCounters(
            uptime_s=self.clock.now() - self.started,
            loop_lag_s=self.lag.worst,
            loop_stalls=self.lag.stalls,
            copies_bytes=self.web.files.bytes,
            reload_refused=bool(self.reload_error),
            streams_failed=len(self.coordinator.failures),
            sessions=dict(Counter((s.protocol, s.action.value) for s in table)),
            refused=dict(self.gate.refused),
            streams=[counters(stream) for _, stream in sorted(self.running.items())],
            hooks=self.hooks.counters(),
        )

    def newest_event(self) -> int:
        """The id of what happened last."""
        return self.events_log.last_id

    def events(self, after: int | None, *, live: bool = True) -> AsyncIterator[Sequence[Event]]:
        """Events as they happen, first those kept since the event ``after``."""
        return self.events_log.follow(after, live=live)

    def watch_urls(self, code: str, host_of: Callable[[str], str]) -> list[tuple[str, str]]:
        """Kinds and URLs under which viewers find a stream; ``host_of`` a door they come by."""
        config, services = self.config.streams[code], self.services
        urls = [
            (kind, services.url_of(plugin, code, host_of(services.door_of(plugin))))
            for kind, plugin in services.plugins.items()
            if config.serves(kind)
        ]
        return [(kind, url) for kind, url in urls if url]

    async def _start(self, tasks: TaskGroup) -> None:
        # A file may have changed already: it is taken once the doors are open.
        async with self.reconciler.turn:
            self._adopt(self.config)
            self.hooks.begin(tasks)
            # Who comes as soon as a port is open, as encoders after a restart, finds all streams.
            await self.reconciler.repair()
            await self.doors.become(tasks, self._entrances(self.config))
        self.lag.start()
        self.events_log.emit("server.started", version=__version__)
        tasks.start_soon(self._tick)
        tasks.start_soon(self.reconciler.run)
        tasks.start_soon(self.runtime.run)

    def _adopt(self, config: Config) -> None:
        """Take over what is looked up when it is needed."""
        limits = config.limits
        self.gate.disabled = disabled(config)
        self.gate.guesses.limit = limits.guesses_per_ip
        self.sessions_table.total = limits.sessions
        self.sessions_table.per_ip = limits.sessions_per_ip
        self.services.media_roots = config.server.media_roots
        self.services.http_scheme = "https" if config.http.tls_cert else "http"
        self.web.proxies = Proxies(config.http.trusted_proxies)
        self.hooks.apply(config.hooks)
        for follower in self._followers:
            follower(config)

    async def _move_doors(self, config: Config) -> None:
        before = self.services.handshake_s
        self.services.handshake_s = config.limits.handshake_s
        for expect in self._expecting:
            expect(config)
        try:
            if self._tasks is not None:
                await self.doors.become(self._tasks, self._entrances(config))
        except BaseException as error:
            self.services.handshake_s = before
            for follower in self._followers:
                follower(self.config)
            if isinstance(error, StreamctlError) and not isinstance(error, ConfigError):
                raise ConfigError(error.message, hint=error.hint) from None
            raise

    def _entrances(self, config: Config) -> dict[str, Entrance]:
        """Everything that listens with this configuration."""
        found = {}
        for name, listener in config.listeners.items():
            plugin, _ = self.registry.listener(name)
            # Others would lose their peers, and shake no hands.
            keeps = isinstance(listener.options, Options) and listener.options.keeps_peers
            part = config.limits.handshake_s if keeps else None
            found[name] = self.doors.entrance(self.gate, plugin, listener, part=part)
        if any(Cap.HTTP in plugin.caps for plugin in self.services.plugins.values()):
            found["http"] = http_entrance(self.web, config.http, config.limits.handshake_s)
        return found | {kind: make(config) for kind, make in self._extra.items()}

    def _door_failed(self, error: StreamctlError) -> None:
        self._failure = error
        self.stop()

    def _wanted(self) -> Mapping[str, StreamConfig]:
        """What the reconciler keeps running; a server that shuts down wants nothing."""
        if self.gate.closing:
            return {}
        return {**self.runtime.configs, **self.config.streams}

    def _stream_changed(self, code: str) -> None:
        self.hooks.adopt(code, self.running[code].config if code in self.running else None)
        self.web.forget()
        if code in self.running:
            self.gate.review(code)

    async def _tick(self) -> None:
        while True:
            due = self.clock.now() + TICK_S
            await self.clock.sleep(TICK_S)
            now = self.clock.now()
            if now > due + PAUSED_S:
                # What peers sent meanwhile has not been read yet.
                log.warning("the process stood still for %.1f s", now - due)
                continue
            for stream in list(self.running.values()):
                try:
                    stream.tick(now)
                except Exception:
                    log.exception("stream %s: tick failed", stream.code)
            self.web.tick(now)
            limits = self.config.limits
            enforce(
                self.running.values(),
                limit=limits.memory_bytes,
                stream_limit=limits.stream_memory_bytes,
            )
            self.web.files.bound(spare(self.running.values(), limits.memory_bytes))

    async def _shut_down(self) -> None:
        self.gate.closing = True
        count = len(self.sessions_table.by_id)
        log.info("shutting down, %d session%s", count, "" if count == 1 else "s")
        await self.coordinator.stop_all("the server is shutting down")
        patience_s = min(DRAIN_S, self.config.server.shutdown_s / 3)
        deadline = self.clock.now() + patience_s
        while self.sessions_table.by_id and self.clock.now() < deadline:
            await self.clock.sleep(0.02)
        self.events_log.emit("server.stopping")
        self.events_log.close()
        await self.hooks.drain(patience_s)

    def _known(self) -> str:
        codes = ", ".join(sorted(self.config.streams)) or "none"
        return f"configured streams: {codes}"


def http_entrance(web: WebApp, config: HttpConfig, handshake_s: float) -> Entrance:
    """Where media is served over HTTP."""

    def make() -> HttpServer:
        tls = None
        if config.tls_cert is not None and config.tls_key is not None:
            cert, key = config.tls_cert, config.tls_key
            tls = ServerTls(cert, key, setting="http", handshake_s=handshake_s)
        limits = HttpLimits(header_s=handshake_s)
        return HttpServer(config.address, web, tls=tls, cors=config.cors, limits=limits)

    own = (config.address, config.cors, config.tls_cert, config.tls_key, handshake_s)
    return Entrance(own, config.address.port, make)


def disabled(config: Config) -> frozenset[str]:
    """The codes that are configured but switched off."""
    return frozenset(code for code, stream in config.streams.items() if stream.disabled)
