"""The server's side of the login ``adobe``: asks publishers for their user when they connect.

Encoders with fields for user and password (OBS, FFmpeg, librtmp, GStreamer) keep both to
themselves until ``connect`` is refused with a description that names the method; they connect
again with the user, are given a challenge, and connect a third time with the answer. Nothing is
kept in between: the challenge carries its time and a signature, and comes back as ``opaque``.
Whose answer it is can't be judged before ``publish`` names the stream: :func:`proof` waits for it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import unquote

from streamctl_rtmp.wire.auth import NEEDS_USER, PARAMETER, adobe_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl_rtmp.wire.handshake import Random

METHOD = "adobe"
LIFETIME_S = 30
"""Programs answer at once; whoever overheard an answer can't use it for long."""
SIGNED = 24
"""Characters of a challenge before its signature: eight of time, the others random."""
SIGNATURE = 32
SAID = frozenset({"key", "user", "pass"})
"""What a publisher may have said in the query of the application, without being asked."""
FIRST = f"[ AccessManager.Reject ] : [ {NEEDS_USER}; authmod={METHOD} ] : "
PUBLISHES = "nonprivate"
"""The ``type`` that FFmpeg, librtmp and GStreamer give ``connect`` when they will publish."""


class Asker:
    """Makes challenges and knows its own again."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.secret = random(32)

    def refusal(self, properties: Mapping[str, object], ip: str, now: float) -> str:
        """What ``connect`` is refused with; empty = the peer may go on."""
        app = properties.get("app")
        given = parameters(app if isinstance(app, str) else "")
        if given.get("authmod") != METHOD:
            asks = properties.get("type") == PUBLISHES and not given.keys() & SAID
            return FIRST if asks else ""
        if given.get("response") and self.knows(given.get("opaque", ""), ip, now):
            return ""
        challenge = self.challenge(ip, now)
        return (
            f"[ AccessManager.Reject ] : [ authmod={METHOD} ] : ?reason=needauth"
            f"&user={given.get('user', '')}&salt={salt(challenge)}"
            f"&challenge={challenge}&opaque={challenge}"
        )

    def challenge(self, ip: str, now: float) -> str:
        """A new challenge for an address."""
        start = f"{int(now) & 0xFFFFFFFF:08x}{self.random(8).hex()}"
        return start + self._signature(start, ip)

    def knows(self, challenge: str, ip: str, now: float) -> bool:
        """Whether a challenge was made here, for this address, and not long ago."""
        start, signature = challenge[:SIGNED], challenge[SIGNED:]
        if not hmac.compare_digest(signature.encode(), self._signature(start, ip).encode()):
            return False
        return 0 <= int(now) - int(start[:8], 16) <= LIFETIME_S

    def _signature(self, start: str, ip: str) -> str:
        text = f"{ip} {start}".encode()
        return hmac.digest(self.secret, text, hashlib.sha256).hex()[:SIGNATURE]


def parameters(app: str) -> dict[str, str]:
    """The query of an application as it was sent: answers hold ``+``, ``/`` and ``=``."""
    return dict(PARAMETER.findall(f"?{app.partition('?')[2]}"))


def salt(challenge: str) -> str:
    """The salt that goes with a challenge."""
    return challenge[8:16]


def proof(app: str) -> Callable[[str], bool] | None:
    """Whether a password is the one that an answer was made with; None without an answer."""
    given = parameters(app)
    if given.get("authmod") != METHOD or not given.get("response"):
        return None
    user, opaque = unquote(given.get("user", "")), given.get("opaque", "")
    answered = given["response"].encode()

    def knows(password: str) -> bool:
        expected = adobe_response(
            (user, password), salt(opaque), opaque, given.get("challenge", "")
        )
        return hmac.compare_digest(expected.encode(), answered)

    return knows
