"""Tells what a change of the configuration has done, once it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine.diff import change_step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.config.model import Config
    from streamctl.engine.events import EventLog
    from streamctl.schema import Plan


def tell(
    events: EventLog, plan: Plan, before: Config, after: Config, *, refused: bool = False
) -> None:
    """Tell of everything that is no longer as it was; new streams were told before they began.

    What is ``refused`` no more is told even if nothing else is to tell.
    """
    for step in plan.steps:
        if step.action in {"update", "restart"} and step.stream not in plan.failures:
            events.emit("stream.updated", step.stream, action=step.action, reason=step.reason)
    tell_of_idle(events, plan, before, after)
    for code in sorted(before.streams.keys() - after.streams.keys()):
        events.emit("stream.deleted", code)
    hooks = ({hook.name: hook for hook in config.hooks} for config in (before, after))
    tell_of("hook", events, *hooks)
    tell_of("template", events, before.templates, after.templates)
    parts, steps = ([step.model_dump() for step in found] for found in (plan.server, plan.steps))
    if parts or steps or refused:
        events.emit("config.changed", parts=parts, steps=steps)


def tell_of_idle(events: EventLog, plan: Plan, before: Config, after: Config) -> None:
    """Tell of the streams that don't run, neither before nor after, and have other keys."""
    planned = {step.stream for step in plan.steps}
    for code in sorted((before.streams.keys() & after.streams.keys()) - planned):
        was, will = before.streams[code], after.streams[code]
        if was != will and (step := change_step(was, will)) is not None:
            events.emit("stream.updated", code, action="none", reason=step.reason)


def tell_of(
    kind: str, events: EventLog, before: Mapping[str, object], after: Mapping[str, object]
) -> None:
    """Tell what came, changed and went of one kind of things, by name."""
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            events.emit(f"{kind}.created", **{kind: name})
        elif name not in after:
            events.emit(f"{kind}.deleted", **{kind: name})
        elif before[name] != after[name]:
            events.emit(f"{kind}.updated", **{kind: name})
