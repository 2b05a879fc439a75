"""One client of the RTMP port, publisher or player.

Drives :class:`~streamctl_rtmp.wire.server.ServerConnection` with bytes, asks the gate what the
client may do, and connects it to a lane: a publisher's media goes into an epoch, a player's wire
into the fan-out of the ``rtmp`` lane. A client has ``handshake_s`` to begin; whatever ends its
stream without ending the connection starts that time anew.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from streamctl.errors import NotCarried, StaleEpoch, StreamctlError, Unsupported
from streamctl.media.flv_ingest import Ingest
from streamctl.media.packet import Format
from streamctl.sdk.session import Action, Refusal, Request
from streamctl_rtmp.address import Location
from streamctl_rtmp.pace import ReadPace
from streamctl_rtmp.wire import asking, enhanced
from streamctl_rtmp.wire.events import (
    Connected,
    ConnectRefused,
    DataReceived,
    PauseRequested,
    PlayRequested,
    PublishRequested,
    StreamEnded,
)
from streamctl_rtmp.wire.messages import Message
from streamctl_rtmp.wire.server import ServerConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.sdk.context import Context, Timer
    from streamctl.sdk.endpoints import Address, Gate, Playback
    from streamctl.sdk.lane import Wire
    from streamctl.sdk.session import Grant, Session
    from streamctl_rtmp.wire.asking import Asker
    from streamctl_rtmp.wire.events import Event

PROTOCOL = "rtmp"
PUBLISH_DENIED = "NetStream.Publish.Denied"
"""What is published can't be taken; nothing is wrong with the stream's name."""
PLAY_FAILED = "NetStream.Play.Failed"
"""The stream is there, but not in a form that RTMP carries."""
MAX_REPLY_BYTES = 65_536
"""Answers that may wait for a client that sends commands but reads nothing."""


class RtmpSession:
    """Implements :class:`streamctl.sdk.endpoints.Peer` for accepted connections."""

    wire: Wire

    def __init__(self, gate: Gate, ctx: Context, asker: Asker | None = None) -> None:
        self.gate = gate
        self.ctx = ctx
        self.asker = asker
        self.connection = ServerConnection(secrets.token_bytes, self._ask if asker else None)
        self.remote: Address = ("", 0)
        self.hello = Connected(app="")
        self.session: Session | None = None
        self.ingest: Ingest | None = None
        self.playback: Playback | None = None
        self.pace = ReadPace()
        self.full = False
        """The wire is full; answers wait until it drains."""
        self.waits_to_join = False
        """The player was let in while its wire was full."""
        self._admitted = False
        self._replies: list[bytes] = []
        self._deadline: Timer | None = None

    def connected(self, wire: Wire, remote: Address) -> None:
        """Count the client in and give it a deadline."""
        self.wire = wire
        self.remote = remote
        refusal = self.gate.admit(PROTOCOL, remote[0])
        if refusal is not None:
            # There is no way to say anything before the handshake.
            self.wire.close(refusal.message)
            return
        self._admitted = True
        self._expect()

    def received(self, data: bytes | memoryview) -> None:
        """Take what arrived, and answer."""
        if self.session is not None:
            self.session.bytes_in += len(data)
        events = self.connection.receive_data(data)
        now = self.ctx.clock.now()
        try:
            for event in events:
                if type(event) is Message:
                    if self.ingest is not None:
                        self.ingest.take(event, now)
                else:
                    self._handle(event)
            if self.ingest is not None:
                self.ingest.flush(now)
                self.wire.read_least(self.pace.after(events, self.connection.parser))
        except Unsupported as error:
            self._refuse(error.message, PUBLISH_DENIED)
        except StaleEpoch as error:
            self._refuse(error.message)
        self._reply()
        if self.connection.parser.behind:
            self.wire.call_again()

    def paused(self) -> None:
        """The player reads too slowly: the fan-out leaves it alone."""
        self.full = True
        if self.playback is not None and self.session is not None:
            self.playback.fanout.park(self.session)

    def resumed(self) -> None:
        """The player has caught up with what was written."""
        self.full = False
        self._reply()
        if self.playback is None or self.session is None or self.full:
            return
        if self.waits_to_join:
            self._join(self.playback, self.session)
        else:
            self.playback.fanout.serve(self.session)

    def closed(self, reason: str) -> None:
        """Everything the client held goes back."""
        self._stop_deadline()
        self._end(reason)
        if self._admitted:
            self._admitted = False
            self.gate.release(PROTOCOL, self.remote[0])

    def _ask(self, properties: Mapping[str, object]) -> str:
        assert self.asker is not None
        return self.asker.refusal(properties, self.remote[0], self.ctx.clock.wall())

    def _handle(self, event: Event) -> None:
        match event:
            case Connected():
                self.hello = event
            case ConnectRefused():
                self._reply()
                self.wire.close("asked for its user")
            case PublishRequested() | PlayRequested():
                # A request that was taken back in the same read needs no answer any more.
                if event is self.connection.pending:
                    self._decide(event)
            case DataReceived():
                if self.ingest is not None:
                    self.ingest.metadata(event.name, event.values)
            case StreamEnded():
                self._end(f"the client said {event.reason}")
                self._expect()
            case PauseRequested():
                self._pause(event.paused)
            case _:
                return

    def _decide(self, event: PublishRequested | PlayRequested) -> None:
        """Ask the gate, and begin or refuse."""
        action = Action.PUBLISH if isinstance(event, PublishRequested) else Action.PLAY
        location = Location.of(self.hello.app, self.hello.tc_url, event.name)
        answer = self.gate.check(
            Request(
                PROTOCOL,
                action,
                location.path,
                *self.remote,
                key=location.key,
                user=location.user,
                password=location.password,
                proof=asking.proof(self.hello.app) if self.asker else None,
                query=location.query,
                user_agent=self.hello.user_agent,
            )
        )
        if isinstance(answer, Refusal):
            # The gate has logged and counted it.
            self._dismiss(answer.message)
            return
        try:
            self.session = self.gate.open(answer, self._kick)
            if action is Action.PUBLISH:
                self._publish(answer, self.session)
            else:
                self._play(answer, self.session)
        except NotCarried as error:
            self._refuse(error.message, PLAY_FAILED)
            return
        except StreamctlError as error:
            self._refuse(error.message)
            return
        self._stop_deadline()

    def _publish(self, grant: Grant, session: Session) -> None:
        self.ingest = Ingest(self.gate.publish(grant, session), "RTMP")
        self.connection.accept_publish()

    def _play(self, grant: Grant, session: Session) -> None:
        known = enhanced.capabilities(self.hello.properties)
        further = enhanced.Capability.MULTITRACK in known
        fmt = Format.RTMP_MULTITRACK if further else Format.RTMP
        self.playback = self.gate.play(grant, session, fmt)
        self.connection.accept_play()
        self._reply()
        self._join(self.playback, session)

    def _join(self, playback: Playback, session: Session) -> None:
        self.waits_to_join = self.full
        if not self.full:
            playback.fanout.add(playback.cursor, self.wire, session)

    def _pause(self, paused: bool) -> None:
        """A paused player leaves the fan-out; afterwards it joins anew, at the live edge."""
        playback, session = self.playback, self.session
        if playback is None or session is None:
            return
        playback.fanout.remove(session)
        self.waits_to_join = False
        if not paused:
            self._join(playback, session)

    def _kick(self, reason: str) -> None:
        """Close on behalf of the engine, saying why where RTMP can."""
        self._refuse(reason)

    def _refuse(self, reason: str, code: str = "") -> None:
        """Log why, say it, flush and close."""
        self.ctx.log.info("rtmp %s:%d: %s", *self.remote, reason)
        self._dismiss(reason, code)

    def _dismiss(self, reason: str, code: str = "") -> None:
        self.connection.refuse(reason, code)
        self._end(reason)
        self._reply()
        self.wire.close(reason)

    def _reply(self) -> None:
        """Write the answers, unless the wire is full."""
        data = self.connection.data_to_send()
        if data:
            self._replies.append(data)
        if self.full:
            if sum(map(len, self._replies)) > MAX_REPLY_BYTES:
                self._replies.clear()
                self.wire.abort("the client asks but does not read")
        elif self._replies:
            replies, self._replies = self._replies, []
            self.wire.write(b"".join(replies))

    def _end(self, reason: str) -> None:
        """End what the client publishes or plays; the connection may go on."""
        session, playback, ingest = self.session, self.playback, self.ingest
        self.session = self.ingest = self.playback = None
        if ingest is not None:
            # A client may say good-bye in the same read as its last pictures.
            with suppress(StaleEpoch):
                ingest.flush(self.ctx.clock.now())
        self.waits_to_join = False
        if session is None:
            return
        if playback is not None:
            playback.fanout.remove(session)
            playback.cursor.close()
        self.gate.close(session, reason)

    def _expect(self) -> None:
        """Give the client its time to begin."""
        self._stop_deadline()
        self._deadline = self.ctx.clock.call_later(self.ctx.handshake_s, self._overdue)

    def _overdue(self) -> None:
        self._deadline = None
        self._refuse(f"nothing was published or played within {self.ctx.handshake_s:g} s")

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
