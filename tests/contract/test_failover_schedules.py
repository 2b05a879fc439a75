"""Thousands of seeded runs of inputs that fail in every way, on a simulated clock."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from itertools import count

import pytest

from streamctl.engine.choice import (
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
)
from streamctl.engine.failover import Failover

SEEDS = 2000
BATCHES = 10
FAULTS_S = 45.0
"""How long inputs misbehave."""
SETTLED_S = 45.0
"""Afterwards everybody stays as he is, and the machine settles: timeouts, cool-downs, failback."""
STEP_S = 0.5
RULES = Rules(packet_timeout_s=3, picture_timeout_s=6, probe_after_s=4, failback_after_s=6)
GOP_S = 1.0
MOODS = ("fine", "refuses", "silent", "garbage", "drops", "slow", "over")
WEIGHTS = (8, 2, 2, 2, 2, 1, 0.2)


@dataclass
class Peer:
    """The other end of one input."""

    spec: Spec
    mood: str = "fine"
    attempt: int = 0
    """Which one runs; 0 = none."""


@dataclass
class World:
    """Carries out what the machine decides, and checks that it may be."""

    seed: int
    now: float = 0.0
    attempts: count[int] = field(default_factory=lambda: count(1))
    order: count[int] = field(default_factory=count)
    due: list[tuple[float, int, str, int, int]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    writer: int | None = None
    exhausted: bool = False
    forced_s: float = -1e9
    """When something was last switched to."""
    failed_s: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        chance = self.random.random
        specs = [Spec(n, publish=chance() < 0.3) for n in range(self.random.randint(1, 4))]
        if chance() < 0.5:
            specs.append(Spec(len(specs), slate=True))
        rules = RULES if chance() < 0.5 else Rules(3, 6, 4, 6, 1, hot=True)
        self.peers = {spec.id: Peer(spec) for spec in specs}
        self.machine = Failover(specs, rules, self.now)

    def later(self, delay_s: float, what: str, number: int, attempt: int) -> None:
        heapq.heappush(self.due, (self.now + delay_s, next(self.order), what, number, attempt))

    def run(self) -> None:
        self.later(0, "tick", 0, 0)
        for number in self.peers:
            self.later(self.random.uniform(0, 5), "mood", number, 0)
        while self.due and self.due[0][0] < FAULTS_S + SETTLED_S:
            self.now, _, what, number, attempt = heapq.heappop(self.due)
            getattr(self, what)(number, attempt)
        self.check_settled()

    def mood(self, number: int, _: int) -> None:
        peer = self.peers[number]
        moods = ("fine", "silent") if peer.spec.slate else MOODS
        weights = (9, 1) if peer.spec.slate else WEIGHTS
        peer.mood = self.random.choices(moods, weights)[0]
        if self.now < FAULTS_S:
            left = FAULTS_S - self.now + STEP_S
            self.later(min(left, self.random.expovariate(1 / 8)), "mood", number, 0)
        elif peer.mood not in ("refuses", "over"):
            peer.mood = "fine" if self.random.random() < 0.8 else "silent"
        if peer.attempt and peer.mood in ("drops", "refuses", "over"):
            self.later(self.random.uniform(0, 1), "end", number, peer.attempt)
        if peer.spec.publish and not peer.attempt and peer.mood in ("fine", "garbage"):
            self.later(self.random.uniform(0, 2), "arrive", number, 0)

    def tick(self, *_: int) -> None:
        self.carry_out(self.machine.tick(self.now))
        self.later(STEP_S, "tick", 0, 0)
        if self.random.random() < 0.01 and self.now < FAULTS_S:
            try:
                self.carry_out(self.machine.wish(self.random.choice([None, 0, 1, 2]), self.now))
            except Exception as error:  # Whatever is wished, it is only refused.
                self.log.append(f"refused: {error}")

    def arrive(self, number: int, _: int) -> None:
        peer = self.peers[number]
        if peer.attempt:
            return
        self.begin(peer)
        self.carry_out(self.machine.arrived(number, self.now))

    def begin(self, peer: Peer) -> None:
        assert not peer.attempt, "two connections to one source"
        peer.attempt = next(self.attempts)
        if peer.mood in ("refuses", "over"):
            self.later(self.random.uniform(0, 0.5), "end", peer.spec.id, peer.attempt)
        else:
            delay = 8.0 if peer.mood == "slow" else self.random.uniform(0.05, 1)
            self.later(delay, "deliver", peer.spec.id, peer.attempt)

    def deliver(self, number: int, attempt: int) -> None:
        peer = self.peers[number]
        if peer.attempt != attempt:
            return
        if peer.mood in ("fine", "slow"):
            self.carry_out(self.machine.rap(number, self.now))
        elif peer.mood == "garbage":
            self.machine.heard(number, self.now)
        self.later(GOP_S, "deliver", number, attempt)

    def end(self, number: int, attempt: int) -> None:
        peer = self.peers[number]
        if peer.attempt != attempt:
            return
        peer.attempt = 0
        if peer.spec.publish:
            self.carry_out(self.machine.left(number, "left", self.now))
        elif peer.mood == "over":
            self.carry_out(self.machine.ended(number, self.now))
        else:
            if not self.machine.find(number).stopping:
                self.failed_s[number] = self.now
            self.carry_out(self.machine.failed(number, peer.mood, self.now))

    def carry_out(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            self.log.append(f"{self.now:.2f} {decision}")
            match decision:
                case Start(number):
                    self.check_cooldown(number)
                    self.begin(self.peers[number])
                case Stop(number):
                    self.later(self.random.uniform(0, 1), "end", number, self.peers[number].attempt)
                    self.failed_s[number] = self.now
                case OffAir(number):
                    assert self.writer == number
                    self.writer = None
                case SwitchTo(number, reason):
                    self.check_switch(number, reason)
                    self.writer = number
                case Exhausted():
                    assert not self.exhausted, "exhausted twice"
                    self.exhausted = True
                case Restored():
                    assert self.exhausted, "restored without being exhausted"
                    self.exhausted = False
        active = self.machine.active
        assert self.writer == (active.spec.id if active else None), "not the one that writes"

    def check_cooldown(self, number: int) -> None:
        failed = self.failed_s.get(number)
        one = self.machine.find(number)
        if failed is None or not one.bad or self.writer is None or one.spec.slate:
            return
        if not self.peers[self.writer].spec.slate:
            assert self.now - failed >= RULES.probe_after_s, "a probe within the cool-down"

    def check_switch(self, number: int, reason: Reason) -> None:
        assert self.peers[number].attempt, "on air without a connection"
        assert number != self.writer, "switched to itself"
        if reason in (Reason.FAILBACK, Reason.INPUT_ADDED):
            calm = self.now - self.forced_s
            assert calm >= RULES.failback_after_s, f"a switch {calm:.1f} s after the last"
        self.forced_s = self.now

    def check_settled(self) -> None:
        override = self.machine.override
        good = [
            number
            for number, peer in self.peers.items()
            if peer.mood in ("fine", "slow")
            and not (peer.spec.publish and not peer.attempt)
            and not self.machine.find(number).finished
        ]
        best = override.spec.id if override is not None else good[0] if good else None
        assert self.writer == best, f"settled on {self.writer}, not on {best} of {good}"
        real = best is not None and not self.peers[best].spec.slate
        assert not (self.exhausted and real)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_any_schedule_of_faults_settles_on_the_best_input_with_one_writer(batch: int) -> None:
    for seed in range(batch, SEEDS, BATCHES):
        world = World(seed)
        try:
            world.run()
        except AssertionError as error:
            pytest.fail(f"seed {seed} at {world.now:.2f} s: {error}\n" + "\n".join(world.log))
