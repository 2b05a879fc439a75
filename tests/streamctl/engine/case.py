"""The machine of failover on a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamctl.engine.choice import Decision, Rules, Spec
from streamctl.engine.failover import Failover

if TYPE_CHECKING:
    from collections.abc import Sequence

SLATE = 9


class Case:
    """A machine with a clock that the test moves, and everything that it decided."""

    def __init__(self, *specs: Spec, now: float = 100.0, **rules: Any) -> None:
        self.now = now
        self.machine = Failover(specs or pulled(2), Rules(**rules), now)
        self.begun = self.tick()

    def tick(self, seconds: float = 0.0) -> list[Decision]:
        """Move on in small steps, as a stream would; what was decided meanwhile."""
        out: list[Decision] = []
        end = self.now + seconds
        while True:
            out += self.machine.tick(self.now)
            if self.now >= end:
                return out
            self.now = min(end, self.now + 0.25)

    def rap(self, number: int) -> list[Decision]:
        return self.machine.rap(number, self.now)

    def deliver(self, number: int, seconds: float) -> list[Decision]:
        """An input goes on delivering, with a random-access point every second."""
        return self.deliver_all([number], seconds)

    def deliver_all(self, numbers: Sequence[int], seconds: float) -> list[Decision]:
        out: list[Decision] = []
        for _ in range(round(seconds)):
            for number in numbers:
                out += self.rap(number)
            out += self.tick(1.0)
        return out

    def failed(self, number: int, error: str = "reset") -> list[Decision]:
        return self.machine.failed(number, error, self.now)

    def stopped(self, number: int) -> list[Decision]:
        """An attempt that was told to end has ended."""
        return self.machine.failed(number, "cancelled", self.now)

    def states(self) -> str:
        """First letters of the states."""
        return "".join(self.machine.state(one)[0] for one in self.machine.inputs)

    @property
    def active(self) -> int | None:
        return self.machine.active.spec.id if self.machine.active else None


def pulled(count: int) -> tuple[Spec, ...]:
    return tuple(Spec(number) for number in range(count))


def with_slate(*specs: Spec) -> tuple[Spec, ...]:
    return (*specs, Spec(SLATE, slate=True))


def running(count: int = 2, **rules: Any) -> Case:
    """The first input is on air."""
    case = Case(*pulled(count), **rules)
    case.rap(0)
    assert case.active == 0
    return case
