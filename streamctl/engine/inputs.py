"""The inputs of one stream at work: carries out what :mod:`~streamctl.engine.failover` decides.

Theory of operation. Every attempt, and every publisher, writes to an intake of its own. A stream
with several inputs lets them all hold what comes, and has the one that is chosen go live; the
only input of a stream is live from its first byte on. Whatever happens is told to the machine,
and what it answers is carried out at once, in order; what happens meanwhile is dealt with
afterwards, so that there is one order of all changes.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import anyio

from streamctl.engine import causes as cause
from streamctl.engine.choice import (
    PERMANENT_RETRY_S,
    Decision,
    Exhausted,
    OffAir,
    Reason,
    Restored,
    Rules,
    Spec,
    Start,
    Stop,
    SwitchTo,
    cooldown_s,
)
from streamctl.engine.failover import Failover
from streamctl.engine.health import Limits
from streamctl.engine.ingest import Input, PullInput, Slot
from streamctl.engine.intake import Intake
from streamctl.engine.slots import silent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anyio.abc import TaskGroup

    from streamctl.config.model import InputConfig, StreamConfig
    from streamctl.engine.stream import Stream
    from streamctl.errors import StreamctlError
    from streamctl.sdk.session import Session

log = logging.getLogger("streamctl.ingest")

TICK_S = 0.25
"""How often time is looked at, unless there is only a place for a publisher."""
IDLE_TICK_S = 1.0
"""And how often then: the server looks at all streams."""
PAUSED_S = 1.0
"""Who looks so much later than he meant to was not running, and heard nobody in that time."""
PICTURE_S = 20.0
"""How long packets may come without a place to begin at, unless keyframes have a limit."""


class Inputs:
    """What a stream may show, and what becomes of it."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.clock = stream.clock
        self._numbers = count()
        self.order: list[Input] = [self._make(config) for config in stream.config.inputs]
        """In order of priority."""
        self.by_number: dict[int, Input] = {one.number: one for one in self.order}
        """Those, too, that are configured no more and have not ended yet."""
        self._by_hand = False
        self.machine = Failover(self._specs(), self._rules(), self.clock.now())
        self._due = math.inf
        """When time is looked at again at the latest, if the process runs."""
        self._group: TaskGroup | None = None
        self._pending: list[PullInput] = []
        self._queue: deque[Decision] = deque()
        self._busy = False

    @property
    def sole(self) -> bool:
        """Whether there is nothing to choose from."""
        return len(self.order) == 1

    @property
    def slots(self) -> list[Slot]:
        """The places for publishers."""
        return [one for one in self.order if isinstance(one, Slot)]

    @property
    def active(self) -> Input | None:
        """The input on air, or the only one there is."""
        active = self.machine.active
        if active is not None:
            return self.by_number.get(active.spec.id)
        return self.order[0] if self.sole else None

    @property
    def coming(self) -> bool:
        """Whether an input that is not on air is there and may take over."""
        found = self.machine.inputs
        return not self.sole and any(one.running and not one.stopping for one in found)

    @property
    def covered(self) -> bool:
        """Whether something else than a slate is on air."""
        active = self.machine.active
        return active is not None and not active.spec.slate

    @property
    def live(self) -> Input | None:
        """The input that holds the writer."""
        epoch = self.stream.epoch
        if epoch is None:
            return None
        return next(
            (one for one in self.by_number.values() if one.intake and one.intake.epoch is epoch),
            None,
        )

    @property
    def held_bytes(self) -> int:
        """Media of those that are not on air."""
        return sum(one.intake.held_bytes for one in self.by_number.values() if one.intake)

    @property
    def finished(self) -> bool:
        """Whether all inputs came to their end."""
        return all(one.finished for one in self.order if not one.config.slate)

    async def run(self) -> None:
        """Pull what is to be pulled, until cancelled."""
        try:
            async with anyio.create_task_group() as self._group:
                self._forget_attempts()
                self._carry_out(self.machine.tick(self._now()))
                pending, self._pending = self._pending, []
                for one in pending:
                    self._group.start_soon(self._attempt, one)
                await self._watch()
        finally:
            self._group = None

    def tick(self, now: float) -> None:
        """Look at what was counted, and at the time; called a few times a second."""
        self._notice_pause(now)
        self._due = now + (IDLE_TICK_S if self._idle else TICK_S)
        for one in list(self.by_number.values()):
            self._look_at(one, now)
        self._carry_out(self.machine.tick(now))

    def begun(self) -> None:
        """The running epoch has begun to write."""
        live = self.live
        if live is not None and self.machine.active is None:
            live.health.recovered()
            self._carry_out(self.machine.rap(live.number, self._now()))

    def publish(self, slot: Slot, session: Session) -> Intake:
        """Let a publisher into a slot, in the place of whoever is there."""
        holder = slot.session
        if holder is not None:
            idle = "silent; " if silent(self.stream, slot) else ""
            holder.close(f"{idle}{session.peer} took its place")
            self.leave(holder, "replaced")
        now = self._now()
        slot.session = session
        intake = slot.intake = self._intake(slot)
        slot.health.begin(now)
        if self.sole:
            intake.go_live(f"publisher {session.peer} over {session.protocol}")
        self._carry_out(self.machine.arrived(slot.number, now))
        return intake

    def leave(self, session: Session, reason: str) -> None:
        """A session is over; if it was a publisher's, its slot is free again."""
        slots = (one for one in self.by_number.values() if isinstance(one, Slot))
        slot = next((one for one in slots if one.session is session), None)
        if slot is None:
            return
        slot.session, slot.left, slot.left_at = None, reason, self._now()
        slot.health.failed(reason)
        self._let_go(slot, reason)
        if self.machine.knows(slot.number):
            self._carry_out(self.machine.left(slot.number, reason, self._now()))
        else:
            self.by_number.pop(slot.number, None)

    def switch(self, priority: int | None) -> None:
        """Put the input of this priority on air as soon as it can; None = the best one again.

        Raises:
            NotFound: there is none.
            NotReady: it can't go on air.
        """
        self._carry_out(self.machine.wish(priority, self._now()))

    def want(self, *, wanted: bool) -> None:
        """Pull what is to be pulled, because somebody wants it; or leave it."""
        self._carry_out(self.machine.want(self._now(), wanted=wanted))

    def update(self, config: StreamConfig) -> None:
        """Make the inputs those of a configuration; those that are the same go on."""
        left = list(self.order)
        order: list[Input] = []
        for wanted in config.inputs:
            known = next((one for one in left if one.config == wanted), None)
            if known is not None:
                left.remove(known)
            order.append(known or self._make(wanted))
        self.order = order
        self.by_number.update((one.number, one) for one in order)
        self._carry_out(self.machine.update(self._specs(), self._rules(), self._now()))
        for one in left:
            if one.intake is None:
                self.by_number.pop(one.number, None)

    async def attempt(self, one: PullInput) -> bool:
        """Make an attempt by hand; whether it brought the stream on air."""
        if not self._by_hand:
            self._by_hand = True
            self.machine.rules = self._rules()
        one.prepare()
        self._carry_out(self.machine.arrived(one.number, self._now()))
        return await self._run(one)

    @property
    def _idle(self) -> bool:
        """Whether there is only a place for a publisher."""
        return self.sole and bool(self.slots)

    async def _watch(self) -> None:
        while True:
            await self.clock.sleep(TICK_S)
            if not self._idle:
                self.tick(self._now())

    def _now(self) -> float:
        """The time, with a pause that has just ended noticed before anything is decided."""
        now = self.clock.now()
        self._notice_pause(now)
        return now

    def _notice_pause(self, now: float) -> None:
        """Keep a pause of the process from passing for silence of its peers."""
        late_s = now - self._due
        if late_s > PAUSED_S:
            self._due = now
            self.machine.paused(late_s)
            for one in self.by_number.values():
                one.health.paused(late_s)

    def _forget_attempts(self) -> None:
        """Whatever ran before does not any more."""
        for one in self.machine.inputs:
            known = self.by_number[one.spec.id]
            if one.running and isinstance(known, PullInput) and known not in self._pending:
                self._carry_out(self.machine.failed(one.spec.id, "restarted", self._now()))

    async def _attempt(self, one: PullInput) -> None:
        await self._run(one)

    async def _run(self, one: PullInput) -> bool:
        """One attempt from its beginning to what follows from its end."""
        one.health.begin(self.clock.now())
        intake = self._intake(one)
        if self.sole:
            intake.go_live(f"{one.config.url.redacted}, attempt {one.attempts + 1}")
        try:
            await one.attempt(intake)
        finally:
            epoch = intake.epoch
            went_on_air = epoch is not None and epoch.on_air
            self._let_go(one, str(one.error or "end of input"))
        self._over(one)
        return went_on_air

    def _over(self, one: PullInput) -> None:
        """An attempt has ended: say so."""
        now, error = self._now(), one.error
        if not self.machine.knows(one.number) or self.stream.closed:
            self.by_number.pop(one.number, None)
            return
        contender = self.machine.find(one.number)
        if contender.stopping and not contender.bad:
            one.last_error = ""
            self._carry_out(self.machine.failed(one.number, "", now))
        elif error is None:
            one.ended = True
            self._carry_out(self.machine.ended(one.number, now))
            if self.finished:
                self.stream.causes.set(cause.INPUT_ENDED, "the input came to its end")
        else:
            one.health.failed(str(error))
            decisions = self.machine.failed(one.number, str(error), now, permanent=error.permanent)
            self._report(one, error)
            self._carry_out(decisions)

    def _report(self, one: PullInput, error: StreamctlError) -> None:
        """Log a failure, and blame it if nothing covers for it."""
        stream, contender = self.stream, self.machine.find(one.number)
        pause_s = PERMANENT_RETRY_S if contender.permanent else 0.0
        if not pause_s:
            pause_s = cooldown_s(contender, self.machine.rules, covered=self.covered)
        again = "" if self._by_hand else f"; next attempt in {pause_s:.0f} s"
        log.warning("stream %s: input %s: %s%s", stream.code, one.config.url.redacted, error, again)
        if not self.covered and not one.config.slate:
            stream.causes.set(cause.INPUT_FAILED, str(error))
        self._emit("input.failed", one, error=str(error))

    def _let_go(self, one: Input, reason: str) -> None:
        """Take the writer from an attempt that has ended."""
        intake, one.intake = one.intake, None
        if intake is None:
            return
        one.tracks = intake.carried or one.tracks
        if intake.epoch is not None and intake.epoch is self.stream.epoch:
            self.stream.end(reason)
        intake.close()

    def _look_at(self, one: Input, now: float) -> None:
        """Tell the machine what is known of an input."""
        intake, machine = one.intake, self.machine
        if intake is None or not machine.knows(one.number):
            return
        machine.patient(one.number, bool(one.waiting), now)
        # Where there is nothing else to show, whatever comes is better than nothing.
        progress = intake.last_packet if self.sole else intake.progress()
        if progress != one.progress and intake.last_packet is not None:
            one.progress = progress
            machine.heard(one.number, intake.last_packet)
        one.health.sample(one.reading(), now)
        complaint = one.health.judge(limits(self.stream.config), now)
        if complaint.words != one.complaint.words:
            if complaint.words and not one.complaint.words:
                self._emit("input.degraded", one, reason=complaint.words)
            one.complaint = complaint
            words, dead = complaint.words, complaint.dead
            self._carry_out(machine.judged(one.number, words, now, dead=dead))

    def _intake(self, one: Input) -> Intake:
        def tell(intake: Intake) -> None:
            if one.intake is intake and self.machine.knows(one.number):
                one.health.recovered()
                self._carry_out(self.machine.rap(one.number, self._now()))

        def point(intake: Intake) -> None:
            epoch = self.stream.epoch
            if epoch is None or epoch is intake.epoch:
                tell(intake)
            else:
                # What follows from it may end that epoch.
                epoch.between_pictures(partial(tell, intake))

        return Intake(self.clock, begin=self.stream.begin, rap=point)

    def _carry_out(self, decisions: Iterable[Decision]) -> None:
        """Do what was decided, and what is decided meanwhile after it."""
        self._queue.extend(decisions)
        if self._busy or self.stream.closed:
            return
        self._busy = True
        try:
            while self._queue:
                self._do(self._queue.popleft())
        finally:
            self._busy = False
        self._blame()

    def _do(self, decision: Decision) -> None:
        match decision:
            case Start(number):
                self._start(number)
            case Stop(number, reason):
                self._stop(number, reason)
            case OffAir(number, reason):
                one = self.by_number.get(number)
                if one is not None and self.live is one:
                    self.stream.end(reason)
            case SwitchTo(number, reason, detail):
                self._switch(number, reason, detail)
            case Exhausted(detail):
                if not self.sole:
                    self.stream.causes.set(cause.INPUTS_EXHAUSTED, f"no input delivers: {detail}")
            case Restored():
                self.stream.causes.clear(cause.INPUTS_EXHAUSTED)

    def _start(self, number: int) -> None:
        one = self.by_number[number]
        assert isinstance(one, PullInput)
        one.prepare()
        if one.attempts:
            self._emit("input.reconnecting", one, attempt=one.attempts + 1)
        if self._group is None:
            self._pending.append(one)
        else:
            self._group.start_soon(self._attempt, one)

    def _stop(self, number: int, reason: str) -> None:
        one = self.by_number.get(number)
        if one is None:
            return
        known = self.machine.knows(number)
        if known and (self.machine.find(number).bad or isinstance(one, Slot)):
            self._emit("input.degraded", one, reason=reason)
        if isinstance(one, Slot):
            if one.session is not None:
                session = one.session
                session.close(reason)
                self.leave(session, reason)
        else:
            one.stop(reason)

    def _switch(self, number: int, reason: Reason, detail: str) -> None:
        """Have an input go live; the one before holds again."""
        stream, one = self.stream, self.by_number[number]
        intake, before = one.intake, self.live
        if intake is None:
            gone = self.machine.reject(number, "it has ended", self._now())
            self._queue.extend(gone)
            return
        why = f"{reason}: {detail}" if detail else str(reason)
        if intake.epoch is None:
            try:
                intake.go_live(f"input {self.order.index(one)}: {why}")
            except Exception as error:
                log.exception("stream %s: input %d can't go on air", stream.code, number)
                self._queue.extend(self.machine.reject(number, str(error), self._now()))
                return
            if before is not None and before is not one and before.intake is not None:
                before.intake.hold()
        switch = self.machine.switches[0]
        if not self.sole:
            log.info("stream %s: input %d is on air: %s", stream.code, switch.after, why)
        if switch.before not in (-1, switch.after):
            self._emit(
                "input.failover", one, before=switch.before, reason=str(reason), detail=detail
            )
        elif switch.before == switch.after:
            self._emit("input.recovered", one, detail=detail)

    def _blame(self) -> None:
        """Bring the causes up to date that depend on what is on air."""
        causes, machine, slots = self.stream.causes, self.machine, self.slots
        active = machine.active
        if slots and not self.covered and all(slot.session is None for slot in slots):
            left = next((slot.left for slot in slots if slot.left), "")
            words = f"the publisher left: {left}" if left else "waiting for a publisher"
            causes.set(cause.NO_PUBLISHER, words)
        else:
            causes.clear(cause.NO_PUBLISHER)
        if active is not None and active.spec.slate:
            causes.set(cause.ON_SLATE, machine.switches[0].detail or "no input delivers")
        else:
            causes.clear(cause.ON_SLATE)
        if active is not None and active.poor:
            causes.set(cause.INPUT_DEGRADED, active.poor)
        else:
            causes.clear(cause.INPUT_DEGRADED)
        if self.covered:
            causes.clear(cause.INPUT_FAILED, cause.INPUT_ENDED)

    def _emit(self, kind: str, one: Input, **payload: object) -> None:
        place = self.order.index(one) if one in self.order else -1
        self.stream.services.events.emit(kind, self.stream.code, input=place, **payload)

    def _make(self, config: InputConfig) -> Input:
        number = next(self._numbers)
        if config.publish:
            return Slot(number, config)
        plugin = self.stream.services.plugins[config.url.kind]
        return PullInput(number, config, plugin, self.stream)

    def _specs(self) -> list[Spec]:
        return [Spec(one.number, one.config.publish, one.config.slate) for one in self.order]

    def _rules(self) -> Rules:
        config = self.stream.config
        keyless = config.degrade.no_keyframe_s or PICTURE_S
        return Rules(
            packet_timeout_s=config.packet_timeout_s,
            picture_timeout_s=math.inf if self.sole else keyless,
            probe_after_s=config.probe_after_s,
            failback_after_s=config.failback_after_s,
            slate_after_s=config.slate_after_s,
            hot=config.standby == "hot",
            by_hand=self._by_hand,
        )


def limits(config: StreamConfig) -> Limits:
    """What is tolerated of an input."""
    degrade = config.degrade
    return Limits(
        degrade.no_frames_s, degrade.min_kbps, degrade.max_loss_pct, degrade.no_keyframe_s
    )
