"""Tells when a stream goes on and off air, and when it is degraded and sound again.

What changes to and fro within one turn, such as at a switch of inputs, is not told: states are
looked at when the stream goes on air and at each tick, when they have settled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Init


class Announcer:
    """What was told of a stream last."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.on_air = False
        self.causes: frozenset[str] = frozenset()

    def begun(self, init: Init) -> None:
        """A run of an input has begun; viewers of the one before go on watching."""
        if not self.on_air:
            self.on_air = True
            self._emit("stream.on_air", tracks=[track.codec.value for track in init.tracks])

    def look(self) -> None:
        """Tell what has changed."""
        causes = self.stream.causes.active
        if self.on_air and not self.stream.on_air():
            self._down("; ".join(detail for detail, _ in causes.values()))
        names = frozenset(causes)
        if names == self.causes:
            return
        self.causes = names
        if names:
            details = {name: detail for name, (detail, _) in causes.items()}
            self._emit("stream.degraded", causes=details)
        else:
            self._emit("stream.recovered")

    def close(self, reason: str) -> None:
        """The stream is over."""
        if self.on_air:
            self._down(reason)

    def _down(self, reason: str) -> None:
        self.on_air = False
        self._emit("stream.off_air", reason=reason or "no input delivers")

    def _emit(self, kind: str, **payload: object) -> None:
        self.stream.services.events.emit(kind, self.stream.code, **payload)
