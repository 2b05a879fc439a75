"""Runs one pulled input: a fresh source per attempt, back-off between attempts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from streamctl.engine import causes as cause
from streamctl.errors import StreamctlError
from streamctl.sdk.endpoints import Patient

if TYPE_CHECKING:
    from streamctl.config.model import InputConfig
    from streamctl.engine.stream import Stream
    from streamctl.sdk.endpoints import Source
    from streamctl.sdk.plugin import ProtocolPlugin

log = logging.getLogger("streamctl.ingest")

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 10.0
PERMANENT_RETRY_S = 30.0
"""An error that trying again can't help is looked at again this often: files get replaced."""


class PullInput:
    """The input of a stream that is pulled by a plugin's source."""

    def __init__(self, stream: Stream, plugin: ProtocolPlugin, config: InputConfig) -> None:
        self.stream = stream
        self.plugin = plugin
        self.config = config
        self.connecting = False
        self.finished = False
        """The source came to its end and there is nothing to wait for."""
        self.attempts = 0
        self.last_error = ""
        self.error: StreamctlError | None = None
        """The error of the last attempt, None after a clean end."""
        self.past_duration_s = 0.0
        self.source: Source | None = None
        """The running attempt's source."""
        self._scope: anyio.CancelScope | None = None
        self._gave_up = ""

    @property
    def duration_s(self) -> float:
        """Length of the source, seconds; 0 = unknown or endless."""
        return self.source.duration_s if self.source else self.past_duration_s

    @property
    def waiting(self) -> str:
        """The peer that the running attempt waits for; empty = none."""
        source: object = self.source
        return source.waiting if isinstance(source, Patient) else ""

    async def run(self) -> None:
        """Attempt after attempt, until the source ends cleanly or the task is cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            went_on_air = await self.attempt()
            if self.stream.closed:
                return
            if self.error is None:
                self.finished = True
                self.stream.causes.set(cause.INPUT_ENDED, "the input came to its end")
                return
            if went_on_air:
                retry_s = FIRST_RETRY_S
            wait_s = PERMANENT_RETRY_S if self.error.permanent else retry_s
            log.warning(
                "stream %s: input %s: %s; next attempt in %.0f s",
                self.stream.code,
                self.config.url.redacted,
                self.error,
                wait_s,
            )
            await self.stream.clock.sleep(wait_s)
            retry_s = min(retry_s * 2, LAST_RETRY_S)

    async def attempt(self) -> bool:
        """One connection; sets :attr:`error`. True if it brought the stream on air."""
        stream = self.stream
        url = self.config.url
        self.attempts += 1
        self.connecting = True
        self.error = None
        self._gave_up = ""
        epoch = stream.begin(f"{url.redacted}, attempt {self.attempts}")
        try:
            with anyio.CancelScope() as self._scope:
                context = stream.services.context(self.plugin.kind)
                self.source = self.plugin.source(url, self.config.options, context)
                await self.source.run(epoch)
            if self._gave_up:
                self.error = StreamctlError(self._gave_up)
        except StreamctlError as error:
            self.error = error
        except Exception as error:
            log.exception("stream %s: input %s failed", stream.code, url.redacted)
            self.error = StreamctlError(f"{type(error).__name__}: {error}")
        finally:
            self.connecting = False
            self.past_duration_s = self.duration_s
            self.source = self._scope = None
            went_on_air = epoch.on_air
            if stream.epoch is epoch:
                stream.end(str(self.error or "end of input"))
        if self.error is not None:
            self.last_error = str(self.error)
            stream.causes.set(cause.INPUT_FAILED, self.last_error)
            stream.services.events.emit("input.failed", stream.code, error=self.last_error)
        return went_on_air

    def give_up(self, reason: str) -> None:
        """End the running attempt, because it delivers nothing."""
        if self._scope is not None:
            self._gave_up = reason
            self._scope.cancel()
