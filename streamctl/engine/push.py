"""One push destination: a sink per attempt, and the states that an operator sees.

Theory of operation: a push is ``waiting`` while its stream is off air, ``starting`` in its first
attempt, ``active`` while the destination takes media, ``reconnecting`` after a failure, and
``failed`` when it was given up. A new run of the stream's input starts it over. The connection
outlives the run that it began in: the lane goes on and so do its timestamps. A destination that is
not to be held is left in order when the stream has been off air for :data:`OFF_AIR_S`.

:meth:`Push.run` is one push from its first attempt to its end; which pushes a stream has is
:mod:`streamctl.engine.pushes`'s matter.
"""

from __future__ import annotations

import enum
import logging
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from streamctl.config.loops import code_of
from streamctl.engine.counted import CountedCursor, Counts
from streamctl.engine.meter import Meter
from streamctl.errors import NotReady, StreamctlError, Unsupported
from streamctl.media.packet import Format
from streamctl.net.address import is_this_machine

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.engine.lane import LaneCursor
    from streamctl.engine.stream import Stream
    from streamctl.sdk.endpoints import Sink
    from streamctl.sdk.plugin import ProtocolPlugin
    from streamctl.sdk.url import StreamURL

log = logging.getLogger("streamctl.push")

ERRORS_KEPT = 5
LONGEST_WAIT_S = 60.0
"""Pauses between attempts grow up to this; services come back at any time."""
SPREAD = 0.2
"""Pauses are this much shorter or longer, so that many pushes don't come back at one moment."""
STEADY_S = 10.0
"""A destination that took media for so long has worked: its next failure is the first again."""
OFF_AIR_S = 2.0
"""A publisher that comes back within this time was not away."""


class PushState(enum.StrEnum):
    """Where a destination stands."""

    WAITING = "waiting"
    STARTING = "starting"
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a destination is tried."""

    retries: int | None = None
    """Attempts after the first in a row without success; None = for ever."""
    wait_s: float = 5.0

    def used_up(self, failures: int) -> bool:
        """Whether so many failures in a row were the last."""
        return self.retries is not None and failures > self.retries

    def pause_s(self, failures: int, chance: float = 0.5) -> float:
        """The pause after so many failures in a row; ``chance`` (0 to 1) spreads it."""
        doubled = self.wait_s * 2.0 ** min(failures - 1, 16)
        return min(doubled, max(LONGEST_WAIT_S, self.wait_s)) * (1 + SPREAD * (2 * chance - 1))


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a stream is sent."""

    url: StreamURL
    options: BaseModel | None = None
    """The plugin's ``PushOptions``; None = its defaults."""
    name: str = ""
    hold: bool = True
    """Stay connected while the stream is off air."""


class Push:
    """Sends one stream to one destination."""

    def __init__(
        self, stream: Stream, plugin: ProtocolPlugin, destination: Destination, retry: Retry
    ) -> None:
        self.stream = stream
        self.plugin = plugin
        self.destination = destination
        self.retry = retry
        self.state = PushState.WAITING
        self.failures = 0
        """Failed attempts in a row."""
        self.connections = 0
        """How often the destination began to take media."""
        self.connected_at: float | None = None
        """Unix time; None while the destination takes nothing."""
        self.next_attempt: float | None = None
        """When the next attempt begins, monotonic; None unless one is waited for."""
        self.errors: deque[str] = deque(maxlen=ERRORS_KEPT)
        """What failed since the destination last took media."""
        self.last_error = ""
        self.failure: StreamctlError | None = None
        """The error that made the state ``failed``."""
        self.counts = Counts()
        self.meter = Meter()
        self.past_bytes = 0
        self.sink: Sink | None = None
        self.cursor: LaneCursor | None = None
        self._trying = False
        self._since: float | None = None
        """When the attempt that has ended began to deliver, Unix time."""
        self._left = False
        """The running attempt was ended because the stream is off air."""
        self._attempt: anyio.CancelScope | None = None
        self._pause: anyio.CancelScope | None = None

    @property
    def url(self) -> StreamURL:
        """The destination's URL."""
        return self.destination.url

    @property
    def attempt(self) -> int:
        """The number of the attempt, since the destination last took media; 0 while it does."""
        if self.connected_at is not None:
            return 0
        return self.failures + self._trying

    @property
    def bytes_sent(self) -> int:
        """Bytes sent in all attempts."""
        return self.past_bytes + (self.sink.bytes_sent if self.sink else 0)

    @property
    def left_out(self) -> str:
        """Names of the tracks that the destination is not sent, as it can't carry them."""
        if self.sink is None:
            return ""
        names = (self.stream.graph.left_out(self.sink.wants), self.sink.left_out)
        return ", ".join(filter(None, names))

    async def run(self) -> None:
        """Push until the stream ends or the destination has failed for good."""
        self.failures = 0
        self.failure = None
        while True:
            await self._on_air()
            if not self.failures:
                self._enter(PushState.STARTING)
            failure = await self._try()
            if failure is None:
                if not self._left:
                    self._enter(PushState.DONE)
                    return
                self.failures = 0
            elif self._give_up(failure):
                return
            else:
                await self._wait()

    def hurry(self) -> None:
        """Begin anew to count, and try at once if an attempt is waited for."""
        if self._pause is not None:
            self.failures = 0
            self._pause.cancel()

    def off_air(self, *, leave: bool) -> None:
        """The stream has been off air for a while; ``leave`` = it won't come back by itself."""
        if self.connected_at is None:
            return
        self._enter(PushState.WAITING)
        if self._attempt is not None and (leave or not self.destination.hold):
            self._left = True
            self._attempt.cancel()

    def on_air(self) -> None:
        """The stream is on air, perhaps again."""
        if self.connected_at is not None:
            self._enter(PushState.ACTIVE)

    def fail(self, reason: str) -> None:
        """End in failure, because of a bug of ours."""
        self.last_error = reason
        self._enter(PushState.FAILED)

    async def _on_air(self) -> None:
        """Return when there is something to push; also at the end, when the rest may be."""
        if self.stream.on_air() or self.stream.graph.base.closed:
            return
        self._enter(PushState.WAITING)
        cursor = self.stream.graph.cursor(Format.PACKETS)
        try:
            with suppress(NotReady):
                await cursor.wait()
        finally:
            cursor.close()

    async def _try(self) -> StreamctlError | None:
        """One attempt; None if it came to its end in order."""
        self._trying = True
        self._left = False
        try:
            await self._once()
        except StreamctlError as error:
            return error
        except Exception as error:
            log.exception("push to %s failed", self.url.redacted)
            return StreamctlError(f"{type(error).__name__}: {error}")
        finally:
            self._trying = False
            self._since, self.connected_at = self.connected_at, None
        return None

    async def _once(self) -> None:
        await self._refuse_loop()
        context = self.stream.services.context(self.plugin.kind)
        options = self.destination.options or self.plugin.PushOptions()
        sink = self.plugin.sink(self.url, options, context)
        cursor = self.stream.graph.cursor(sink.wants)
        try:
            with anyio.CancelScope() as self._attempt:
                await first_join(cursor)
                self.sink = sink
                self.cursor = cursor
                await sink.run(CountedCursor(cursor, self.counts), connected=self._connected)
        finally:
            if self.sink is not None:
                self.past_bytes += self.sink.bytes_sent
            self.sink = self.cursor = self._attempt = None
            cursor.close()

    async def _refuse_loop(self) -> None:
        """Refuse a destination that leads back into this very stream.

        Raises:
            Unsupported: it does.
        """
        url, code = self.url, self.stream.code
        port = url.port or self.plugin.ports.get(url.scheme, 0)
        if port not in self.stream.services.ports.values() or code_of(url.path, {code: ()}) is None:
            return
        if await is_this_machine(url.host):
            raise Unsupported(
                f"`{url.redacted}` leads `{code}` back into itself",
                hint="name another server or stream",
            )

    def _connected(self) -> None:
        log.info("push to %s: the destination takes media", self.url.redacted)
        self.errors.clear()
        self.connections += 1
        self.connected_at = self.stream.clock.wall()
        self._enter(PushState.ACTIVE)

    def _give_up(self, error: StreamctlError) -> bool:
        """Note the error; True if there is no next attempt."""
        since = self._since
        if since is not None and self.stream.clock.wall() - since >= STEADY_S:
            self.failures = 0
        self.failures += 1
        self.last_error = str(error)
        self.errors.append(self.last_error)
        log.warning("push to %s: %s", self.url.redacted, error)
        ended = self.stream.graph.base.closed
        if error.permanent or ended or self.retry.used_up(self.failures):
            self.failure = error
            self._enter(PushState.FAILED)
            return True
        self._enter(PushState.RECONNECTING)
        return False

    async def _wait(self) -> None:
        """Pause before the next attempt, unless there is news of the stream."""
        pause_s = self.retry.pause_s(self.failures, random.random())
        self.next_attempt = self.stream.clock.now() + pause_s
        with anyio.CancelScope() as self._pause:
            await self.stream.clock.sleep(pause_s)
        self._pause = self.next_attempt = None

    def _enter(self, state: PushState) -> None:
        if state is self.state:
            return
        self.state = state
        failing = state in {PushState.RECONNECTING, PushState.FAILED}
        self.stream.services.events.emit(
            f"push.{'started' if state is PushState.STARTING else state}",
            self.stream.code,
            **({"name": self.destination.name} if self.destination.name else {}),
            url=self.url.redacted,
            **({"error": self.last_error} if failing else {}),
        )
        self.stream.pushes.changed()


async def first_join(cursor: LaneCursor) -> None:
    """Move to a random-access point as soon as the lane has one.

    Raises:
        NotReady: the lane was closed.
    """
    while True:
        try:
            cursor.join()
        except NotReady:
            await cursor.wait()
            cursor.take()
        else:
            return
