"""Keeps what runs equal to what is configured, whatever went wrong in between.

A start or a change that failed, a task that died, a stream that was stopped behind the
configuration's back: all are found by looking, not by being told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.engine.diff import change_step
from streamctl.schema import PlanStep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.config.model import StreamConfig
    from streamctl.engine.coordinator import Coordinator
    from streamctl.sdk.context import Clock

RECONCILE_S = 10.0


def repairs(wanted: Mapping[str, StreamConfig], coordinator: Coordinator) -> list[PlanStep]:
    """What must be done so that exactly the wanted streams run."""
    codes = sorted({*wanted, *coordinator.running})
    steps = [difference(code, wanted.get(code), coordinator) for code in codes]
    # Whoever watches a stream that works must not be sent away for a change that failed once.
    return [
        step
        for step in steps
        if step is not None and not (step.action == "restart" and coordinator.alive(step.stream))
    ]


def difference(code: str, wanted: StreamConfig | None, coordinator: Coordinator) -> PlanStep | None:
    """What leads from a stream as it is to the wanted one; None if it is that."""
    running = coordinator.running.get(code)
    if wanted is None or wanted.disabled or not wanted.inputs:
        stop = PlanStep(stream=code, action="stop", reason="not configured")
        return stop if running is not None else None
    if running is None:
        return PlanStep(stream=code, action="start", reason="configured")
    if not coordinator.alive(code):
        return PlanStep(stream=code, action="restart", reason="its tasks had ended")
    return None if running.config == wanted else change_step(running.config, wanted)


class Reconciler:
    """Looks after the streams of a coordinator."""

    def __init__(
        self,
        coordinator: Coordinator,
        wanted: Callable[[], Mapping[str, StreamConfig]],
        clock: Clock,
    ) -> None:
        self.coordinator = coordinator
        self.wanted = wanted
        self.clock = clock
        self.turn = anyio.Lock()
        """Held by whoever changes what is wanted: what is half done needs no repair."""

    async def run(self) -> None:
        """Look every ten seconds, until cancelled."""
        while True:
            await self.clock.sleep(RECONCILE_S)
            await self.look()

    async def look(self) -> None:
        """Look once, and repair what is found."""
        async with self.turn:
            await self.repair()

    async def repair(self) -> None:
        """Repair what is found, for those who hold the turn."""
        configs = self.wanted()
        steps = repairs(configs, self.coordinator)
        if steps:
            await self.coordinator.carry_out(steps, configs)
        for code in list(self.coordinator.failures):
            # What failed may not be wanted any more.
            if difference(code, configs.get(code), self.coordinator) is None:
                del self.coordinator.failures[code]
