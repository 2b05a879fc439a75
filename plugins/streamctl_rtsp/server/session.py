"""One connection to the RTSP port: publisher, player, or one direction of a tunnel through HTTP.

Reads requests and frames, answers in order, and knows how long the client may be silent. What a
request means is the matter of :class:`~streamctl_rtsp.server.dialogue.Dialogue`. An answer that
takes time holds back the requests behind it, never the media between them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError, StreamctlError
from streamctl_rtsp.server.dialogue import Dialogue
from streamctl_rtsp.server.reply import Declined
from streamctl_rtsp.wire.message import Request, Response, Status
from streamctl_rtsp.wire.reader import Frame, RtspReader
from streamctl_rtsp.wire.tunnel import TunnelDecoder, cookie, opened

if TYPE_CHECKING:
    from streamctl.sdk.context import Timer
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire
    from streamctl_rtsp.server.dialogue import Later
    from streamctl_rtsp.server.port import Port

PROTOCOL = "rtsp"
MAX_REPLY_BYTES = 262_144
"""Answers that may wait for a client that asks but reads nothing."""
MAX_PIPELINED = 64
"""Requests that may wait for the answer to one before them, or come in one read, which could hold
ten thousand: everybody else would wait for their answers."""


class RtspSession:
    """Implements :class:`streamctl.sdk.endpoints.Peer` for accepted connections."""

    wire: Wire

    def __init__(self, port: Port) -> None:
        self.port = port
        self.ctx = port.ctx
        self.remote: Address = ("", 0)
        self.reader = RtspReader()
        self.dialogue = Dialogue(self)
        self.full = False
        """The wire is full; answers wait until it drains."""
        self.gone = False
        self.tunnelled = False
        """Requests come by another connection."""
        self._feeds: RtspSession | None = None
        """The connection whose requests come by this one."""
        self._feeder: RtspSession | None = None
        self._decoder = TunnelDecoder()
        self._name = ""
        self._admitted = False
        self._busy = False
        """An answer is on its way; requests queue behind it."""
        self._queue: deque[Request] = deque()
        self._replies: list[bytes] = []
        self._deadline: Timer | None = None

    def connected(self, wire: Wire, remote: Address) -> None:
        """Count the client in and give it a deadline."""
        self.wire = wire
        self.remote = remote
        refusal = self.port.gate.admit(PROTOCOL, remote[0])
        if refusal is not None:
            # There is no request yet that could be answered.
            self.wire.close(refusal.message)
            return
        self._admitted = True
        self.expect()

    def received(self, data: bytes | memoryview) -> None:
        """Take what arrived, and answer."""
        target = self._feeds
        if target is None:
            # What comes on the connection of the answers has no meaning.
            if not self.tunnelled:
                self.take(data)
            return
        try:
            target.take(self._decoder.receive(data))
        except RemoteProtocolError as error:
            target.fail(error)

    def paused(self) -> None:
        """The player reads too slowly: the fan-out leaves it alone."""
        self.full = True
        self.dialogue.paused()

    def resumed(self) -> None:
        """The player has caught up with what was written."""
        self.full = False
        self._flush()
        if not self.full:
            self.dialogue.resumed()

    def closed(self, reason: str) -> None:
        """Everything the client held goes back."""
        self.gone = True
        self._stop_deadline()
        self._queue.clear()
        self.dialogue.end(reason)
        self._leave_tunnel(reason)
        if self._admitted:
            self._admitted = False
            self.port.gate.release(PROTOCOL, self.remote[0])

    def take(self, data: bytes | memoryview) -> None:
        """Take bytes of RTSP, whichever way they came.

        Raises:
            RemoteProtocolError: they are none.
        """
        dialogue = self.dialogue
        if dialogue.session is not None:
            dialogue.session.bytes_in += len(data)
        now, requests = self.ctx.clock.now(), 0
        try:
            for event in self.reader.receive(data):
                if type(event) is Frame:
                    dialogue.frame(event, now)
                elif type(event) is Request:
                    requests += 1
                    if requests > MAX_PIPELINED:
                        raise too_many()
                    self._request(event)
            dialogue.flush(now)
            if self._feeds is not None:
                self.received(self.reader.take_rest())
        except RemoteProtocolError:
            raise
        except StreamctlError as error:
            self.dismiss(error.message)

    def fail(self, error: RemoteProtocolError) -> None:
        """Close, because what came by another connection is no RTSP."""
        self.ctx.log.info("rtsp %s:%d: %s", *self.remote, error.message)
        if error.reply:
            self.wire.write(error.reply)
        self.wire.close(error.message)

    def write(self, data: bytes) -> None:
        """Send something between the pictures, once the wire takes it."""
        self._replies.append(data)
        if not self.full:
            self._flush()
        elif sum(map(len, self._replies)) > MAX_REPLY_BYTES:
            self._replies.clear()
            self.wire.abort("the client asks but does not read")

    def dismiss(self, reason: str) -> None:
        """Log why, end what the client does, and close."""
        self.ctx.log.info("rtsp %s:%d: %s", *self.remote, reason)
        self.close(reason)

    def close(self, reason: str) -> None:
        """End what the client does, and close once everything is sent."""
        self.dialogue.end(reason)
        self._flush()
        self.wire.close(reason)

    def expect(self) -> None:
        """Give the client its time to begin."""
        self._stop_deadline()
        self._deadline = self.ctx.clock.call_later(self.ctx.handshake_s, self._overdue)

    def begun(self) -> None:
        """The client has a session now, which has a time of its own."""
        self._stop_deadline()

    def _request(self, request: Request) -> None:
        if request.tunnels:
            self._open_tunnel(request)
        elif not self._busy:
            self._perform(request)
        elif len(self._queue) < MAX_PIPELINED:
            self._queue.append(request)
        else:
            raise too_many()

    def _perform(self, request: Request) -> None:
        answer = self.dialogue.answer(request)
        if isinstance(answer, Response):
            self._answer(request, answer)
        else:
            self._busy = True
            self.port.tasks.start_soon(self._complete, request, answer)

    async def _complete(self, request: Request, later: Later) -> None:
        """Answer what takes time, then what has waited for it."""
        try:
            response = await later()
        except Declined as error:
            response = error.response
        except StreamctlError as error:
            response = Declined(Status.SERVICE_UNAVAILABLE, error.message).response
        except Exception:
            self.ctx.log.exception("rtsp %s:%d: %s failed", *self.remote, request.method)
            response = Response(Status.INTERNAL_ERROR)
        self._busy = False
        if self.gone:
            return
        self._answer(request, response)
        while self._queue and not self._busy and not self.gone:
            self._perform(self._queue.popleft())

    def _answer(self, request: Request, response: Response) -> None:
        self.write(self.dialogue.sealed(request, response).serialize())
        self.dialogue.answered()

    def _flush(self) -> None:
        if self._replies:
            replies, self._replies = self._replies, []
            self.wire.write(b"".join(replies))

    def _open_tunnel(self, request: Request) -> None:
        """Take one direction of a tunnel through HTTP.

        Raises:
            RemoteProtocolError: it is something else of HTTP.
        """
        name = cookie(request)
        if name and request.method == "GET" and name not in self.port.tunnels:
            self._name = name
            self.port.tunnels[name] = self
            self.tunnelled = True
            self.reader = RtspReader()
            self.write(opened(request.version).serialize())
            return
        target = self.port.tunnels.get(name)
        if target is None or request.method != "POST" or target.remote[0] != self.remote[0]:
            reply = Response(Status.BAD_REQUEST, version=request.version)
            reply.headers.add("Connection", "close")
            raise RemoteProtocolError("HTTP that opens no tunnel", reply=reply.serialize())
        # Some clients send by a new connection every now and then.
        earlier, target._feeder = target._feeder, self
        if earlier is not None:
            earlier._feeds = None
            earlier.wire.close("another connection has taken its place")
        self._feeds = target
        self._stop_deadline()

    def _leave_tunnel(self, reason: str) -> None:
        if self._name:
            del self.port.tunnels[self._name]
            self._name = ""
        if self._feeder is not None:
            self._feeder._feeds = None
            self._feeder.wire.close(reason)
            self._feeder = None
        if self._feeds is not None:
            self._feeds._feeder = None
            self._feeds = None

    def _overdue(self) -> None:
        self._deadline = None
        if self._busy:
            # It is us who take the time, for a stream that begins. The client gets its own anew.
            self.expect()
            return
        self.dismiss(f"nothing was published or played within {self.ctx.handshake_s:g} s")

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def too_many() -> RemoteProtocolError:
    """The error of a client that asks faster than it can be answered."""
    return RemoteProtocolError(f"more than {MAX_PIPELINED} requests at once")
