"""The sessions of the whole server, and the limits on connections."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from typing import TYPE_CHECKING

from streamctl.sdk.session import Action, Refusal, RefusalCode, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.context import Clock
    from streamctl.sdk.session import Grant

AGENT_CHARS = 200
"""What is kept of how a peer calls itself: it stands in each of its events, and they are many."""

log = logging.getLogger("streamctl.sessions")


class Sessions:
    """Registers sessions and counts connections per address."""

    def __init__(self, clock: Clock, *, total: int, per_ip: int) -> None:
        self.clock = clock
        self.total = total
        self.per_ip = per_ip
        self.by_id: dict[str, Session] = {}
        self.connections = 0
        self.refused = 0
        self._by_ip: Counter[str] = Counter()

    def admit(self, ip: str, *, shared: bool = False) -> Refusal | None:
        """Count a connection; None = let in. Any number may come from a ``shared`` address."""
        refusal = self.full(ip, shared=shared)
        if refusal is not None:
            self.refused += 1
            return refusal
        self.connections += 1
        self._by_ip[ip] += 1
        return None

    def full(self, ip: str, *, shared: bool = False) -> Refusal | None:
        """What :meth:`admit` would answer; counts nothing."""
        if self.connections >= self.total:
            message = f"the server takes {self.total} connections at most"
        elif self._by_ip.get(ip, 0) >= self.per_ip and not shared:
            message = f"{self.per_ip} connections at most from {ip}"
        else:
            return None
        return Refusal(RefusalCode.LIMIT, message)

    def release(self, ip: str) -> None:
        """A connection that was let in is gone."""
        self.connections -= 1
        self._by_ip[ip] -= 1
        if self._by_ip[ip] <= 0:
            del self._by_ip[ip]

    def open(self, grant: Grant, close: Callable[[str], None]) -> Session:
        """Register a session with a fresh id."""
        request = grant.request
        session = Session(
            id=secrets.token_hex(8),
            protocol=request.protocol,
            action=request.action,
            code=grant.code,
            ip=request.ip,
            port=request.port,
            user_agent=request.user_agent[:AGENT_CHARS],
            opened_at=self.clock.wall(),
            close=contained(close),
        )
        self.by_id[session.id] = session
        return session

    def close(self, session: Session, reason: str) -> bool:
        """Forget the session; False if it was gone already."""
        if self.by_id.pop(session.id, None) is None:
            return False
        session.reason = session.reason or reason
        return True

    def of(self, code: str, action: Action | None = None) -> list[Session]:
        """The sessions of one stream, oldest first."""
        return [
            session
            for session in self.by_id.values()
            if session.code == code and (action is None or session.action is action)
        ]


def contained(close: Callable[[str], None]) -> Callable[[str], None]:
    """A way to close a session whose failure harms nobody else who is to be closed."""

    def closing(reason: str) -> None:
        try:
            close(reason)
        except Exception:
            log.exception("a session could not be closed: %s", reason)

    return closing
