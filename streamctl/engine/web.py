"""The media HTTP server's application: from a path to the handler of a stream's output.

A path is ``/<code><suffix>``, with or without a leading ``live/``; codes may contain ``/``, so the
longest code that exists wins. Live answers become sessions of their connection. Answers of
polling protocols (playlists, segments) are counted in one session per viewer, told apart by
address, user agent and stream, which ends when the viewer has asked for nothing for a while.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from streamctl.errors import StreamctlError
from streamctl.net.http_response import problem, refused
from streamctl.sdk.endpoints import Bytes, Live, Wait
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.engine.gate import EngineGate
    from streamctl.engine.stream import Stream
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Handler, HttpRequest, Playback, Reply
    from streamctl.sdk.lane import Wire
    from streamctl.sdk.session import Session

PROTOCOL = "http"
CODE_CHARACTERS = 128
"""No code is longer, so that a long path costs no more look-ups than a short one."""
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
        self._by_ip: Counter[str] = Counter()
        """Polling viewers by address: a peer may call itself whatever it likes."""

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
        reply = target.handler(request)
        if isinstance(reply, Live) and (refusal := target.stream.refusal(reply.fmt)):
            return problem(406, refusal)
        return self._counted(reply, grant, fingerprint)

    def live(
        self, request: HttpRequest, reply: Live, wire: Wire, close: Callable[[str], None]
    ) -> LiveViewer:
        """Make the connection a viewer of the lane that the reply names.

        Raises:
            StreamctlError: the stream was stopped since, or nothing makes that format.
        """
        target = self._route(request.path)
        if target is None:
            raise StreamctlError(f"nothing at `{request.path[:200]}`")
        grant = self._grant(target, request)
        if isinstance(grant, Refusal):
            raise StreamctlError(grant.message)
        session = self.gate.open(grant, close)
        try:
            playback = self.gate.play(grant, session, reply.fmt)
        except StreamctlError as error:
            self.gate.close(session, str(error))
            raise
        viewer = LiveViewer(self.gate, session, playback)
        playback.fanout.add(playback.cursor, wire, session)
        return viewer

    def tick(self, now: float) -> None:
        """End the sessions of pollers that have left; called about once a second."""
        for fingerprint, poller in list(self.pollers.items()):
            if now - poller.seen > IDLE_S:
                self._forget(fingerprint, "idle")
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
            end = len(base) if len(base) <= CODE_CHARACTERS else cut(base, CODE_CHARACTERS + 1)
            while end > 0:
                stream = self.gate.streams.get(base[:end])
                route = endpoint(stream.routes, base[end:]) if stream else None
                if stream is not None and route is not None:
                    return Target(stream, *route)
                end = cut(base, end)
        return None

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
            try:
                session = self._poller(grant, fingerprint)
            except StreamctlError as error:
                return problem(404, str(error))
            if isinstance(session, Refusal):
                return refused(session)
            body = reply.body
            size = len(body) if isinstance(body, bytes) else sum(map(len, body))
            session.bytes_out += size
        return reply

    def _poller(self, grant: Grant, fingerprint: tuple[str, str, str, str]) -> Session | Refusal:
        poller = self.pollers.get(fingerprint)
        if poller is None:
            ip = grant.request.ip
            table = self.gate.sessions
            if len(self.pollers) >= table.total or self._by_ip[ip] >= table.per_ip:
                self.gate.refused[grant.request.protocol, RefusalCode.LIMIT.value] += 1
                return Refusal(RefusalCode.LIMIT, f"too many viewers, {self._by_ip[ip]} from {ip}")
            session = self.gate.open(grant, partial(self._forget, fingerprint))
            poller = self.pollers[fingerprint] = Poller(session, 0.0)
            self._by_ip[ip] += 1
        poller.seen = self.clock.now()
        return poller.session

    def _forget(self, fingerprint: tuple[str, str, str, str], reason: str) -> None:
        poller = self.pollers.pop(fingerprint, None)
        if poller is None:
            return
        ip = poller.session.ip
        self._by_ip[ip] -= 1
        if not self._by_ip[ip]:
            del self._by_ip[ip]
        self.gate.close(poller.session, reason)


def cut(base: str, end: int) -> int:
    """Where the last separator before ``end`` stands; -1 if there is none."""
    return max(base.rfind("/", 0, end), base.rfind(".", 0, end))


def endpoint(routes: Mapping[str, tuple[str, Handler]], suffix: str) -> tuple[str, Handler] | None:
    """The route of a suffix: itself, else the longest ``/*`` that is above it."""
    exact = routes.get(suffix)
    if exact is not None:
        return exact
    above = [name for name in routes if name.endswith("/*") and suffix.startswith(name[:-1])]
    return routes[max(above, key=len)] if above else None


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
