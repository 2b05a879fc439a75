"""``streamctl config`` and ``streamctl reload``: judge, compare, show and apply configurations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamctl.cli.options import Json, Server

if TYPE_CHECKING:
    from streamctl.schema import ConfigReport, Plan

Action = Literal["check", "diff", "show"]
RUNNING = Path("server")
"""Stands for what a running server has in force."""
DIFFERENT = 1
"""The exit code when two configurations differ, as that of diff(1)."""
WRONG = 2
"""The exit code when a configuration is not right, as that of every command."""


def config(
    action: Annotated[Action, typer.Argument(metavar="check|diff|show", help="What to do.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE…]", help="`server` stands for what a server has in force."),
    ] = None,
    resolved: Annotated[
        bool,
        typer.Option("--resolved", help="Show all keys, defaults and templates included."),
    ] = False,
    server: Server = "",
    json: Json = False,
) -> None:
    """Check, compare or show configurations; nothing is changed.

    `config check FILE` names everything that is wrong with a file, and exits with 2 if that is
    anything. It opens the slates, and warns of what differs from the streams that they stand in
    for, as far as a running server knows these.

    `config diff OLD NEW` says what would happen to each stream and listener, and who would
    notice, if NEW took the place of OLD. It exits with 0 if nothing would happen, else with 1.

    `config show [FILE]` prints a file, or what a server has in force, without its secrets.
    """
    names = files or []
    if action == "check":
        (file,) = counted(names, 1, "config check FILE")
        check(file, server, json=json)
    elif action == "diff":
        old, new = counted(names, 2, "config diff OLD|server NEW")
        compare(old, new, server, json=json)
    else:
        show(names, server, resolved=resolved, json=json)


def counted(files: list[Path], count: int, usage: str) -> list[Path]:
    """The files, if there are as many as it takes.

    Raises:
        ConfigError: there are more, or less.
    """
    from streamctl.errors import ConfigError

    if len(files) != count:
        command = " ".join(usage.split()[:2])
        number = f"{count} file{'' if count == 1 else 's'}"
        raise ConfigError(
            f"`{command}` takes {number}, not {len(files)}", hint=f"streamctl {usage}"
        )
    return files


def check(file: Path, server: str, *, json: bool) -> None:
    """Judge a file."""
    import anyio

    from streamctl.cli import diagnostics, slates
    from streamctl.cli.output import print_json, print_lines
    from streamctl.config.load import load
    from streamctl.errors import ConfigError
    from streamctl.registry import Registry
    from streamctl.schema import ConfigReport

    try:
        config = load(file, Registry())
    except ConfigError as error:
        if not json:
            raise
        print_json(report(error))
        raise typer.Exit(WRONG) from None
    count = len(config.streams)
    found = anyio.run(slates.judged, config, server)
    if json:
        print_json(
            ConfigReport(ok=True, streams=count, remarks=found.remarks, unknown=found.unknown)
        )
        return
    for remark in found.remarks:
        diagnostics.warning(f"{file}: {remark}")
    for remark in found.unknown:
        diagnostics.note(f"{file}: {remark}")
    print_lines([f"{file}: right, {count} stream{'' if count == 1 else 's'}"])


def report(error: Exception) -> ConfigReport:
    """Everything that is wrong with a file."""
    from streamctl.engine.configuration import report as made
    from streamctl.errors import ConfigError

    assert isinstance(error, ConfigError)
    return made(error)


def compare(old: Path, new: Path, server: str, *, json: bool) -> None:
    """Say what a change would do."""
    from streamctl.cli import plans

    plan = plan_of(old, new, server)
    plans.show(plan, json=json)
    if plan.steps or plan.server:
        raise typer.Exit(DIFFERENT)


def plan_of(old: Path, new: Path, server: str) -> Plan:
    """What would lead from one configuration to the other."""
    from streamctl.config.load import load, text_of
    from streamctl.engine.diff import diff
    from streamctl.errors import ConfigErrors
    from streamctl.registry import Registry

    if old == RUNNING:
        import anyio

        from streamctl.client import Client

        try:
            return anyio.run(Client(server).diff_config, text_of(new))
        except ConfigErrors as error:
            for one in error.errors:
                # The server has seen the text alone.
                one.file = one.file or str(new)
            raise
    registry = Registry()
    return diff(load(old, registry), load(new, registry))


def show(files: list[Path], server: str, *, resolved: bool, json: bool) -> None:
    """Print a configuration without its secrets."""
    from streamctl.cli.output import print_json, print_lines
    from streamctl.config import show as shown
    from streamctl.config.load import load, text_of
    from streamctl.registry import Registry

    if files and files != [RUNNING]:
        (file,) = counted(files, 1, "config show [FILE]")
        registry = Registry()
        names = shown.secret_names(registry)
        # Also loaded where the text is wanted: one that is not right can't be shown safely.
        values = shown.resolved(load(file, registry))
        text = "" if resolved or json else shown.hidden(text_of(file), names)
    else:
        values, text = asked(server, resolved=resolved or json)
    if json:
        print_json(values)
    else:
        print_lines((text or shown.as_toml(values)).rstrip("\n").split("\n"))


def asked(server: str, *, resolved: bool) -> tuple[dict[str, object], str]:
    """What a server has in force: its values, or its text."""
    import anyio

    from streamctl.client import Client

    client = Client(server)
    if resolved:
        return anyio.run(client.config_resolved), ""
    return {}, anyio.run(client.config_text)


def reload(server: Server = "", json: Json = False) -> None:
    """Have a running server read its file again.

    Prints what was changed and who noticed. A faulty file changes nothing and is an error that
    names what is wrong; the exit code is 2 then, and 1 if a stream could not be started.
    """
    import anyio

    from streamctl.cli import plans
    from streamctl.client import CHANGE_TIMEOUT_S, Client

    plans.show(anyio.run(Client(server, timeout_s=CHANGE_TIMEOUT_S).reload), json=json)
