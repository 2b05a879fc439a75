"""The media HTTP server's application: from a path to the handler of a stream's output.

A path is ``/<code><suffix>``, with or without a leading ``live/``; codes may contain ``/``, so the
longest code that exists wins. Live answers become sessions of their connection. Answers of
polling protocols (playlists, segments) are counted in one session per viewer, told apart by
address, user agent and stream, which ends when the viewer has asked for nothing for a while.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.net.http_response import problem, refused
from streamctl.sdk.endpoints import Bytes, Live, Wait
from streamctl.sdk.session import Action, Grant, Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.engine.gate import EngineGate
    from streamctl.engine.stream import Stream
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Handler, HttpRequest, Playback, Reply
    from streamctl.sdk.lane import Wire
    from streamctl.sdk.session import Session

PROTOCOL = "http"
IDLE_S = 30.0
"""A polling viewer that has asked for nothing this long has left."""
BAN_S = 60.0
"""A kicked polling viewer is refused this long; its player would simply ask again."""
MEDIA_TYPES = ("video/", "audio/", "application/vnd.apple.mpegurl", "application/dash+xml")
"""Answers that make their reader a viewer; pages and scripts don't."""


@dataclass(slots=True)
class Poller:
    """A viewer that comes back for every piece."""

    session: Session
    seen: float


@dataclass(frozen=True, slots=True)
class Target:
    """Where a path leads."""

    stream: Stream
    kind: str
    handler: Handler


class LiveViewer:
    """The engine's side of one endless response."""

    def __init__(self, gate: EngineGate, session: Session, playback: Playback) -> None:
        self.gate = gate
        self.session = session
        self.playback = playback

    def paused(self) -> None:
        """The wire is full."""
        self.playback.fanout.park(self.session)

    def resumed(self) -> None:
        """The wire takes bytes again."""
        self.playback.fanout.serve(self.session)

    def closed(self, reason: str) -> None:
        """The connection is gone."""
        self.playback.fanout.remove(self.session)
        self.playback.cursor.close()
        self.gate.close(self.session, reason)


class WebApp:
    """Implements ``streamctl.net.http.HttpApp`` over the streams."""

    def __init__(self, gate: EngineGate, clock: Clock) -> None:
        self.gate = gate
        self.clock = clock
        self.pollers: dict[tuple[str, str, str, str], Poller] = {}
        self.banned: dict[tuple[str, str, str, str], float] = {}

    def admit(self, ip: str) -> Refusal | None:
        """Count a connection against the limits."""
        return self.gate.admit(PROTOCOL, ip)

    def release(self, ip: str) -> None:
        """A connection is gone."""
        self.gate.release(PROTOCOL, ip)

    def handle(self, request: HttpRequest) -> Reply:
        """Answer one request from memory."""
        target = self._route(request.path)
        if target is None:
            return problem(404, f"nothing at `{request.path[:200]}`")
        grant = self._grant(target, request)
        if isinstance(grant, Refusal):
            return refused(grant)
        fingerprint = (grant.code, target.kind, request.ip, request.headers.get("user-agent", ""))
        if self.banned.get(fingerprint, 0.0) > self.clock.now():
            return problem(403, "this viewer was disconnected by the operator")
        return self._counted(target.handler(request), grant, fingerprint)

    def live(
        self, request: HttpRequest, reply: Live, wire: Wire, close: Callable[[str], None]
    ) -> LiveViewer:
        """Make the connection a viewer of the lane that the reply names."""
        target = self._route(request.path)
        grant = self._grant(target, request) if target else None
        assert isinstance(grant, Grant)
        session = self.gate.open(grant, close)
        playback = self.gate.play(grant, session, reply.fmt)
        viewer = LiveViewer(self.gate, session, playback)
        playback.fanout.add(playback.cursor, wire, session)
        return viewer

    def tick(self, now: float) -> None:
        """End the sessions of pollers that have left; called about once a second."""
        for fingerprint, poller in list(self.pollers.items()):
            if now - poller.seen > IDLE_S:
                del self.pollers[fingerprint]
                self.gate.close(poller.session, "idle")
        for fingerprint, until in list(self.banned.items()):
            if until <= now:
                del self.banned[fingerprint]

    def ban(self, session: Session) -> None:
        """Refuse a polling viewer for a while: closing a session alone would not stop it."""
        for fingerprint, poller in self.pollers.items():
            if poller.session is session:
                self.banned[fingerprint] = self.clock.now() + BAN_S

    def _route(self, path: str) -> Target | None:
        path = path.removeprefix("/")
        for base in (path, path.removeprefix("live/")):
            end = len(base)
            while end > 0:
                found = self._at(base[:end], base[end:])
                if found is not None:
                    return found
                end = max(base.rfind("/", 0, end), base.rfind(".", 0, end))
        return None

    def _at(self, code: str, suffix: str) -> Target | None:
        stream = self.gate.streams.get(code)
        if stream is None:
            return None
        route = stream.routes.get(suffix)
        while route is None and "/" in suffix:
            suffix = suffix.rpartition("/")[0]
            route = stream.routes.get(f"{suffix}/*")
        return Target(stream, *route) if route else None

    def _grant(self, target: Target, request: HttpRequest) -> Grant | Refusal:
        user, password = basic(request.headers.get("authorization", ""))
        return self.gate.check(
            Request(
                protocol=target.kind,
                action=Action.PLAY,
                path=target.stream.code,
                ip=request.ip,
                port=request.port,
                key=request.query.get("key", ""),
                user=user,
                password=password,
                query=request.query,
                user_agent=request.headers.get("user-agent", ""),
            )
        )

    def _counted(self, reply: Reply, grant: Grant, fingerprint: tuple[str, str, str, str]) -> Reply:
        if isinstance(reply, Wait):
            then = reply.then
            return Wait(
                reply.event, reply.timeout_s, lambda: self._counted(then(), grant, fingerprint)
            )
        if isinstance(reply, Bytes) and reply.content_type.startswith(MEDIA_TYPES):
            session = self._poller(grant, fingerprint)
            body = reply.body
            size = len(body) if isinstance(body, bytes) else sum(map(len, body))
            session.bytes_out += size
        return reply

    def _poller(self, grant: Grant, fingerprint: tuple[str, str, str, str]) -> Session:
        poller = self.pollers.get(fingerprint)
        if poller is None or poller.session.id not in self.gate.sessions.by_id:

            def close(reason: str) -> None:
                gone = self.pollers.pop(fingerprint, None)
                if gone is not None:
                    self.gate.close(gone.session, reason)

            poller = self.pollers[fingerprint] = Poller(self.gate.open(grant, close), 0.0)
        poller.seen = self.clock.now()
        return poller.session


def basic(header: str) -> tuple[str, str]:
    """User and password of a Basic ``Authorization`` header (RFC 7617); empty if there is none."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
