"""What the requests on one connection mean: the session that they build, and its answers.

Keeps the order of a session (:mod:`streamctl_rtsp.wire.state`), asks the gate, and leaves the media
to a :class:`~streamctl_rtsp.server.publisher.Publisher` or a
:class:`~streamctl_rtsp.server.viewer.Viewer`. A session lives as long as its connection, and ends
earlier when its client shows no sign of life for the time that it was told.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from streamctl.errors import NotCarried, RemoteProtocolError, StreamctlError
from streamctl.sdk.session import Action
from streamctl_rtsp.server.door import Door
from streamctl_rtsp.server.publisher import Publisher
from streamctl_rtsp.server.reply import Declined, ok
from streamctl_rtsp.server.viewer import Viewer
from streamctl_rtsp.wire.control import parse_target
from streamctl_rtsp.wire.fields import SessionField, parse_session
from streamctl_rtsp.wire.message import VERSION, Headers, Method, Response, Status
from streamctl_rtsp.wire.state import PUBLIC, State, allowed, listed
from streamctl_rtsp.wire.transport import parse_transports

if TYPE_CHECKING:
    from streamctl.sdk.context import Timer
    from streamctl.sdk.session import Session
    from streamctl_rtsp.server.session import RtspSession
    from streamctl_rtsp.wire.control import Target
    from streamctl_rtsp.wire.message import Request
    from streamctl_rtsp.wire.reader import Frame

Later = Callable[[], Awaitable[Response]]
"""Makes an answer that takes time."""

SERVER = "streamctl"
ID_BYTES = 8
BEAT_S = 5.0
"""How often reports are sent and silence is measured (RFC 3550 section 6.2)."""
FIRST_BEATS_S = (0.5, 0.5, 1.0, 1.0, 2.0)
"""The first ones: what a player joins with comes in a rush, which clocks set by arrival have to
recover from."""
SDP_TYPE = "application/sdp"


class Dialogue:
    """The session on one connection, if there is one."""

    def __init__(self, peer: RtspSession) -> None:
        self.peer = peer
        self.port = peer.port
        self.ctx = peer.ctx
        self.door = Door(peer)
        self.state = State.INIT
        self.id = ""
        """What the session is called; empty until the first track is set up."""
        self.role: Publisher | Viewer | None = None
        self.heard = 0.0
        """When the client last gave a sign of life."""
        self.strays = 0
        """Frames of channels that nobody has set up."""
        self._then: Callable[[], None] | None = None
        self._beat: Timer | None = None
        self._beats: list[float] = []
        self._methods: dict[str, Callable[[Request], Response | Later]] = {
            Method.OPTIONS: self._options,
            Method.DESCRIBE: self._describe,
            Method.ANNOUNCE: self._announce,
            Method.SETUP: self._setup,
            Method.PLAY: self._play,
            Method.PAUSE: self._pause,
            Method.RECORD: self._record,
            Method.GET_PARAMETER: self._nothing,
            Method.SET_PARAMETER: self._nothing,
            Method.TEARDOWN: self._teardown,
        }

    @property
    def session(self) -> Session | None:
        """The engine's account of the session."""
        return self.role.session if self.role is not None else None

    def answer(self, request: Request) -> Response | Later:
        """The answer to a request, or how to come by it."""
        self.heard = self.ctx.clock.now()
        try:
            return self._methods[self._judged(request)](request)
        except Declined as error:
            return error.response
        except NotCarried as error:
            return Declined(Status.NOT_ACCEPTABLE, error.message).response
        except RemoteProtocolError as error:
            return Declined(Status.BAD_REQUEST, error.message).response
        except StreamctlError as error:
            return Declined(Status.FORBIDDEN, error.message).response

    def sealed(self, request: Request, response: Response) -> Response:
        """An answer with what every answer has."""
        fields = [] if request.cseq is None else [("CSeq", str(request.cseq))]
        fields.append(("Server", SERVER))
        if self.id and response.status == Status.OK:
            timeout_s = self.port.options.session_timeout_s
            fields.append(("Session", SessionField(self.id, timeout_s).serialize()))
        response.headers = Headers((*fields, *response.headers))
        return response

    def answered(self) -> None:
        """The answer is on its way: what follows it may follow."""
        then, self._then = self._then, None
        if then is not None:
            then()

    def beat(self) -> None:
        """Media begins: reports follow soon, as clients hold the first ones against a rush."""
        self._beats = list(FIRST_BEATS_S)
        self._beat_in(self._beats.pop(0))

    def frame(self, frame: Frame, now: float) -> None:
        """Take a packet inside the connection."""
        if self.role is None or not self.role.frame(frame.channel, frame.data, now):
            self.strays += 1
            if self.strays == 1:
                self.ctx.log.info(
                    "rtsp %s:%d: sends on channel %d, which nobody has set up",
                    *self.peer.remote,
                    frame.channel,
                )

    def flush(self, now: float) -> None:
        """Pass on what the packets of one read have made."""
        if self.role is not None:
            self.role.flush(now)

    def paused(self) -> None:
        """The wire is full."""
        if self.role is not None:
            self.role.paused()

    def resumed(self) -> None:
        """The wire takes bytes again."""
        if self.role is not None:
            self.role.resumed()

    def end(self, reason: str) -> None:
        """End the session, if there is one."""
        role, self.role = self.role, None
        self._then = None
        self.state = State.INIT
        self.id = ""
        self._beat_in(None)
        if role is not None:
            role.end(reason)

    def _judged(self, request: Request) -> Method:
        """The method of a request that may be asked here and now.

        Raises:
            Declined: it may not.
        """
        if request.cseq is None:
            raise Declined(Status.BAD_REQUEST, "no CSeq")
        if request.version != VERSION:
            raise Declined(Status.VERSION_NOT_SUPPORTED)
        if request.method not in self._methods:
            raise Declined(Status.NOT_IMPLEMENTED, "", ("Public", ", ".join(PUBLIC)))
        wanted = request.headers.get("Require") or request.headers.get("Proxy-Require")
        if wanted:
            raise Declined(Status.OPTION_NOT_SUPPORTED, "", ("Unsupported", wanted))
        named = parse_session(request.headers.get("Session"))
        if named is not None and named.id != self.id:
            raise Declined(Status.SESSION_NOT_FOUND)
        method = Method(request.method)
        if not allowed(self.state, method):
            raise Declined(Status.NOT_VALID_IN_THIS_STATE, "", ("Allow", listed(self.state)))
        return method

    def _options(self, request: Request) -> Response:
        del request
        return ok(("Public", ", ".join(PUBLIC)))

    def _nothing(self, request: Request) -> Response:
        """A sign of life; there are no parameters."""
        if request.body.strip():
            raise Declined(Status.PARAMETER_NOT_UNDERSTOOD)
        return ok()

    def _describe(self, request: Request) -> Response | Later:
        accepted = request.headers.get("Accept", SDP_TYPE).lower()
        if SDP_TYPE not in accepted and "*" not in accepted:
            raise Declined(Status.NOT_ACCEPTABLE)
        target = parse_target(request.url)
        if isinstance(self.role, Viewer) and self.role.target.path == target.path:
            return self._described(target, self.role)
        if self.state is not State.INIT and self.state is not State.DESCRIBED:
            raise Declined(Status.NOT_VALID_IN_THIS_STATE, "", ("Allow", listed(self.state)))
        viewer = self._viewer(request, target)

        async def later() -> Response:
            await self._tracks_of(viewer)
            return self._described(target, viewer)

        return self._described(target, viewer) if viewer.ready else later

    def _described(self, target: Target, viewer: Viewer) -> Response:
        base = target.base if target.base.endswith("/") else f"{target.base}/"
        return ok(
            ("Content-Type", SDP_TYPE),
            ("Content-Base", base),
            ("Cache-Control", "no-cache"),
            body=viewer.describe(),
        )

    def _viewer(self, request: Request, target: Target) -> Viewer:
        """A new viewer of what a request names.

        Raises:
            Declined: the gate refuses it.
            StreamctlError: the stream can't be watched.
        """
        self.end("another stream was asked for")
        grant = self.door.ask(request, target, Action.PLAY)
        session = self.port.gate.open(grant, self.peer.dismiss)
        try:
            self.role = Viewer(self.peer, target, grant, session)
        except StreamctlError as error:
            self.port.gate.close(session, error.message)
            raise
        self.state = State.DESCRIBED
        return self.role

    async def _tracks_of(self, viewer: Viewer) -> None:
        """Wait until it is known what a viewer came for.

        Raises:
            Declined: it is nothing.
        """
        if await viewer.wait():
            return
        absent = viewer.playback.absent
        reason = f"nothing is on air: {absent}" if absent else "nothing is on air"
        if self.role is viewer:
            self.end(reason)
        raise Declined(Status.NOT_FOUND, reason)

    def _announce(self, request: Request) -> Response:
        if SDP_TYPE not in request.headers.get("Content-Type", SDP_TYPE).lower():
            raise Declined(Status.UNSUPPORTED_MEDIA_TYPE)
        target = parse_target(request.url)
        publisher = Publisher(self.peer, target, request.url, request.body)
        self.end("another stream was announced")
        self.door.ask(request, target, Action.PUBLISH)
        self.role = publisher
        self.state = State.ANNOUNCED
        return ok()

    def _setup(self, request: Request) -> Response | Later:
        target = parse_target(request.url)
        transports = parse_transports(",".join(request.headers.all("Transport")))
        if self.role is None:
            if transports[0].records:
                raise Declined(Status.NOT_VALID_IN_THIS_STATE, "nothing was announced")
            self._viewer(request, target)
        role = self.role
        assert role is not None

        async def later() -> Response:
            if isinstance(role, Viewer) and not role.tracks:
                await self._tracks_of(role)
            transport = await role.setup(request.url, target, transports)
            if self.role is not role:
                # It was over before it had what it would have given back.
                role.end("the session has ended")
                raise Declined(Status.SESSION_NOT_FOUND)
            self._ready()
            return ok(("Transport", transport.serialize()), ("Cache-Control", "no-cache"))

        return later

    def _ready(self) -> None:
        """A track is set up: the session has a name and a time of its own now."""
        if not self.id:
            self.id = secrets.token_hex(ID_BYTES)
            self.peer.begun()
            self._beat_in(BEAT_S)
        recording = isinstance(self.role, Publisher)
        self.state = State.PREPARED if recording else State.READY

    def _play(self, request: Request) -> Response:
        viewer = self.role
        assert isinstance(viewer, Viewer)
        self._aggregate(request, viewer)
        response = viewer.play()
        if self.state is not State.PLAYING:
            self.state = State.PLAYING
            self._then = viewer.start
            self.beat()
        return response

    def _pause(self, request: Request) -> Response:
        viewer = self.role
        assert isinstance(viewer, Viewer)
        self._aggregate(request, viewer)
        viewer.pause()
        self.state = State.READY
        return ok()

    def _record(self, request: Request) -> Response:
        publisher = self.role
        assert isinstance(publisher, Publisher)
        grant = self.door.ask(request, publisher.target, Action.PUBLISH)
        publisher.record(grant)
        self.state = State.RECORDING
        return ok(("Range", "npt=0.000-"))

    def _teardown(self, request: Request) -> Response:
        """End the session; the connection may begin another."""
        del request
        had_id = self.id
        self.end("the client said TEARDOWN")
        self.peer.expect()
        return ok(("Session", had_id)) if had_id else ok()

    def _aggregate(self, request: Request, viewer: Viewer) -> None:
        """Refuse to begin or stop one track of several.

        Raises:
            Declined: it is asked for.
        """
        if request.url != "*" and parse_target(request.url).track is not None and viewer.several:
            raise Declined(Status.ONLY_AGGREGATE_ALLOWED)

    def _beat_in(self, delay_s: float | None) -> None:
        if self._beat is not None:
            self._beat.cancel()
        call = self.ctx.clock.call_later
        self._beat = None if delay_s is None else call(delay_s, self._on_beat)

    def _on_beat(self) -> None:
        """Send reports, and end a session whose client has gone."""
        self._beat_in(self._beats.pop(0) if self._beats else BEAT_S)
        role = self.role
        if role is None:
            return
        now = self.ctx.clock.now()
        timeout_s = self.port.options.session_timeout_s
        silent_s = now - max(self.heard, role.heard)
        if silent_s > timeout_s and not (role.flowing and role.inside):
            # A full wire and a lost connection are noticed otherwise.
            self.peer.dismiss(f"no sign of the client for {silent_s:.0f} s")
            return
        role.report(now)
