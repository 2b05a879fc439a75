"""One push destination: a sink per attempt, and the states that an operator sees.

``starting`` → ``active`` ⇄ ``reconnecting`` → ``failed``; ``done`` when the stream came to its end.
"""

from __future__ import annotations

import enum
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import NotReady, StreamctlError

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream
    from streamctl.sdk.endpoints import Sink
    from streamctl.sdk.plugin import ProtocolPlugin
    from streamctl.sdk.url import StreamURL

log = logging.getLogger("streamctl.push")

ERRORS_KEPT = 5


class PushState(enum.StrEnum):
    """Where a destination stands."""

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


class Push:
    """Sends one stream to one destination."""

    def __init__(
        self, stream: Stream, plugin: ProtocolPlugin, url: StreamURL, retry: Retry
    ) -> None:
        self.stream = stream
        self.plugin = plugin
        self.url = url
        self.retry = retry
        self.state = PushState.STARTING
        self.attempt = 0
        """Attempts since the destination last took media."""
        self.connected_at: float | None = None
        self.errors: deque[str] = deque(maxlen=ERRORS_KEPT)
        self.failure: StreamctlError | None = None
        """The error that made the state ``failed``."""
        self.past_bytes = 0
        self.sink: Sink | None = None

    @property
    def bytes_sent(self) -> int:
        """Bytes sent in all attempts."""
        return self.past_bytes + (self.sink.bytes_sent if self.sink else 0)

    async def run(self) -> None:
        """Push until the stream ends or the destination has failed for good."""
        while True:
            self.attempt += 1
            try:
                await self._once()
            except StreamctlError as error:
                failure = error
            except Exception as error:
                log.exception("push to %s failed", self.url.redacted)
                failure = StreamctlError(f"{type(error).__name__}: {error}")
            else:
                self._enter(PushState.DONE)
                return
            if self._give_up(failure):
                return
            await self.stream.clock.sleep(self.retry.wait_s)

    async def _once(self) -> None:
        context = self.stream.services.context(self.plugin.kind)
        sink = self.plugin.sink(self.url, self.plugin.OutputOptions(), context)
        cursor = self.stream.graph.cursor(sink.wants)
        try:
            while True:
                try:
                    cursor.join()
                except NotReady:
                    await cursor.wait()
                    cursor.take()
                else:
                    break
            self.sink = sink
            await sink.run(cursor, connected=self._connected)
        finally:
            if self.sink is not None:
                self.past_bytes += self.sink.bytes_sent
                self.sink = None
            cursor.close()

    def _connected(self) -> None:
        self.attempt = 0
        self.errors.clear()
        self.connected_at = self.stream.clock.wall()
        self._enter(PushState.ACTIVE)

    def _give_up(self, error: StreamctlError) -> bool:
        """Note the error; True if there is no next attempt."""
        self.connected_at = None
        self.errors.append(str(error))
        log.warning("push to %s: %s", self.url.redacted, error)
        ended = self.stream.graph.base.closed
        if error.permanent or ended or self.retry.used_up(self.attempt):
            self.failure = error
            self._enter(PushState.FAILED)
            return True
        self._enter(PushState.RECONNECTING)
        return False

    def _enter(self, state: PushState) -> None:
        if state is not self.state:
            self.state = state
            self.stream.services.events.emit(
                f"push.{state}", self.stream.code, url=self.url.redacted
            )
