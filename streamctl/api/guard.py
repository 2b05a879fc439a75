"""Who may call the API: bearer tokens, and what keeps a web page from steering a local server.

A browser sends any page's requests to 127.0.0.1. Three facts tell an operator's call from such a
page's: a control call carries ``Content-Type: application/json`` (which no form can send), its
``Origin`` is absent or our own, and its ``Host`` is a loopback name or the configured one (a
rebound DNS name is neither). A valid token stands for the ``Host``, since no page can know it.
Who tries different tokens is not heard for a while.

Specifications: RFC 6750 (bearer tokens), RFC 9110 section 7.2 (Host), RFC 6454 (Origin).
"""

from __future__ import annotations

import hmac
import re
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

from starlette.datastructures import Headers

from streamctl.api.problem import problem
from streamctl.net.guesses import Guesses

if TYPE_CHECKING:
    from collections import Counter

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from streamctl.config.model import ApiConfig

GUESSES_PER_IP = 30
"""Different wrong tokens a minute, after which an address has to wait."""

OPEN_PATHS = frozenset({"/", "/live", "/ready"})
"""Answered without a token: probes of an orchestrator, and the page, which holds no data."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

MEDIA_TYPES = frozenset({"application/json", "application/toml"})
"""Bodies that no form of a web page can send."""

HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
"""A ``Host`` header in lower case, without user, path or anything else."""

ANSWER_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""Sent with every answer; there are no CORS headers, so no other site's script reads one."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and what it allows."""

    name: str
    value: bytes
    scope: Literal["read", "control"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a request is refused."""

    status: int
    message: str
    hint: str = ""


@dataclass(slots=True)
class Access:
    """Who may call the API at present."""

    tokens: tuple[Token, ...] = ()
    host: str = ""
    """The name that the server is configured to have."""

    def adopt(self, config: ApiConfig) -> None:
        """Go on with another configuration: a token that is gone is worth nothing any more."""
        self.host = config.address.host
        self.tokens = tuple(
            Token(token.name, token.value.get_secret_value().encode(), token.scope)
            for token in config.tokens
        )

    def expect(self, config: ApiConfig) -> None:
        """Ask for the tokens of a configuration before its address is open to others."""
        if config.tokens:
            self.adopt(config)


class Guard:
    """ASGI middleware that lets in what may come in, and counts what may not."""

    def __init__(self, app: ASGIApp, *, access: Access, refused: Counter[int]) -> None:
        self.app = app
        self.access = access
        self.refused = refused
        self.guesses = Guesses(time.monotonic, GUESSES_PER_IP)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens there are."""
        return self.access.tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *ANSWER_HEADERS]
            await send(message)

        ip = scope["client"][0] if scope.get("client") else ""
        verdict = self.judge(scope["method"], scope["path"], Headers(scope=scope), ip)
        if verdict is None:
            await self.app(scope, receive, send_guarded)
        else:
            self.refused[verdict.status] += 1
            await refusal(verdict)(scope, receive, send_guarded)

    def judge(self, method: str, path: str, headers: Headers, ip: str = "") -> Verdict | None:
        """Why the request must not come in; None when it may."""
        reading = method in READING
        if reading and path in OPEN_PATHS:
            return None
        given = headers.get("authorization", "")
        if self.tokens and given and self.guesses.exhausted(ip):
            return Verdict(429, "too many wrong tokens", "wait a minute")
        token = self.token(given)
        if self.tokens and token is None:
            if given:
                self.guesses.note(ip, given)
            return Verdict(401, "a valid token is needed", "send `Authorization: Bearer TOKEN`")
        if reading:
            return None
        if token is not None and token.scope != "control":
            return Verdict(
                403, f"the token may only read: `{token.name}`", 'use one with scope = "control"'
            )
        return self.judge_browser(method, headers, known=token is not None)

    def judge_browser(self, method: str, headers: Headers, *, known: bool) -> Verdict | None:
        """Why a control call may come from another site's page."""
        host = headers.get("host", "").lower()
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return Verdict(403, f"control calls from another site are refused: `{origin}`")
        if not known and not self.trusts(host):
            return Verdict(
                403,
                f"control calls need a loopback or the configured host: `{host}`",
                "call http://127.0.0.1, or set api.tokens and send one",
            )
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if (has_body or method != "DELETE") and media_type(headers) not in MEDIA_TYPES:
            return Verdict(
                403,
                "control calls need `Content-Type: application/json`",
                "a whole configuration is `application/toml`",
            )
        return None

    def token(self, authorization: str) -> Token | None:
        """The token that a request carries, compared in constant time."""
        kind, _, given = authorization.partition(" ")
        if kind.lower() != "bearer":
            return None
        value = given.strip().encode("utf-8", "surrogateescape")
        found = None
        for token in self.tokens:
            if hmac.compare_digest(token.value, value):
                found = token
        return found

    def trusts(self, host: str) -> bool:
        """Whether a ``Host`` header names this server beyond doubt."""
        parts = HOST.fullmatch(host)
        if parts is None:
            return False
        name = parts["name"].strip("[]")
        if name in (self.access.host.lower(), "localhost"):
            return True
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return False


def media_type(headers: Headers) -> str:
    """The media type of a body, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def refusal(verdict: Verdict) -> Response:
    """The answer to a refused request."""
    challenge = {"www-authenticate": "Bearer"} if verdict.status == 401 else None
    return problem(verdict.status, verdict.message, hint=verdict.hint, headers=challenge)
