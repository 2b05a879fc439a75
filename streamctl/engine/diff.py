"""What a change of configuration does, as a value: ``diff(old, new) -> Plan``.

Both sides are resolved: defaults and templates are part of each stream. Things are told apart by
what they are, never by where they stand: an input and a destination by URL, an output by kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.config.model import HttpConfig
from streamctl.schema import Plan, PlanStep, ServerStep
from streamctl.sdk.plugin import Options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import BaseModel

    from streamctl.config.model import Config, InputConfig, PushConfig, StreamConfig

UNNOTICED_KEYS = frozenset(
    {
        "buffer_bytes",
        "buffer_s",
        "close_after_s",
        "degrade",
        "failback_after_s",
        "max_viewers",
        "merge_ms",
        "on_down",
        "on_play",
        "on_play_end",
        "on_publish",
        "on_unpublish",
        "on_demand",
        "packet_timeout_s",
        "probe_after_s",
        "runtime",
        "slate_after_s",
        "slow_viewer_timeout_s",
        "standby",
        "template",
        "title",
    }
)
"""Keys of a stream that change without anybody noticing."""
ACCESS_KEYS = frozenset({"publish_key", "read_key", "users", "publish_from", "read_from"})
"""Keys that concern nobody but those whom they let in no more."""
INPUTS = "inputs"
OUTPUTS = "outputs"
OUTPUTS_OPTIONS = "outputs_options"
PUSH = "push"
PARTS = frozenset({INPUTS, "slate", OUTPUTS, OUTPUTS_OPTIONS, PUSH})
"""Keys whose own parts tell what happens; the slate is the last of the inputs."""
UPDATED_KEYS = UNNOTICED_KEYS | ACCESS_KEYS | PARTS
"""What a running stream takes; anything else starts it anew."""
NOBODY = "nobody"
EVERYBODY = "its publisher and viewers are disconnected"


def changed(old: BaseModel, new: BaseModel) -> list[str]:
    """The names of the fields that differ."""
    return [name for name in type(new).model_fields if getattr(old, name) != getattr(new, name)]


def diff(old: Config, new: Config) -> Plan:
    """The smallest plan that leads from one configuration to the other."""
    parts = (section_steps, listener_steps, template_steps, hook_steps)
    plan = Plan(server=[step for part in parts for step in part(old, new)])
    for code in sorted({*old.streams, *new.streams}):
        # Mostly nothing differs, and there may be thousands.
        if old.streams.get(code) == new.streams.get(code):
            continue
        step = stream_step(code, old.streams.get(code), new.streams.get(code))
        if step is not None:
            plan.steps.append(step)
    return plan


def section_steps(old: Config, new: Config) -> Iterable[ServerStep]:
    """What happens to the parts of a server that are always there."""
    for part in ("server", "log", "limits", "http", "api"):
        was, will = getattr(old, part), getattr(new, part)
        keys = changed(was, will)
        if not keys:
            continue
        others = [key for key in keys if key != "address"]
        reasons = [f"{was.address} to {will.address}"] if "address" in keys else []
        reasons += [f"changed: {', '.join(others)}"] if others else []
        yield ServerStep(
            part=part,
            action="move" if "address" in keys else "change",
            reason="; ".join(reasons),
            notices="; ".join(section_notices(was, will)) or NOBODY,
        )


def section_notices(old: BaseModel, new: BaseModel) -> Iterable[str]:
    """Who notices that keys of a section change."""
    keys = changed(old, new)
    if "address" in keys:
        yield "who connects anew needs the new address"
    if "tokens" in keys:
        yield "clients whose token is gone are refused"
    if isinstance(old, HttpConfig) and isinstance(new, HttpConfig):
        secure = new.tls_cert is not None
        if secure != (old.tls_cert is not None):
            yield f"who connects anew needs {'https' if secure else 'http'}"


def listener_steps(old: Config, new: Config) -> Iterable[ServerStep]:
    """What happens to the listeners of protocols."""
    for name in sorted({*old.listeners, *new.listeners}):
        was, will = old.listeners.get(name), new.listeners.get(name)
        part = f"listeners.{name}"
        if was is None and will is not None:
            yield ServerStep(part=part, action="open", reason=f"added: {will.address}")
        elif will is None and was is not None:
            notices = "its publishers and viewers are disconnected"
            yield ServerStep(part=part, action="close", reason="removed", notices=notices)
        elif was is not None and will is not None and was != will:
            moves = was.address != will.address
            keys = changed(was.options, will.options) if alike(was.options, will.options) else []
            reasons = [f"{was.address} to {will.address}"] if moves else []
            reasons += [f"changed: {', '.join(keys)}"] if keys else []
            stay = isinstance(will.options, Options) and will.options.keeps_peers
            notices = "who connects anew needs the new address" if moves else NOBODY
            yield ServerStep(
                part=part,
                action="move" if moves else "change",
                reason="; ".join(reasons),
                notices=notices if stay else "its publishers and viewers are disconnected",
            )


def template_steps(old: Config, new: Config) -> Iterable[ServerStep]:
    """What happens to the prefixes under which streams come to be; those have steps themselves."""
    was, will = (
        {name: one for name, one in config.templates.items() if one.prefix} for config in (old, new)
    )
    for name in sorted({*was, *will}):
        part, before, after = f"templates.{name}", was.get(name), will.get(name)
        if before is None and after is not None:
            yield ServerStep(part=part, action="open", reason=f"streams under `{after.prefix}`")
        elif after is None and before is not None:
            notices = f"who comes under `{before.prefix}` finds no stream"
            yield ServerStep(part=part, action="close", reason="removed", notices=notices)
        elif before is not None and after is not None and before != after:
            moves = before.prefix != after.prefix
            yield ServerStep(
                part=part,
                action="move" if moves else "change",
                reason=f"`{before.prefix}` to `{after.prefix}`" if moves else "changed",
                notices=f"who comes under `{before.prefix}` finds no stream" if moves else NOBODY,
            )


def hook_steps(old: Config, new: Config) -> Iterable[ServerStep]:
    """What happens to those who are told."""
    was, will = ({hook.name: hook for hook in config.hooks} for config in (old, new))
    for name in sorted({*was, *will}):
        part, before, after = f"hooks.{name}", was.get(name), will.get(name)
        if before is None:
            yield ServerStep(part=part, action="open", reason="added")
        elif after is None:
            notices = "what waits for it is dropped"
            yield ServerStep(part=part, action="close", reason="removed", notices=notices)
        elif not alike(before, after):
            notices = "what waits for it is dropped"
            yield ServerStep(part=part, action="change", reason="of another kind", notices=notices)
        elif keys := changed(before, after):
            lasts = any(getattr(hook, "during", "") for hook in (before, after))
            notices = "its programs are ended, and started anew for what is there" if lasts else ""
            reason = f"changed: {', '.join(keys)}"
            yield ServerStep(part=part, action="change", reason=reason, notices=notices)


def stream_step(code: str, old: StreamConfig | None, new: StreamConfig | None) -> PlanStep | None:
    """What happens to one stream; None if nothing does."""
    was = old is not None and not old.disabled
    will = new is not None and not new.disabled
    if not was and not will:
        return None
    if will and not was:
        return PlanStep(stream=code, action="start", reason="enabled" if old else "added")
    if was and not will:
        reason = "disabled" if new else "removed"
        return PlanStep(stream=code, action="stop", reason=reason, notices=EVERYBODY)
    assert old is not None
    assert new is not None
    return change_step(old, new)


def change_step(old: StreamConfig, new: StreamConfig) -> PlanStep | None:
    """What happens to a stream that runs before and after."""
    keys = changed(old, new)
    named = [key for key in keys if key not in PARTS]
    named += [f"input {text}" for text in input_changes(old.inputs, new.inputs)]
    named += [f"outputs {text}" for text in kind_changes(old, new)]
    outputs = output_changes(old, new)
    named += [f"{kind}.{key}" for kind, inner in outputs.items() for key in inner]
    named += [f"push {text}" for text in push_changes(old, new)]
    if not named:
        return None
    reason = f"changed: {', '.join(named)}"
    if not set(keys) <= UPDATED_KEYS:
        return PlanStep(stream=new.code, action="restart", reason=reason, notices=EVERYBODY)
    return PlanStep(
        stream=new.code,
        action="update",
        reason=reason,
        notices="; ".join(notices(old, new, keys, outputs)) or NOBODY,
    )


def notices(
    old: StreamConfig, new: StreamConfig, keys: Sequence[str], outputs: Mapping[str, list[str]]
) -> Iterable[str]:
    """Who notices what a running stream takes."""
    if lost := inputs_lost(old.inputs, new.inputs):
        yield f"viewers see a cut if {' or '.join(lost)} is on air"
    if removed := [kind for kind in outputs_lost(old, new) if kind]:
        yield f"its viewers over {' and '.join(removed)} are disconnected"
    anew = [kind for kind in outputs if new.serves(kind) and not adjustable(kind, old, new)]
    if anew:
        yield f"its viewers over {' and '.join(anew)} start anew"
    for name in pushes_left(old, new):
        yield f"`{name}` is left"
    if not ACCESS_KEYS.isdisjoint(keys):
        yield "who may no more is disconnected"


def input_changes(old: Sequence[InputConfig], new: Sequence[InputConfig]) -> list[str]:
    """The inputs that differ, by URL, with what happens to each."""
    was, will = told_apart(old), told_apart(new)
    found = [f"`{one.url.redacted}` added" for key, one in will.items() if key not in was]
    found += [f"`{one.url.redacted}` removed" for key, one in was.items() if key not in will]
    for key in [key for key in will if key in was]:
        if keys := keys_changed(was[key], will[key]):
            found.append(f"`{will[key].url.redacted}` ({', '.join(keys)})")
    if [key for key in was if key in will] != [key for key in will if key in was]:
        found.append("order")
    return found


def inputs_lost(old: Sequence[InputConfig], new: Sequence[InputConfig]) -> list[str]:
    """The inputs that end, or begin anew."""
    was, will = told_apart(old), told_apart(new)
    return [
        f"`{one.url.redacted}`"
        for key, one in was.items()
        if key not in will or keys_changed(one, will[key])
    ]


def told_apart(inputs: Iterable[InputConfig]) -> dict[tuple[str, int], InputConfig]:
    """The inputs by URL; of those with the same URL, by their order."""
    found: dict[tuple[str, int], InputConfig] = {}
    for one in inputs:
        number = sum(key[0] == one.url.raw for key in found)
        found[one.url.raw, number] = one
    return found


def keys_changed(old: InputConfig | PushConfig, new: InputConfig | PushConfig) -> list[str]:
    """The keys of an input or a push that differ, those of its protocol among them."""
    keys = [key for key in changed(old, new) if key not in {"url", "options"}]
    if old.options == new.options:
        return keys
    inner = alike(old.options, new.options)
    return keys + (changed(old.options, new.options) if inner else ["options"])


def alike(old: BaseModel, new: BaseModel) -> bool:
    """Whether two sets of options are of one kind."""
    return type(old) is type(new)


def kind_changes(old: StreamConfig, new: StreamConfig) -> list[str]:
    """The kinds of outputs that come and go; empty names stand for all others."""
    if old.outputs == new.outputs:
        return []
    added = [f"`{kind}` added" for kind in new.outputs or () if not old.serves(kind)]
    added += ["all others added"] if new.outputs is None else []
    removed = [f"`{kind}` removed" for kind in old.outputs or () if not new.serves(kind)]
    removed += ["all others removed"] if old.outputs is None else []
    return added + removed


def outputs_lost(old: StreamConfig, new: StreamConfig) -> list[str]:
    """The kinds that viewers may use no more."""
    if old.outputs is None and new.outputs is not None:
        return ["all other outputs"]
    return [kind for kind in old.outputs or () if not new.serves(kind)]


def push_changes(old: StreamConfig, new: StreamConfig) -> list[str]:
    """The destinations that differ, by name, with what happens to each."""
    was = {push.url.raw: push for push in old.push}
    will = {push.url.raw: push for push in new.push}
    found = [f"`{push.name}` added" for url, push in will.items() if url not in was]
    found += [f"`{push.name}` removed" for url, push in was.items() if url not in will]
    for url in was.keys() & will.keys():
        if keys := keys_changed(was[url], will[url]):
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
