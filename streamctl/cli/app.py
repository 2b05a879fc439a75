"""The command line: a group whose commands are entry points, imported when they are used.

Commands are plain functions with Typer's annotations under the entry-point group
``streamctl.commands``; those of this package are registered like anybody else's.
"""

from __future__ import annotations

import difflib
import io
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from streamctl import __version__
from streamctl.cli import diagnostics
from streamctl.errors import ConfigError
from streamctl.registry import COMMANDS, Catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HIDDEN = {"generate": "streamctl.cli.generate:generate"}
"""Commands for those who work on streamctl."""
CLICK_ERROR: type[BaseException] = typer.BadParameter.__mro__[2]
"""The base of errors in the use of options; its home differs between releases of Typer."""

BY_PYDANTIC = re.compile(r"(?<=: )Value error, ")
"""What some releases of Typer have before their sentences."""


class LazyGroup(TyperGroup):
    """Finds commands by metadata and imports one when it is used."""

    catalog: Catalog | None = None

    def names(self) -> tuple[str, ...]:
        """The installed commands; imports nothing."""
        if self.catalog is None:
            self.catalog = Catalog(COMMANDS)
        return self.catalog.names()

    def list_commands(self, ctx: Any) -> list[str]:
        """The names to show."""
        return list(self.names())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None, with one line on standard error, if it is broken."""
        try:
            return self.find(cmd_name)
        except ConfigError as error:
            diagnostics.warning(f"command {error.message}")
            return None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write what each command does; the library would cut sentences at the first line's end."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        records = [(name, summary(one)) for name, one in found.items() if one is not None]
        if records:
            with formatter.section("Commands"):
                formatter.write_dl(records)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the user asked for; a broken one is an error."""
        if self.find(args[0]) is None:
            near = difflib.get_close_matches(args[0], self.names(), 1)
            hint = f"did you mean `{near[0]}`?" if near else "`streamctl --help` lists them"
            raise ConfigError(f"no command `{args[0]}`", hint=hint)
        return super().resolve_command(ctx, args)

    def find(self, name: str) -> Any:
        """Import a command.

        Raises:
            ConfigError: it is broken, or claimed by several distributions.
        """
        if name not in self.commands and (made := self.load(name)) is not None:
            self.commands[name] = as_command(name, made)
        return self.commands.get(name)

    def load(self, name: str) -> Any:
        """The object behind a name; None if there is none."""
        if name in self.names():
            assert self.catalog is not None
            return self.catalog.load(name)
        if name in HIDDEN:
            module, _, function = HIDDEN[name].partition(":")
            return getattr(__import__(module, fromlist=[function]), function)
        return None


class Command(TyperCommand):
    """Shows arguments as they are called; some releases of Typer add brackets and types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind the name of the command."""
        arguments = [one for one in self.get_params(ctx) if is_argument(one)]
        return [self.options_metavar or "", *map(called, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write what there is to know of arguments and options."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is not None and is_argument(one):
                sections["Arguments"].append((called(one), record[1]))
            elif record is not None:
                sections["Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def summary(command: Any) -> str:
    """The first paragraph of a command's help, on one line."""
    return " ".join((command.help or "").strip().partition("\n\n")[0].split())


def is_argument(parameter: Any) -> bool:
    """Whether a parameter is told by its position."""
    return bool(parameter.param_type_name == "argument")


def called(argument: Any) -> str:
    """What an argument is called."""
    return str(argument.metavar or argument.name.upper())


def as_command(name: str, made: Callable[..., Any] | typer.Typer) -> Any:
    """A function, or a Typer application, as a subcommand."""
    if isinstance(made, typer.Typer):
        command = get_command(made)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name, cls=Command, hidden=name in HIDDEN)(made)
        command = get_command(single)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    """Print the version and leave, whatever else stands on the command line."""
    if wanted:
        from streamctl.cli.output import print_lines

        print_lines([f"streamctl {__version__}"])
        raise typer.Exit


@app.callback()
def streamctl(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", is_eager=True, callback=print_version, help="Print the version."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Live-streaming media server and toolkit."""
    diagnostics.Verbosity.debug = debug


def run(arguments: Sequence[str]) -> int:
    """Run a command line; its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the terminal has no character for is shown all the same.
        sys.stdout.reconfigure(errors="backslashreplace")
    command = get_command(app)
    try:
        code = command.main(list(arguments), prog_name="streamctl", standalone_mode=False)
    except (typer.Exit, SystemExit) as leave:
        code = getattr(leave, "exit_code", None) or getattr(leave, "code", None)
    except typer.Abort:
        return diagnostics.INTERRUPTED
    except CLICK_ERROR as error:
        return usage(error)
    except OSError as error:
        from streamctl.cli import output

        return diagnostics.report(output.unwritable(error) if output.refused(error) else error)
    except (Exception, KeyboardInterrupt) as error:
        return diagnostics.report(error)
    return code if isinstance(code, int) else 0


def usage(error: Any) -> int:
    """Say what is wrong with the command line; without any arguments, show the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    message = BY_PYDANTIC.sub("", error.format_message().rstrip("."))
    where = error.ctx.command_path if getattr(error, "ctx", None) else "streamctl"
    diagnostics.error(message[:1].lower() + message[1:], f"`{where} --help` shows its options")
    return int(error.exit_code)
