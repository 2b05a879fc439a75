"""The command line as plain facts, from which man pages and completions are written."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from streamctl.cli.app import HIDDEN, app

if TYPE_CHECKING:
    from collections.abc import Iterator

CHOICES = re.compile(r"[a-z]+(?:\|[a-z]+)+")
FILE_WORDS = frozenset({"FILE", "SRC", "DIR"})
STREAM_WORD = "STREAM"


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or option."""

    names: tuple[str, ...]
    """``--json``, ``-q``; for an argument its metavar."""
    metavar: str
    """What an option's value is called; empty for flags."""
    help: str
    is_option: bool

    @property
    def words(self) -> set[str]:
        """The words of the metavar, without brackets and dots."""
        return set(re.findall(r"[A-Z]+", self.metavar))

    @property
    def choices(self) -> tuple[str, ...]:
        """The only values there are, if the metavar lists them."""
        words = self.metavar.strip("[]")
        return tuple(words.split("|")) if CHOICES.fullmatch(words) else ()

    @property
    def takes_file(self) -> bool:
        """Whether a path makes sense."""
        return bool(self.words & FILE_WORDS)

    @property
    def takes_stream(self) -> bool:
        """Whether the code of a running stream makes sense."""
        return STREAM_WORD in self.words


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand, or the whole program."""

    name: str
    summary: str
    paragraphs: tuple[str, ...]
    parameters: tuple[Parameter, ...]

    @property
    def options(self) -> tuple[Parameter, ...]:
        """The parameters that start with dashes."""
        return tuple(one for one in self.parameters if one.is_option)

    @property
    def arguments(self) -> tuple[Parameter, ...]:
        """The parameters by position."""
        return tuple(one for one in self.parameters if not one.is_option)


def program() -> Command:
    """The program without its subcommands."""
    return described("streamctl", get_command(app))


def commands() -> list[Command]:
    """The shown subcommands that streamctl itself brings."""
    group: Any = get_command(app)
    found = []
    for name in group.list_commands(None):
        command = group.find(name)
        module = inspect.getmodule(inspect.unwrap(command.callback))
        ours = module is not None and module.__name__.startswith("streamctl.")
        if ours and name not in HIDDEN:
            found.append(described(name, command))
    return found


def described(name: str, command: Any) -> Command:
    """The facts of one Typer command."""
    text = inspect.cleandoc(command.help or "")
    summary, *paragraphs = (re.sub(r"\s+", " ", part) for part in text.split("\n\n"))
    return Command(name, summary.rstrip("."), tuple(paragraphs), tuple(parameters(command)))


def default(parameter: Any, metavar: str) -> str:
    """A sentence about the default; empty where zero or nothing is one."""
    if not metavar or not parameter.default or callable(parameter.default):
        return ""
    value = parameter.default
    return f" Default: {value:g}." if isinstance(value, int | float) else f" Default: {value}."


def parameters(command: Any) -> Iterator[Parameter]:
    """The shown parameters in order, ``--help`` last."""
    for one in command.params:
        if one.hidden:
            continue
        is_option = one.param_type_name == "option"
        flag = is_option and getattr(one, "is_flag", False)
        metavar = "" if flag else one.metavar or one.name.upper()
        names = (*sorted(one.opts, key=len), *one.secondary_opts) if is_option else (metavar,)
        yield Parameter(names, metavar, one.help + default(one, metavar), is_option)
    yield Parameter(("-h", "--help"), "", "Show this message and exit.", is_option=True)
