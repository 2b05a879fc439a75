"""The set of causes why a stream is not simply on air; none, or only calm ones = active."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl.sdk.context import Clock

NO_PUBLISHER = "no_publisher"
INPUT_FAILED = "input_failed"
INPUT_ENDED = "input_ended"
INPUT_DEGRADED = "input_degraded"
INPUTS_EXHAUSTED = "inputs_exhausted"
ON_SLATE = "on_slate"
NO_PACKETS = "no_packets"
WAITING_FOR_KEYFRAME = "waiting_for_keyframe"
GOP_TOO_LONG = "gop_too_long"
CONVERTER_FAILED = "converter_failed"
OUT_OF_MEMORY = "out_of_memory"
PUSH_FAILED = "push_failed"
START_FAILED = "start_failed"
IDLE = "idle"
"""Nobody wants a stream that is pulled on demand."""
CALM = frozenset({IDLE})
"""Causes of being off air that are as they should be."""


class Causes:
    """Named causes with a sentence and the time since when they hold."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.active: dict[str, tuple[str, float]] = {}

    def set(self, name: str, detail: str) -> bool:
        """Add a cause or change its sentence; True if it is new."""
        known = self.active.get(name)
        self.active[name] = (detail, known[1] if known else self.clock.wall())
        return known is None

    def clear(self, *names: str) -> None:
        """Remove causes; unknown ones are ignored."""
        for name in names:
            self.active.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self.active

    def __bool__(self) -> bool:
        return bool(self.active.keys() - CALM)
