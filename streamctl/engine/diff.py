"""What a change of configuration does, as a value: ``diff(old, new) -> Plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.schema import Plan, PlanStep
from streamctl.sdk.plugin import Options

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.config.model import Config, StreamConfig

UNNOTICED_KEYS = frozenset({"title", "max_viewers"})
"""Keys of a stream that change without anybody noticing."""
ACCESS_KEYS = frozenset({"publish_key", "read_key", "users", "publish_from", "read_from"})
"""Keys that concern nobody but those whom they let in no more."""
OUTPUTS_OPTIONS = "outputs_options"
PUSH = "push"


def changed(old: BaseModel, new: BaseModel) -> list[str]:
    """The names of the fields that differ."""
    return [name for name in type(new).model_fields if getattr(old, name) != getattr(new, name)]


def diff(old: Config, new: Config) -> Plan:
    """The smallest plan that leads from one configuration to the other."""
    plan = Plan()
    for code in sorted({*old.streams, *new.streams}):
        step = stream_step(code, old.streams.get(code), new.streams.get(code))
        if step is not None:
            plan.steps.append(step)
    for section in ("server", "api", "http"):
        keys = changed(getattr(old, section), getattr(new, section))
        plan.restart_required += [f"{section}.{key}" for key in keys]
    for kind in sorted({*old.listeners, *new.listeners}):
        if old.listeners.get(kind) != new.listeners.get(kind):
            plan.restart_required.append(f"listeners.{kind}")
    return plan


def stream_step(code: str, old: StreamConfig | None, new: StreamConfig | None) -> PlanStep | None:
    """What happens to one stream; None if nothing does."""
    was = old is not None and not old.disabled
    will = new is not None and not new.disabled
    if not was and not will:
        return None
    if will and not was:
        return PlanStep(stream=code, action="start", reason="enabled" if old else "added")
    everybody = "its publisher and viewers are disconnected"
    if was and not will:
        reason = "disabled" if new else "removed"
        return PlanStep(stream=code, action="stop", reason=reason, notices=everybody)
    assert old is not None
    assert new is not None
    keys = changed(old, new)
    if not keys:
        return None
    outputs = output_changes(old, new)
    named = [key for key in keys if key not in {OUTPUTS_OPTIONS, PUSH}]
    named += [f"{kind}.{key}" for kind, inner in outputs.items() for key in inner]
    named += [f"push {text}" for text in push_changes(old, new)]
    reason = f"changed: {', '.join(named)}"
    if not set(keys) <= {*UNNOTICED_KEYS, *ACCESS_KEYS, OUTPUTS_OPTIONS, PUSH}:
        return PlanStep(stream=code, action="restart", reason=reason, notices=everybody)
    noticing = [kind for kind in outputs if not adjustable(kind, old, new)]
    notices = [f"its viewers over {' and '.join(noticing)} start anew"] if noticing else []
    notices += [f"`{name}` is left" for name in pushes_left(old, new)]
    if not ACCESS_KEYS.isdisjoint(keys):
        notices.append("who may no more is disconnected")
    return PlanStep(
        stream=code, action="update", reason=reason, notices="; ".join(notices) or "nobody"
    )


def push_changes(old: StreamConfig, new: StreamConfig) -> list[str]:
    """The destinations that differ, by name, with what happens to each."""
    was = {push.url.raw: push for push in old.push}
    will = {push.url.raw: push for push in new.push}
    found = [f"`{push.name}` added" for url, push in will.items() if url not in was]
    found += [f"`{push.name}` removed" for url, push in was.items() if url not in will]
    for url in was.keys() & will.keys():
        if keys := changed(was[url], will[url]):
            found.append(f"`{was[url].name}` ({', '.join(keys)})")
    return sorted(found)


def pushes_left(old: StreamConfig, new: StreamConfig) -> list[str]:
    """The names of the destinations whose connection ends: only a new URL or option needs that."""
    stay = {push.url.raw: push.options for push in new.push}
    return [push.name for push in old.push if stay.get(push.url.raw) != push.options]


def output_changes(old: StreamConfig, new: StreamConfig) -> dict[str, list[str]]:
    """The keys of outputs that differ, by kind."""
    found = {}
    for kind in sorted({*old.outputs_options, *new.outputs_options}):
        keys = changed(*both(kind, old, new))
        if keys:
            found[kind] = keys
    return found


def adjustable(kind: str, old: StreamConfig, new: StreamConfig) -> bool:
    """Whether an output goes on under its viewers with what changed of its options."""
    was, will = both(kind, old, new)
    return isinstance(will, Options) and set(changed(was, will)) <= will.live


def both(kind: str, old: StreamConfig, new: StreamConfig) -> tuple[BaseModel, BaseModel]:
    """The options of one output before and after; defaults where the file says nothing."""
    was, will = old.outputs_options.get(kind), new.outputs_options.get(kind)
    known = was or will
    assert known is not None
    return was or type(known)(), will or type(known)()
