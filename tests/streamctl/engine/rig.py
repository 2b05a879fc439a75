"""Real streams on a fake clock, with small fakes where a protocol would be."""

from __future__ import annotations

import ipaddress
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, SecretStr

from streamctl.config.model import InputConfig, StreamConfig, UserConfig
from streamctl.engine.events import EventLog
from streamctl.engine.gate import EngineGate
from streamctl.engine.services import Services
from streamctl.engine.sessions import Sessions
from streamctl.engine.stream import Stream
from streamctl.media.packet import (
    Boundary,
    Chunk,
    Codec,
    Format,
    InitChange,
    Item,
    Kind,
    Packet,
    Track,
)
from streamctl.sdk.endpoints import Bytes, Handler, HttpRequest, Live, Reply
from streamctl.sdk.plugin import Cap, ConverterSpec, Empty, Options, ProtocolPlugin
from streamctl.sdk.session import Action, Grant, Request, Session
from streamctl.sdk.url import StreamURL
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from streamctl.sdk.context import Context, Demuxer, StreamView
    from streamctl.sdk.lane import EpochWriter

FRAME = 3600
VIDEO = Track(0, Codec.MPEG2, b"v", width=320, height=180)
SOUND = Track(1, Codec.MP2, b"a", sample_rate=48_000, channels=2)
"""Codecs without a configuration to parse: the engine does not care."""


class TextConverter:
    """Turns packets into one readable word each."""

    def __init__(self) -> None:
        self.broken = False

    def convert(self, items: Sequence[Item]) -> list[Item]:
        if self.broken:
            raise RuntimeError("converter broke")
        out: list[Item] = []
        for item in items:
            if isinstance(item, Packet):
                word = f"{item.kind.name}{item.dts},".encode()
                video = item.kind is not Kind.AUDIO
                out.append(
                    Chunk(
                        word,
                        item.pts,
                        item.pts + item.dur,
                        item.kind is Kind.KEY,
                        flush=video,
                        epoch=item.epoch,
                        join=b"JOIN," if item.kind is Kind.KEY else b"",
                    )
                )
            elif isinstance(item, (Boundary, InitChange)):
                out.append(item)
        return out

    def flush(self) -> list[Item]:
        return []


class FakeOutput:
    """One live route, one polled route, one page."""

    def __init__(self, view: StreamView) -> None:
        self.view = view
        self.log: list[str] = []

    def start(self) -> None:
        self.log.append("start")

    def stop(self) -> None:
        self.log.append("stop")

    def routes(self) -> Mapping[str, Handler]:
        return {"": self.page, "/live": self.live, ".ts": self.live, "/pieces/*": self.piece}

    def status(self) -> Mapping[str, object]:
        return {"log": list(self.log)}

    def page(self, request: HttpRequest) -> Reply:
        return Bytes(self.view.title.encode(), content_type="text/html")

    def live(self, request: HttpRequest) -> Reply:
        return Live(Format.RTMP, "video/x-words")

    def piece(self, request: HttpRequest) -> Reply:
        return Bytes((b"12", b"345"), content_type="video/x-words")


class WordsPlugin(ProtocolPlugin):
    """A protocol of words."""

    kind = "words"
    caps = Cap.HTTP | Cap.CONVERT
    play_format: ClassVar[Format | None] = Format.RTMP
    url_template = "http://{host}:{port}/{code}/live"
    made: ClassVar[list[FakeOutput]] = []

    def http_output(self, view: StreamView, options: Any, ctx: Context) -> FakeOutput:
        output = FakeOutput(view)
        self.made.append(output)
        return output

    def converters(self) -> Sequence[ConverterSpec]:
        codecs = frozenset({Codec.MPEG2, Codec.MP2})
        return (ConverterSpec(Format.PACKETS, Format.RTMP, codecs, TextConverter),)


class ScreenPlugin(ProtocolPlugin):
    """A protocol of pictures that the words have no names for."""

    kind = "screen"
    caps = Cap.CONVERT
    play_format: ClassVar[Format | None] = Format.CMAF

    def converters(self) -> Sequence[ConverterSpec]:
        return (ConverterSpec(Format.PACKETS, Format.CMAF, frozenset({Codec.VP9}), TextConverter),)


class ScriptOptions(Options):
    """Options of a scripted source."""

    loop: bool = False


class ScriptedSource:
    """Runs what the test wrote."""

    duration_s = 7.0

    def __init__(self, script: Callable[[EpochWriter], Awaitable[None]]) -> None:
        self.script = script

    async def run(self, out: EpochWriter) -> None:
        await self.script(out)


class ScriptPlugin(ProtocolPlugin):
    """A source whose behaviour the test writes: one script per attempt, the last for ever."""

    kind = "script"
    caps = Cap.PULL
    InputOptions: ClassVar[type[BaseModel]] = ScriptOptions

    def __init__(self, *scripts: Callable[[EpochWriter], Awaitable[None]]) -> None:
        self.scripts = list(scripts)

    def source(self, url: StreamURL, options: Any, ctx: Context) -> ScriptedSource:
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return ScriptedSource(script)


class NoWorker:
    """No child process."""

    @asynccontextmanager
    async def demux(
        self, path: Path, *, loop: bool = False, start_s: float = 0.0
    ) -> AsyncIterator[Demuxer]:
        raise AssertionError("no test of the engine demuxes")
        yield


def stream_config(code: str = "news", url: str = "publish:", **keys: Any) -> StreamConfig:
    """A stream's configuration; keys may be plain strings."""
    for name in ("publish_key", "read_key"):
        if name in keys:
            keys[name] = SecretStr(keys[name])
    if "users" in keys:
        keys["users"] = tuple(UserConfig.model_validate(user) for user in keys["users"])
    for name in ("publish_from", "read_from"):
        if name in keys:
            keys[name] = tuple(ipaddress.ip_network(net) for net in keys[name])
    inputs = (InputConfig(url=StreamURL.parse(url), options=Empty()),)
    return StreamConfig(code=code, inputs=inputs, **keys)


class Rig:
    """Streams, their gate, and a clock."""

    def __init__(self, *plugins: ProtocolPlugin, total: int = 100, per_ip: int = 50) -> None:
        self.clock = FakeClock()
        known = {plugin.kind: plugin for plugin in (WordsPlugin(), *plugins)}
        specs = {spec.target: spec for plugin in known.values() for spec in plugin.converters()}
        self.sessions = Sessions(self.clock, total=total, per_ip=per_ip)
        self.events = EventLog(self.clock)
        self.services = Services(
            clock=self.clock,
            plugins=known,
            specs=specs,
            sessions=self.sessions,
            events=self.events,
            avworker=NoWorker(),
        )
        self.streams: dict[str, Stream] = {}
        self.gate = EngineGate(self.streams, self.sessions)

    def stream(self, code: str = "news", url: str = "publish:", **keys: Any) -> Stream:
        """A running stream."""
        stream = Stream(stream_config(code, url, **keys), self.services)
        self.streams[code] = stream
        stream.start()
        return stream

    def publisher(self, stream: Stream, port: int = 1) -> tuple[Session, EpochWriter, list[str]]:
        """A publisher that passed the gate; what it was closed with collects in the list."""
        closed: list[str] = []
        wish = request(stream.code, Action.PUBLISH, port=port)
        grant = self.gate.check(wish)
        assert isinstance(grant, Grant)
        session = self.gate.open(grant, closed.append)
        writer = self.gate.publish(grant, session)
        return session, writer, closed

    def types(self) -> list[str]:
        """The kinds of events so far."""
        return [event.type for event in self.events.history]


def request(path: str, action: Action = Action.PLAY, **fields: Any) -> Request:
    """A request over words."""
    ip = fields.pop("ip", "10.0.0.1")
    return Request(fields.pop("protocol", "words"), action, path, ip, **fields)


def gop(start: int, *, frames: int = 25, sound: bool = True) -> list[Packet]:
    """A second of media: one key picture, others, and sound between."""
    packets: list[Packet] = []
    for number in range(start, start + frames):
        dts = number * FRAME
        kind = Kind.KEY if number == start else Kind.P
        packets.append(Packet(0, dts, dts, kind, 0, b"v" * 100, FRAME))
        if sound:
            packets.append(Packet(1, dts, dts, Kind.AUDIO, 0, b"a" * 10, FRAME))
    return packets
