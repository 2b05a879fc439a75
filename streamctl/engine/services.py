"""What every stream shares: clock, plugins, converters, sessions, events, child processes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.config.roots import located, playable
from streamctl.engine.upstreams import Upstreams
from streamctl.media.mpegts.convert import CODECS as MPEGTS_CODECS
from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.packet import Format
from streamctl.sdk.plugin import Cap, ConverterSpec
from streamctl.sdk.url import StreamURL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from streamctl.engine.events import EventLog
    from streamctl.engine.sessions import Sessions
    from streamctl.engine.stream import Stream
    from streamctl.sdk.context import AvWorker, Clock, Streams
    from streamctl.sdk.plugin import ProtocolPlugin

TRUNK = ConverterSpec(Format.PACKETS, Format.MPEGTS, MPEGTS_CODECS, TsConverter)
"""The converter that belongs to no protocol: ``packets`` and ``mpegts`` are the trunk."""


def converter_specs(plugins: Iterable[ProtocolPlugin]) -> dict[Format, ConverterSpec]:
    """Converters by target format: the trunk's and those that plugins bring."""
    specs = {TRUNK.target: TRUNK}
    for plugin in plugins:
        if Cap.CONVERT in plugin.caps:
            specs.update({spec.target: spec for spec in plugin.converters()})
    return specs


@dataclass(slots=True)
class PluginContext:
    """Implements :class:`streamctl.sdk.context.Context` for one plugin."""

    clock: Clock
    log: logging.Logger
    avworker: AvWorker
    handshake_s: float
    media_roots: Sequence[str]
    streams: Streams = field(default_factory=lambda: Upstreams({}))

    def resolve_file(self, url: str) -> Path:
        """The path of a ``file:`` URL, checked against the media roots.

        Raises:
            ConfigError: outside every media root, or not a readable file.
        """
        return playable(StreamURL.parse(url).path, self.media_roots)

    def place_file(self, url: str) -> Path:
        """The path of a ``file:`` URL that is to be written, checked against the media roots.

        Raises:
            ConfigError: outside every media root.
        """
        return located(StreamURL.parse(url).path, self.media_roots)


@dataclass(slots=True)
class Services:
    """Everything that streams are given; made once per process."""

    clock: Clock
    plugins: Mapping[str, ProtocolPlugin]
    """Working plugins by kind."""
    specs: Mapping[Format, ConverterSpec]
    sessions: Sessions
    events: EventLog
    avworker: AvWorker
    handshake_s: float = 10.0
    media_roots: Sequence[str] = (".",)
    streams: Mapping[str, Stream] = field(default_factory=dict)
    """Those that run, by code."""
    ports: dict[str, int] = field(default_factory=dict)
    """Bound ports by kind of listener; ``http`` is the media HTTP server."""
    http_scheme: str = "http"
    """What the media HTTP server speaks."""

    def url_of(
        self,
        plugin: ProtocolPlugin,
        code: str,
        host: str = "HOST",
        *,
        listener: str = "",
        publish: bool = False,
    ) -> str:
        """How viewers, or publishers, of a plugin reach a stream; empty if nothing listens for it.

        Of several listeners it is the first, unless one is named.
        """
        name = listener or self.door_of(plugin)
        port = self.ports.get(name)
        if not port or not plugin.url_template:
            return ""
        template = (publish and plugin.publish_template) or plugin.url_template
        if name in plugin.listeners:
            template = template.replace(f"{plugin.kind}://", f"{name}://")
        elif name == "http":
            template = template.replace("http://", f"{self.http_scheme}://")
        if "/" in code:
            template = template.replace("/live/", "/")
        return template.format(host=host, port=port, code=code)

    def door_of(self, plugin: ProtocolPlugin) -> str:
        """What viewers of a plugin come to: its first listener, or ``http``; empty = nothing."""
        names = ["http"] if Cap.HTTP in plugin.caps else [plugin.kind, *plugin.listeners]
        return next((name for name in names if name in self.ports), "")

    def context(self, kind: str) -> PluginContext:
        """The context of one plugin."""
        return PluginContext(
            clock=self.clock,
            log=logging.getLogger(f"streamctl.{kind}"),
            avworker=self.avworker,
            handshake_s=self.handshake_s,
            media_roots=self.media_roots,
            streams=Upstreams(self.streams),
        )
