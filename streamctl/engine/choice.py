"""The words of failover: what an input is, what may be decided about it, and the bare choice.

Values alone; the machine that reaches decisions is in :mod:`streamctl.engine.failover`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 10.0
PERMANENT_RETRY_S = 30.0
"""An error that trying again can't help is looked at again this often: files get replaced."""


class State(enum.StrEnum):
    """How an input stands."""

    IDLE = "idle"
    """Not connected, and nothing is known against it."""
    CONNECTING = "connecting"
    """Connected to, or delivering, but nothing to begin with has come yet."""
    ACTIVE = "active"
    """On air."""
    STANDBY = "standby"
    """Could go on air in this moment."""
    DEGRADED = "degraded"
    """It failed, or what it delivers is unsound."""
    STOPPED = "stopped"
    """It came to its end and has nothing more to give."""


class Reason(enum.StrEnum):
    """Why an input went on air."""

    INITIAL = "initial"
    ERROR = "error"
    TIMEOUT = "timeout"
    MANUAL = "manual"
    FAILBACK = "failback"
    RECOVERY = "recovery"
    INPUT_ADDED = "input_added"
    INPUT_REMOVED = "input_removed"
    SLATE = "slate"


@dataclass(frozen=True, slots=True)
class Spec:
    """What has to be known of an input to choose among several; their order is the priority."""

    id: int
    """Stays the same while the input is in the configuration."""
    publish: bool = False
    """A publisher comes to it: nothing can be started."""
    slate: bool = False
    """Shown when there is nothing else."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The times that decide."""

    packet_timeout_s: float = 5.0
    """Silence after which an input has failed, from the start of the attempt on."""
    picture_timeout_s: float = 20.0
    """Packets without a place to begin at, after which it has failed too."""
    probe_after_s: float = 8.0
    """How long an input that failed is left alone, after each failed probe again."""
    failback_after_s: float = 12.0
    """How long a better input has to be sound, and the last switch ago, before it takes over."""
    slate_after_s: float = 1.0
    """How long nothing is on air before the slate is."""
    hot: bool = False
    """The next input stays connected, and so does the slate."""
    by_hand: bool = False
    """Attempts are begun by others, and only told."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begin an attempt; its end has to be told in any case."""

    id: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End the attempt that is under way, or send the publisher away."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class SwitchTo:
    """Put an input on air that holds a place to begin at."""

    id: int
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OffAir:
    """What was on air is not any more, before anything is known of what follows."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No input is left that could go on air, except the slate."""

    detail: str


@dataclass(frozen=True, slots=True)
class Restored:
    """An input is on air again."""


Decision = Start | Stop | SwitchTo | OffAir | Exhausted | Restored


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of what is on air, for the history."""

    at: float
    """Monotonic seconds."""
    before: int
    """Priority of the input that was on air last; -1 = none has been."""
    after: int
    """Priority of the input that went on air."""
    reason: Reason
    detail: str = ""


@dataclass(slots=True)
class Contender:
    """One input, as far as the choice is concerned."""

    spec: Spec
    running: bool = False
    """An attempt is under way, or has not ended yet."""
    stopping: bool = False
    """It was told to end."""
    waiting: bool = False
    """It waits for a peer to come, or for what comes seldom: silence means nothing."""
    bad: bool = False
    """It failed, and has not shown since that it works."""
    finished: bool = False
    """It came to its end."""
    ready: bool = False
    """There is a place to begin at."""
    poor: str = ""
    """What is wrong with what it delivers; empty = nothing."""
    dead: bool = False
    """What is wrong is that there are no pictures: worse than the slate."""
    poor_since: float = 0.0
    added: bool = False
    """It came with a change of the configuration and has not been on air yet."""
    started_at: float = 0.0
    """When the attempt began."""
    waited_until: float = 0.0
    """When it ended to wait for a peer; when it began, if there was nothing to wait for."""
    heard_at: float = -math.inf
    """When something came last, or waiting ended."""
    sound_since: float = math.inf
    """Since when it could go on air and nothing was wrong."""
    failed_at: float = -math.inf
    failures: int = 0
    """In a row."""
    permanent: bool = False
    """Trying again soon can't help."""
    error: str = field(default="")

    @property
    def sound(self) -> bool:
        """Whether it may go on air, and is good."""
        return self.ready and not self.poor and not self.stopping

    @property
    def obtainable(self) -> bool:
        """Whether an attempt could be begun, or has been, with nothing known against it."""
        return not (self.spec.publish or self.bad or self.finished)

    @property
    def startable(self) -> bool:
        """The same of what is more than a stopgap."""
        return self.obtainable and not self.spec.slate

    def silence(self, now: float) -> float:
        """Seconds since it was heard, or since it was begun."""
        return now - max(self.started_at, self.heard_at)

    def begin(self, now: float) -> None:
        """An attempt begins."""
        self.over()
        self.running = True
        self.started_at = self.waited_until = now

    def over(self) -> None:
        """The attempt has ended."""
        self.running = self.stopping = self.waiting = self.ready = self.dead = False
        self.poor = ""
        self.sound_since = math.inf
        self.heard_at = -math.inf


def select(
    inputs: Iterable[Contender],
    override: Contender | None = None,
    *,
    usable: Callable[[Contender], bool],
) -> Contender | None:
    """The usable input of the best priority; ``override`` before all, if it is usable."""
    if override is not None and usable(override):
        return override
    return next((one for one in inputs if usable(one)), None)


def cooldown_s(one: Contender, rules: Rules, *, covered: bool) -> float:
    """How long after its failure an input is tried again.

    While another one covers for it there is no hurry.
    """
    if one.permanent:
        return PERMANENT_RETRY_S
    if covered:
        return rules.probe_after_s
    return min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(10, max(0, one.failures - 1)))
