"""One accepted SRT connection: a publisher, a viewer, or one who has not shown which yet.

A publisher's bytes go into an epoch as they come. A viewer is a wire of the fan-out of the
``mpegts`` lane; its outbox gives the line no more than twice the stream's rate, so that what a
joiner has to catch up with does not drown the live part. A caller without a mode publishes when it
sends within a second, and watches otherwise, until it sends after all: some encoders take their
time between connecting and sending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import StreamctlError
from streamctl.media.packet import Format
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode
from streamctl_srt import statistics
from streamctl_srt.admission import PROTOCOL, passphrase_of, request_of
from streamctl_srt.pace import Pace
from streamctl_srt.sender import FLUSH_S, Outbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.sdk.context import Timer
    from streamctl.sdk.endpoints import Address, Playback
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.session import Session
    from streamctl_srt.admission import Admitted
    from streamctl_srt.endpoint import Endpoint
    from streamctl_srt.port import Port

ROLE_S = 1.0
"""How long a caller without a mode has to send something."""
TAKEOVER_S = 3.0
"""How long it may send until the place of a publisher that fell silent is free."""


class Connection:
    """Implements :class:`streamctl_srt.reader.Caller` and :class:`streamctl.sdk.lane.Wire`."""

    def __init__(
        self, port: Port, endpoint: Endpoint, address: Address, admitted: Admitted
    ) -> None:
        self.port = port
        self.gate = port.gate
        self.ctx = port.ctx
        self.endpoint = endpoint
        self.address = address
        self.admitted = admitted
        self.session: Session | None = None
        self.writer: EpochWriter | None = None
        self.playback: Playback | None = None
        self.outbox = Outbox(endpoint, port.settings.packet_bytes, self)
        self.pace = Pace()
        self.over = False
        self._timer: Timer | None = None
        self._sending_since: float | None = None
        """When a caller without a mode began to send."""
        self._lost = 0
        """Packets that libsrt threw away instead of sending them."""

    def start(self) -> None:
        """Take the role that the stream id names, or wait for one."""
        action = self.admitted.stream_id.action
        if action is None:
            self._timer = self.ctx.clock.call_later(ROLE_S, self._watch_then)
        else:
            self._begin(action)

    def connected(self, endpoint: Endpoint) -> None:
        """Nothing: it was accepted as connected."""

    def received(self, data: bytes) -> None:
        """Write what a publisher sends; a viewer has nothing to say."""
        if self.over:
            return
        try:
            self._take(data)
        except StreamctlError as error:
            self._refuse(error.message)
        except Exception as error:
            self.ctx.log.exception("what %s:%d sends can't be taken", *self.address)
            self._end(f"{type(error).__name__}: {error}", 0.0)

    def broken(self, reason: str) -> None:
        """The connection is gone."""
        self._end(reason, 0.0)

    def drained(self) -> None:
        """There is room again for a viewer that was too slow."""
        if self.playback is not None and self.session is not None and not self.over:
            self._follow_rate()
            self.playback.fanout.serve(self.session)

    def write(self, data: bytes | memoryview) -> None:
        """Send without waiting; parks the viewer when too much waits."""
        outbox = self.outbox
        outbox.put(bytes(data))
        if not outbox.full and outbox.queued > outbox.limit:
            outbox.full = True
            if self.playback is not None and self.session is not None:
                self.playback.fanout.park(self.session)
        self.port.sender.wake()

    def unsent(self) -> int:
        """Bytes that the peer has not acknowledged."""
        return self.outbox.queued + self.outbox.held_bytes

    def set_send_buffer(self, size: int) -> None:
        """Nothing: libsrt's buffer is set before a connection is there."""

    def read_least(self, size: int) -> None:
        """Nothing: datagrams come as they are."""

    def call_again(self) -> None:
        """Nothing is ever left over."""

    def close(self, reason: str) -> None:
        """Send what was written, then close."""
        self._end(reason, FLUSH_S)

    def abort(self, reason: str) -> None:
        """Close at once."""
        self._end(reason, 0.0)

    def tick(self) -> None:
        """Follow the stream's rate, and count what libsrt lost; about once a second."""
        if self.playback is None or self.session is None:
            return
        perf = self.endpoint.measure()
        if perf is None:
            return
        self.outbox.latency_ms = perf.msSndTsbPdDelay
        self.pace.look(perf, self.ctx.clock.now())
        self._follow_rate()
        if perf.pktSndDropTotal > self._lost:
            self.session.skips += 1
            self.session.skipped_items += perf.pktSndDropTotal - self._lost
            self._lost = perf.pktSndDropTotal

    def measure(self) -> Mapping[str, object]:
        """What the connection counts and measures."""
        look = statistics.sending if self.playback is not None else statistics.receiving
        return look(self.endpoint)

    def _take(self, data: bytes) -> None:
        if self.writer is None and self.admitted.stream_id.action is None:
            self._claim()
        if self.writer is not None and self.session is not None:
            self.session.bytes_in += len(data)
            self.writer.put_ts(data, self.ctx.clock.now())

    def _begin(self, action: Action) -> None:
        """Ask the gate once more, for good, and begin."""
        self._stop_timer()
        agent = f"SRT {statistics.peer_version(self.endpoint)}".strip()
        wish = request_of(self.admitted.stream_id, action, self.address, agent)
        answer = self.gate.check(wish)
        if isinstance(answer, Grant) and passphrase_of(answer, action) != self.admitted.passphrase:
            # Who did not say what for was let in with the passphrase of the other role.
            answer = Refusal(RefusalCode.UNAUTHORIZED, f"another passphrase is needed to {action}")
            self.gate.refuse(wish, answer)
        if isinstance(answer, Refusal):
            # The gate has logged and counted it.
            self._end(answer.message, 0.0)
            return
        try:
            session = self.session = self.gate.open(answer, self.close)
            session.measure = self.measure
            if action is Action.PUBLISH:
                self.writer = self.gate.publish(answer, session)
            else:
                self._play(answer, session)
        except StreamctlError as error:
            self._refuse(error.message)

    def _play(self, grant: Grant, session: Session) -> None:
        self.playback = self.gate.play(grant, session, Format.MPEGTS)
        self._follow_rate()
        self.playback.fanout.add(self.playback.cursor, self, session)

    def _claim(self) -> None:
        """A caller without a mode sends: it is a publisher, once the place is free."""
        now = self.ctx.clock.now()
        if self._sending_since is None:
            self._sending_since = now
            self._stop_timer()
        wish = request_of(self.admitted.stream_id, Action.PUBLISH, self.address)
        answer = self.gate.peek(wish)
        busy = isinstance(answer, Refusal) and answer.code is RefusalCode.BUSY
        if not busy or now - self._sending_since > TAKEOVER_S:
            self._give_back("it sends, so it publishes")
            self._begin(Action.PUBLISH)

    def _watch_then(self) -> None:
        self._begin(Action.PLAY)

    def _follow_rate(self) -> None:
        """Send as fast as the stream and the line want it now."""
        assert self.playback is not None
        self.outbox.rate = self.pace.rate(self.playback.fanout.bytes_per_second())

    def _refuse(self, reason: str) -> None:
        self.ctx.log.info("%s %s:%d: %s", PROTOCOL, *self.address, reason)
        self._end(reason, 0.0)

    def _end(self, reason: str, within_s: float) -> None:
        """Give everything back, and close the connection within that time."""
        if self.over:
            return
        self.over = True
        self._stop_timer()
        self.port.leave(self)
        self.port.sender.close(self.outbox, within_s)
        self._give_back(reason)

    def _give_back(self, reason: str) -> None:
        """End the session, if there is one."""
        session, playback = self.session, self.playback
        self.session = self.writer = self.playback = None
        if session is None:
            return
        if playback is not None:
            playback.fanout.remove(session)
            playback.cursor.close()
        self.gate.close(session, reason)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
