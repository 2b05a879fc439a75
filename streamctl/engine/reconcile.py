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
    steps = []
    for code in sorted({*wanted, *coordinator.running}):
        config = wanted.get(code)
        enabled = config is not None and not config.disabled and bool(config.inputs)
        if not enabled and code in coordinator.running:
            steps.append(PlanStep(stream=code, action="stop", reason="not configured"))
        elif enabled and code not in coordinator.running:
            steps.append(PlanStep(stream=code, action="start", reason="configured"))
        elif enabled and not coordinator.alive(code):
            steps.append(PlanStep(stream=code, action="restart", reason="its tasks had ended"))
        elif config is not None and enabled:
            steps += missed(coordinator.running[code].config, config)
    return steps


def missed(running: StreamConfig, wanted: StreamConfig) -> list[PlanStep]:
    """The change of a running stream that failed; its viewers must not be sent away again."""
    step = None if running == wanted else change_step(running, wanted)
    return [step] if step is not None and step.action == "update" else []


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
            configs = self.wanted()
            steps = repairs(configs, self.coordinator)
            if steps:
                await self.coordinator.carry_out(steps, configs)
