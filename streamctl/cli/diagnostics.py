"""What commands say on standard error, and the exit code of what went wrong.

::

    error: streams.toml:12: streams.news.inptus: unknown key
    hint: did you mean `inputs`?

Colour is for terminals only and never carries meaning; ``NO_COLOR`` turns it off.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Iterator

RED, YELLOW, CYAN = "31", "33", "36"
INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""
BUG = 1
"""The exit code of an error that nobody expected."""


class Verbosity:
    """Whether tracebacks are shown; set once, by the option ``--debug``."""

    debug = False


def error(message: str, hint: str = "") -> None:
    """Say what went wrong, and what would help."""
    say("error", RED, message)
    if hint:
        say("hint", CYAN, hint)


def warning(message: str) -> None:
    """Say what the user should know although the work goes on."""
    say("warning", YELLOW, message)


def note(message: str) -> None:
    """Say what happened."""
    say("note", CYAN, message)


def say(label: str, colour: str, message: str) -> None:
    """A labelled line on standard error."""
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        label = f"\x1b[1;{colour}m{label}\x1b[0m"
    sys.stderr.write(f"{label}: {message}\n")
    sys.stderr.flush()


def report(failure: BaseException) -> int:
    """Say what a command ended with; the exit code for it."""
    found = list(leaves(failure))
    if any(isinstance(one, BrokenPipeError) for one in found):
        from streamctl.cli.output import discard

        # Whoever read has seen enough, as with `| head`.
        discard()
        return BUG
    expected = [one for one in found if isinstance(one, StreamctlError)]
    if Verbosity.debug:
        sys.stderr.write("".join(traceback.format_exception(failure)))
    if expected:
        for one in expected:
            report_expected(one)
        return expected[0].exit_code
    if any(isinstance(one, KeyboardInterrupt) for one in found):
        return INTERRUPTED
    error(
        f"unexpected {type(found[0]).__name__}: {found[0]}",
        "" if Verbosity.debug else "this is a bug; `streamctl --debug …` shows where",
    )
    return BUG


def report_expected(failure: StreamctlError) -> None:
    """Say an error of the tree; a faulty configuration says all its faults."""
    for one in getattr(failure, "errors", (failure,)):
        error(str(one), one.hint)


def leaves(failure: BaseException) -> Iterator[BaseException]:
    """The exceptions inside groups."""
    if isinstance(failure, BaseExceptionGroup):
        for inner in failure.exceptions:
            yield from leaves(inner)
    else:
        yield failure
