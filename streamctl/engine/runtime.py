"""Streams that are in no file: made under the prefix of a template, gone when nobody is there.

A publisher, or a viewer of a stream with inputs to be pulled, comes for a path that no stream has.
Whether a template makes one of it is told from memory, in any thread; the stream begins when the
peer, having been let in by the template's own keys, becomes a session. It ends once it has been
without a publisher, and without anybody who wants what is pulled, for :data:`IDLE_S`; while viewers
or copies wait for the publisher to come back, for :data:`MISSED_S`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from streamctl.config.code import fault as code_fault
from streamctl.config.load import read_runtime
from streamctl.config.model import PublishKeys
from streamctl.engine.logins import knows_key
from streamctl.engine.stream import Stream
from streamctl.errors import ConfigError, StreamctlError
from streamctl.sdk.session import Action, Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from streamctl.config.model import Config, StreamConfig
    from streamctl.config.template import Template
    from streamctl.engine.coordinator import Coordinator
    from streamctl.registry import Registry
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Handler
    from streamctl.sdk.session import Request

log = logging.getLogger("streamctl.runtime")

IDLE_S = 30.0
MISSED_S = 300.0
"""An encoder is started anew in less; viewers who stay for ever must not use up all the places."""
SWEEP_S = 5.0
KEPT = 1000
"""Paths whose meaning is remembered: whoever asks for others again and again costs no memory."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What was found out about paths under one configuration."""

    streams: dict[str, StreamConfig | None] = field(default_factory=dict)
    """By code."""
    idle: set[tuple[str, Action]] = field(default_factory=set)
    """Templates of which nobody who comes for that makes a stream, whatever its code is: to read
    one takes a while, and a path may mean dozens of codes."""


class RuntimeStreams:
    """Makes and reaps the streams of templates."""

    def __init__(self, config: Config, registry: Registry, coordinator: Coordinator) -> None:
        self.config = config
        self.registry = registry
        self.coordinator = coordinator
        self.clock: Clock = coordinator.services.clock
        self.configs: dict[str, StreamConfig] = {}
        """Of those that are to run, by code."""
        self._idle: dict[str, float] = {}
        """Since when nobody is there."""
        self._known = Memory()
        """What paths would become, if nothing else ran; replaced after the configuration is."""
        self._routes: dict[str, Mapping[str, tuple[str, Handler]]] = {}
        """What streams answer over HTTP, by template."""

    def adopt(self, config: Config, streams: Mapping[str, StreamConfig]) -> None:
        """Go on with another configuration and those of its streams that are in no file."""
        self.config = config
        self._known, self._routes = Memory(), {}
        self.configs = {code: one for code, one in streams.items() if one.runtime}

    def resolved(self, config: Config) -> dict[str, StreamConfig]:
        """Every stream of a configuration, with what becomes of those that run without a file."""
        found: dict[str, StreamConfig] = {}
        for code in self.configs:
            template = template_of(code, config)
            if template is not None and code not in config.streams:
                stream = self._read(code, template, config, found)
                if stream is not None:
                    found[code] = stream
        return found | dict(config.streams)

    def candidate(self, path: str, action: Action) -> StreamConfig | None:
        """What would be made for a peer who comes for a path; None = nothing. In any thread."""
        # In this order: whoever finds a new memory must find the new configuration, too.
        known = self._known
        config = self.config
        for code in meant_by(path):
            if code in config.streams:
                # It is in the file, and about to run, or can't: that is no place for another.
                return None
            template = template_of(code, config)
            if template is None or (template.name, action) in known.idle or code_fault(code):
                continue
            stream = self._remembered(code, template, known.streams, config)
            if stream is None:
                continue
            if offers(stream, action):
                return stream
            known.idle.add((template.name, action))
        return None

    def refusal(self, config: StreamConfig, request: Request) -> Refusal | None:
        """Why a peer whom the keys let in gets no stream of its own; None = it does."""
        limit = self.config.limits.runtime_streams
        if config.code not in self.configs and len(self.configs) >= limit:
            return Refusal(RefusalCode.LIMIT, f"{limit} streams were made of templates already")
        if request.action is Action.PUBLISH and not fits(config, request):
            word = "wrong" if request.logs_in else "missing"
            return Refusal(
                RefusalCode.UNAUTHORIZED,
                f"{word} key for publish",
                guessed=bool(request.logs_in),
            )
        return None

    def options(self, config: StreamConfig, protocol: str) -> BaseModel | None:
        """What a stream says about a protocol."""
        plugin = self.coordinator.services.plugins.get(protocol)
        return config.output_options(plugin) if plugin is not None else None

    def routes(self, config: StreamConfig) -> Mapping[str, tuple[str, Handler]]:
        """The suffixes under which a stream answers over HTTP, before there is one."""
        found = self._routes.get(config.template)
        if found is None:
            found = self._routes[config.template] = Stream(
                config, self.coordinator.services
            ).served.offered()
        return found

    def known_routes(self, code: str) -> Mapping[str, tuple[str, Handler]] | None:
        """What :meth:`routes` would answer for a code; None = it is not known yet."""
        template = template_of(code, self.config)
        return self._routes.get(template.name) if template is not None else {}

    def begin(self, code: str, request: Request) -> Stream | None:
        """Run the stream that was granted; None = there is none of this code any more.

        Raises:
            StreamctlError: it can't be run now, or would be fed with itself.
        """
        config = self.candidate(code, request.action)
        template = template_of(code, self.config)
        if config is None or template is None or config.code != code:
            return None
        refusal = self.refusal(config, request)
        if refusal is not None:
            raise StreamctlError(refusal.message)
        # What it is made of may have come to be since it was looked at.
        config = read_runtime(code, template, self.config, self.registry, self.configs)
        stream = self.coordinator.launch(config)
        self.configs[code] = config
        stream.services.events.emit("stream.runtime_created", code, template=config.template)
        self._idle[code] = self.clock.now()
        log.info("stream %s: made of template %s for %s", code, config.template, request.ip)
        return stream

    async def run(self) -> None:
        """Look for streams without anybody, until cancelled."""
        while True:
            await self.clock.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> None:
        """Look once."""
        for code, config in list(self.configs.items()):
            if not self._deserted(code):
                continue
            missed = "published" if offers(config, Action.PUBLISH) else "watched"
            reason = f"nobody {missed} for {self._patience_s(code):.0f} s"
            if await self.coordinator.stop(code, reason, still=partial(self._give_up, code)):
                self.coordinator.services.events.emit("stream.runtime_expired", code)
        for code in self._idle.keys() - self.configs.keys():
            del self._idle[code]

    def _give_up(self, code: str) -> bool:
        """Want a stream no more, unless somebody has come in the last moment."""
        if code not in self.configs or not self._deserted(code):
            return False
        del self.configs[code]
        return True

    def _deserted(self, code: str) -> bool:
        stream, now = self.coordinator.running.get(code), self.clock.now()
        if stream is not None and attended(stream):
            self._idle.pop(code, None)
            return False
        since = self._idle.setdefault(code, now)
        if stream is not None:
            # Somebody may have been there for less than it is between two looks.
            since = max([since, *(slot.left_at for slot in stream.inputs.slots)])
        return now - since >= self._patience_s(code)

    def _patience_s(self, code: str) -> float:
        """How long a stream may be without what makes it one."""
        stream = self.coordinator.running.get(code)
        missed = stream is not None and (stream.viewers or stream.demand.readers)
        return MISSED_S if missed else IDLE_S

    def _remembered(
        self,
        code: str,
        template: Template,
        known: dict[str, StreamConfig | None],
        config: Config,
    ) -> StreamConfig | None:
        if code in known:
            return known[code]
        if len(known) >= KEPT:
            known.clear()
        stream = known[code] = self._read(code, template, config, {})
        return stream

    def _read(
        self, code: str, template: Template, config: Config, beside: Mapping[str, StreamConfig]
    ) -> StreamConfig | None:
        try:
            return read_runtime(code, template, config, self.registry, beside)
        except ConfigError as error:
            log.debug("no stream %s of template %s: %s", code, template.name, error)
            return None


def meant_by(path: str) -> tuple[str, ...]:
    """The codes that a path may mean, in the order in which they are looked for."""
    path = path.strip("/")
    return tuple(dict.fromkeys((path, path.removeprefix("live/"))))


def template_of(code: str, config: Config) -> Template | None:
    """The template whose prefix a code stands under."""
    templates = config.templates.values()
    return next((one for one in templates if one.prefix and code.startswith(one.prefix)), None)


def offers(config: StreamConfig, action: Action) -> bool:
    """Whether somebody who comes for that begins a stream."""
    if config.disabled:
        return False
    if action is Action.PUBLISH:
        return any(one.publish for one in config.inputs)
    return config.on_demand and any(not (one.publish or one.slate) for one in config.inputs)


def fits(config: StreamConfig, request: Request) -> bool:
    """Whether there is a place that a publisher may have."""
    places = [one.options for one in config.inputs if one.publish]
    keys = [one.key for one in places if isinstance(one, PublishKeys)]
    return any(key is None or knows_key(key.get_secret_value(), request) for key in keys)


def attended(stream: Stream) -> bool:
    """Whether somebody publishes, or wants what is pulled."""
    if any(slot.session is not None for slot in stream.inputs.slots):
        return True
    return stream.config.on_demand and stream.demand.wanted
