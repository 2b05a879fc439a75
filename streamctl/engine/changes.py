"""Tells what a change of the configuration has done, once it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.config.model import Config
    from streamctl.engine.events import EventLog
    from streamctl.schema import Plan


def tell(events: EventLog, plan: Plan, before: Config, after: Config) -> None:
    """Tell of everything that is no longer as it was; new streams were told before they began."""
    for step in plan.steps:
        if step.action in {"update", "restart"} and step.stream not in plan.failures:
            events.emit("stream.updated", step.stream, action=step.action, reason=step.reason)
    for code in sorted(before.streams.keys() - after.streams.keys()):
        events.emit("stream.deleted", code)
    hooks = ({hook.name: hook for hook in config.hooks} for config in (before, after))
    tell_of("hook", events, *hooks)
    tell_of("template", events, before.templates, after.templates)
    parts, steps = ([step.model_dump() for step in found] for found in (plan.server, plan.steps))
    events.emit("config.changed", parts=parts, steps=steps)


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
