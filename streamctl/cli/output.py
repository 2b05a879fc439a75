"""What commands print on standard output: data only, as text or JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType


def print_json(document: Any, *, compact: bool = False) -> None:
    """A document, indented, or on one line of a stream of documents."""
    plain = to_plain(document)
    text = json.dumps(plain, ensure_ascii=False, indent=None if compact else 2)
    print(text, flush=True)


def to_plain(document: Any) -> Any:
    """A document as JSON values."""
    if isinstance(document, BaseModel):
        return document.model_dump(mode="json")
    if isinstance(document, list | tuple):
        return [to_plain(one) for one in document]
    return document


def print_lines(lines: Sequence[str]) -> None:
    """Plain lines."""
    for line in lines:
        print(line)


def print_text(*parts: RenderableType) -> None:
    """Tables and texts, as wide as the terminal; whole when they go elsewhere."""
    to = console()
    for part in parts:
        to.print(part)


def console(*, stderr: bool = False) -> Console:
    """A console that cuts nothing off when it isn't a terminal."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not made.is_terminal:
        made = Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=10_000)
    return made
