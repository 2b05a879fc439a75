from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamctl.config.eventtypes import EVENT_TYPES, LOST, TEST, chooser, fault
from streamctl.engine.push import PushState

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("patterns", "name", "chosen"),
    [
        (("input.*",), "input.failed", True),
        (("input.*",), "inputs.failed", False),
        (("*.failed", "config.*"), "push.failed", True),
        (("*.failed", "config.*"), "config.changed", True),
        (("*.failed",), "push.failed.more", False),
        (("session.opened",), "session.opened", True),
        (("session.opened",), "session.closed", False),
        ((), "anything", True),
    ],
)
def test_patterns_choose(patterns: tuple[str, ...], name: str, chosen: bool) -> None:
    choose = chooser(patterns)
    assert choose(name) is chosen
    assert choose(name) is chosen


def test_a_pattern_that_chooses_nothing_is_a_mistake() -> None:
    assert fault("input.*") == ""
    assert fault("input.faild") == "did you mean `input.failed`?"


def emitted() -> Iterator[tuple[str, frozenset[str]]]:
    """Types and payloads of what is emitted, as it stands in the code."""
    for path in sorted((ROOT / "streamctl/engine").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            kind = node.args[0]
            if name in {"emit", "_emit"} and isinstance(kind, ast.Constant):
                yield str(kind.value), frozenset(one.arg for one in node.keywords if one.arg)


def test_the_catalogue_is_what_is_emitted() -> None:
    found = dict(emitted())
    for name, keys in found.items():
        place = {"input"} if name.startswith("input.") and "input" in EVENT_TYPES[name] else set()
        assert set(EVENT_TYPES[name]) == keys | place, name
    made = {f"push.{state}" for state in PushState} - {"push.starting"} | {"push.started"}
    made |= {
        f"{kind}.{what}d"
        for kind in ("hook", "template")
        for what in ("create", "update", "delete")
    }
    assert EVENT_TYPES.keys() - {LOST, TEST} == found.keys() | made


def test_no_variable_of_a_program_means_something_to_our_own_commands() -> None:
    variables = {f"STREAMCTL_{key.upper()}" for keys in EVENT_TYPES.values() for key in keys}
    assert not variables & {"STREAMCTL_SERVER", "STREAMCTL_TOKEN", "STREAMCTL_LIBSRT"}
    assert not [name for name in variables if "__" in name]
