"""``GET /api/v1/events``: what happens, as server-sent events.

Specification: WHATWG HTML, section 9.2 (server-sent events).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import anyio
from starlette.exceptions import HTTPException
from starlette.responses import Response

from streamctl.api.operation import Operation, Parameter
from streamctl.api.requests import control, flag
from streamctl.config.eventtypes import LOST, chooser, fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from streamctl.schema import Event

MEDIA_TYPE = "text/event-stream"

MAX_STREAMS = 100
"""Open event streams; each holds a connection and a place in the server's event queue."""

KEEP_ALIVE_S = 15.0
"""Silence after which a comment is sent; proxies close idle responses after 30 to 60 s."""

SEND_TIMEOUT_S = 30.0
"""A client that takes nothing for this long is gone."""

RETRY_MS = 2000
"""How soon a browser should reconnect."""


def encode(event: Event) -> bytes:
    """One event in the format of an event stream."""
    return f"id: {event.id}\nevent: {event.type}\ndata: {event.json_text}\n\n".encode()


class OpenStreams:
    """How many event streams an application has open, and when they must end."""

    def __init__(self) -> None:
        self.count = 0
        self.keep_alive_s = KEEP_ALIVE_S
        self.stopping = anyio.Event()


class EventStream(Response):
    """An endless response that ends when the client leaves or the server stops."""

    def __init__(
        self,
        events: AsyncIterator[Sequence[Event]],
        streams: OpenStreams,
        after: int,
        wants: Callable[[Event], bool] = lambda _: True,
    ) -> None:
        """``after`` is the id before the first event, for clients that lose the connection."""
        super().__init__(headers={"x-accel-buffering": "no"}, media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self.events = events
        self.place = after
        """The id of the last event that the client got, or does not want."""
        self.streams = streams
        self.wants = wants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until something ends the stream."""
        lock = anyio.Lock()

        async def write(data: bytes, *, more: bool = True) -> None:
            async with lock:
                with anyio.fail_after(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": data, "more_body": more})

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        self.streams.count += 1
        try:
            async with anyio.create_task_group() as tasks:

                async def until(end: Callable[[], Awaitable[object]]) -> None:
                    await end()
                    tasks.cancel_scope.cancel()

                tasks.start_soon(until, self.streams.stopping.wait)
                tasks.start_soon(until, lambda: disconnected(receive))
                tasks.start_soon(until, lambda: self.keep_alive(write))
                await until(lambda: self.pump(write))
            await write(b"", more=False)
        except* TimeoutError:
            pass
        finally:
            self.streams.count -= 1

    async def pump(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what happens."""
        try:
            await write(f"retry: {RETRY_MS}\nid: {self.place}\n\n".encode())
            async for piece in self.events:
                # Together: each write costs the loop more than what is written.
                if found := [encode(event) for event in piece if self.wants(event)]:
                    await write(b"".join(found))
                self.place = piece[-1].id
        finally:
            if isinstance(self.events, AsyncGenerator):
                await self.events.aclose()

    async def keep_alive(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Send a comment now and then, and where the client would go on."""
        while True:
            await anyio.sleep(self.streams.keep_alive_s)
            await write(f": keep-alive\nid: {self.place}\n\n".encode())


async def disconnected(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def last_event_id(request: Request) -> int | None:
    """The id after which a client wants to go on; a browser that reconnects says it itself.

    Raises:
        HTTPException: not an id that this server gave.
    """
    header = request.headers.get("last-event-id", "").strip()
    text = header or request.query_params.get("since", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        name = "Last-Event-ID" if header else "since"
        raise HTTPException(400, f"`{name}` is not an event's id: `{text}`")
    return int(text)


def wanted(request: Request) -> Callable[[Event], bool]:
    """Whether a client asked for an event; what it lost it is told in any case.

    Raises:
        HTTPException: a pattern selects nothing.
    """
    patterns = [
        pattern.strip()
        for one in request.query_params.getlist("type")
        for pattern in one.split(",")
        if pattern.strip()
    ]
    for pattern in patterns:
        if hint := fault(pattern):
            raise HTTPException(400, f"there are no such events: `{pattern}`; {hint}")
    codes = frozenset(request.query_params.getlist("stream"))
    chosen = chooser(patterns)

    def wants(event: Event) -> bool:
        if event.type == LOST:
            return True
        return chosen(event.type) and (not codes or event.stream in codes)

    return wants


async def events(request: Request) -> Response:
    """``GET /api/v1/events``."""
    after, wants = last_event_id(request), wanted(request)
    live = flag(request, "follow", default=True)
    streams: OpenStreams = request.app.state.event_streams
    if streams.count >= MAX_STREAMS:
        raise HTTPException(503, f"at most {MAX_STREAMS} event streams may be open")
    if request.method == "HEAD":
        return Response(media_type=MEDIA_TYPE)
    server = control(request)
    if after is None:
        after = server.newest_event() if live else 0
    return EventStream(server.events(after, live=live), streams, after, wants)


OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/events",
        "Follow what happens (server-sent events)",
        events,
        MEDIA_TYPE,
        parameters=(
            Parameter("Last-Event-ID", "go on after this event's id", place="header"),
            Parameter("since", "the same; 0 = from the oldest that is kept"),
            Parameter("type", "patterns such as `input.*`, with commas or repeated"),
            Parameter("stream", "the code of a stream; may be repeated"),
            Parameter("follow", "0 = end with the newest that is kept", choices=("0", "1")),
        ),
        errors={400: "no such id or events", 503: "too many event streams"},
    ),
)
