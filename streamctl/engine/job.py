"""One-shot work without a configuration file: watch a source, push it to destinations.

A job is one stream whose input is the source. It ends when the source does and every destination
has taken the rest, or when nothing is left that could go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import anyio

from streamctl.avworker.client import AvWorkerClient
from streamctl.config.model import InputConfig, StreamConfig
from streamctl.engine.events import EventLog
from streamctl.engine.push import Destination, Push, PushState, Retry
from streamctl.engine.services import Services, converter_specs
from streamctl.engine.sessions import Sessions
from streamctl.engine.status import stream_status
from streamctl.engine.stream import Stream
from streamctl.errors import ConfigError, StreamctlError, Unsupported
from streamctl.media.packet import TIMESCALE
from streamctl.net.clock import LoopClock
from streamctl.sdk.plugin import Cap
from streamctl.sdk.url import StreamURL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from streamctl.registry import Registry
    from streamctl.schema import StreamStatus
    from streamctl.sdk.context import Clock
    from streamctl.sdk.plugin import ProtocolPlugin

CODE = "job"
PUBLISH = "publish"
TICK_S = 1.0
PEERS = 10_000
"""Viewers of a job that serves its source; as many as a server takes."""


@dataclass(slots=True)
class DestinationStatus:
    """Where one destination stands."""

    url: str
    """Secrets replaced by ``***``."""
    state: str
    attempt: int
    bytes_sent: int
    error: str


@dataclass(slots=True)
class JobStatus:
    """Where a job stands."""

    stream: StreamStatus
    position_s: float
    """Media time that has passed through."""
    duration_s: float
    """Length of the source; 0 = unknown or endless."""
    destinations: list[DestinationStatus] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job treats its source and destinations."""

    loop: bool = False
    """Play a file over and over."""
    retry: Retry = field(default_factory=Retry)
    code: str = CODE
    """The code of the stream."""
    outputs: tuple[str, ...] | None = ()
    """Kinds that viewers may use; None = all."""
    media_roots: tuple[str, ...] = (".", "/")


class Part(Protocol):
    """Something that a job does with its stream beside pushing it."""

    async def open(self, job: Job, tasks: TaskGroup) -> None:
        """Get ready before media flows; ``tasks`` is cancelled when the job is over.

        Raises:
            StreamctlError: it can't be done, so the job must not begin.
        """

    async def finish(self) -> None:
        """Return when everything of the stream, which has come to its end, is dealt with."""


class Job:
    """Runs one source into any number of destinations."""

    def __init__(
        self,
        registry: Registry,
        source: str,
        destinations: Sequence[str] = (),
        *,
        options: JobOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.options = options or JobOptions()
        self.clock: Clock = clock or LoopClock()
        url = StreamURL.parse(source)
        plugin = puller(registry, url)
        plugins = {kind: registry.load(kind) for kind in registry.names()}
        sessions = Sessions(self.clock, total=PEERS, per_ip=PEERS)
        services = Services(
            clock=self.clock,
            plugins=plugins,
            specs=converter_specs(plugins.values()),
            sessions=sessions,
            events=EventLog(self.clock),
            avworker=AvWorkerClient(),
            media_roots=self.options.media_roots,
        )
        known = plugin.InputOptions.model_fields
        if self.options.loop and "loop" not in known:
            raise Unsupported(f"`{url.redacted}` can't be looped", hint="only files can")
        # Played once, as other commands of this kind do, unless the URL has it otherwise.
        asked = any(name.lower() == "loop" for name, _ in url.query)
        decides = "loop" in known and (self.options.loop or not asked)
        given = {"loop": self.options.loop} if decides else {}
        config = StreamConfig(
            code=self.options.code,
            inputs=(InputConfig(url=url, options=plugin.InputOptions(**given)),),
            outputs=self.options.outputs,
        )
        self.stream = Stream(config, services)
        self.pushes = [
            self._push(registry, destination(text, number))
            for number, text in enumerate(destinations, 1)
        ]
        self.parts: list[Part] = []
        """What else is done with the stream; to be filled before :meth:`run`."""
        self.failure: StreamctlError | None = None
        self._pulling = anyio.CancelScope()

    async def run(self) -> None:
        """Run until the source has ended and every destination is done.

        Raises:
            StreamctlError: the source failed before it delivered anything, or a destination
                failed for good; the others were finished first.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick)
            for part in self.parts:
                await part.open(self, tasks)
            async with anyio.create_task_group() as pushing:
                for push in self.pushes:
                    pushing.start_soon(self._send, push, pushing.cancel_scope)
                # A destination that waits already gets the source from its first picture on.
                await anyio.lowlevel.checkpoint()
                with self._pulling:
                    await self._pull()
                self.stream.graph.finish()
            for part in self.parts:
                await part.finish()
            tasks.cancel_scope.cancel()
        self.stream.close("the job is done")
        failed = next((push for push in self.pushes if push.state is PushState.FAILED), None)
        if self.failure is None and failed is not None:
            self.failure = failed.failure
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Let go of the source; what has come from it is still dealt with."""
        self._pulling.cancel()

    def status(self) -> JobStatus:
        """Where the job stands."""
        lane = self.stream.graph.base
        start = self.stream.first_time
        pull = self.stream.pull
        return JobStatus(
            stream=stream_status(self.stream),
            position_s=0.0 if start is None else max(0.0, (lane.newest - start) / TIMESCALE),
            duration_s=0.0 if self.options.loop or pull is None else pull.duration_s,
            destinations=[
                DestinationStatus(
                    url=push.url.redacted,
                    state=push.state.value,
                    attempt=push.attempt,
                    bytes_sent=push.bytes_sent,
                    error=push.errors[-1] if push.errors else "",
                )
                for push in self.pushes
            ],
        )

    def _push(self, registry: Registry, url: StreamURL) -> Push:
        plugin = registry.load(url.kind)
        if Cap.PUSH not in plugin.caps:
            able = [kind for kind in registry.names() if Cap.PUSH in registry.load(kind).caps]
            raise Unsupported(
                f"`{url.redacted}` can't be pushed to", hint=f"kinds that can: {', '.join(able)}"
            )
        return Push(self.stream, plugin, Destination(url), self.options.retry)

    async def _pull(self) -> None:
        """Pull the source; without a first success there is nothing to wait for."""
        pull = self.stream.pull
        assert pull is not None
        tries = 0
        while True:
            went_on_air = await self.stream.inputs.attempt(pull)
            tries = 0 if went_on_air else tries + 1
            if pull.error is None:
                break
            if pull.error.permanent or self.options.retry.used_up(tries):
                self.failure = pull.error
                break
            await self.clock.sleep(self.options.retry.wait_s)

    async def _send(self, push: Push, scope: anyio.CancelScope) -> None:
        """Push to one destination; a source that nobody takes any more is let go."""
        await push.run()
        if all(push.state is PushState.FAILED for push in self.pushes):
            scope.cancel()

    async def _tick(self) -> None:
        while True:
            await self.clock.sleep(TICK_S)
            self.stream.tick(self.clock.now())


def puller(registry: Registry, url: StreamURL) -> ProtocolPlugin:
    """The plugin that pulls a source.

    Raises:
        UnknownScheme: none is installed.
        Unsupported: it is no source of one-shot work.
    """
    if url.scheme == PUBLISH:
        raise Unsupported(
            f"`{url.redacted}` can't be a source: commands have no listener for publishers",
            hint="use `streamctl serve`, or let one call: `srt://:PORT?mode=listener`",
        )
    plugin = registry.load(url.kind)
    if Cap.PULL not in plugin.caps:
        raise Unsupported(f"`{url.redacted}` can't be a source", hint="name a file or a URL")
    if plugin.upstreams(url):
        raise Unsupported(
            f"`{url.redacted}` can't be a source: it is made of streams of a server",
            hint="name the address where the server plays, or make it an input of a stream",
        )
    return plugin


def destination(text: str, number: int) -> StreamURL:
    """The URL of a destination, the ``number``th; what is none is not shown: it may hold a key.

    Raises:
        ConfigError: it is no URL.
    """
    try:
        return StreamURL.parse(text).as_destination()
    except ConfigError:
        hint = "write it such as `rtmp://HOST/APP/KEY`"
        raise ConfigError(f"destination {number} is no URL", hint=hint) from None
