"""Reads ``[[hooks]]``, and tells which programs and files a configuration names.

A hook is a webhook, a file or a command by the one key of these that it has.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from streamctl.config.eventtypes import fault, payload_keys
from streamctl.config.faults import nearest
from streamctl.config.model import (
    CommandConfig,
    EventFileConfig,
    HookConfig,
    HookKeys,
    WebhookConfig,
    words,
)
from streamctl.errors import ConfigError
from streamctl.net.http_target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamctl.config.lines import Path
    from streamctl.config.model import StreamConfig
    from streamctl.config.stream import Reading

KINDS: dict[str, type[HookKeys]] = {
    "url": WebhookConfig,
    "file": EventFileConfig,
    "command": CommandConfig,
}
SHORT: dict[str, tuple[str, dict[str, str]]] = {
    "on_publish": ("session.opened", {"action": "publish"}),
    "on_unpublish": ("session.closed", {"action": "publish"}),
    "on_play": ("session.opened", {"action": "play"}),
    "on_play_end": ("session.closed", {"action": "play"}),
    "on_down": ("stream.off_air", {}),
}
"""Keys of a stream with the event that each runs its command for."""
PATTERN = re.compile(r"[A-Za-z0-9_/\-*?!\[\]]+")
"""The letters of codes, and what stands for them."""
EXAMPLE = "write one of `url`, `file` and `command`"


def read_hooks(written: object, reading: Reading) -> tuple[HookConfig, ...]:
    """The hooks in the order of the file; faults are noted."""
    if written is None:
        return ()
    if not isinstance(written, list):
        reading.fault(("hooks",), "write a list of tables", "`[[hooks]]`, one for each")
        return ()
    found: list[HookConfig] = []
    for number, table in enumerate(written):
        path: Path = ("hooks", number)
        hook = read_hook(table, path, reading)
        if hook is None:
            continue
        if any(hook.name == other.name for other in found):
            reading.fault((*path, "name"), f"another hook has this name: `{hook.name}`")
        found.append(hook)
    return tuple(found)


def read_hook(table: object, path: Path, reading: Reading) -> HookConfig | None:
    """One hook; None, with the faults noted, if it is none."""
    if not isinstance(table, dict):
        reading.fault(path, "write a table with `name`")
        return None
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        reading.fault(path, "does several things" if kinds else "does nothing", EXAMPLE)
        return None
    hook = cast("HookConfig | None", reading.model(KINDS[kinds[0]], table, path))
    if hook is not None:
        judge_choice(hook, path, reading)
    if isinstance(hook, WebhookConfig):
        try:
            Target.of(hook.url.get_secret_value())
        except ConfigError as error:
            # The text may hold a key, so it is not repeated.
            reading.fault((*path, "url"), "leads to no HTTP server", error.hint)
            return None
    return hook


def judge_choice(hook: HookKeys, path: Path, reading: Reading) -> None:
    """Note what a hook chooses that can't be."""
    for number, pattern in enumerate(hook.events):
        if hint := fault(pattern):
            reading.fault((*path, "events", number), f"there are no such events: `{pattern}`", hint)
    told = payload_keys(hook.events)
    for key in hook.where:
        if key not in told:
            message = f"none of these events says `{key}`"
            reading.fault((*path, "where", key), message, nearest(key, told))
    for name in ("streams", "except_streams"):
        for number, pattern in enumerate(getattr(hook, name)):
            if not PATTERN.fullmatch(pattern):
                message = f"no stream is called that: `{pattern}`"
                reading.fault((*path, name, number), message, "write codes, with `*` and `?`")


def short_hooks(stream: StreamConfig) -> tuple[CommandConfig, ...]:
    """The hooks that keys of a stream are short for."""
    # Their names hold a dot, which those in the file can't.
    return tuple(
        CommandConfig.model_construct(
            name=f"{stream.code}.{key}",
            command=command,
            events=(kind,),
            streams=(stream.code,),
            where=where,
        )
        for key, (kind, where) in SHORT.items()
        if (command := getattr(stream, key))
    )


def reach(document: Mapping[str, Any]) -> frozenset[str]:
    """What a document of a configuration has the machine do: programs to run, files to write."""
    return frozenset(reached(document))


def reached(value: Any) -> Iterator[str]:
    """The same, once per place."""
    if isinstance(value, list):
        for one in value:
            yield from reached(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in SHORT:
                yield spelled(one)
            elif key == "hooks" and isinstance(one, list):
                yield from (done for hook in one if (done := deed(hook)))
            else:
                yield from reached(one)


def deed(hook: Any) -> str:
    """What one hook does to the machine; empty for a webhook."""
    if not isinstance(hook, dict) or not {"command", "file"} & hook.keys():
        return ""
    return "\n".join(
        [spelled(hook.get("command")), said(hook.get("environment")), said(hook.get("file"))]
    )


def spelled(command: Any) -> str:
    """A command, however it is written."""
    try:
        return said(list(words(command)))
    except (TypeError, ValueError):
        return said(command)


def said(value: Any) -> str:
    """A value as text."""
    return json.dumps(value, default=str, sort_keys=True)


def refuse_reach(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Keep whoever may change a configuration from a distance from running programs with it.

    Raises:
        ConfigError: the new document runs or writes something that the old one does not.
    """
    if reach(new) - reach(old):
        raise ConfigError(
            "commands and files of hooks can't be set through the API",
            key="hooks",
            hint="write them into the file; the server follows it",
        )
