"""A small world around the server side: a gate with two streams, an rtp lane, and a client."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio

from streamctl.engine.fanout import LaneFanOut
from streamctl.engine.lane import Bounds, Lane
from streamctl.media.packet import Boundary, Format, Init, Kind, Packet, Track
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode
from streamctl.testing.clock import FakeClock
from streamctl_rtsp.converter import RtpConverter
from streamctl_rtsp.server.options import ListenerOptions
from streamctl_rtsp.server.port import Port
from streamctl_rtsp.server.session import RtspSession
from streamctl_rtsp.wire.message import Headers, Request, Response
from streamctl_rtsp.wire.reader import Frame, RtspReader
from tests.plugins.streamctl_rtmp.world import (
    AUDIO,
    VIDEO,
    FakeWire,
    World,
    picture,
    reader_broke,
)
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.media.packet import Item
    from streamctl.sdk.endpoints import Playback
    from streamctl.sdk.session import Request as Wish
    from streamctl.sdk.session import Session

URL = "rtsp://127.0.0.1:8554/live/news"
TCP = "RTP/AVP/TCP;unicast;interleaved={}-{}"
SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    b"a=fmtp:96 packetization-mode=1;"
    b"sprop-parameter-sets=Z2QADKzZQUGfnwEQAAADABAAAAMDIPFClmA=,aOvjyyLA\r\n"
    b"a=control:streamid=0\r\n"
    b"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\n"
    b"a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;"
    b"config=1190\r\na=control:streamid=1\r\n"
)
KEY = "change-me"
WALL_S = 1_700_000_000.0


def sound(number: int) -> Packet:
    """A frame of AAC."""
    time = number * 1920
    return Packet(1, time, time, Kind.AUDIO, 0, b"\x21\x10\x04\x60\x8c\x1c", 1920, 1)


def group_of_pictures(first: int = 0, count: int = 5) -> list[Packet]:
    """Pictures and sound, a key picture first."""
    found: list[Packet] = []
    for number in range(first, first + count):
        found += [picture(number, key=number == first), sound(2 * number), sound(2 * number + 1)]
    return found


class RtspWorld(World):
    """The streams ``news`` and ``region/secure``, whose key is ``change-me``."""

    def __init__(self) -> None:
        super().__init__()
        assert isinstance(self.ctx.clock, FakeClock)
        self.clock: FakeClock = self.ctx.clock
        self.lane = Lane(Format.RTP, Bounds(10, 100_000_000), reader_broke)
        self.fanout = LaneFanOut(self.lane, self.clock, merge_s=0.0, slow_viewer_timeout_s=20.0)
        self.lane.add_reader(self.fanout)
        self.converter = RtpConverter(lambda: WALL_S)  # type: ignore[assignment]
        self.absent = ""
        """Why nothing is about to come."""

    def peek(self, request: Wish) -> Grant | Refusal:
        code = request.path.removeprefix("live/")
        if code not in {"news", "region/secure"}:
            return Refusal(RefusalCode.NOT_FOUND, f"no stream `{request.path}`")
        if code == "region/secure" and not knows(request):
            return Refusal(RefusalCode.UNAUTHORIZED, "the key is wrong")
        if request.action is Action.PUBLISH and self.writer is not None:
            return Refusal(RefusalCode.BUSY, "the stream already has a publisher")
        return Grant(code, request)

    def play(self, grant: Grant, session: Session, fmt: Format) -> Playback:
        return replace(super().play(grant, session, fmt), absent=self.absent)

    def on_air(self, *tracks: Track) -> None:
        """Begin an epoch, with pictures if it has some."""
        chosen = tracks or (VIDEO, AUDIO)
        self.epochs += 1
        self.append([Boundary(self.epochs, Init(self.epochs, self.epochs, chosen), "begins")])
        self.show(*group_of_pictures())

    def show(self, *items: Item) -> None:
        """Write to the lanes."""
        self.append(list(items))


def knows(request: Wish) -> bool:
    """Whether somebody knows the key, and says it or proves it."""
    proven = request.proof is not None and request.proof(KEY)
    return proven or KEY in {request.key, request.password}


class Client:
    """A client without sockets; what it is sent stays in ``frames`` and ``responses``."""

    def __init__(self, port: Port, number: int = 5000, ip: str = "127.0.0.1") -> None:
        self.session = RtspSession(port)
        self.wire = FakeWire(self.session)
        self.reader = RtspReader(lenient=True)
        self.frames: list[Frame] = []
        self.responses: list[Response] = []
        self.cseq = 0
        self.id = ""
        self.session.connected(self.wire, (ip, number))

    def read(self) -> None:
        """Take what has been sent."""
        for event in self.reader.receive(self.wire.taken()):
            if isinstance(event, Frame):
                self.frames.append(event)
            elif isinstance(event, Response):
                self.responses.append(event)

    def say(self, method: str, url: str = URL, body: bytes = b"", **fields: str) -> bytes:
        """The bytes of a request."""
        self.cseq += 1
        named = [(name.replace("_", "-"), value) for name, value in fields.items()]
        if self.id and "Session" not in fields:
            named.append(("Session", self.id))
        return Request(method, url, Headers([("CSeq", str(self.cseq)), *named]), body).serialize()

    async def ask(self, method: str, url: str = URL, body: bytes = b"", **fields: str) -> Response:
        """Ask, and wait for the answer."""
        before = len(self.responses)
        self.session.received(self.say(method, url, body, **fields))
        await self.until(lambda: len(self.responses) > before)
        found = self.responses[-1]
        self.id = found.headers.get("Session").partition(";")[0] or self.id
        return found

    async def until(self, condition: Any) -> None:
        """Wait for something that a task of the server does."""
        with anyio.fail_after(PATIENCE_S):
            self.read()
            while not condition():
                await anyio.sleep(0.001)
                self.read()

    async def watching(self, *channels: int) -> None:
        """Become a player of both tracks."""
        await self.ask("DESCRIBE")
        pairs = channels or (0, 1, 2, 3)
        for track in range(len(pairs) // 2):
            transport = TCP.format(pairs[2 * track], pairs[2 * track + 1])
            await self.ask("SETUP", f"{URL}/trackID={track}", Transport=transport)
        assert (await self.ask("PLAY")).status == 200

    async def recording(self) -> None:
        """Become a publisher of both tracks."""
        await self.ask("ANNOUNCE", body=SDP, Content_Type="application/sdp")
        for track in range(2):
            transport = TCP.format(2 * track, 2 * track + 1) + ";mode=record"
            await self.ask("SETUP", f"{URL}/streamid={track}", Transport=transport)
        assert (await self.ask("RECORD")).status == 200


@asynccontextmanager
async def listening(
    world: RtspWorld, options: ListenerOptions | None = None
) -> AsyncIterator[Port]:
    """A port of that world."""
    async with anyio.create_task_group() as tasks:
        yield Port(world, world.ctx.as_context, options or ListenerOptions(), tasks)
        tasks.cancel_scope.cancel()
