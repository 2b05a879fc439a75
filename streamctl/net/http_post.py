"""Posts a body to an HTTP server and tells how it was answered (RFC 9110, section 9.3.3).

A connection serves one request. Redirects are not followed: what is posted may be signed, and is
for one server alone. Of the answer only its head is of interest.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConnectionFailed, RemoteProtocolError
from streamctl.net.http_answer import ResponseReader
from streamctl.net.http_client import REDIRECTS, Refused
from streamctl.net.tcp import connect_tcp

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from streamctl.net.http_answer import Head
    from streamctl.net.http_target import Target
    from streamctl.sdk.endpoints import Address
    from streamctl.sdk.lane import Wire

SHOWN = 80
"""Characters of a server's own words that an error repeats."""


class Post:
    """One request and the head of its answer; implements ``streamctl.sdk.endpoints.Peer``."""

    wire: Wire | None = None

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.head: Head | None = None
        self.failure = ""
        """Why there is no answer, once there won't be one."""
        self.answered = anyio.Event()
        self._reader = ResponseReader()

    def connected(self, wire: Wire, remote: Address) -> None:
        """Say everything."""
        self.wire = wire
        wire.write(self.request)

    def received(self, data: bytes | memoryview) -> None:
        """Take what the server sends."""
        try:
            self._reader.feed(data)
        except RemoteProtocolError as error:
            self._end(str(error))
        if self._reader.head is not None:
            self.head = self._reader.head
            self._end("")

    def paused(self) -> None:
        """The rest of the request waits in the connection."""

    def resumed(self) -> None:
        """Everything was said."""

    def closed(self, reason: str) -> None:
        """The connection is gone."""
        self._end(reason)

    def close(self) -> None:
        """Close the connection."""
        if self.wire is not None:
            self.wire.abort("done")

    def _end(self, failure: str) -> None:
        if not self.answered.is_set():
            self.failure = failure
            self.answered.set()


async def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    *,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
) -> int:
    """Post a body; the status of the answer, which was one of success.

    Raises:
        ConnectionFailed: not reachable, no answer in time.
        Refused: an answer that is none of success.
    """
    further = {**headers, "Content-Length": str(len(body))}
    peer = Post(target.request(further, method="POST") + body)
    where = f"{target.scheme}://{target.host}:{target.port}"
    try:
        with anyio.fail_after(timeout_s):
            await connect_tcp(
                target.host,
                target.port,
                peer,
                tls=tls if target.secure else None,
                timeout_s=timeout_s,
            )
            await peer.answered.wait()
    except TimeoutError:
        raise ConnectionFailed(f"`{where}` gave no answer within {timeout_s:g} s") from None
    finally:
        peer.close()
    if peer.head is None:
        raise ConnectionFailed(f"`{where}` gave no answer: {peer.failure}")
    return judged(peer.head, where)


def judged(head: Head, where: str) -> int:
    """The status of success.

    Raises:
        Refused: it is none.
    """
    if HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES:
        return head.status
    said = "".join(letter for letter in head.reason if letter.isprintable())[:SHOWN]
    hint = "redirects are not followed: write where it leads" if head.status in REDIRECTS else ""
    raise Refused(f"`{where}` answers {head.status} {said}".rstrip(), head.status, hint=hint)
