"""Lets pieces of fast inputs wait for each other: looking at many packets costs little more.

Sources hand over what came in about 5 ms. At low rates that is little, and goes on at once; at
high rates several such pieces are dealt with together, and so are single datagrams that
follow each other closely. Who can't deal with a piece in one turn of the loop is called again in
the next one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.context import Clock, Timer

LEAST_BYTES = 8_192
"""A piece of this size tells of a high rate: 13 Mbit/s, if it took 5 ms to come."""
ENOUGH_BYTES = 131_072
"""What is dealt with together at most: 20 ms at 50 Mbit/s. Half of it costs half as much again."""
CLOSE_S = 0.002
"""Pieces follow each other closely that come within this: datagrams, from 5 Mbit/s on."""
WAIT_S = 0.02
"""How long the first piece waits at most: less than a picture, for which viewers wait anyway."""


class Gatherer:
    """Delivers pieces, several at a time if they are large."""

    def __init__(
        self, clock: Clock, deliver: Callable[[bytes | bytearray | memoryview], None]
    ) -> None:
        self.clock = clock
        self._deliver = deliver
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._last = -math.inf
        self._timer: Timer | None = None
        self._turn: Timer | None = None
        self._failure: Exception | None = None
        """Of what the timer delivered; whoever brings the next piece has to know."""

    def put(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Deliver a piece now, or with those that come soon."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        size = len(data)
        hurried, self._last = now - self._last < CLOSE_S, now
        if not self._pieces and (size >= ENOUGH_BYTES or not (hurried or size >= LEAST_BYTES)):
            self._deliver(data)
            return
        self._pieces.append(bytes(data))
        self._bytes += size
        if self._bytes >= ENOUGH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = self.clock.call_later(WAIT_S, self._on_timer)

    def flush(self) -> None:
        """Deliver what waits."""
        if self._pieces:
            pieces, self._pieces, self._bytes = self._pieces, [], 0
            self._deliver(b"".join(pieces))

    def call_again(self) -> None:
        """Deliver nothing at all in the next turn of the loop."""
        if self._turn is None:
            self._turn = self.clock.call_later(0.0, self._on_turn)

    def close(self) -> None:
        """Drop what waits."""
        self._pieces.clear()
        for timer in (self._timer, self._turn):
            if timer is not None:
                timer.cancel()
        self._timer = self._turn = None

    def _on_timer(self) -> None:
        # Not set anew for each delivery: one that comes early does no harm.
        self._timer = None
        try:
            self.flush()
        except Exception as error:
            self._failure = error

    def _on_turn(self) -> None:
        self._turn = None
        try:
            self._deliver(b"")
        except Exception as error:
            self._failure = error
