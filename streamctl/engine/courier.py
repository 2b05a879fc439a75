"""Delivers a hook's events in batches and in order, however long that takes.

A batch that can't be delivered goes back to the front of the queue and is tried again, with longer
and longer pauses; meanwhile the queue may lose its oldest. Nobody waits for a courier.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import anyio

from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.engine.hookqueue import HookQueue
    from streamctl.schema import Event
    from streamctl.sdk.context import Clock

PAUSES_S = (1.0, 5.0, 30.0)
"""Before a batch is tried again; the last one for ever."""

log = logging.getLogger("streamctl.hooks")


class TooLarge(StreamctlError):
    """The receiver takes no batch of this size."""


class Delivery(Protocol):
    """A way to tell somebody."""

    batch: int
    """Events that are told at once, at most."""
    batch_s: float
    """How long events are gathered."""

    @property
    def target(self) -> str:
        """Who is told, without secrets."""

    async def deliver(self, events: Sequence[Event]) -> str:
        """Tell; how it went, in words.

        Raises:
            StreamctlError: it did not work.
        """


class Courier:
    """Implements :class:`streamctl.engine.hooks.Runner`."""

    def __init__(self, name: str, delivery: Delivery, queue: HookQueue, clock: Clock) -> None:
        self.name = name
        self.delivery = delivery
        self.queue = queue
        self.clock = clock
        self.delivered = 0
        self.failed = 0
        """Attempts that did not work."""
        self.error = ""
        """Why the last attempt did not; empty if it did."""
        self.under_way = 0
        """Events that are being delivered."""
        self._in_row = 0
        self._most = delivery.batch
        """Events that the receiver takes at once, as far as it is known."""
        self._hurried = False
        self._gathering = anyio.CancelScope()

    @property
    def target(self) -> str:
        """Who is told, without secrets."""
        return self.delivery.target

    @property
    def running(self) -> int:
        """Deliveries under way."""
        return int(self.under_way > 0)

    @property
    def waiting(self) -> int:
        """Events that were not delivered yet."""
        return len(self.queue) + self.under_way

    @property
    def stuck(self) -> bool:
        """Whether what waits can't be delivered now."""
        return bool(self.error) and not self.under_way

    def hear(self, event: Event) -> None:
        """Take an event to be delivered."""
        self.queue.put(event)

    def hurry(self) -> None:
        """Gather no more: what is there is all that comes."""
        self._hurried = True
        self._gathering.cancel()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self.queue.filled()
            if self.delivery.batch_s and not self._hurried:
                await self._gather()
            pause_s = await self._deliver(self.queue.take(self._most))
            if pause_s:
                await self.clock.sleep(pause_s)

    async def test(self, event: Event) -> str:
        """Deliver one event at once and alone; how it went, in words.

        Raises:
            StreamctlError: it did not work.
        """
        return await self.delivery.deliver([event])

    async def _gather(self) -> None:
        """Wait until enough has happened, or for long enough."""
        with anyio.CancelScope() as self._gathering:
            timer = self.clock.call_later(self.delivery.batch_s, self._gathering.cancel)
            try:
                await self.queue.filled(self._most)
            finally:
                timer.cancel()

    async def _deliver(self, batch: Sequence[Event]) -> float:
        """Try once; the pause before the next attempt, 0 after a success."""
        self.under_way = len(batch)
        try:
            await self.delivery.deliver(batch)
        except TooLarge as error:
            self._divide(batch, error)
            return 0.0
        except StreamctlError as error:
            self.queue.put_back(batch)
            return self._failed(f"{error.message} ({error.hint})" if error.hint else error.message)
        except Exception as error:
            log.exception("hook %s failed", self.name)
            self.queue.put_back(batch)
            return self._failed(f"{type(error).__name__}: {error}")
        except BaseException:
            self.queue.put_back(batch)
            raise
        finally:
            self.under_way = 0
        self.delivered += len(batch)
        self._most = min(self.delivery.batch, self._most + 1)
        if self._in_row:
            log.info("hook %s: delivers again, %d events lost", self.name, self.queue.dropped)
        self._in_row, self.error = 0, ""
        return 0.0

    def _divide(self, batch: Sequence[Event], error: TooLarge) -> None:
        """Try with fewer events; what is too large alone would stop all that comes after it."""
        self._most = max(1, len(batch) // 2)
        if len(batch) > 1:
            self.queue.put_back(batch)
            return
        self.queue.dropped += 1
        self.failed += 1
        log.warning("hook %s: event %d is lost: %s", self.name, batch[0].id, error)

    def _failed(self, why: str) -> float:
        self.failed += 1
        self._in_row += 1
        level = logging.WARNING if self._in_row in {1, len(PAUSES_S) + 1} else logging.DEBUG
        log.log(level, "hook %s: attempt %d: %s", self.name, self._in_row, why)
        self.error = why
        return PAUSES_S[min(self._in_row, len(PAUSES_S)) - 1]
