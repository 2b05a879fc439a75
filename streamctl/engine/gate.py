"""The engine's door: decides from memory who may publish and watch what.

Order of the decision: the stream exists, is enabled, serves the protocol, the address is
allowed, the key fits, and a publisher finds the place free. The first "no" is the answer, and it
never tells more than its own step: a wrong key is not told whether a publisher is on air. When
the configuration changes, those who are in are judged by it anew.
"""

from __future__ import annotations

import ipaddress
import logging
from collections import Counter
from typing import TYPE_CHECKING

from streamctl.engine.logins import guarded, guess_of, login
from streamctl.engine.slots import vacancy
from streamctl.errors import NotCarried, StreamctlError
from streamctl.net.guesses import Guesses
from streamctl.sdk.endpoints import Playback
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.config.model import Network, StreamConfig
    from streamctl.engine.intake import Intake
    from streamctl.engine.runtime import RuntimeStreams
    from streamctl.engine.sessions import Sessions
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Format
    from streamctl.sdk.session import Request, Session

log = logging.getLogger("streamctl.gate")

REFUSALS_LOGGED_PER_S = 20
"""A flood of refused peers costs at most this many log lines a second; all are counted."""


class EngineGate:
    """Implements :class:`streamctl.sdk.endpoints.Gate`."""

    def __init__(
        self, streams: Mapping[str, Stream], sessions: Sessions, *, guesses_per_ip: int = 30
    ) -> None:
        self.streams = streams
        self.sessions = sessions
        self.disabled: frozenset[str] = frozenset()
        """Codes that are configured but switched off."""
        self.runtime: RuntimeStreams | None = None
        """Makes streams for those who come under the prefixes of templates."""
        self.closing = False
        self.guesses = Guesses(sessions.clock.now, guesses_per_ip)
        self.refused: Counter[tuple[str, str]] = Counter()
        """Refusals by protocol and reason."""
        self._owners: dict[Session, Stream] = {}
        """The stream that a session belongs to, even when it was stopped or replaced since."""
        self._wishes: dict[Session, Request] = {}
        """What each session was let in for."""
        self._log_second = 0
        self._logged = 0

    def admit(self, protocol: str, ip: str, *, shared: bool = False) -> Refusal | None:
        """Count a new connection against the limits; None = let in.

        Any number may come from a ``shared`` address.
        """
        if self.closing:
            return Refusal(RefusalCode.SHUTDOWN, "the server is shutting down")
        refusal = self.sessions.admit(ip, shared=shared)
        if refusal is not None:
            self._count(protocol, ip, refusal)
        return refusal

    def release(self, protocol: str, ip: str) -> None:
        """The connection of an earlier successful :meth:`admit` is gone."""
        del protocol
        self.sessions.release(ip)

    def find(self, path: str) -> str | None:
        """The code that a client's path means: itself first, then without ``live/``."""
        path = path.strip("/")
        for code in (path, path.removeprefix("live/")):
            if code in self.streams or code in self.disabled:
                return code
        return None

    def check(self, request: Request) -> Grant | Refusal:
        """Decide by path, key, IP rules and the stream's state; count refusals."""
        answer = self._decide(self.find(request.path), request)
        if isinstance(answer, Refusal):
            self.refuse(request, answer)
        return answer

    def peek(self, request: Request) -> Grant | Refusal:
        """What :meth:`admit` and :meth:`check` would answer; reads only, in any thread."""
        return self.sessions.full(request.ip) or self._decide(self.find(request.path), request)

    def refuse(self, request: Request, refusal: Refusal) -> None:
        """Count and log a refusal."""
        code = self.find(request.path)
        stream = self.streams.get(code) if code else None
        if stream is not None:
            stream.refused += 1
        if refusal.guessed:
            self.guesses.note(request.ip, guess_of(request))
        self._count(request.protocol, request.ip, refusal, code or "")

    def open(self, grant: Grant, close: Callable[[str], None]) -> Session:
        """Register the session; ``close`` is called to kick it.

        Raises:
            StreamctlError: the stream was stopped since.
        """
        stream = self.streams.get(grant.code)
        if stream is None and self.runtime is not None and not self.closing:
            stream = self.runtime.begin(grant.code, grant.request)
        if stream is None:
            raise stopped(grant.code)
        session = self.sessions.open(grant, close)
        self._owners[session] = stream
        self._wishes[session] = grant.request
        stream.viewers += session.action is Action.PLAY
        stream.demand.look()
        stream.services.events.emit(
            "session.opened",
            grant.code,
            session=session.id,
            protocol=session.protocol,
            action=session.action.value,
            peer=session.peer,
            user_agent=session.user_agent,
        )
        return session

    def review(self, code: str) -> None:
        """Close the sessions of a stream that its configuration would not let in any more."""
        stream = self.streams[code]
        for session, wish in list(self._wishes.items()):
            if self._owners[session] is not stream:
                continue
            refusal = allowed(stream.config, wish)
            if refusal is not None:
                session.close(f"the configuration changed: {refusal.message}")

    def vacancy(self, grant: Grant) -> Refusal | None:
        """Whether the place that a viewer was granted was taken while they waited."""
        stream = self.streams.get(grant.code)
        return None if stream is None else seat(stream, grant.request)

    def publish(self, grant: Grant, session: Session) -> Intake:
        """Let the publisher write.

        Raises:
            StreamctlError: another publisher came first, or the stream was stopped.
        """
        return self._owner(session).publish(session, grant.request)

    def play(self, grant: Grant, session: Session, fmt: Format) -> Playback:
        """A cursor and the fan-out of a lane, started on demand.

        Raises:
            Unsupported: nothing makes that format for this stream.
            NotCarried: the format can't carry what the stream shows.
            StreamctlError: the stream was stopped.
        """
        del grant
        stream = self._owner(session)
        if refusal := stream.refusal(fmt):
            raise NotCarried(refusal)
        graph = stream.graph
        fanout = graph.fanout(fmt)
        cursor = graph.cursor(fmt)
        init = None if graph.off_air else graph.lane(fmt).init
        return Playback(init=init, cursor=cursor, fanout=fanout, absent=stream.absent)

    def close(self, session: Session, reason: str) -> None:
        """End the session and whatever it held; may be called twice."""
        stream = self._owners.pop(session, None)
        if stream is None:
            return
        del self._wishes[session]
        # Whoever leaves has wanted the stream until now.
        stream.demand.look()
        stream.viewers -= session.action is Action.PLAY
        stream.leave(session, reason)
        self.sessions.close(session, reason)
        told = session.reason != reason or reason.startswith("too slow")
        log.log(
            logging.INFO if told or session.action is Action.PUBLISH else logging.DEBUG,
            "stream %s: %s %s %s: %s",
            session.code,
            session.protocol,
            session.action.value,
            session.peer,
            session.reason,
        )
        stream.services.events.emit(
            "session.closed",
            session.code,
            session=session.id,
            protocol=session.protocol,
            action=session.action.value,
            peer=session.peer,
            user_agent=session.user_agent,
            reason=session.reason,
            duration_s=round(self.sessions.clock.wall() - session.opened_at, 3),
            bytes_in=session.bytes_in,
            bytes_out=session.bytes_out,
        )

    def _owner(self, session: Session) -> Stream:
        stream = self._owners.get(session)
        if stream is None or stream.closed:
            raise stopped(session.code)
        return stream

    def _decide(self, code: str | None, request: Request) -> Grant | Refusal:
        if self.closing:
            return Refusal(RefusalCode.SHUTDOWN, "the server is shutting down")
        if code is None:
            return self._newcomer(request)
        stream = self.streams.get(code)
        if stream is None:
            return Refusal(RefusalCode.DISABLED, f"stream `{code}` is disabled")
        refusal = self._deaf(stream.config, request) or allowed(stream.config, request)
        if refusal is None:
            refusal = place(stream, request)
        if refusal is not None:
            return refusal
        plugin = stream.services.plugins.get(request.protocol)
        return Grant(code, request, stream.config.output_options(plugin) if plugin else None)

    def _newcomer(self, request: Request) -> Grant | Refusal:
        """The answer to a peer who comes for a stream that does not exist yet."""
        runtime = self.runtime
        config = runtime.candidate(request.path, request.action) if runtime is not None else None
        if runtime is None or config is None:
            return Refusal(RefusalCode.NOT_FOUND, f"no stream `{request.shown_path}`")
        refusal = self._deaf(config, request) or allowed(config, request)
        refusal = refusal or runtime.refusal(config, request)
        return refusal or Grant(config.code, request, runtime.options(config, request.protocol))

    def _deaf(self, config: StreamConfig, request: Request) -> Refusal | None:
        """What a peer hears whose login is not even looked at; None = it is."""
        if not (self.guesses.exhausted(request.ip) and request.logs_in):
            return None
        if not guarded(config, request.action):
            return None
        return Refusal(RefusalCode.LIMIT, f"too many wrong logins from {request.ip}: wait a minute")

    def _count(self, protocol: str, ip: str, refusal: Refusal, code: str = "") -> None:
        self.refused[protocol, refusal.code.value] += 1
        second = int(self.sessions.clock.now())
        if second != self._log_second:
            self._log_second, self._logged = second, 0
        self._logged += 1
        if self._logged <= REFUSALS_LOGGED_PER_S:
            place = f"stream {code}: " if code else ""
            log.info("%s%s: refused %s: %s", place, protocol, ip, refusal.message)


def stopped(code: str) -> StreamctlError:
    """The error of a peer that was granted a stream which is gone now."""
    return StreamctlError(f"stream `{code}` was stopped")


def allowed(config: StreamConfig, request: Request) -> Refusal | None:
    """Whether the configuration refuses this peer."""
    if request.action is Action.PUBLISH:
        return address(config.publish_from, request) or login(config, request)
    if not config.serves(request.protocol):
        return Refusal(
            RefusalCode.UNSUPPORTED, f"stream `{config.code}` is not served as {request.protocol}"
        )
    return address(config.read_from, request) or login(config, request)


def place(stream: Stream, request: Request) -> Refusal | None:
    """Whether the stream has no place for a peer."""
    if request.action is not Action.PUBLISH:
        return seat(stream, request)
    found = vacancy(stream, request)
    return found if isinstance(found, Refusal) else None


def seat(stream: Stream, request: Request) -> Refusal | None:
    """Whether the stream has no place for another viewer."""
    allowed = stream.config.max_viewers
    if not allowed or stream.viewers < allowed or request.returning:
        return None
    return Refusal(RefusalCode.LIMIT, f"stream `{stream.code}` takes {allowed} viewers at most")


def address(networks: tuple[Network, ...], request: Request) -> Refusal | None:
    """Whether none of the networks holds the peer's address; no networks allow any."""
    if not networks:
        return None
    ip = ipaddress.ip_address(request.ip.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in networks):
        return None
    return Refusal(RefusalCode.FORBIDDEN, f"{request.ip} may not {request.action} this stream")
