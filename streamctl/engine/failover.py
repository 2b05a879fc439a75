"""Decides which input of a stream is on air: a machine of values, with the clock passed in.

Theory of operation. What happens to inputs is told by calling a method; each answers the
decisions that follow, in the order in which they have to be carried out. There is no I/O and no
timer here: whoever owns the machine carries decisions out and calls :meth:`Failover.tick` a few
times a second.

An input is *ready* once it holds a random-access point, whatever it did before: being connected
is not delivering. At most one is active. When it is lost, the best that is ready takes over in
the same call; is none, the best one that is not known to be bad is connected to, then the next
one, and after ``slate_after_s`` the slate goes on air. Switches that nothing forces (failback, a
wish, an added input) happen only when the new input tells a fresh random-access point, so that
nothing is lost and nothing repeated. Inputs that failed are tried again after a cool-down which
every failure begins anew. A probe is an attempt like any other, so that no source is ever
connected to twice; what shows that it works is kept, or let go if nobody needs it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from streamctl.engine.choice import (
    FIRST_RETRY_S,
    Contender,
    Decision,
    Exhausted,
    OffAir,
    Reason,
    Restored,
    Rules,
    Spec,
    Start,
    State,
    Stop,
    Switch,
    SwitchTo,
    cooldown_s,
    select,
)
from streamctl.errors import NotFound, NotReady

if TYPE_CHECKING:
    from collections.abc import Sequence

SWITCHES = 20
"""Length of the history."""
WORRY = 0.4
"""Part of the silence that is allowed after which the slate is made ready, and nobody who is so
silent is put on air: who is fed by the same line may be gone as well."""
LEAST_WORRY_S = 1.0
"""Inputs are heard a few times a second."""
CALM_S = 30.0
"""How long the slate stays ready after the last worry: starting it costs more than keeping it."""


class Failover:
    """The inputs of one stream and what becomes of them."""

    def __init__(self, specs: Sequence[Spec], rules: Rules, now: float) -> None:
        self.rules = rules
        self.inputs = [Contender(spec) for spec in specs]
        """In order of priority; a slate comes last."""
        self.active: Contender | None = None
        self.override: Contender | None = None
        """Whom an operator wants on air; he stays as long as he is sound."""
        self.switches: deque[Switch] = deque(maxlen=SWITCHES)
        """The newest first."""
        self.switched = dict.fromkeys(Reason, 0)
        """How often an input went on air, by reason."""
        self.exhausted = False
        self.wanted = True
        """Whether anybody wants what is pulled; else nothing is connected to."""
        self.off_since: float = now
        """When the last input was lost; of no meaning while one is active."""
        self._switched_at = -math.inf
        self._worried_at = -math.inf
        self._last_priority = -1
        self._loss = (Reason.INITIAL, "")
        self._out: list[Decision] = []

    def state(self, one: Contender) -> State:
        """How an input stands."""
        if one is self.active:
            return State.DEGRADED if one.poor else State.ACTIVE
        if one.finished:
            return State.STOPPED
        if one.bad or one.poor:
            return State.DEGRADED
        if one.ready:
            return State.STANDBY
        return State.CONNECTING if one.running and not one.stopping else State.IDLE

    def find(self, number: int) -> Contender:
        """The input of that id."""
        return next(one for one in self.inputs if one.spec.id == number)

    def knows(self, number: int) -> bool:
        """Whether an input of that id is still configured."""
        return any(one.spec.id == number for one in self.inputs)

    def priority(self, one: Contender) -> int:
        """Its place in the order; -1 = it is not configured any more."""
        return self.inputs.index(one) if one in self.inputs else -1

    def tick(self, now: float) -> list[Decision]:
        """Time has passed; called a few times a second, and once to begin with."""
        return self._settle(now)

    def arrived(self, number: int, now: float) -> list[Decision]:
        """A publisher came, or an attempt was begun by hand."""
        one = self.find(number)
        one.begin(now)
        one.bad, one.error = False, ""
        return self._settle(now)

    def heard(self, number: int, at: float) -> None:
        """Something came of an input, then."""
        one = self.find(number)
        one.heard_at = max(one.heard_at, at)

    def paused(self, seconds: float) -> None:
        """Nobody could be heard for so long, since the process did not run."""
        for one in self.inputs:
            one.started_at += seconds
            one.waited_until += seconds
            one.heard_at += seconds
            one.poor_since += seconds

    def patient(self, number: int, waiting: bool, now: float) -> None:
        """Whether the attempt under way waits for a peer, or for what comes seldom."""
        one = self.find(number)
        one.waiting = waiting
        if waiting:
            one.heard_at = one.waited_until = now

    def rap(self, number: int, now: float) -> list[Decision]:
        """A random-access point came, and may be begun with."""
        one = self.find(number)
        if not one.running or one.stopping:
            return []
        one.heard_at = max(one.heard_at, now)
        one.bad = one.permanent = False
        one.failures = 0
        one.ready = True
        if one.sound_since == math.inf and not one.poor:
            one.sound_since = now
        return self._settle(now, fresh=one)

    def judged(
        self, number: int, complaint: str, now: float, *, dead: bool = False
    ) -> list[Decision]:
        """What measuring an input has found: a complaint, or nothing to complain of.

        ``dead`` means that there are no pictures at all.
        """
        one = self.find(number)
        if not one.running:
            return []
        if complaint and not one.poor:
            one.poor_since = now
        one.poor, one.dead = complaint, dead and bool(complaint)
        if complaint:
            one.sound_since = math.inf
        elif one.ready and one.sound_since == math.inf:
            one.sound_since = now
        return self._settle(now)

    def failed(
        self, number: int, error: str, now: float, *, permanent: bool = False
    ) -> list[Decision]:
        """The attempt under way has ended, or could not be begun, for a reason."""
        one = self.find(number)
        told = one.stopping
        one.over()
        if not told:
            self._fail(one, error, now)
            one.permanent = permanent
            self._lost(one, Reason.ERROR, error, now)
        return self._settle(now)

    def ended(self, number: int, now: float) -> list[Decision]:
        """The attempt under way has come to its end: there will never be more."""
        one = self.find(number)
        told = one.stopping
        one.over()
        if not told:
            one.finished = True
            self._lost(one, Reason.ERROR, "it came to its end", now)
        return self._settle(now)

    def reject(self, number: int, error: str, now: float) -> list[Decision]:
        """An input could not be put on air although it was ready, or is not there any more."""
        one = self.find(number)
        if one.running and not one.stopping:
            self._give_up(one, Reason.ERROR, error, now)
        else:
            self._lost(one, Reason.ERROR, error, now)
        return self._settle(now)

    def left(self, number: int, reason: str, now: float) -> list[Decision]:
        """The publisher is gone."""
        one = self.find(number)
        one.over()
        one.error = reason
        self._lost(one, Reason.ERROR, reason, now)
        return self._settle(now)

    def wish(self, priority: int | None, now: float) -> list[Decision]:
        """An operator wants the input of this priority on air; None = the best one again.

        Raises:
            NotFound: there is no such input.
            NotReady: it can't go on air.
        """
        if priority is None:
            self.override = None
            return self._settle(now)
        if not 0 <= priority < len(self.inputs):
            raise NotFound(
                f"no input {priority}", hint=f"they are numbered 0 to {len(self.inputs) - 1}"
            )
        one = self.inputs[priority]
        state = self.state(one)
        if one is not self.active and state in (State.DEGRADED, State.STOPPED):
            why = one.poor or one.error
            raise NotReady(f"input {priority} is {state}" + (f": {why}" if why else ""))
        if one.spec.publish and not one.running:
            raise NotReady(f"input {priority} has no publisher")
        self.override = one
        return self._settle(now)

    def want(self, now: float, *, wanted: bool) -> list[Decision]:
        """Somebody wants what is pulled, or nobody does any more.

        Whoever comes anew finds every input worth an attempt, also one that came to its end.
        """
        if wanted and not self.wanted:
            if self.active is None:
                self._loss = Reason.INITIAL, ""
            for one in self.inputs:
                one.finished = False
                if now - one.failed_at >= FIRST_RETRY_S:
                    one.bad = one.permanent = False
                    one.failures = 0
        self.wanted = wanted
        if wanted and self.active is None:
            self.off_since = now
        for one in self.inputs:
            if not wanted and one.running and not one.stopping and not one.spec.publish:
                self._stop(one, "nobody wants it")
                self._lost(one, Reason.INITIAL, "nobody wanted it", now)
        return self._settle(now)

    def update(self, specs: Sequence[Spec], rules: Rules, now: float) -> list[Decision]:
        """The configuration changed; inputs that stay are known by their ids."""
        self.rules = rules
        known = {one.spec.id: one for one in self.inputs}
        kept = {spec.id for spec in specs}
        gone = [one for one in self.inputs if one.spec.id not in kept]
        self.inputs = [known.get(spec.id) or Contender(spec, added=True) for spec in specs]
        for one in gone:
            if self.override is one:
                self.override = None
            if one.running and not one.stopping:
                self._stop(one, "the input was removed")
            self._lost(one, Reason.INPUT_REMOVED, "the input was removed", now)
        return self._settle(now)

    def _settle(self, now: float, fresh: Contender | None = None) -> list[Decision]:
        """Draw the conclusions; ``fresh`` has a random-access point of this moment."""
        for one in self.inputs:
            self._expire(one, now)
        wished = self.override
        if wished is not None and not wished.running and not wished.obtainable:
            self.override = None
        self._put_on_air(now, fresh)
        self._connect(now)
        self._judge_all()
        out, self._out = self._out, []
        return out

    def _expire(self, one: Contender, now: float) -> None:
        """Notice silence, and what never begins."""
        if not one.running or one.stopping or one.waiting:
            return
        silence = one.silence(now)
        if silence > self.rules.packet_timeout_s:
            self._give_up(one, Reason.TIMEOUT, f"no packets for {silence:.0f} s", now)
        elif not one.ready and now - one.waited_until > self.rules.picture_timeout_s:
            self._give_up(one, Reason.TIMEOUT, "no random-access point came", now)
        elif (
            one.poor
            and not one.spec.publish
            and (one is not self.active or one.dead)
            and now - one.poor_since > self.rules.probe_after_s
        ):
            self._give_up(one, Reason.ERROR, one.poor, now)

    def _give_up(self, one: Contender, reason: Reason, why: str, now: float) -> None:
        self._stop(one, why)
        self._fail(one, why, now)
        self._lost(one, reason, why, now)

    def _stop(self, one: Contender, reason: str) -> None:
        one.stopping = True
        one.ready = False
        one.sound_since = math.inf
        self._out.append(Stop(one.spec.id, reason))

    def _fail(self, one: Contender, error: str, now: float) -> None:
        one.error = error
        one.failed_at = now
        if one.spec.publish:
            return
        one.bad = True
        one.permanent = False
        one.failures += 1

    def _lost(self, one: Contender, reason: Reason, detail: str, now: float) -> None:
        """If it was on air, nothing is now."""
        if one is not self.active:
            return
        self.active = None
        self.off_since = now
        self._loss = reason, detail
        self._out.append(OffAir(one.spec.id, detail))

    def _put_on_air(self, now: float, fresh: Contender | None) -> None:
        active = self.active
        best = select(self._real(), self.override, usable=lambda one: self._usable(one, now))
        if active is None or active.spec.slate:
            self._cover(best, now)
        elif active.poor:
            if best is not None:
                self._switch(best, Reason.ERROR, active.poor, now)
            elif active.dead and now - active.poor_since >= self.rules.slate_after_s:
                self._show_slate(active.poor, now)
        elif fresh is not None and fresh is not active and fresh.sound:
            reason = self._gain(fresh, active, best, now)
            if reason is not None:
                self._switch(fresh, reason, "", now)

    def _cover(self, best: Contender | None, now: float) -> None:
        """Nothing but a slate, at most, is on air: take what there is."""
        if best is None:
            best = select(
                self._real(), usable=lambda one: not one.dead and self._usable(one, now, poor=True)
            )
        if best is not None and best is self.active:
            return
        if best is not None:
            if not self.switches:
                reason, detail = Reason.INITIAL, ""
            elif self.exhausted or self.active is not None:
                reason, detail = Reason.RECOVERY, self._loss[1]
            else:
                reason, detail = self._loss
            self._switch(best, reason, detail, now)
        elif self.active is None and now - self.off_since >= self.rules.slate_after_s:
            self._show_slate(self._loss[1], now)

    def _usable(self, one: Contender, now: float, *, poor: bool = False) -> bool:
        """Whether an input can go on air at once, and has not fallen silent itself."""
        if not (one.sound or (poor and one.ready and not one.stopping)):
            return False
        return one is self.active or one.silence(now) <= self._worry_s

    @property
    def _worry_s(self) -> float:
        """Silence from which on an input is doubted."""
        return max(LEAST_WORRY_S, WORRY * self.rules.packet_timeout_s)

    def _show_slate(self, detail: str, now: float) -> None:
        slate = next((one for one in self.inputs if one.spec.slate and one.sound), None)
        if slate is not None:
            self._switch(slate, Reason.SLATE, detail, now)

    def _gain(
        self, fresh: Contender, active: Contender, best: Contender | None, now: float
    ) -> Reason | None:
        """Why a sound input takes over from another one; None = it does not."""
        if fresh is self.override:
            return Reason.MANUAL
        if self.override is active or fresh is not best:
            return None
        if self.priority(fresh) > self.priority(active):
            return None
        calm = self.rules.failback_after_s
        if now - self._switched_at < calm:
            return None
        if fresh.added:
            return Reason.INPUT_ADDED
        return Reason.FAILBACK if now - fresh.sound_since >= calm else None

    def _switch(self, one: Contender, reason: Reason, detail: str, now: float) -> None:
        before = self._last_priority if self.active is None else self.priority(self.active)
        self.active = one
        self._switched_at = now
        self._last_priority = self.priority(one)
        one.heard_at = max(one.heard_at, now)
        one.added = False
        self.switched[reason] += 1
        self.switches.appendleft(Switch(now, before, self._last_priority, reason, detail))
        self._out.append(SwitchTo(one.spec.id, reason, detail))

    def _connect(self, now: float) -> None:
        """Begin the attempts that are needed, and end those that are not."""
        wanted = self._wanted(now) if self.wanted else []
        for one in self.inputs:
            if one.spec.publish or one.stopping or one.finished:
                continue
            if one in wanted and not one.running:
                if self.rules.by_hand:
                    continue
                one.begin(now)
                self._out.append(Start(one.spec.id))
            elif one.running and one not in wanted:
                self._stop(one, "not needed any more")

    def _wanted(self, now: float) -> list[Contender]:
        """Whom to be connected to."""
        active = self.active
        covered = active is not None and not active.spec.slate
        wanted = [one for one in self.inputs if one is active or self._retried(one, now)]
        startable = [one for one in self.inputs if one.startable]
        wanted += [one for one in startable if one.running and one.waiting]
        if self.override is not None:
            wanted.append(self.override)
        if active is None or active.spec.slate:
            better = startable
        elif self.override is active:
            better = []
        else:
            place = self.priority(active)
            better = [one for one in startable if self.priority(one) < place]
        for one in better:
            wanted.append(one)
            if not self._late(one, now):
                break
        spare = [one for one in startable if one not in wanted]
        if self.rules.hot and covered and spare:
            wanted.append(spare[0])
        if self._worries(now):
            wanted += [one for one in self.inputs if one.spec.slate and not one.bad]
        return wanted

    def _worries(self, now: float) -> bool:
        """Whether the slate may be needed soon."""
        active = self.active
        if (
            active is None
            or active.spec.slate
            or active.dead
            or (not active.waiting and active.silence(now) > self._worry_s)
        ):
            self._worried_at = now
        return self.rules.hot or now - self._worried_at < CALM_S

    def _retried(self, one: Contender, now: float) -> bool:
        """Whether an input that failed is tried again."""
        if not one.bad or one.finished:
            return False
        covered = self.active is not None and not self.active.spec.slate
        pause_s = cooldown_s(one, self.rules, covered=covered)
        return one.running or now - one.failed_at >= pause_s

    def _late(self, one: Contender, now: float) -> bool:
        """Whether an attempt takes so long that another one is made beside it."""
        if not one.running:
            return False
        slow = not one.ready and now - one.started_at > self.rules.packet_timeout_s
        return slow or one.poor != ""

    def _real(self) -> list[Contender]:
        return [one for one in self.inputs if not one.spec.slate]

    def _judge_all(self) -> None:
        """Tell when nothing is left, and when that is over."""
        real = self._real()
        if self.active is not None and not self.active.spec.slate:
            if self.exhausted:
                self.exhausted = False
                self._out.append(Restored())
            return
        hope = any(one.startable or (one.spec.publish and one.running) for one in real)
        failed = [one for one in real if one.bad or one.finished]
        if not self.wanted:
            self.exhausted = False
        elif not self.exhausted and failed and not hope:
            self.exhausted = True
            last = max(reversed(failed), key=lambda one: one.failed_at)
            self._out.append(Exhausted(last.error or "every input came to its end"))
