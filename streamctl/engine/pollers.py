"""Viewers who come back for every piece: one session each, found again by what they are.

A player of HLS has no connection of its own. Its requests belong together by the stream, the
protocol, the address and the name that the player gives itself, whichever rendition they ask for.
The session ends when nothing was asked for a while. One that was kicked is refused for a while,
because its player would simply ask again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from streamctl.sdk.session import Refusal, RefusalCode

if TYPE_CHECKING:
    from streamctl.engine.gate import EngineGate
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import HttpRequest
    from streamctl.sdk.session import Grant, Session

    Fingerprint = tuple[str, str, str, str]
    """Stream, protocol, address and user agent."""

IDLE_S = 30.0
"""A viewer that has asked for nothing this long has left."""
BAN_S = 60.0
"""How long a kicked viewer is refused."""
AGENT_CHARACTERS = 256
"""What counts of a user agent: real ones are shorter, and every session keeps its own."""


def fingerprint(code: str, kind: str, request: HttpRequest) -> Fingerprint:
    """What tells viewers apart."""
    agent = request.headers.get("user-agent", "")[:AGENT_CHARACTERS]
    return code, kind, request.ip, agent


@dataclass(slots=True)
class Poller:
    """A viewer that is known."""

    session: Session
    seen: float
    """Monotonic time of the last request."""


class Pollers:
    """The sessions of all polling viewers."""

    def __init__(self, gate: EngineGate, clock: Clock) -> None:
        self.gate = gate
        self.clock = clock
        self.known: dict[Fingerprint, Poller] = {}
        self.banned: dict[Fingerprint, float] = {}
        """Until when, for viewers that were kicked."""
        self._by_ip: Counter[str] = Counter()
        """Viewers by address: a peer may call itself whatever it likes."""

    def denies(self, who: Fingerprint) -> bool:
        """Whether the viewer was kicked a short while ago."""
        return bool(self.banned) and self.banned.get(who, 0.0) > self.clock.now()

    def session(self, who: Fingerprint, grant: Grant) -> Session | Refusal:
        """The session that a request belongs to, opened with the first.

        Raises:
            StreamctlError: the stream was stopped since it was granted.
        """
        poller = self.known.get(who)
        if poller is None:
            refusal = self._full(grant)
            if refusal is not None:
                self.gate.refused[grant.request.protocol, RefusalCode.LIMIT.value] += 1
                return refusal
            session = self.gate.open(grant, partial(self._forget, who))
            poller = self.known[who] = Poller(session, 0.0)
            self._by_ip[session.ip] += 1
        poller.seen = self.clock.now()
        poller.session.asked_at = self.clock.wall()
        return poller.session

    def tick(self, now: float) -> None:
        """End the sessions of those that have left; called about once a second."""
        for who, poller in list(self.known.items()):
            if now - poller.seen > IDLE_S:
                self._forget(who, "idle")
        for who, until in list(self.banned.items()):
            if until <= now:
                del self.banned[who]

    def ban(self, session: Session) -> None:
        """Refuse the viewer of a session for a while: closing it alone would not stop them."""
        for who, poller in self.known.items():
            if poller.session is session:
                self.banned[who] = self.clock.now() + BAN_S

    def _full(self, grant: Grant) -> Refusal | None:
        """Why no further viewer is taken; None = they are."""
        ip, table = grant.request.ip, self.gate.sessions
        if len(self.known) >= table.total or self._by_ip[ip] >= table.per_ip:
            return Refusal(RefusalCode.LIMIT, f"too many viewers, {self._by_ip[ip]} from {ip}")
        return self.gate.vacancy(grant)

    def _forget(self, who: Fingerprint, reason: str) -> None:
        poller = self.known.pop(who, None)
        if poller is None:
            return
        ip = poller.session.ip
        self._by_ip[ip] -= 1
        if not self._by_ip[ip]:
            del self._by_ip[ip]
        self.gate.close(poller.session, reason)
