"""When what a live server sent is due, although its clock is not ours."""

from __future__ import annotations

from streamctl.media.pace import Pacer

HURRY = 0.02
"""Played so much faster while there is too much in front: clocks differ, servers catch up."""


class LivePacer(Pacer):
    """Maps media time to the clock, and hurries on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.hurry = False
        """There is more in front than there should be."""
        self._seen = 0.0

    def horizon_s(self, media_s: float, now: float) -> float:
        """The media time up to which all is due, where ``media_s`` is what comes next."""
        if self.hurry and self.origin_s is not None:
            self.origin_s -= HURRY * (now - self._seen)
        self._seen = now
        return super().horizon_s(media_s, now)

    def rebase(self, ended_s: float, begins_s: float) -> None:
        """Go on at another media time where one ended."""
        if self.origin_s is not None:
            self.origin_s += ended_s - begins_s
