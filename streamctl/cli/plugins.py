"""``streamctl plugins``: which protocols are installed, here or at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.cli.options import Json, Server

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streamctl.schema import PluginStatus, RequirementStatus


def plugins(server: Server = "", json: Json = False) -> None:
    """List the installed protocol plugins: what they can do, and what they lack.

    A kind that can pull is an input, and a source of ingest, push and probe; one that can push is
    a destination. Publishers and players come to a listener, or to the HTTP port (http). With
    --server it is the plugins of that server. Broken ones are listed with the reason.
    """
    from streamctl.cli.output import print_json, print_text

    found = installed(server)
    if json:
        print_json(found)
        return
    print_text(*render(found))


def installed(server: str) -> list[PluginStatus]:
    """The plugins of this installation, or of a server."""
    if server:
        import anyio

        from streamctl.client import Client

        return anyio.run(Client(server).plugins)
    from streamctl.registry import Registry

    return Registry().statuses()


def render(found: list[PluginStatus]) -> list[RenderableType]:
    """The plugins as a table, and below it what is missing."""
    from streamctl.cli.tables import table

    rows = [
        (
            plugin.kind,
            " ".join(plugin.capabilities),
            " ".join(written(plugin)),
            ", ".join(map(needed, plugin.requirements)),
            f"{plugin.distribution} {plugin.version}".strip(),
            plugin.error or plugin.summary,
        )
        for plugin in found
    ]
    columns = ("KIND", "CAN", "URLS", "NEEDS", "FROM", "SUMMARY")
    parts: list[RenderableType] = [table(columns, rows, wrap=("CAN", "URLS", "NEEDS", "SUMMARY"))]
    for plugin in found:
        for need in plugin.requirements:
            if need.error:
                parts += ["", f"{plugin.kind}: {need.error}"]
                parts += [f"  hint: {need.hint}"] if need.hint else []
    return parts


def written(plugin: PluginStatus) -> list[str]:
    """How URLs are written, with default ports where the kind has schemes of its own."""
    ports = {f"{scheme}://": port for scheme, port in plugin.ports.items()}
    return [f"{url}…:{ports[url]}" if url in ports else url for url in plugin.urls]


def needed(need: RequirementStatus) -> str:
    """A requirement, and whether it is there."""
    return f"{need.name} (missing)" if need.error else f"{need.name} {need.version}".strip()
