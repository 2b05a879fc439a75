"""Finds protocol plugins and commands by entry points: names without imports, objects on demand.

Three grains: :meth:`Registry.names` imports nothing, :meth:`Registry.load` imports one plugin
and fails loudly, :meth:`Registry.load_all` imports every plugin and reports the broken ones,
so that one bad distribution never takes the server down.

Entry points: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import difflib
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError, UnknownScheme
from streamctl.sdk.url import forms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import EntryPoint

    from pydantic import BaseModel

    from streamctl.schema import PluginStatus
    from streamctl.sdk.plugin import ProtocolPlugin

PROTOCOLS = "streamctl.protocols"
COMMANDS = "streamctl.commands"
API = 1
"""The version of the plugin interface that this release speaks."""


class Catalog:
    """The entry points of one group by name."""

    def __init__(self, group: str, entries: Iterable[EntryPoint] | None = None) -> None:
        self.group = group
        found = metadata.entry_points(group=group) if entries is None else entries
        self.entries: dict[str, list[EntryPoint]] = {}
        for entry in found:
            claims = self.entries.setdefault(entry.name, [])
            if all(claim.value != entry.value for claim in claims):
                claims.append(entry)

    def names(self) -> tuple[str, ...]:
        """Every name in the group, sorted; imports nothing."""
        return tuple(sorted(self.entries))

    def entry(self, name: str) -> EntryPoint:
        """The one entry point of that name.

        Raises:
            KeyError: no such name.
            ConfigError: several distributions claim it.
        """
        claims = self.entries[name]
        if len(claims) > 1:
            owners = ", ".join(f"`{distribution(claim)}`" for claim in claims)
            raise ConfigError(
                f"`{name}` is claimed by several distributions: {owners}",
                hint="uninstall all but one of them",
            )
        return claims[0]

    def load(self, name: str) -> object:
        """Import the object behind a name.

        Raises:
            KeyError: no such name.
            ConfigError: claimed twice, or its import fails.
        """
        entry = self.entry(name)
        try:
            return entry.load()
        except Exception as error:
            raise ConfigError(
                f"`{name}` from `{distribution(entry)}` can't be loaded: "
                f"{type(error).__name__}: {error}",
                hint=f"update or uninstall `{distribution(entry)}`",
            ) from error


class Registry:
    """The installed protocol plugins; each is imported at most once, when it is asked for."""

    def __init__(self, entries: Iterable[EntryPoint] | None = None) -> None:
        self.catalog = Catalog(PROTOCOLS, entries)
        self.loaded: dict[str, ProtocolPlugin] = {}
        self.described: list[PluginStatus] = []
        self.listed: list[PluginStatus] = []

    def names(self) -> tuple[str, ...]:
        """The installed kinds, sorted; imports nothing."""
        return self.catalog.names()

    def load(self, kind: str) -> ProtocolPlugin:
        """The plugin of a kind.

        Raises:
            UnknownScheme: not installed.
            ConfigError: installed but broken, or claimed by several distributions.
        """
        plugin = self.loaded.get(kind)
        if plugin is None:
            if kind not in self.catalog.entries:
                raise self.unknown(kind)
            plugin = self.loaded[kind] = self.instance(kind)
        return plugin

    def listener(self, name: str) -> tuple[ProtocolPlugin, type[BaseModel]]:
        """The plugin behind ``[listeners.<name>]``, and the model of its keys.

        Raises:
            UnknownScheme: nothing that is installed has a listener of the name.
            ConfigError: installed but broken, or claimed by several distributions.
        """
        if name in self.catalog.entries:
            plugin = self.load(name)
            return plugin, plugin.ListenerOptions
        plugins, _ = self.load_all()
        for plugin in plugins:
            if name in plugin.listeners:
                return plugin, plugin.listeners[name]
        raise self.unknown(name, (*self.names(), *(n for p in plugins for n in p.listeners)))

    def load_all(self) -> tuple[tuple[ProtocolPlugin, ...], tuple[str, ...]]:
        """Every plugin that works, and one line for every one that doesn't."""
        plugins: list[ProtocolPlugin] = []
        errors: list[str] = []
        for kind in self.names():
            try:
                plugins.append(self.load(kind))
            except ConfigError as error:
                errors.append(f"plugin {error.message}")
        return tuple(plugins), tuple(errors)

    def statuses(self) -> list[PluginStatus]:
        """What is installed, for the API and ``streamctl plugins``; read from disk once."""
        if not self.listed:
            self.listed = [self.status(kind) for kind in self.names()]
        return list(self.listed)

    def status(self, kind: str) -> PluginStatus:
        """One installed plugin, working or broken."""
        from streamctl.schema import PluginStatus, RequirementStatus

        entry = self.catalog.entries[kind][0]
        status = PluginStatus(
            kind=kind,
            summary="",
            capabilities=[],
            schemes=[],
            distribution=distribution(entry),
            version=entry.dist.version if entry.dist else "",
        )
        try:
            plugin = self.load(kind)
        except ConfigError as error:
            return status.model_copy(update={"error": error.message})
        return status.model_copy(
            update={
                "summary": plugin.summary,
                "capabilities": abilities(plugin),
                "schemes": list(plugin.schemes),
                "urls": forms(kind, plugin.schemes),
                "ports": dict(plugin.ports),
                "requirements": [
                    RequirementStatus(**asdict(each)) for each in plugin.requirements()
                ],
            }
        )

    def instance(self, kind: str) -> ProtocolPlugin:
        """Import and check one plugin."""
        from streamctl.sdk.plugin import ProtocolPlugin

        made = self.catalog.load(kind)
        owner = distribution(self.catalog.entry(kind))
        if not (isinstance(made, type) and issubclass(made, ProtocolPlugin)):
            raise broken(kind, owner, "it is not a subclass of `ProtocolPlugin`")
        if made.api != API:
            raise broken(kind, owner, f"it speaks plugin interface {made.api}, not {API}")
        if getattr(made, "kind", None) != kind:
            raise broken(kind, owner, f"its class names the kind `{getattr(made, 'kind', '')}`")
        try:
            return made()
        except Exception as error:
            raise broken(kind, owner, f"{type(error).__name__}: {error}") from error

    def unknown(self, kind: str, known: Sequence[str] = ()) -> UnknownScheme:
        """The error for a kind that nobody provides."""
        names = sorted(known or self.names())
        near = difflib.get_close_matches(kind, names, 1)
        listing = ", ".join(f"`{name}`" for name in names) or "none"
        hint = (
            f"did you mean `{near[0]}`? installed: {listing}" if near else f"installed: {listing}"
        )
        return UnknownScheme(f"no plugin for `{kind}`", hint=hint)


def abilities(plugin: ProtocolPlugin) -> list[str]:
    """What users can do with a kind, in the words of the commands."""
    from streamctl.sdk.plugin import Cap

    listens = Cap.LISTEN in plugin.caps
    able = {
        "pull": Cap.PULL in plugin.caps,
        "probe": Cap.PULL in plugin.caps,
        "push": Cap.PUSH in plugin.caps,
        "publish": listens,
        "play": listens and plugin.play_format is not None,
        "http": Cap.HTTP in plugin.caps,
    }
    return [name for name, can in able.items() if can]


def distribution(entry: EntryPoint) -> str:
    """The name of the distribution that an entry point comes from."""
    return entry.dist.name if entry.dist else entry.value


def broken(kind: str, owner: str, reason: str) -> ConfigError:
    """The error for a plugin that is installed but can't be used."""
    return ConfigError(
        f"`{kind}` from `{owner}` can't be used: {reason}",
        hint=f"update or uninstall `{owner}`",
    )
