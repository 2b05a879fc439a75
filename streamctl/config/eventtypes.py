"""What may happen: every type of event with its payload, for filters, for documents and for tests.

A pattern selects types as file names are selected: ``input.*``, ``*.failed``, ``session.opened``.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from functools import cache
from typing import TYPE_CHECKING

from streamctl.config.faults import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LOST = "events.lost"
"""Takes the place of events that a follower was too slow for."""
TEST = "hook.test"
"""What a hook is tried with; nobody else is told."""

EVENT_TYPES: dict[str, tuple[str, ...]] = {
    "config.changed": ("parts", "steps"),
    "config.refused": ("error",),
    LOST: ("count",),
    "hook.created": ("hook",),
    "hook.deleted": ("hook",),
    TEST: ("hook",),
    "hook.updated": ("hook",),
    "input.closed": ("epoch", "reason"),
    "input.connected": ("input", "epoch", "tracks"),
    "input.degraded": ("input", "reason"),
    "input.failed": ("input", "error"),
    "input.failover": ("input", "before", "reason", "detail"),
    "input.reconnecting": ("input", "attempt"),
    "input.recovered": ("input", "detail"),
    "push.active": ("name", "url"),
    "push.done": ("name", "url"),
    "push.failed": ("name", "url", "error"),
    "push.reconnecting": ("name", "url", "error"),
    "push.started": ("name", "url"),
    "push.stopped": ("name",),
    "push.waiting": ("name", "url"),
    "server.started": ("version",),
    "server.stopping": (),
    "session.closed": (
        *("session", "protocol", "action", "peer", "user_agent"),
        *("reason", "duration_s", "bytes_in", "bytes_out"),
    ),
    "session.kicked": ("session", "reason"),
    "session.opened": ("session", "protocol", "action", "peer", "user_agent"),
    "stream.created": (),
    "stream.degraded": ("causes",),
    "stream.deleted": (),
    "stream.error": ("part", "error"),
    "stream.off_air": ("reason",),
    "stream.on_air": ("tracks",),
    "stream.recovered": (),
    "stream.runtime_created": ("template",),
    "stream.runtime_expired": (),
    "stream.started": (),
    "stream.stopped": ("reason",),
    "stream.updated": ("action", "reason"),
    "template.created": ("template",),
    "template.deleted": ("template",),
    "template.updated": ("template",),
}
"""Types and the keys of their payloads."""


def fault(pattern: str) -> str:
    """What a pattern that selects nothing should have been; empty if it selects something."""
    if any(fnmatchcase(name, pattern) for name in EVENT_TYPES):
        return ""
    return nearest(pattern, EVENT_TYPES)


def payload_keys(patterns: Sequence[str]) -> frozenset[str]:
    """What the payloads of chosen events may say."""
    chosen = chooser(patterns)
    return frozenset(key for name, keys in EVENT_TYPES.items() if chosen(name) for key in keys)


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether one of the patterns matches a text; without patterns none does."""
    joined = re.compile("|".join(map(translate, patterns)) or r"(?!)")
    return lambda text: joined.match(text) is not None


def chooser(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether one of the patterns selects a type; without patterns all are selected."""
    if not patterns:
        return lambda _: True
    return cache(matcher(patterns))
