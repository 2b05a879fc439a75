"""Calls that wait for the end of a picture, since what they lead to may end the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.context import Clock, Timer

PICTURE_S = 0.25
"""The end of a picture is waited for so long: slower ones are shown in parts, or not at all."""


class Interlude:
    """Who is to be called between two pictures of one epoch."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.running = False
        """They are being called."""
        self._calls: list[Callable[[], None]] = []
        self._timer: Timer | None = None

    def ask(self, call: Callable[[], None], late: Callable[[], None]) -> None:
        """Let a call wait; ``late`` comes when there was no end of a picture for long."""
        self._calls.append(call)
        if self._timer is None:
            self._timer = self.clock.call_later(PICTURE_S, late)

    def run(self) -> None:
        """Call everybody."""
        self._stop_timer()
        calls, self._calls = self._calls, []
        self.running = True
        try:
            for call in calls:
                call()
        finally:
            self.running = False

    def close(self) -> None:
        """The epoch ends: everybody is called in the next turn, when others have dealt with it."""
        self._stop_timer()
        for call in self._calls:
            self.clock.call_later(0.0, call)
        self._calls.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
