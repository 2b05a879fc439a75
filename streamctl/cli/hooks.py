"""``streamctl hooks``: who is told what happens, and whether that works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamctl.cli.options import Json, Server

if TYPE_CHECKING:
    from streamctl.client import Client
    from streamctl.hookstatus import HookList, HookTest

Action = Literal["list", "test"]
COLUMNS = ("HOOK", "STATE", "DELIVERED", "FAILED", "DROPPED", "WAITING", "TARGET")
NUMBERS = ("DELIVERED", "FAILED", "DROPPED", "WAITING")
FAILED = 1
"""The exit code of a test that did not arrive."""
TEST_TIMEOUT_S = 90.0
"""A program may take its time."""


def hooks(
    action: Annotated[
        Action, typer.Argument(metavar="[list|test]", help="What to do; `list` by default.")
    ] = "list",
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="The hook to test.", show_default=False)
    ] = "",
    server: Server = "",
    json: Json = False,
) -> None:
    """List the hooks of a running server, or deliver a test event to one of them.

    `hooks test NAME` delivers at once, past what waits, says how it went, and exits with 1 if it
    did not work.
    """
    import anyio

    from streamctl.client import Client
    from streamctl.errors import ConfigError

    if (action == "test") != bool(name):
        raise ConfigError("`test` takes the name of a hook", hint="streamctl hooks test NAME")
    if action == "test":
        show_test(anyio.run(test, Client(server, timeout_s=TEST_TIMEOUT_S), name), json=json)
    else:
        show(anyio.run(listed, Client(server)), json=json)


async def listed(client: Client) -> HookList:
    """Ask for all hooks."""
    from streamctl.hookstatus import HookList

    return await client.get("/api/v1/hooks", HookList)


async def test(client: Client, name: str) -> HookTest:
    """Ask for a test."""
    from streamctl.client import in_path
    from streamctl.hookstatus import HookTest

    return await client.call("POST", f"/api/v1/hooks/{in_path(name)}/test", HookTest, body={})


def show(found: HookList, *, json: bool) -> None:
    """Print the hooks, with what is wrong with them."""
    from streamctl.cli import tables
    from streamctl.cli.output import print_json, print_lines, print_text

    if json:
        print_json(found)
        return
    rows = [
        (
            *(one.name, one.state),
            *(str(count) for count in (one.delivered, one.failed, one.dropped, one.queue)),
            one.target,
        )
        for one in found.hooks
    ]
    print_text(tables.table(COLUMNS, rows, right=NUMBERS))
    print_lines([f"{one.name}: {one.error}" for one in found.hooks if one.error])


def show_test(found: HookTest, *, json: bool) -> None:
    """Print how a test went."""
    from streamctl.cli.output import print_json, print_lines

    if json:
        print_json(found)
    else:
        verdict = "works" if found.ok else "does not work"
        print_lines([f"{found.name} {verdict}: {found.detail} ({found.duration_s:.2f} s)"])
    if not found.ok:
        raise typer.Exit(FAILED)
