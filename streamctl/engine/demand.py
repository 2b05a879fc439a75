"""Whether anybody wants a stream, so that its inputs are pulled, if that is done on demand only.

Wanted by: viewers of any protocol, streams that copy it, pushes, and whoever has just asked. A
stream that nobody wants is off air on purpose, which is no failure.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import anyio

from streamctl.engine import causes as cause

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream

log = logging.getLogger("streamctl.demand")

FAILURES = (cause.INPUT_FAILED, cause.INPUTS_EXHAUSTED, cause.NO_PACKETS, cause.INPUT_DEGRADED)


class Demand:
    """The wants of one stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.readers = 0
        """Other streams that are made of this one."""
        self.aired = anyio.Event()
        """Set when the stream gets on air next, or is closed."""
        self._asked_at = -math.inf
        stream.inputs.machine.wanted = not stream.config.on_demand

    @property
    def wanted(self) -> bool:
        """Whether inputs are to be pulled."""
        config = self.stream.config
        if not config.on_demand or self._present():
            return True
        return self.stream.clock.now() - self._asked_at < config.close_after_s

    @property
    def sleeping(self) -> bool:
        """Whether the stream is off air and would come for whoever asks."""
        stream = self.stream
        pulled = any(not (one.publish or one.slate) for one in stream.config.inputs)
        return pulled and stream.config.on_demand and not stream.on_air()

    def ask(self) -> None:
        """Somebody wants the stream now."""
        self._asked_at = self.stream.clock.now()
        self.look()

    def look(self) -> None:
        """Have the inputs pulled, or left, if that has changed."""
        stream = self.stream
        if stream.closed:
            return
        if self._present():
            self._asked_at = stream.clock.now()
        wanted = self.wanted
        if wanted is not stream.inputs.machine.wanted:
            log.info("stream %s: %s", stream.code, "wanted" if wanted else "nobody wants it")
            stream.inputs.want(wanted=wanted)
        if wanted:
            stream.causes.clear(cause.IDLE)
        elif not stream.on_air():
            stream.causes.clear(*FAILURES)
            stream.causes.set(cause.IDLE, "nobody watches")

    def begun(self) -> None:
        """The stream is on air, or will never be again."""
        aired, self.aired = self.aired, anyio.Event()
        aired.set()

    def _present(self) -> bool:
        stream = self.stream
        return bool(stream.viewers or self.readers or stream.pushes.tasks)
