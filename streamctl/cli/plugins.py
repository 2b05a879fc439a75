"""``streamctl plugins``: which protocols are installed, here or at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.cli.options import Json, Server

if TYPE_CHECKING:
    from rich.table import Table

    from streamctl.schema import PluginStatus


def plugins(server: Server = "", json: Json = False) -> None:
    """List the installed protocol plugins.

    With --server, those of that server; broken ones are listed with the reason.
    """
    from streamctl.cli.output import print_json, print_text

    found = installed(server)
    if json:
        print_json(found)
        return
    print_text(render(found))


def installed(server: str) -> list[PluginStatus]:
    """The plugins of this installation, or of a server."""
    if server:
        import anyio

        from streamctl.client import Client

        return anyio.run(Client(server).plugins)
    from streamctl.registry import Registry

    return Registry().statuses()


def render(found: list[PluginStatus]) -> Table:
    """The plugins as a table."""
    from streamctl.cli.tables import table

    rows = [
        (
            plugin.kind,
            " ".join(plugin.capabilities),
            f"{plugin.distribution} {plugin.version}".strip(),
            plugin.error or plugin.summary,
        )
        for plugin in found
    ]
    return table(("KIND", "CAN", "FROM", "SUMMARY"), rows, wrap=("CAN", "SUMMARY"))
