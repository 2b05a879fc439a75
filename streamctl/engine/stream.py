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
from streamctl.engine.announce import Announcer
from streamctl.engine.causes import Causes
from streamctl.engine.demand import Demand
from streamctl.engine.derived import GraphSettings
from streamctl.engine.epoch import Epoch, EpochHost
from streamctl.engine.graph import Graph
from streamctl.engine.ingest import PullInput, Slot
from streamctl.engine.inputs import Inputs
from streamctl.engine.lane import Bounds
from streamctl.engine.outputs import Outputs
from streamctl.engine.pushes import Pushes
from streamctl.engine.slate import SlateWatch
from streamctl.engine.slots import vacancy
from streamctl.engine.timeline import Timeline
from streamctl.errors import StreamctlError
from streamctl.sdk.session import Refusal

if TYPE_CHECKING:
    from streamctl.config.model import StreamConfig
    from streamctl.engine.intake import Intake
    from streamctl.engine.services import Services
    from streamctl.media.packet import Format, Init
    from streamctl.sdk.session import Request, Session

log = logging.getLogger("streamctl.stream")


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
            self._graph_settings(),
            services.specs,
            self.clock,
            failed=self._converter_failed,
            note=self.note,
        )
        self.epoch: Epoch | None = None
        self.epochs = 0
        self.viewers = 0
        """Open sessions of viewers."""
        self.served = Outputs(self)
        self.outputs = self.served.running
        self.routes = self.served.routes
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
        self.inputs = Inputs(self)
        self.pushes = Pushes(self)
        self.demand = Demand(self)
        self.announcer = Announcer(self)
        self.slate_watch = SlateWatch(self)

    @property
    def takes_publisher(self) -> bool:
        """Whether there is a ``publish:`` among the inputs."""
        return bool(self.inputs.slots)

    @property
    def publisher(self) -> Session | None:
        """The publisher on air, or the first one that is there."""
        active = self.inputs.active
        if isinstance(active, Slot) and active.session is not None:
            return active.session
        return next((slot.session for slot in self.inputs.slots if slot.session), None)

    @property
    def pull(self) -> PullInput | None:
        """The pulled input on air, or the only one there is."""
        active = self.inputs.active
        return active if isinstance(active, PullInput) else None

    def start(self) -> None:
        """Start the outputs; the input starts with :meth:`run`."""
        self.served.start()
        self.services.events.emit("stream.started", self.code)
        if self.takes_publisher:
            self.causes.set(cause.NO_PUBLISHER, "waiting for a publisher")
        self.pushes.apply(self.config.push)
        self.demand.look()

    def update(self, config: StreamConfig) -> None:
        """Go on with a configuration that differs in what a running stream can change."""
        old, self.config = self.config, config
        self.graph.adjust(self._graph_settings())
        self.pushes.apply(config.push)
        self.inputs.update(config)
        self.demand.look()
        self.served.apply(old, config)

    async def run(self) -> None:
        """Pull what is to be pulled, until cancelled."""
        await self.inputs.run()

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
        shown = epoch.on_air
        epoch.end()
        self.graph.pause()
        self.bytes_received += epoch.meter.bytes
        self.packets_received += epoch.meter.items
        self.dropped += epoch.lost
        self.missing += epoch.missing
        self.jumps += epoch.jumps
        self.causes.clear(cause.WAITING_FOR_KEYFRAME, cause.NO_PACKETS)
        log.info("stream %s: input ended: %s", self.code, reason)
        if shown:
            self.services.events.emit("input.closed", self.code, epoch=epoch.number, reason=reason)

    def publish(self, session: Session, request: Request) -> Intake:
        """Let a publisher write.

        Raises:
            StreamctlError: there is no place for it.
        """
        slot = vacancy(self, request)
        if isinstance(slot, Refusal):
            raise StreamctlError(slot.message, hint="stop the other publisher first")
        return self.inputs.publish(slot, session)

    def leave(self, session: Session, reason: str) -> None:
        """A session is over: give back what it held and keep its counts."""
        for entry in self.graph.entries():
            entry.fanout.remove(session)
        self._account_publishers()
        self.inputs.leave(session, reason)
        if session.id in self.services.sessions.by_id:
            self.bytes_sent += session.bytes_out
            self.skips += session.skips

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
        if self.epoch is not None:
            self.epoch.sample(now)
        self.timeline.keep_up(now)
        self.inputs.tick(now)
        self.slate_watch.look()
        self.demand.tick()
        self._explain()
        self.announcer.look()

    def _explain(self) -> None:
        """Say why nothing is on air although an input holds the writer."""
        epoch, live = self.epoch, self.inputs.live
        if epoch is None or live is None:
            return
        if live.waiting:
            self.causes.set(cause.NO_PACKETS, live.waiting)
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
        self._account_publishers()

    def _account_publishers(self) -> None:
        for slot in self.inputs.slots:
            if slot.session is not None and slot.intake is not None:
                carried = slot.intake.reading().bytes
                slot.session.bytes_in = max(slot.session.bytes_in, carried)

    def close(self, reason: str) -> None:
        """Stop everything: sessions, outputs, lanes."""
        if self.closed:
            return
        self.closed = True
        for session in self.services.sessions.of(self.code):
            session.close(reason)
        self.served.stop()
        self.end(reason)
        self.graph.close()
        self.demand.begun()
        self.announcer.close(reason)
        self.services.events.emit("stream.stopped", self.code, reason=reason)

    def forget(self) -> None:
        """Let go of what was shown: what comes next is no continuation."""
        if self.epochs:
            self.graph.forget()
            self.served.forget()

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
        """Why nothing is about to come; empty = an epoch is there, or what may begin one."""
        if self.epoch is not None or self.demand.waking or self.inputs.coming:
            return ""
        return "nobody publishes it" if self.takes_publisher else "its input is not there"

    def refusal(self, fmt: Format) -> str:
        """Why viewers of that format are refused now; empty = they are not."""
        return self.graph.refusal(fmt) if self.on_air() else ""

    def _graph_settings(self) -> GraphSettings:
        config = self.config
        return GraphSettings(
            bounds=Bounds(config.buffer_s, config.buffer_bytes),
            merge_s=config.merge_ms / 1000,
            slow_viewer_timeout_s=config.slow_viewer_timeout_s,
            outputs=self._output_formats(),
        )

    def _output_formats(self) -> dict[str, Format]:
        """What viewers read, by the kinds that serve this stream."""
        return {
            kind: plugin.play_format
            for kind, plugin in self.services.plugins.items()
            if plugin.play_format is not None and self.config.serves(kind)
        }

    def _next_epoch(self) -> int:
        self.epochs += 1
        return self.epochs

    def _begun(self, init: Init) -> None:
        self.graph.off_air = False
        if self.first_time is None:
            self.first_time = self.timeline.wall(self.clock.now())
        tracks = ", ".join(str(track.codec) for track in init.tracks)
        log.info("stream %s: on air, epoch %d: %s", self.code, init.epoch, tracks)
        live = self.inputs.live
        self.causes.clear(cause.NO_PACKETS, cause.WAITING_FOR_KEYFRAME)
        if live is None or not live.config.slate:
            self.causes.clear(cause.INPUT_FAILED, cause.INPUT_ENDED)
        self.services.events.emit(
            "input.connected",
            self.code,
            input=self.inputs.order.index(live) if live in self.inputs.order else -1,
            epoch=init.epoch,
            tracks=[t.codec.value for t in init.tracks],
        )
        self.announcer.begun(init)
        self.inputs.begun()
        self.pushes.begun()
        self.demand.begun()

    def _converter_failed(self, name: str, error: Exception) -> None:
        log.error("stream %s: %s failed", self.code, name, exc_info=error)
        self.causes.set(cause.CONVERTER_FAILED, f"{name}: {type(error).__name__}: {error}")
        self.services.events.emit("stream.error", self.code, part=name, error=str(error))

    def lane_running(self, fmt: Format) -> bool:
        """Whether a lane is being produced."""
        return any(e.working for e in self.graph.entries() if e.lane.format is fmt)
