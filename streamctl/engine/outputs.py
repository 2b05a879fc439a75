"""The outputs of one stream that are served over HTTP: begun, changed and ended one by one.

A change of one output is noticed by its viewers at most; an output that can't begin is a remark
in the status, never a failure of the stream.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streamctl.engine.diff import adjustable, output_changes
from streamctl.engine.view import EngineView
from streamctl.sdk.endpoints import Adjustable, Forgetful
from streamctl.sdk.plugin import Cap

if TYPE_CHECKING:
    from streamctl.config.model import StreamConfig
    from streamctl.engine.stream import Stream
    from streamctl.sdk.endpoints import Handler, HttpOutput
    from streamctl.sdk.plugin import ProtocolPlugin

log = logging.getLogger("streamctl.stream")


class Outputs:
    """What of a stream is served over HTTP."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.running: dict[str, HttpOutput] = {}
        """By kind."""
        self.routes: dict[str, tuple[str, Handler]] = {}
        """Handlers with the kind that owns them, by suffix after the code."""

    def start(self) -> None:
        """Begin every output that the configuration names."""
        for plugin in self._wanted(self.stream.config).values():
            self._begin(plugin)

    def apply(self, old: StreamConfig, new: StreamConfig) -> None:
        """Go from one configuration to the other; outputs that can't adjust begin anew."""
        wanted = self._wanted(new)
        for kind in [kind for kind in self.running if kind not in wanted]:
            self._end(kind)
            self.stream.note(kind, "")
        changes = output_changes(old, new)
        for kind, plugin in wanted.items():
            output = self.running.get(kind)
            if output is None:
                self._begin(plugin)
            elif kind not in changes:
                continue
            elif isinstance(output, Adjustable) and adjustable(kind, old, new):
                output.adjust(new.output_options(plugin))
            else:
                self._end(kind)
                self._begin(plugin)

    def offered(self) -> dict[str, tuple[str, Handler]]:
        """What :attr:`routes` will be, with handlers that nobody began."""
        found: dict[str, tuple[str, Handler]] = {}
        for kind, plugin in self._wanted(self.stream.config).items():
            view, context = EngineView(self.stream), self.stream.services.context(kind)
            options = self.stream.config.output_options(plugin)
            routes = plugin.http_output(view, options, context).routes()
            found |= {suffix: (kind, handler) for suffix, handler in routes.items()}
        return found

    def forget(self) -> None:
        """Have those let go of what they hold that hold something."""
        for kind, output in self.running.items():
            if isinstance(output, Forgetful):
                try:
                    output.forget()
                except Exception:
                    log.exception("stream %s: %s did not forget", self.stream.code, kind)

    def stop(self) -> None:
        """End all of them."""
        for kind, output in self.running.items():
            self._stop(kind, output)

    def _wanted(self, config: StreamConfig) -> dict[str, ProtocolPlugin]:
        plugins = self.stream.services.plugins
        return {
            kind: plugin
            for kind, plugin in plugins.items()
            if Cap.HTTP in plugin.caps and config.serves(kind)
        }

    def _begin(self, plugin: ProtocolPlugin) -> None:
        kind, stream = plugin.kind, self.stream
        try:
            options = stream.config.output_options(plugin)
            output = plugin.http_output(EngineView(stream), options, stream.services.context(kind))
            routes = {suffix: (kind, handler) for suffix, handler in output.routes().items()}
            output.start()
        except Exception as error:
            log.exception("stream %s: %s can't be served", stream.code, kind)
            stream.note(kind, f"can't be served: {error}")
            return
        stream.note(kind, "")
        self.running[kind] = output
        self.routes.update(routes)

    def _end(self, kind: str) -> None:
        """End one output; the next one must not be taken for a continuation of it."""
        output = self.running.pop(kind)
        for suffix in [suffix for suffix, (owner, _) in self.routes.items() if owner == kind]:
            del self.routes[suffix]
        self._stop(kind, output)
        stream = self.stream
        stream.generation = max(stream.generation + 1, int(stream.clock.wall() * 1000))

    def _stop(self, kind: str, output: HttpOutput) -> None:
        try:
            output.stop()
        except Exception:
            log.exception("stream %s: %s did not stop well", self.stream.code, kind)
