"""HTTP client of the control API, for the commands and the terminal interface.

One connection per call in a worker thread: a control client asks a few times a second at most,
and the standard library is enough for that. Proxies of the environment are left aside, because
the server is nearly always on this machine.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from anyio import to_thread
from pydantic import BaseModel, ValidationError

from streamctl.errors import (
    ConfigError,
    ConfigErrors,
    Conflict,
    ConnectionFailed,
    NotFound,
    RemoteProtocolError,
    StreamctlError,
    Unsupported,
)
from streamctl.net.failure import describe
from streamctl.schema import (
    Health,
    InputList,
    Plan,
    PluginList,
    PluginStatus,
    Problem,
    SessionList,
    SessionStatus,
    StreamList,
    StreamStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamctl.schema import ConfigFault

DEFAULT_SERVER = "http://127.0.0.1:9997"
TIMEOUT_S = 5.0
"""The server answers from memory; who takes longer is gone."""
MAX_ANSWER_BYTES = 67_108_864
"""Ten thousand streams with their sessions fit; more is not our server."""
CHANGE_TIMEOUT_S = 30.0
"""A change is answered when it was carried out."""
LAST_IN_HEADER = "\xff"
"""The last character that a header of HTTP has."""
TOKEN_HINT = "look at `STREAMCTL_TOKEN`"
JSON = "application/json"
TOML = "application/toml"
ERRORS: Mapping[str, Callable[..., StreamctlError]] = {
    "conflict": Conflict,
    "invalid_config": ConfigError,
    "unsupported": Unsupported,
}
"""What the names of problems stand for."""

Document = TypeVar("Document", bound=BaseModel)


class Client:
    """Asks one running server."""

    def __init__(self, server: str = "", token: str = "", *, timeout_s: float = TIMEOUT_S) -> None:
        """Take what is empty from ``STREAMCTL_SERVER`` and ``STREAMCTL_TOKEN``.

        Raises:
            ConfigError: ``server`` is no HTTP URL, or no header can carry the token.
        """
        self.url = (server or os.environ.get("STREAMCTL_SERVER", "") or DEFAULT_SERVER).rstrip("/")
        # Files and shells leave the end of a line at it.
        self.token = (token or os.environ.get("STREAMCTL_TOKEN", "")).strip()
        if not self.token.isprintable() or max(self.token, default="") > LAST_IN_HEADER:
            raise ConfigError("the token is no text that HTTP can carry", hint=TOKEN_HINT)
        self.timeout_s = timeout_s
        try:
            parts = urlsplit(self.url)
            self.port = parts.port
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                f"not the URL of a server: `{self.url}`",
                hint=f"write it like `{DEFAULT_SERVER}`",
            )
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.prefix = parts.path

    async def stream_list(self, status: str = "") -> StreamList:
        """Every stream, or those in one state, as the server's document."""
        query = {"status": status} if status else {}
        return await self.get("/api/v1/streams", StreamList, query)

    async def streams(self, status: str = "") -> list[StreamStatus]:
        """Every stream, or those in one state."""
        return (await self.stream_list(status)).streams

    async def stream(self, code: str) -> StreamStatus:
        """One stream."""
        return await self.get(f"/api/v1/streams/{in_path(code)}", StreamStatus)

    async def switch(self, code: str, priority: int | None) -> InputList:
        """Put an input of a stream on air; None = the best one again."""
        path = f"/api/v1/streams/{in_path(code)}/switch"
        return await self.call("POST", path, InputList, body={"priority": priority})

    async def sessions(self, stream: str = "") -> list[SessionStatus]:
        """Every open session, or those of one stream."""
        query = {"stream": stream} if stream else {}
        return (await self.get("/api/v1/sessions", SessionList, query)).sessions

    async def kick(self, session: str) -> SessionStatus:
        """Close a session; what it had counted."""
        return await self.call("DELETE", f"/api/v1/sessions/{in_path(session)}", SessionStatus)

    async def config_text(self) -> str:
        """The configuration as it is written, without secrets."""
        return (await self.ask("GET", "/api/v1/config")).decode()

    async def config_resolved(self) -> dict[str, object]:
        """Everything that is in force."""
        answer = await self.ask("GET", "/api/v1/config/resolved")
        try:
            found = json.loads(answer)
        except ValueError:
            raise self.stranger() from None
        return dict(found)

    async def diff_config(self, text: str) -> Plan:
        """What a text would change."""
        return await self.call("POST", "/api/v1/config/diff", Plan, body=text)

    async def reload(self) -> Plan:
        """Have the file read again."""
        return await self.call("POST", "/api/v1/config/reload", Plan, body={})

    async def change_stream(
        self,
        method: str,
        code: str,
        *,
        do: str = "",
        body: Mapping[str, object] | None = None,
        dry_run: bool = False,
    ) -> Plan:
        """Replace, change, remove a stream by ``method``, or POST what to ``do``."""
        path = f"/api/v1/streams/{in_path(code)}" + (f"/{do}" if do else "")
        query = "?dry_run=1" if dry_run else ""
        return await self.call(method, path + query, Plan, body=body or {})

    async def add_stream(
        self, code: str, body: Mapping[str, object], *, dry_run: bool = False
    ) -> Plan:
        """Add a stream; it takes no other's place."""
        path = f"/api/v1/streams/{in_path(code)}?new=1&dry_run={int(dry_run)}"
        return await self.call("PUT", path, Plan, body=body)

    async def plugins(self) -> list[PluginStatus]:
        """The plugins that the server has installed."""
        return (await self.get("/api/v1/plugins", PluginList)).plugins

    async def health(self) -> Health:
        """The server's health; a server that is going down answers too."""
        return await self.call("GET", "/health", Health, expected=(200, 503))

    async def get(
        self, path: str, document: type[Document], query: Mapping[str, str] | None = None
    ) -> Document:
        """A document.

        Raises:
            ConnectionFailed: the server can't be reached, or wants a token.
            NotFound: it knows no such thing.
            RemoteProtocolError: it is not streamctl.
            StreamctlError: any other refusal.
        """
        return await self.call("GET", f"{path}?{urlencode(query)}" if query else path, document)

    async def call(
        self,
        method: str,
        path: str,
        document: type[Document],
        *,
        expected: tuple[int, ...] = (200,),
        body: Mapping[str, object] | str | None = None,
    ) -> Document:
        """A call, with a body of JSON, of TOML, or none; raises like :meth:`get`."""
        answer = await self.ask(method, path, expected=expected, body=body)
        try:
            return document.model_validate_json(answer)
        except ValidationError:
            raise self.stranger() from None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        expected: tuple[int, ...] = (200,),
        body: Mapping[str, object] | str | None = None,
    ) -> bytes:
        """The body of what is answered to a call; raises like :meth:`get`."""
        kind = TOML if isinstance(body, str) else JSON
        sent = body if body is None or isinstance(body, str) else json.dumps(body)
        exchange = partial(self.exchange, method, path, sent, kind)
        status, answer = await to_thread.run_sync(exchange, abandon_on_cancel=True)
        if status not in expected:
            raise self.refusal(status, answer)
        return answer

    def exchange(
        self, method: str, path: str, sent: str | None = None, kind: str = JSON
    ) -> tuple[int, bytes]:
        """Status and body of one request; blocks.

        Raises:
            ConnectionFailed: the server can't be reached.
            RemoteProtocolError: it doesn't speak HTTP, or without end.
        """
        headers = {"Accept": "application/json"}
        if sent is not None:
            headers["Content-Type"] = kind
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection = self.connection()
        try:
            content = None if sent is None else sent.encode()
            connection.request(method, f"{self.prefix}{path}", body=content, headers=headers)
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER_BYTES + 1)
        except TimeoutError:
            raise self.unreachable(f"no answer within {self.timeout_s:g} s") from None
        except (http.client.HTTPException, UnicodeError):
            raise self.stranger() from None
        except OSError as error:
            raise self.unreachable(error) from None
        finally:
            connection.close()
        if len(body) > MAX_ANSWER_BYTES:
            raise self.stranger()
        return answer.status, body

    def connection(self) -> http.client.HTTPConnection:
        """A fresh connection, not yet opened."""
        if self.secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self.host, self.port, timeout=self.timeout_s, context=context
            )
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)

    def refusal(self, status: int, body: bytes) -> StreamctlError:
        """The error that the server answered."""
        try:
            problem = Problem.model_validate_json(body)
        except ValidationError:
            return self.stranger()
        if status in {401, 403}:
            hint = problem.hint
            if status == 401:
                hint = "set `STREAMCTL_TOKEN` to one that stands in `api.tokens` of the server"
            return ConnectionFailed(problem.message, hint=hint, permanent=True)
        if status == 404:
            return NotFound(problem.message, hint=problem.hint)
        if problem.faults:
            return errors_of(problem.faults)
        if problem.error in ERRORS:
            return ERRORS[problem.error](problem.message, hint=problem.hint)
        return StreamctlError(problem.message, hint=problem.hint)

    def unreachable(self, reason: str | OSError) -> ConnectionFailed:
        """The error when nobody answers."""
        words = reason if isinstance(reason, str) else describe(reason)
        hint = "is `streamctl serve` running? `--server` names another one"
        if isinstance(reason, ssl.SSLCertVerificationError):
            hint = "trust who issued it with SSL_CERT_FILE in the environment"
        return ConnectionFailed(f"can't reach the server at `{self.url}`: {words}", hint=hint)

    def stranger(self) -> RemoteProtocolError:
        """The error when somebody else answers."""
        return RemoteProtocolError(
            f"`{self.url}` doesn't answer like a streamctl server",
            hint="`--server` takes the address of the control API, not of the media",
        )


def errors_of(faults: Iterable[ConfigFault]) -> ConfigErrors:
    """The errors that a server has found in a configuration."""
    return ConfigErrors(
        ConfigError(one.message, hint=one.hint, file=one.file, key=one.key, line=one.line)
        for one in faults
    )


def in_path(name: str) -> str:
    """A code or id as one segment of a path: ``/`` is written ``~``."""
    return quote(name.replace("/", "~"), safe="~")
