"""What a client asks a server for, and what its refusals mean in words.

Follows redirects to wherever the stream is described. How tracks travel is left to
:mod:`streamctl_rtsp.client.carriage`. Specification: RFC 2326 sections 10 and 11.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import ConnectionFailed, RemoteProtocolError
from streamctl_rtsp.client.connection import LOGIN_HINT, opened
from streamctl_rtsp.wire.message import UNKNOWN, Method, Status, phrase
from streamctl_rtsp.wire.offer import base_of, read_offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.errors import StreamctlError
    from streamctl.sdk.context import Context
    from streamctl_rtsp.client.connection import RtspClient
    from streamctl_rtsp.client.route import Route
    from streamctl_rtsp.client.upstream import Upstream
    from streamctl_rtsp.wire.message import Response
    from streamctl_rtsp.wire.offer import Offer

REDIRECTS = frozenset({301, 302, 303, 305, 307, 308})
MAX_REDIRECTS = 5
"""Clusters send clients on once or twice; more is a circle of some kind."""
SHOWN = 80
"""Characters of a server's own words that an error repeats."""
SDP = "application/sdp"
HINTS = {
    401: LOGIN_HINT,
    403: "the login may not be allowed to, or this address is not",
    404: "check the path: cameras have one per picture size",
    453: "the server is full: wait, or end another client",
    503: "the server is full or still starting",
}
LASTING = frozenset({401, 403})
"""Answers that won't change by asking again; a stream that is not found may still come."""


@dataclass(frozen=True, slots=True)
class Described:
    """A connection that has been told what there is."""

    client: RtspClient
    offer: Offer
    methods: frozenset[str]
    """What the server says that it knows."""


def refusal(client: RtspClient, method: str, response: Response) -> StreamctlError:
    """The error of a request that was refused."""
    words = phrase(response.status)
    if words == UNKNOWN and not client.upstream.names_key:
        # Servers' own words may repeat what they were asked for.
        said = "".join(letter for letter in response.reason if letter.isprintable())
        words = said[:SHOWN] or UNKNOWN
    return ConnectionFailed(
        f"`{client.upstream.shown}` answers {response.status} {words} to {method}",
        hint=HINTS.get(response.status, ""),
        permanent=response.status in LASTING,
    )


def check(client: RtspClient, method: str, response: Response) -> Response:
    """The response, if it grants what was asked for.

    Raises:
        ConnectionFailed: it doesn't.
    """
    if response.status // 100 != 2:
        raise refusal(client, method, response)
    return response


async def methods_of(client: RtspClient) -> frozenset[str]:
    """What the server says that it knows; nothing if it doesn't say.

    Raises:
        ConnectionFailed: no answer, or the login is refused.
    """
    response = await client.ask(Method.OPTIONS, client.upstream.url)
    told = ",".join(response.headers.all("Public"))
    return frozenset(word.strip().upper() for word in told.split(",") if word.strip())


def location_of(response: Response) -> str:
    """Where a response sends us; empty = nowhere."""
    return response.headers.get("Location") if response.status in REDIRECTS else ""


class Way:
    """Where we are sent on, from server to server."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        """Who is asked now."""
        self._seen = {upstream.url}

    def follow(self, location: str) -> None:
        """Go on elsewhere.

        Raises:
            ConnectionFailed: that leads nowhere, or in a circle.
        """
        following = self.upstream.elsewhere(location)
        if following.url in self._seen or len(self._seen) > MAX_REDIRECTS:
            raise ConnectionFailed(f"`{self.upstream.shown}` sends us in a circle")
        self._seen.add(following.url)
        self.upstream = following


@asynccontextmanager
async def described(upstream: Upstream, route: Route, ctx: Context) -> AsyncIterator[Described]:
    """The description of a stream, wherever that leads, on a connection that goes on.

    Raises:
        ConnectionFailed: not reachable, refused, or a circle.
        RemoteProtocolError: the server broke the protocol.
        ConfigError: `tls_ca` can't be used.
    """
    way = Way(upstream)
    while True:
        upstream = way.upstream
        async with opened(upstream, ctx.clock, ctx.handshake_s, route.connect) as client:
            methods = await methods_of(client)
            response = await client.ask(Method.DESCRIBE, upstream.url, [("Accept", SDP)])
            location = location_of(response)
            if not location:
                check(client, Method.DESCRIBE, response)
                yield Described(client, offered(client, response), methods)
                return
        way.follow(location)


def offered(client: RtspClient, response: Response) -> Offer:
    """What a response describes.

    Raises:
        RemoteProtocolError: nothing that can be read.
    """
    base = base_of(response.headers, client.upstream.url)
    try:
        return read_offer(response.body, base)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(
            f"`{client.upstream.shown}` describes no stream: {error}",
            hint="the URL may lead to something else than RTSP",
        ) from None


async def play(described: Described) -> None:
    """Begin to play everything that was set up.

    Raises:
        ConnectionFailed: it was refused.
    """
    client, offer = described.client, described.offer
    response = await client.ask(Method.PLAY, offer.url, [("Range", "npt=0.000-")])
    if response.status in {Status.INVALID_RANGE, Status.BAD_REQUEST}:
        # Some live streams have no beginning, and say so.
        response = await client.ask(Method.PLAY, offer.url)
    if response.status == Status.AGGREGATE_NOT_ALLOWED:
        for track in offer.tracks:
            check(client, Method.PLAY, await client.ask(Method.PLAY, track.url))
        return
    check(client, Method.PLAY, response)
