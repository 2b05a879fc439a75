"""A stream and its surroundings as the HLS output sees them, without an engine."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamctl.errors import Unsupported
from streamctl.media.packet import Chunk, Format, Init
from streamctl.sdk.endpoints import HttpRequest
from streamctl.testing.clock import FakeClock
from streamctl.testing.gate import NoStreams
from streamctl_hls.options import HlsOptions
from streamctl_hls.output import HlsOutput
from tests.plugins.streamctl_hls.chunks import AV

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from streamctl.media.packet import Item
    from streamctl.sdk.context import AvWorker, Clock, Demuxer, Streams
    from streamctl.sdk.endpoints import Reply
    from streamctl.sdk.lane import Reader


@dataclass
class FakeAttachment:
    """A registration that knows whether it holds."""

    view: FakeView

    def detach(self) -> None:
        self.view.reader = None


@dataclass
class FakeView:
    """One stream; ``reader`` is whoever is attached."""

    code: str = "news"
    title: str = "News"
    generation: int = 5
    live: bool = True
    tracks: Init | None = field(default_factory=lambda: Init(1, 1, AV))
    convertible: bool = True
    history: list[Item] = field(default_factory=list)
    reader: Reader | None = None
    notes: dict[str, str] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    refused: str = ""

    def on_air(self) -> bool:
        return self.live

    def init(self, fmt: Format) -> Init | None:
        return self.tracks

    def refusal(self, fmt: Format) -> str:
        return self.refused

    def attach(self, fmt: Format, reader: Reader) -> FakeAttachment:
        if not self.convertible:
            raise Unsupported(f"no installed plugin makes `{fmt}`")
        self.reader = reader
        if self.history:
            reader.feed(self.history)
        return FakeAttachment(self)

    def note(self, name: str, text: str) -> None:
        self.notes[name] = text

    def degrade(self, cause: str, text: str) -> None:
        if text:
            self.causes[cause] = text
        else:
            self.causes.pop(cause, None)


class NoWorker:
    """Child processes that nobody asks for."""

    def demux(
        self, path: Path, *, loop: bool = False, start_s: float = 0.0
    ) -> AbstractAsyncContextManager[Demuxer]:
        raise Unsupported("no demuxer here")


class FakeContext:
    """The engine's services."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock: Clock = clock or FakeClock()
        self.log = logging.getLogger("test")
        self.avworker: AvWorker = NoWorker()
        self.handshake_s = 10.0
        self.streams: Streams = NoStreams()

    def resolve_file(self, url: str) -> Path:
        raise Unsupported("no files here")

    def place_file(self, url: str) -> Path:
        raise Unsupported("no files here")


class Stage:
    """An output with its view and clock."""

    def __init__(
        self,
        options: HlsOptions | None = None,
        view: FakeView | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.view = view or FakeView()
        self.clock = clock or FakeClock()
        self.output = HlsOutput(self.view, options or HlsOptions(), FakeContext(self.clock))

    def play(self, items: Iterable[Item]) -> None:
        """Feed items as time goes on."""
        for item in items:
            if isinstance(item, Chunk):
                self.clock.advance(0.04)
            if self.view.reader is not None:
                self.view.reader.feed([item])

    def write(self, items: Sequence[Item], seconds: float) -> None:
        """Feed the items of one write that took ``seconds``."""
        self.clock.advance(seconds)
        if self.view.reader is not None:
            self.view.reader.feed(items)

    def get(self, suffix: str, query: dict[str, str] | None = None) -> Reply:
        """Ask for a path below the stream's code."""
        routes = self.output.routes()
        handler = routes.get(suffix) or routes[suffix.rpartition("/")[0] + "/*"]
        path = f"/{self.view.code}{suffix}"
        return handler(HttpRequest("GET", path, query or {}, {}, "127.0.0.1"))
