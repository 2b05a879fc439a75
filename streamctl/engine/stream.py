"""One stream: its lanes, its input, its outputs, its causes.

Theory of operation: a stream lives from its start to its stop by configuration. Epochs come and
go inside; viewers, lanes and outputs stay. At most one epoch holds the writer token: a new one
begins only after the old was ended. :meth:`run` pulls the input if it is a pulled one; a
``publish:`` input waits for the gate. :meth:`tick` is called about once a second and does
everything that must happen without packets: timeouts, lags, rates.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streamctl.engine import causes as cause
from streamctl.engine.causes import Causes
from streamctl.engine.derived import GraphSettings
from streamctl.engine.diff import adjustable, output_changes
from streamctl.engine.epoch import Epoch, EpochHost
from streamctl.engine.graph import Graph
from streamctl.engine.ingest import PullInput
from streamctl.engine.lane import Bounds
from streamctl.engine.pushes import Pushes
from streamctl.engine.timeline import Timeline
from streamctl.engine.view import EngineView
from streamctl.errors import StreamctlError
from streamctl.sdk.endpoints import Adjustable
from streamctl.sdk.plugin import Cap

if TYPE_CHECKING:
    from streamctl.config.model import StreamConfig
    from streamctl.engine.services import Services
    from streamctl.media.packet import Format, Init
    from streamctl.sdk.endpoints import Handler, HttpOutput
    from streamctl.sdk.plugin import ProtocolPlugin
    from streamctl.sdk.session import Session

log = logging.getLogger("streamctl.stream")

TAKEOVER_SILENCE_S = 1.0
"""A publisher that has been silent this long gives way to a new one: it is a ghost."""
PUBLISH_KIND = "publish"


class Stream:
    """A configured stream at work."""

    def __init__(self, config: StreamConfig, services: Services) -> None:
        self.config = config
        self.code = config.code
        self.services = services
        self.clock = services.clock
        self.created_at = self.clock.wall()
        self.started = self.clock.now()
        self.generation = int(self.created_at * 1000)
        self.causes = Causes(self.clock)
        self.notes: dict[str, str] = {}
        self.timeline = Timeline(self.started)
        self.graph = Graph(
            GraphSettings(
                bounds=Bounds(config.buffer_s, config.buffer_bytes),
                merge_s=config.merge_ms / 1000,
                slow_viewer_timeout_s=config.slow_viewer_timeout_s,
                outputs=self._output_formats(),
            ),
            services.specs,
            self.clock,
            failed=self._converter_failed,
            note=self.note,
        )
        self.epoch: Epoch | None = None
        self.epochs = 0
        self.publisher: Session | None = None
        self.viewers = 0
        """Open sessions of viewers."""
        self.outputs: dict[str, HttpOutput] = {}
        self.routes: dict[str, tuple[str, Handler]] = {}
        """Handlers with the kind that owns them, by suffix after the code."""
        self.refused = 0
        self.bytes_sent = 0
        """Bytes sent to sessions that have ended."""
        self.bytes_received = 0
        """Bytes received in epochs that have ended."""
        self.packets_received = 0
        self.skips = 0
        self.dropped = 0
        self.missing = 0
        self.jumps = 0
        self.first_time: int | None = None
        """Media time when the stream first went on air, 90 kHz."""
        self.closed = False
        self.pull = self._pull_input()
        self.pushes = Pushes(self)

    @property
    def takes_publisher(self) -> bool:
        """Whether the input is ``publish:``."""
        return self.pull is None

    def start(self) -> None:
        """Start the outputs; the input starts with :meth:`run`."""
        view = EngineView(self)
        for kind, plugin in self.services.plugins.items():
            if Cap.HTTP not in plugin.caps or not self.config.serves(kind):
                continue
            self._start_output(plugin, view)
        if self.takes_publisher:
            self.causes.set(cause.NO_PUBLISHER, "waiting for a publisher")
        self.services.events.emit("stream.started", self.code)
        self.pushes.apply(self.config.push)

    def _start_output(self, plugin: ProtocolPlugin, view: EngineView) -> None:
        kind = plugin.kind
        try:
            options = self.config.output_options(plugin)
            output = plugin.http_output(view, options, self.services.context(kind))
            routes = {suffix: (kind, handler) for suffix, handler in output.routes().items()}
            output.start()
        except Exception as error:
            log.exception("stream %s: %s can't be served", self.code, kind)
            self.note(kind, f"can't be served: {error}")
            return
        self.outputs[kind] = output
        self.routes.update(routes)

    def update(self, config: StreamConfig) -> None:
        """Go on with a configuration that differs in what a running stream can change.

        Outputs that can't adjust to their new options begin anew.
        """
        old, self.config = self.config, config
        self.pushes.apply(config.push)
        for kind in output_changes(old, config):
            output = self.outputs.get(kind)
            plugin = self.services.plugins[kind]
            if isinstance(output, Adjustable) and adjustable(kind, old, config):
                output.adjust(config.output_options(plugin))
            elif output is not None:
                self._restart_output(plugin, output)

    def _restart_output(self, plugin: ProtocolPlugin, output: HttpOutput) -> None:
        del self.outputs[plugin.kind]
        self.routes = {
            suffix: route for suffix, route in self.routes.items() if route[0] != plugin.kind
        }
        self._stop_output(plugin.kind, output)
        self.generation = max(self.generation + 1, int(self.clock.wall() * 1000))
        self._start_output(plugin, EngineView(self))

    def _stop_output(self, kind: str, output: HttpOutput) -> None:
        try:
            output.stop()
        except Exception:
            log.exception("stream %s: %s did not stop well", self.code, kind)

    async def run(self) -> None:
        """Pull the input until it is over for good; returns at once for ``publish:``."""
        if self.pull is not None:
            await self.pull.run()

    def begin(self, reason: str) -> Epoch:
        """Begin an epoch; whoever wrote before is revoked."""
        self.end(f"superseded: {reason}")
        host = EpochHost(
            graph=self.graph,
            timeline=self.timeline,
            clock=self.clock,
            number=self._next_epoch,
            begun=self._begun,
        )
        self.epoch = Epoch(host, reason)
        return self.epoch

    def end(self, reason: str) -> None:
        """End the running epoch, if any: revoke its token and keep its counts."""
        epoch, self.epoch = self.epoch, None
        if epoch is None:
            return
        epoch.sample(self.clock.now())
        epoch.end()
        self.graph.pause()
        self.bytes_received += epoch.meter.bytes
        self.packets_received += epoch.meter.items
        self.dropped += epoch.lost
        self.missing += epoch.missing
        self.jumps += epoch.jumps
        self.causes.clear(cause.WAITING_FOR_KEYFRAME, cause.NO_PACKETS)
        log.info("stream %s: input ended: %s", self.code, reason)
        self.services.events.emit("input.closed", self.code, reason=reason)

    def publish(self, session: Session) -> Epoch:
        """Give the writer to a publisher.

        Raises:
            StreamctlError: another publisher holds it and is not silent.
        """
        holder = self.publisher
        if holder is not None:
            if not self.holder_is_silent():
                raise StreamctlError(
                    f"`{self.code}` already has a publisher: {holder.peer}",
                    hint="stop the other publisher first",
                )
            holder.close(f"silent; {session.peer} took its place")
            self.release(holder, "silent, replaced")
        epoch = self.begin(f"publisher {session.peer} over {session.protocol}")
        self.publisher = session
        self.causes.clear(cause.NO_PUBLISHER)
        return epoch

    def holder_is_silent(self) -> bool:
        """Whether the present publisher has sent nothing for a while."""
        epoch = self.epoch  # The gate may ask in another thread.
        return epoch is None or self._silence(epoch) > TAKEOVER_SILENCE_S

    def leave(self, session: Session, reason: str) -> None:
        """A session is over: give back what it held and keep its counts."""
        for entry in self.graph.entries():
            entry.fanout.remove(session)
        self._account_publisher()
        self.release(session, reason)
        if session.id in self.services.sessions.by_id:
            self.bytes_sent += session.bytes_out
            self.skips += session.skips

    def release(self, session: Session, reason: str) -> None:
        """A publisher's session is over."""
        if self.publisher is not session:
            return
        self.publisher = None
        self.end(reason)
        if not self.closed:
            self.causes.set(cause.NO_PUBLISHER, f"the publisher left: {reason}")

    def tick(self, now: float) -> None:
        """Timeouts, lags and rates; called about once a second."""
        self.graph.tick(now)
        self.pushes.tick(now)
        if self.graph.base.gop_too_long:
            self.causes.set(
                cause.GOP_TOO_LONG,
                f"one group of pictures passes buffer_bytes = {self.config.buffer_bytes}",
            )
        else:
            self.causes.clear(cause.GOP_TOO_LONG)
        if not self.graph.broken:
            self.causes.clear(cause.CONVERTER_FAILED)
        epoch = self.epoch
        if epoch is None:
            return
        epoch.sample(now)
        silence = self._silence(epoch)
        if self.pull is not None and self.pull.waiting:
            epoch.opened_at = now
            self.causes.set(cause.NO_PACKETS, self.pull.waiting)
        elif silence > self.config.packet_timeout_s:
            self._silent(f"no packets for {silence:.0f} s")
        elif reason := epoch.waiting:
            self.causes.set(cause.WAITING_FOR_KEYFRAME, reason)
        else:
            self.causes.clear(cause.WAITING_FOR_KEYFRAME)
            if epoch.on_air:
                self.causes.clear(cause.NO_PACKETS)

    def account(self) -> None:
        """Bring the counters of the sessions up to date."""
        for entry in self.graph.entries():
            for viewer in entry.fanout.viewers.values():
                entry.fanout.account(viewer)
        self._account_publisher()

    def _account_publisher(self) -> None:
        if self.publisher is not None and self.epoch is not None:
            carried = sum(meter.bytes for meter in self.epoch.tracks_meter.values())
            self.publisher.bytes_in = max(self.publisher.bytes_in, carried)

    def close(self, reason: str) -> None:
        """Stop everything: sessions, outputs, lanes."""
        if self.closed:
            return
        self.closed = True
        for session in self.services.sessions.of(self.code):
            session.close(reason)
        for kind, output in self.outputs.items():
            self._stop_output(kind, output)
        self.end(reason)
        self.graph.close()
        self.services.events.emit("stream.stopped", self.code, reason=reason)

    def note(self, name: str, text: str) -> None:
        """Show a named remark in the status; an empty text removes it."""
        if text:
            if self.notes.get(name) != text:
                log.warning("stream %s: %s: %s", self.code, name, text)
            self.notes[name] = text
        else:
            self.notes.pop(name, None)

    def degrade(self, name: str, text: str) -> None:
        """Set a cause that an output found; an empty text removes it."""
        if not text:
            self.causes.clear(name)
        elif self.causes.set(name, text):
            log.warning("stream %s: %s", self.code, text)

    def on_air(self) -> bool:
        """Whether an epoch is writing."""
        return self.epoch is not None and self.epoch.on_air

    @property
    def absent(self) -> str:
        """Why nothing is about to come; empty = an epoch is there, on air or not yet."""
        if self.epoch is not None:
            return ""
        return "nobody publishes it" if self.takes_publisher else "its input is not there"

    def refusal(self, fmt: Format) -> str:
        """Why viewers of that format are refused now; empty = they are not."""
        return self.graph.refusal(fmt) if self.on_air() else ""

    def _output_formats(self) -> dict[str, Format]:
        """What viewers read, by the kinds that serve this stream."""
        return {
            kind: plugin.play_format
            for kind, plugin in self.services.plugins.items()
            if plugin.play_format is not None and self.config.serves(kind)
        }

    def _pull_input(self) -> PullInput | None:
        first = self.config.inputs[0]
        if first.url.kind == PUBLISH_KIND:
            return None
        return PullInput(self, self.services.plugins[first.url.kind], first)

    def _silence(self, epoch: Epoch) -> float:
        last = epoch.opened_at if epoch.last_packet is None else epoch.last_packet
        return self.clock.now() - last

    def _silent(self, reason: str) -> None:
        self.causes.set(cause.NO_PACKETS, reason)
        self.services.events.emit("input.degraded", self.code, reason=reason)
        if self.publisher is not None:
            publisher = self.publisher
            publisher.close(reason)
            self.release(publisher, reason)
        elif self.pull is not None:
            self.pull.give_up(reason)

    def _next_epoch(self) -> int:
        self.epochs += 1
        return self.epochs

    def _begun(self, init: Init) -> None:
        self.graph.off_air = False
        if self.first_time is None:
            self.first_time = self.timeline.wall(self.clock.now())
        tracks = ", ".join(str(track.codec) for track in init.tracks)
        log.info("stream %s: on air, epoch %d: %s", self.code, init.epoch, tracks)
        self.causes.clear(
            cause.INPUT_FAILED, cause.NO_PACKETS, cause.WAITING_FOR_KEYFRAME, cause.INPUT_ENDED
        )
        self.services.events.emit(
            "input.connected", self.code, epoch=init.epoch, tracks=[t.codec for t in init.tracks]
        )
        self.pushes.begun()

    def _converter_failed(self, name: str, error: Exception) -> None:
        log.error("stream %s: %s failed", self.code, name, exc_info=error)
        self.causes.set(cause.CONVERTER_FAILED, f"{name}: {type(error).__name__}: {error}")
        self.services.events.emit("stream.error", self.code, part=name, error=str(error))

    def lane_running(self, fmt: Format) -> bool:
        """Whether a lane is being produced."""
        return any(e.working for e in self.graph.entries() if e.lane.format is fmt)
