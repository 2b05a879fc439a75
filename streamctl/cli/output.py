"""What commands print on standard output: data only, as text or JSON."""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType


NARROWEST = 80
"""The columns of a terminal that tables are made for."""


@contextmanager
def writing() -> Iterator[None]:
    """Pass on what is written inside, and turn a failure into an error for users.

    Raises:
        StreamctlError: standard output takes no more; a closed pipe stays a ``BrokenPipeError``.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(error) from None


def refused(error: OSError) -> bool:
    """Whether standard output refused the help, which the library of commands writes itself."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_code.co_name == "echo"


def unwritable(error: OSError) -> StreamctlError:
    """The error for users when standard output takes no more."""
    discard()
    words = (error.strerror or str(error)).lower()
    return StreamctlError(f"can't write to standard output: {words}")


def discard() -> None:
    """Let what is still buffered go nowhere: the interpreter would fail on it when it ends."""
    # What tests put in its place has no descriptor.
    with suppress(OSError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def print_json(document: Any, *, compact: bool = False) -> None:
    """A document, indented, or on one line of a stream of documents."""
    dump = partial(json.dumps, to_plain(document), indent=None if compact else 2)
    text = dump(ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = dump(ensure_ascii=True)
    with writing():
        print(text)


def to_plain(document: Any) -> Any:
    """A document as JSON values."""
    if isinstance(document, BaseModel):
        return document.model_dump(mode="json")
    if isinstance(document, list | tuple):
        return [to_plain(one) for one in document]
    return document


def print_lines(lines: Sequence[str]) -> None:
    """Plain lines."""
    with writing():
        for line in lines:
            print(line)


def print_text(*parts: RenderableType) -> None:
    """Tables and texts, as wide as the terminal; whole when they go elsewhere.

    A terminal that is too narrow for tables breaks their lines, as it does with all others.
    """
    to = console()
    to.width = max(to.width, NARROWEST)
    with writing():
        for part in parts:
            to.print(part)


def console(*, stderr: bool = False) -> Console:
    """A console that cuts nothing off when it isn't a terminal."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not made.is_terminal:
        made = Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=10_000)
    return made
