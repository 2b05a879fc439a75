"""An SRT port on the loopback interface with a gate of a few streams, and callers of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from streamctl.engine.fanout import LaneFanOut
from streamctl.engine.lane import Bounds, Lane, LaneCursor
from streamctl.errors import MissingLibrary, StaleEpoch
from streamctl.media.packet import Boundary, Chunk, Codec, Format, Init, Track
from streamctl.sdk.endpoints import Playback
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode, Request, Session
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext
from streamctl_srt.library import load
from streamctl_srt.link import Link, opened
from streamctl_srt.options import ListenerOptions, OutputOptions
from streamctl_srt.port import SrtListener
from streamctl_srt.runtime import Runtime
from streamctl_srt.settings import Settings
from tests.support.steady import SteadyClock
from tests.support.tools import missing
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from streamctl.media.packet import Item, Packet
    from streamctl.sdk.lane import Reader

HOST = "127.0.0.1"
PACKET = b"\x47" + bytes(187)
MESSAGE = PACKET * 7
INIT = Init(1, 1, (Track(0, Codec.MPEG2, b""),))


def need_libsrt() -> None:
    """Skip the test, or fail it in CI, where there is no libsrt."""
    try:
        load()
    except MissingLibrary as error:
        missing(str(error))


def broke(reader: Reader, error: Exception) -> None:
    raise error


@dataclass
class Writer:
    """An epoch that keeps what it is given."""

    world: World
    data: bytearray = field(default_factory=bytearray)
    stale: bool = False

    def tracks(self, tracks: Sequence[Track]) -> None:
        raise AssertionError(tracks)

    def put(self, packets: list[Packet], now: float) -> None:
        raise AssertionError(packets)

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        if self.stale:
            raise StaleEpoch("the epoch has ended")
        self.data += data
        self.world.changed()

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.world.selected = (program, tuple(pids))

    def drop(self, count: int) -> None:
        raise AssertionError(count)

    def discontinuity(self, reason: str) -> None:
        raise AssertionError(reason)


class World:
    """Implements :class:`streamctl.sdk.endpoints.Gate`."""

    def __init__(self) -> None:
        self.ctx = BareContext(SteadyClock())
        self.runtime = Runtime()
        self.options: dict[str, OutputOptions] = {"news": OutputOptions()}
        """The streams, with what their tables say about SRT."""
        self.writer: Writer | None = None
        self.selected: tuple[int | None, tuple[int, ...]] | None = None
        self.sessions: list[Session] = []
        self.ended: list[tuple[Session, str]] = []
        self.peeked: list[Action] = []
        self.refusals: list[tuple[Request, Refusal]] = []
        self.admitted = 0
        self.full = False
        self.silent = False
        """The publisher has fallen silent: its place is free."""
        self.taken = False
        self.lane = Lane(Format.MPEGTS, Bounds(10, 100_000_000), broke)
        self.fanout = LaneFanOut(self.lane, self.ctx.clock, merge_s=0.0, slow_viewer_timeout_s=20.0)
        self.lane.add_reader(self.fanout)
        self.lane.append([Boundary(1, INIT, "test")])
        self.port = 0
        self._waiters: list[anyio.Event] = []

    def changed(self) -> None:
        """Have those look who wait for something."""
        waiters, self._waiters = self._waiters, []
        for event in waiters:
            event.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Return once the condition holds."""
        with anyio.fail_after(PATIENCE_S):
            while not condition():
                event = anyio.Event()
                self._waiters.append(event)
                with anyio.move_on_after(0.02):
                    await event.wait()

    def append(self, *items: Item) -> None:
        """Write to the lane that viewers read."""
        self.lane.append(items)

    def admit(self, protocol: str, ip: str) -> Refusal | None:
        if self.full:
            return Refusal(RefusalCode.LIMIT, "full")
        self.admitted += 1
        return None

    def release(self, protocol: str, ip: str) -> None:
        self.admitted -= 1

    def peek(self, request: Request) -> Grant | Refusal:
        self.peeked.append(request.action)
        code = request.path.removeprefix("live/")
        if code not in self.options:
            return Refusal(RefusalCode.NOT_FOUND, f"no stream `{request.path}`")
        if code == "secure" and "change-me" not in {request.key, request.password}:
            return Refusal(RefusalCode.UNAUTHORIZED, "missing key")
        if request.action is Action.PUBLISH and (self.taken or self.writer) and not self.silent:
            return Refusal(RefusalCode.BUSY, "already has a publisher")
        return Grant(code, request, self.options[code])

    def check(self, request: Request) -> Grant | Refusal:
        answer = self.peek(request)
        if isinstance(answer, Refusal):
            self.refuse(request, answer)
        return answer

    def refuse(self, request: Request, refusal: Refusal) -> None:
        self.refusals.append((request, refusal))
        self.changed()

    def open(self, grant: Grant, close: Callable[[str], None]) -> Session:
        asked = grant.request
        where = (asked.ip, asked.port)
        number = f"s{len(self.sessions)}"
        agent = asked.user_agent
        session = Session(number, "srt", asked.action, grant.code, *where, agent, 0.0, close)
        self.sessions.append(session)
        self.changed()
        return session

    def publish(self, grant: Grant, session: Session) -> Writer:
        self.writer = Writer(self)
        self.changed()
        return self.writer

    def play(self, grant: Grant, session: Session, fmt: Format) -> Playback:
        assert fmt is Format.MPEGTS
        return Playback(INIT, LaneCursor(self.lane, lambda: None), self.fanout)

    def close(self, session: Session, reason: str) -> None:
        self.ended.append((session, reason))
        if session.action is Action.PUBLISH:
            self.writer = None
        self.changed()

    @asynccontextmanager
    async def serving(self, host: str = HOST, **options: Any) -> AsyncIterator[None]:
        """The port, open."""
        listener = SrtListener((host, 0), ListenerOptions(**options), self.ctx, self.runtime)
        ready = anyio.Event()

        def opened_at(address: tuple[str, int]) -> None:
            self.port = address[1]
            ready.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: listener.serve(self, ready=opened_at))
            with anyio.fail_after(PATIENCE_S):
                await ready.wait()
            yield
            tasks.cancel_scope.cancel()

    def url(self, stream_id: str = "", host: str = HOST) -> StreamURL:
        """The port's URL."""
        where = f"[{host}]" if ":" in host else host
        return StreamURL(f"srt://{where}", "srt", "srt", where.strip("[]"), self.port)

    @asynccontextmanager
    async def caller(
        self, stream_id: str, *, host: str = HOST, **settings: Any
    ) -> AsyncIterator[Caller]:
        """A connection to the port."""
        caller = Caller(self)
        wanted = Settings(stream_id=stream_id, connect_timeout_s=PATIENCE_S, **settings)
        async with (
            self.runtime.running() as engine,
            opened(self.url(host=host), wanted, engine, caller.take) as caller.link,
        ):
            yield caller


class Caller:
    """A client."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.data = bytearray()
        self.link: Link

    def take(self, data: bytes) -> None:
        self.data += data
        self.world.changed()

    def send(self, data: bytes) -> None:
        """Send one message."""
        endpoint = self.link.endpoint
        assert endpoint.library.srt_sendmsg(endpoint.number, data, len(data), -1, 1) == len(data)

    @property
    def over(self) -> bool:
        """Whether the connection has ended."""
        return self.link.over.is_set()


def chunk(number: int, *, rap: bool = False, packets: int = 7) -> Chunk:
    """40 ms of a stream, each packet with its number."""
    data = b"".join(
        b"\x47" + number.to_bytes(4) + at.to_bytes(2) + bytes(181) for at in range(packets)
    )
    start = number * 3600
    join = b"\x47" + b"JOIN" + bytes(183) if rap else b""
    return Chunk(data, start, start + 3600, rap, flush=True, epoch=1, join=join)
