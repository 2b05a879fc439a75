"""The media HTTP server's application: from a path to the handler of a stream's output.

A path is ``/<code><suffix>``, with or without a leading ``live/``; codes may contain ``/``, so the
longest code that exists wins. Live answers become sessions of their connection, answers of
polling protocols (playlists, segments) are counted in the sessions of ``pollers``.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from streamctl.engine.pollers import Pollers, fingerprint
from streamctl.engine.proxies import Proxies
from streamctl.errors import StreamctlError
from streamctl.net.http_condition import OK, selection
from streamctl.net.http_response import problem, refused
from streamctl.net.memory_file import MemoryFiles
from streamctl.sdk.endpoints import Bytes, Live, Wait
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from streamctl.engine.gate import EngineGate
    from streamctl.engine.pollers import Fingerprint
    from streamctl.engine.stream import Stream
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Handler, HttpRequest, Playback, Reply
    from streamctl.sdk.lane import Wire
    from streamctl.sdk.session import Session

PROTOCOL = "http"
CODE_CHARACTERS = 128
"""No code is longer, so that a long path costs no more look-ups than a short one."""
NEW_CODES = 6
"""Codes that a path may mean to templates: to read a stream of one takes a while, and no suffix has
as many parts."""
WAKE_S = 10.0
"""How long a request waits for a stream that is pulled on demand to be on air."""
ASKED_MAX = 4096
"""Requests whose meaning is kept: one each of so many viewers."""
MEDIA_TYPES = ("video/", "audio/", "application/vnd.apple.mpegurl", "application/dash+xml")
"""Answers that make their reader a viewer; pages and scripts don't."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a path leads."""

    stream: Stream
    kind: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request means, whoever may be let in when."""

    original: HttpRequest
    """As the connection gave it; held so that no other object can get its identity."""
    request: HttpRequest
    """As its client sent it, seen through proxies."""
    target: Target
    who: Fingerprint
    wishes: tuple[Request, Request]
    """For the gate: of a viewer who comes, and of one who goes on watching."""


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

    def __init__(self, gate: EngineGate, clock: Clock, proxies: Proxies | None = None) -> None:
        self.gate = gate
        self.pollers = Pollers(gate, clock)
        self.proxies = proxies or Proxies()
        self.files = MemoryFiles(clock)
        self._asked: dict[int, Asked] = {}
        """By identity: a connection that repeats a request gives the same object again."""

    def forget(self) -> None:
        """Streams came or went: paths may lead elsewhere."""
        self._asked.clear()

    def admit(self, ip: str) -> Refusal | None:
        """Count a connection against the limits; a proxy may have any number."""
        return self.gate.admit(PROTOCOL, ip, shared=self.proxies.trusts(ip))

    def release(self, ip: str) -> None:
        """A connection is gone."""
        self.gate.release(PROTOCOL, ip)

    def handle(self, request: HttpRequest) -> Reply:
        """Answer one request from memory."""
        asked = self._asked.get(id(request)) or self._look(request)
        if asked is None:
            return problem(404, f"nothing at `{request.path[:200]}`")
        if isinstance(asked, Refusal):
            return refused(asked)
        request, target, who = asked.request, asked.target, asked.who
        grant = self.gate.check(asked.wishes[who in self.pollers.known])
        if isinstance(grant, Refusal):
            return refused(grant)
        if self.pollers.denies(who):
            return problem(403, "this viewer was disconnected by the operator")
        reply = awakened(target, request)
        if isinstance(reply, Live) and (refusal := target.stream.refusal(reply.fmt)):
            return problem(406, refusal)
        # Who only looks is no viewer.
        return reply if request.method == "HEAD" else self._counted(reply, grant, who, request)

    def live(
        self, request: HttpRequest, reply: Live, wire: Wire, close: Callable[[str], None]
    ) -> LiveViewer:
        """Make the connection a viewer of the lane that the reply names.

        Raises:
            StreamctlError: the stream was stopped since, or nothing makes that format.
        """
        asked = self._asked.get(id(request)) or self._look(request)
        if isinstance(asked, Refusal):
            raise StreamctlError(asked.message)
        if asked is None:
            raise StreamctlError(f"nothing at `{request.path[:200]}`")
        # The connection asks for nothing more.
        del self._asked[id(request)]
        grant = self.gate.check(asked.wishes[0])
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
        """Look after polling viewers; called about once a second."""
        self.pollers.tick(now)

    def ban(self, session: Session) -> None:
        """Refuse a polling viewer for a while: closing a session alone would not stop it."""
        self.pollers.ban(session)

    def _route(self, path: str) -> Target | None:
        for code, suffix in readings(path):
            stream = self.gate.streams.get(code)
            route = endpoint(stream.routes, suffix) if stream else None
            if stream is not None and route is not None:
                return Target(stream, *route)
        return None

    def _newcomer(self, request: HttpRequest) -> Target | Refusal | None:
        """Where a path leads that only a template knows: to a stream that begins now."""
        runtime = self.gate.runtime
        if runtime is None:
            return None
        tried = 0
        for code, suffix in readings(request.path):
            known = runtime.known_routes(code)
            if known is not None and endpoint(known, suffix) is None:
                continue
            tried += 1
            if tried > NEW_CODES:
                break
            config = runtime.candidate(code, Action.PLAY)
            route = endpoint(runtime.routes(config), suffix) if config is not None else None
            if config is None or route is None or config.code != code:
                continue
            comes = wish(code, route[0], request)
            grant = self.gate.check(comes)
            if isinstance(grant, Refusal):
                return grant
            try:
                runtime.begin(code, comes)
            except StreamctlError as error:
                return Refusal(RefusalCode.BUSY, error.message)
            return self._route(request.path)
        return None

    def _look(self, original: HttpRequest) -> Asked | Refusal | None:
        """Find out what a request means; None if its path leads nowhere."""
        request = self.proxies.seen_through(original)
        target = self._route(request.path) or self._newcomer(request)
        if target is None or isinstance(target, Refusal):
            return target
        comes = wish(target.stream.code, target.kind, request)
        asked = Asked(
            original,
            request,
            target,
            fingerprint(target.stream.code, target.kind, request),
            (comes, replace(comes, returning=True)),
        )
        if len(self._asked) >= ASKED_MAX:
            self._asked.clear()
        self._asked[id(original)] = asked
        return asked

    def _counted(self, reply: Reply, grant: Grant, who: Fingerprint, request: HttpRequest) -> Reply:
        """The reply, counted in the session of its viewer."""
        if isinstance(reply, Wait):
            then = reply.then
            stream = self.gate.streams.get(grant.code)
            if stream is not None:
                stream.demand.ask(reply.timeout_s)
            return Wait(
                reply.event,
                reply.timeout_s,
                lambda: self._counted(then(), grant, who, request),
            )
        if isinstance(reply, Bytes) and reply.content_type.startswith(MEDIA_TYPES):
            try:
                session = self.pollers.session(who, grant)
            except StreamctlError as error:
                return problem(404, str(error))
            if isinstance(session, Refusal):
                return refused(session)
            session.bytes_out += sent(request, reply)
        return reply


def awakened(target: Target, request: HttpRequest) -> Reply:
    """The answer of a stream; one that is asleep is woken first, unless a page is asked for."""
    reply, demand = target.handler(request), target.stream.demand
    if isinstance(reply, Live) or not demand.sleeping:
        return reply
    found = reply if isinstance(reply, Bytes) and reply.status == OK else None
    if found is not None and not found.content_type.startswith(MEDIA_TYPES):
        return reply
    demand.ask(WAKE_S)
    return Wait(demand.aired, WAKE_S, partial(target.handler, request))


def readings(path: str) -> Iterator[tuple[str, str]]:
    """What a path may mean, as code and suffix, the longest code first."""
    path = path.removeprefix("/")
    for base in (path, path.removeprefix("live/")):
        end = len(base) if len(base) <= CODE_CHARACTERS else cut(base, CODE_CHARACTERS + 1)
        while end > 0:
            yield base[:end], base[end:]
            end = cut(base, end)


def wish(code: str, kind: str, request: HttpRequest) -> Request:
    """What the gate is asked for."""
    query = request.query
    header = request.headers.get("authorization", "")
    user, password = basic(header)
    return Request(
        protocol=kind,
        action=Action.PLAY,
        path=code,
        ip=request.ip,
        port=request.port,
        key=query.get("key", "") or bearer(header),
        user=user or query.get("user", ""),
        password=password or query.get("pass", ""),
        query=query,
        user_agent=request.headers.get("user-agent", ""),
    )


def sent(request: HttpRequest, reply: Bytes) -> int:
    """The bytes of a body that go to the client."""
    body = reply.body
    size = len(body) if isinstance(body, bytes) else sum(map(len, body))
    if reply.status == OK:
        _, first, end = selection(request, reply, size)
        return end - first
    return size


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


def bearer(header: str) -> str:
    """The token of an ``Authorization: Bearer`` header (RFC 6750); empty if there is none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
