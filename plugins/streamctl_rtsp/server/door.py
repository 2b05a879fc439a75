"""Asks the gate on behalf of one connection, with the login that a client gave, or asks for one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, TypeGuard

from streamctl.sdk.session import Action, Refusal, RefusalCode
from streamctl.sdk.session import Request as Wish
from streamctl_rtsp.server.reply import STATUS, Declined, declined
from streamctl_rtsp.wire.auth import Challenge, parse_credentials
from streamctl_rtsp.wire.message import Status

if TYPE_CHECKING:
    from streamctl.sdk.session import Grant
    from streamctl_rtsp.server.session import RtspSession
    from streamctl_rtsp.wire.control import Target
    from streamctl_rtsp.wire.message import Request

REALM = "streamctl"
NONCE_BYTES = 16
MAX_WRONG = 8
"""Wrong logins on one connection; whoever guesses has to knock anew, and is counted."""


class Door:
    """One connection's way to the gate."""

    def __init__(self, peer: RtspSession) -> None:
        self.peer = peer
        self.gate = peer.port.gate
        self.nonce = secrets.token_hex(NONCE_BYTES)
        self.wrong = 0
        self._granted: Wish | None = None
        """What was let in with a login; further requests for the same need not show it again."""

    def ask(self, request: Request, target: Target, action: Action) -> Grant:
        """What the gate grants.

        Raises:
            Declined: nothing; the answer asks for a login if one may help.
        """
        wish = self._wish(request, target, action)
        if not wish.logs_in:
            earlier = self._granted
            if earlier is not None and (earlier.action, earlier.path) == (action, target.path):
                wish = earlier
            elif unauthorized(refusal := self.gate.peek(wish)):
                # Clients log in when they are asked to: their first request is no refusal yet.
                raise self._challenge(refusal, wrong=False)
        answer = self.gate.check(wish)
        if unauthorized(answer):
            raise self._challenge(answer, wrong=True)
        if isinstance(answer, Refusal):
            raise declined(answer)
        self._granted = wish
        return answer

    def _wish(self, request: Request, target: Target, action: Action) -> Wish:
        field = request.headers.get("Authorization")
        login = parse_credentials(field, request.method, request.url, self.nonce, REALM)
        query = dict(target.query)
        return Wish(
            "rtsp",
            action,
            target.path,
            *self.peer.remote,
            key=query.get("key", ""),
            user=login.user or query.get("user", ""),
            password=login.password or query.get("pass", ""),
            query=query,
            user_agent=request.headers.get("User-Agent"),
            proof=login.proof,
        )

    def _challenge(self, refusal: Refusal, *, wrong: bool) -> Declined:
        self.wrong += wrong
        if self.wrong > MAX_WRONG:
            return Declined(Status.FORBIDDEN, "too many wrong logins")
        wanted = [Challenge("Basic", REALM)]
        if not refusal.plain:
            wanted.insert(0, Challenge("Digest", REALM, self.nonce))
        fields = (("WWW-Authenticate", challenge.serialize()) for challenge in wanted)
        return Declined(STATUS[refusal.code], "", *fields)


def unauthorized(answer: Grant | Refusal) -> TypeGuard[Refusal]:
    """Whether the gate wants another login, or one at all."""
    return isinstance(answer, Refusal) and answer.code is RefusalCode.UNAUTHORIZED
