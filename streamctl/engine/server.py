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
from streamctl.config.load import read_document
from streamctl.engine import causes as cause
from streamctl.engine.diff import diff
from streamctl.engine.doors import Doors
from streamctl.engine.events import EventLog, rfc3339
from streamctl.engine.gate import EngineGate
from streamctl.engine.looplag import LoopLag
from streamctl.engine.memory import enforce, spare
from streamctl.engine.proxies import Proxies
from streamctl.engine.services import Services, converter_specs
from streamctl.engine.sessions import Sessions
from streamctl.engine.status import counters, session_status, stopped_status, stream_status
from streamctl.engine.stream import Stream
from streamctl.engine.web import WebApp
from streamctl.errors import NotFound, StreamctlError
from streamctl.net.address import show
from streamctl.net.clock import LoopClock
from streamctl.net.http import HttpLimits, serve_http
from streamctl.net.tls import ServerTls
from streamctl.schema import Check, Health, Plan, ServerCounters
from streamctl.sdk.plugin import Cap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from streamctl.config.model import Config, StreamConfig
    from streamctl.engine.doors import Service
    from streamctl.registry import Registry
    from streamctl.schema import Event, PluginStatus, SessionStatus, StreamStatus
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Address

log = logging.getLogger("streamctl.server")

TICK_S = 1.0
PAUSED_S = 2.0
"""A second that lasted this much longer was a pause of the process, not silence of its peers."""
DRAIN_S = 2.0
"""How long peers get to read what was already written to them at a shutdown."""
RESTART_S = 1.0
"""Pause before a stream whose task failed is run again."""


class Server:
    """Runs a configuration; satisfies ``streamctl.api.control.Control``."""

    def __init__(self, config: Config, registry: Registry, clock: Clock | None = None) -> None:
        self.config = config
        self.registry = registry
        self.clock: Clock = clock or LoopClock()
        self.started = self.clock.now()
        plugins, broken = registry.load_all()
        registry.statuses()
        for line in broken:
            log.error("plugin not loaded: %s", line)
        limits = config.limits
        self.events_log = EventLog(self.clock)
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
        self.running: dict[str, Stream] = {}
        self.gate = EngineGate(
            self.running, self.sessions_table, guesses_per_ip=limits.guesses_per_ip
        )
        self.web = WebApp(self.gate, self.clock, Proxies(config.http.trusted_proxies))
        self.lag = LoopLag(self.clock)
        self.doors = Doors(self.services, self._door_failed)
        self.addresses = self.doors.addresses
        """Bound addresses by kind; ``http`` and ``api`` too."""
        self.reload_error = ""
        """Why the newest reload was refused; empty when the running configuration is current."""
        self._extra: dict[str, Service] = {}
        self._stop = anyio.Event()
        self._failure: StreamctlError | None = None
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._tasks: anyio.abc.TaskGroup | None = None
        self._applying = anyio.Lock()

    def add_service(self, kind: str, service: Service) -> None:
        """Run another service, such as the control API, beside the listeners."""
        self._extra[kind] = service

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
            try:
                await self._start(tasks)
                started()
                await self._stop.wait()
                with anyio.move_on_after(self.config.server.shutdown_s):
                    await self._shut_down()
            except StreamctlError as error:
                self._failure = error
                for code in list(self.running):
                    await self._stop_stream(code, "the server could not start")
            tasks.cancel_scope.cancel()
        self.lag.stop()
        if self._failure is not None:
            raise self._failure

    async def apply(self, config: Config) -> Plan:
        """Make the running streams those of ``config``; the plan that was carried out."""
        async with self._applying:
            plan = diff(self.config, config)
            listening = {"listeners": self.config.listeners, "http": self.config.http}
            self.config = config.model_copy(
                update={**listening, "api": self.config.api, "server": self.config.server}
            )
            self.gate.disabled = disabled(config)
            self.sessions_table.total = config.limits.sessions
            self.sessions_table.per_ip = config.limits.sessions_per_ip
            self.gate.guesses.limit = config.limits.guesses_per_ip
            self.reload_error = ""
            for step in plan.steps:
                try:
                    await self._carry_out(step.stream, step.action, config, step.reason)
                except Exception as error:
                    log.exception("stream %s could not be changed", step.stream)
                    self.reload_error = f"stream `{step.stream}` does not run: {error}"
            for key in plan.restart_required:
                log.warning("changed `%s` takes effect when the server is restarted", key)
            self.events_log.emit("config.changed", steps=[s.model_dump() for s in plan.steps])
            return plan

    def reload_failed(self, message: str) -> None:
        """A new configuration was refused; the running one goes on."""
        self.reload_error = message
        self.events_log.emit("config.refused", error=message)

    def streams(self, status: str | None = None) -> list[StreamStatus]:
        """Every stream, or those in one state."""
        found = [self.stream(code) for code in sorted(self.config.streams)]
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
        return stopped_status(config)

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
            bad = {n: d for n, (d, _) in stream.causes.active.items() if n != cause.NO_PUBLISHER}
            text = "; ".join(f"{name}: {detail}" for name, detail in bad.items())
            checks.append(
                Check(name=f"stream {code}", status="degraded" if bad else "ok", message=text)
            )
        if self.reload_error:
            checks.append(Check(name="configuration", status="degraded", message=self.reload_error))
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
            sessions=dict(Counter((s.protocol, s.action.value) for s in table)),
            refused=dict(self.gate.refused),
            streams=[counters(stream) for _, stream in sorted(self.running.items())],
        )

    def events(self, after: int | None) -> AsyncIterator[Event]:
        """Events as they happen, first those kept since the event ``after``."""
        return self.events_log.follow(after)

    async def put_stream(self, code: str, document: Mapping[str, object], *, dry_run: bool) -> Plan:
        """Add or replace a stream in memory.

        Raises:
            ConfigError: the document is refused as the same table in a file would be.
        """
        stream = read_document(code, document, self.config, self.registry)
        return await self._change({**self.config.streams, code: stream}, dry_run=dry_run)

    async def delete_stream(self, code: str, *, dry_run: bool) -> Plan:
        """Remove a stream from the running configuration.

        Raises:
            NotFound: no stream has this code.
        """
        if code not in self.config.streams:
            raise NotFound(f"no stream `{code}`", hint=self._known())
        streams = {known: s for known, s in self.config.streams.items() if known != code}
        return await self._change(streams, dry_run=dry_run)

    def watch_urls(self, code: str, host: str) -> list[tuple[str, str]]:
        """Kinds and URLs under which viewers find a stream."""
        config = self.config.streams[code]
        urls = [
            (kind, self.services.url_of(plugin, code, host))
            for kind, plugin in self.services.plugins.items()
            if config.serves(kind)
        ]
        return [(kind, url) for kind, url in urls if url]

    async def _change(self, streams: dict[str, StreamConfig], *, dry_run: bool) -> Plan:
        config = self.config.model_copy(update={"streams": streams})
        return diff(self.config, config) if dry_run else await self.apply(config)

    async def _start(self, tasks: anyio.abc.TaskGroup) -> None:
        config = self.config
        self.gate.disabled = disabled(config)
        streams = [stream for stream in config.streams.values() if not stream.disabled]
        # Who comes as soon as a port is open, as encoders do after a restart, finds all of them.
        for stream in streams:
            self._make_stream(stream)
        for name, listener in config.listeners.items():
            plugin, _ = self.registry.listener(name)
            await self.doors.listen(tasks, self.gate, plugin, listener, name=name)
        if any(Cap.HTTP in plugin.caps for plugin in self.services.plugins.values()):
            await self.doors.open(tasks, "http", self._serve_http)
        for kind, service in self._extra.items():
            await self.doors.open(tasks, kind, service)
        for stream in streams:
            self._run_soon(stream.code)
        self.lag.start()
        tasks.start_soon(self._tick)

    def _door_failed(self, error: StreamctlError) -> None:
        self._failure = error
        self.stop()

    async def _serve_http(self, ready: Callable[[Address], None]) -> None:
        http = self.config.http
        limits = HttpLimits(header_s=self.config.limits.handshake_s)
        tls = None
        if http.tls_cert is not None and http.tls_key is not None:
            tls = ServerTls(
                http.tls_cert, http.tls_key, setting="http", handshake_s=limits.header_s
            )
        await serve_http(
            http.address, self.web, ready=ready, tls=tls, cors=http.cors, limits=limits
        )

    def _start_stream(self, config: StreamConfig) -> None:
        self._make_stream(config)
        self._run_soon(config.code)

    def _make_stream(self, config: StreamConfig) -> None:
        stream = Stream(config, self.services)
        self.running[config.code] = stream
        self.web.forget()
        stream.start()

    def _run_soon(self, code: str) -> None:
        assert self._tasks is not None
        stream = self.running[code]
        # Made here, so that a stream can be stopped before its task has run.
        scope = self._scopes[code] = anyio.CancelScope()
        self._tasks.start_soon(self._run_stream, stream, scope)

    async def _run_stream(self, stream: Stream, scope: anyio.CancelScope) -> None:
        with scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream.pushes.run)
                await self._run_input(stream)

    async def _run_input(self, stream: Stream) -> None:
        while True:
            try:
                await stream.run()
            except Exception as error:
                log.exception("stream %s: restarted", stream.code)
                stream.causes.set(cause.INPUT_FAILED, f"{type(error).__name__}: {error}")
                await self.clock.sleep(RESTART_S)
            else:
                return

    async def _stop_stream(self, code: str, reason: str) -> None:
        stream = self.running.pop(code, None)
        self.web.forget()
        scope = self._scopes.pop(code, None)
        if scope is not None:
            scope.cancel()
        if stream is not None:
            stream.close(reason)
            await anyio.lowlevel.checkpoint()

    async def _carry_out(self, code: str, action: str, config: Config, reason: str) -> None:
        log.info("stream %s: %s: %s", code, action, reason)
        if action == "update":
            self.running[code].update(config.streams[code])
            self.gate.review(code)
            self.web.forget()
            return
        if action in {"stop", "restart"}:
            await self._stop_stream(code, f"stream {reason}")
        if action in {"start", "restart"}:
            self._start_stream(config.streams[code])

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
        for code in list(self.running):
            await self._stop_stream(code, "the server is shutting down")
        self.events_log.emit("server.stopping")
        self.events_log.close()
        deadline = self.clock.now() + min(DRAIN_S, self.config.server.shutdown_s / 2)
        while self.sessions_table.by_id and self.clock.now() < deadline:
            await self.clock.sleep(0.02)

    def _known(self) -> str:
        codes = ", ".join(sorted(self.config.streams)) or "none"
        return f"configured streams: {codes}"


def disabled(config: Config) -> frozenset[str]:
    """The codes that are configured but switched off."""
    return frozenset(code for code, stream in config.streams.items() if stream.disabled)
