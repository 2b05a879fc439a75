"""Whether anybody wants a stream, so that its inputs are pulled, if that is done on demand only.

Wanted by: viewers of any protocol, streams that copy it, pushes, and whoever has just asked and
waits for an answer. A stream that nobody wants is off air on purpose, which is no failure; what it
showed is forgotten, so that the next viewer gets no pictures of last time.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import anyio

from streamctl.engine import causes as cause
from streamctl.sdk.session import Action

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream

log = logging.getLogger("streamctl.demand")

FAILURES = (cause.INPUT_FAILED, cause.INPUTS_EXHAUSTED, cause.NO_PACKETS, cause.INPUT_DEGRADED)
PATIENCE_S = 20.0
"""Viewers of a stream that does not come are told after this long; an input that has brought no
place to begin at has failed by then."""

ANSWER_S = 2.0
"""How long whoever was answered may take to become a viewer."""


class Demand:
    """The wants of one stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.readers = 0
        """Other streams that are made of this one."""
        self.aired = anyio.Event()
        """Set when the stream gets on air next, or is closed."""
        self._until = -math.inf
        """How long it is wanted by those who have left, or have asked and wait."""
        stream.inputs.machine.wanted = not stream.config.on_demand

    @property
    def wanted(self) -> bool:
        """Whether inputs are to be pulled."""
        if not self.stream.config.on_demand or self._present():
            return True
        return self.stream.clock.now() < self._until

    @property
    def sleeping(self) -> bool:
        """Whether the stream is off air and would come for whoever asks."""
        stream = self.stream
        pulled = any(not (one.publish or one.slate) for one in stream.config.inputs)
        return pulled and stream.config.on_demand and not stream.on_air()

    @property
    def waking(self) -> bool:
        """Whether the stream is off air and may be on air in a moment."""
        return self.sleeping and self.wanted and not self.stream.inputs.finished

    def ask(self, wait_s: float = 0.0) -> None:
        """Somebody wants the stream now, and waits so long for an answer."""
        if self.stream.config.on_demand:
            self._want_for(max(wait_s, self.stream.config.close_after_s))
            self.look()

    def look(self) -> None:
        """Have the inputs pulled, or left, if that has changed."""
        stream = self.stream
        if stream.closed:
            return
        if self._present():
            self._want_for(stream.config.close_after_s)
        wanted = self.wanted
        if wanted is not stream.inputs.machine.wanted:
            log.info("stream %s: %s", stream.code, "wanted" if wanted else "nobody wants it")
            stream.inputs.want(wanted=wanted)
        if wanted:
            stream.causes.clear(cause.IDLE)
        elif not stream.on_air():
            stream.causes.clear(*FAILURES)
            if stream.causes.set(cause.IDLE, "nobody watches"):
                stream.forget()

    def tick(self) -> None:
        """Look, and send away who waits in vain; called about once a second."""
        over = self.sleeping and self.stream.inputs.finished
        if over and not self._present():
            # Whoever comes next has it begin again.
            self._until = -math.inf
        self.look()
        if over:
            for entry in self.stream.graph.entries():
                entry.fanout.dismiss("the input came to its end")
        elif self.stream.viewers and self.sleeping:
            self._dismiss()

    def begun(self) -> None:
        """The stream is on air, or will never be again."""
        # Whoever waited is answered now, and need not be waited for any longer.
        stay_s = max(self.stream.config.close_after_s, ANSWER_S)
        self._until = min(self._until, self.stream.clock.now() + stay_s)
        aired, self.aired = self.aired, anyio.Event()
        aired.set()

    def _present(self) -> bool:
        stream = self.stream
        # The pushes of a stream that viewers have called would keep it for ever.
        pushed = bool(stream.pushes.tasks) and not stream.config.runtime
        return bool(stream.viewers or self.readers or pushed)

    def _want_for(self, seconds: float) -> None:
        self._until = max(self._until, self.stream.clock.now() + seconds)

    def _dismiss(self) -> None:
        """Close the viewers that have waited for long and were shown nothing."""
        stream = self.stream
        since = stream.clock.wall() - PATIENCE_S
        active = stream.causes.active
        why = next((f": {active[name][0]}" for name in FAILURES if name in active), "")
        for session in stream.services.sessions.of(stream.code, Action.PLAY):
            if not session.bytes_out and session.opened_at <= since:
                session.close(f"stream `{stream.code}` did not come on air{why}")
