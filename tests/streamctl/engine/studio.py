"""A stream with several inputs, whose encoders and pulls the test plays."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import SecretStr

from streamctl.config.model import InputConfig, PublishKeys
from streamctl.engine.status import stream_status
from streamctl.engine.stream import Stream
from streamctl.errors import ConnectionFailed
from streamctl.media.packet import Format, Kind, Packet
from streamctl.sdk.plugin import Empty
from streamctl.sdk.session import Action, Grant, Refusal
from streamctl.sdk.url import StreamURL
from tests.streamctl.engine.rig import (
    FRAME,
    SOUND,
    VIDEO,
    Rig,
    ScriptPlugin,
    request,
    stream_config,
)
from tests.streamctl.engine.ts_world import Keeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.session import Session


def entry(url: str, **keys: Any) -> InputConfig:
    """An input; keys are those of a slot."""
    role = keys.pop("role", "input")
    if "key" in keys:
        keys["key"] = SecretStr(keys["key"])
    options = PublishKeys(**keys) if url == "publish:" else Empty()
    return InputConfig(url=StreamURL.parse(url), options=options, role=role)


class Studio(Rig):
    """A stream with several inputs, whose tasks run."""

    def __init__(
        self, *entries: InputConfig, scripts: dict[str, Any] | None = None, **keys: Any
    ) -> None:
        super().__init__(Pulls({} if scripts is None else scripts))
        keys.setdefault("packet_timeout_s", 2)
        keys.setdefault("failback_after_s", 4)
        keys.setdefault("probe_after_s", 2)
        config = stream_config("news", **keys).model_copy(update={"inputs": entries})
        self.news = Stream(config, self.services)
        self.streams["news"] = self.news
        self.news.start()
        self.keeper = Keeper()
        self.news.graph.attach(Format.PACKETS, self.keeper)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds / 0.25)):
            await anyio.wait_all_tasks_blocked()
            self.clock.advance(0.25)
            self.news.tick(self.clock.now())
        await anyio.wait_all_tasks_blocked()

    def wish(self, port: int = 1, **fields: Any) -> Grant | Refusal:
        return self.gate.check(request("news", Action.PUBLISH, port=port, **fields))

    def arrive(self, port: int = 1, **fields: Any) -> Encoder:
        grant = self.wish(port, **fields)
        assert isinstance(grant, Grant), grant
        return Encoder(self, grant)

    def states(self) -> str:
        return " ".join(one.status for one in stream_status(self.news).inputs)

    @property
    def on_air(self) -> int | None:
        found = stream_status(self.news).inputs
        return next((one.priority for one in found if one.on_air), None)

    def epochs(self) -> list[int]:
        """Which epochs there were pictures of, in order."""
        found: list[int] = []
        for packet in self.keeper.packets:
            if packet.epoch not in found:
                found.append(packet.epoch)
        return found


class Encoder:
    """A publisher."""

    def __init__(self, studio: Studio, grant: Grant) -> None:
        self.studio = studio
        self.closed: list[str] = []
        self.session: Session = studio.gate.open(grant, self.closed.append)
        self.writer = studio.gate.publish(grant, self.session)
        self.writer.tracks([VIDEO, SOUND])
        self.number = 0

    def second(self) -> None:
        """A second of media."""
        for _ in range(25):
            self.writer.put(units(self.number), self.studio.clock.now())
            self.number += 1

    def leave(self, reason: str = "left") -> None:
        self.studio.gate.close(self.session, reason)


def units(number: int) -> list[Packet]:
    dts = number * FRAME
    kind = Kind.KEY if number % 25 == 0 else Kind.P
    return [
        Packet(0, dts, dts, kind, 0, b"v" * 100, FRAME),
        Packet(1, dts, dts, Kind.AUDIO, 0, b"a" * 10, FRAME),
    ]


class Pulls(ScriptPlugin):
    """Scripts by the host of the URL; what is not scripted refuses."""

    def __init__(self, scripts: dict[str, Any]) -> None:
        super().__init__(refuses)
        self.by_host = scripts
        self.asked: list[str] = []

    def source(self, url: StreamURL, options: Any, ctx: Any) -> Any:
        self.asked.append(url.host)
        self.scripts = [self.by_host.get(url.host, refuses)]
        return super().source(url, options, ctx)


async def refuses(out: EpochWriter) -> None:
    raise ConnectionFailed("refused")


async def silent(out: EpochWriter) -> None:
    out.tracks([VIDEO, SOUND])
    await anyio.sleep_forever()


def plays(studio: Callable[[], Studio]) -> Callable[[EpochWriter], Awaitable[None]]:
    """Delivers in real time for ever."""

    async def script(out: EpochWriter) -> None:
        clock = studio().clock
        out.tracks([VIDEO, SOUND])
        number = 0
        while True:
            out.put(units(number), clock.now())
            number += 1
            if number % 6 == 0:
                await clock.sleep(0.25)

    return script


@asynccontextmanager
async def at_work(studio: Studio) -> AsyncIterator[Studio]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(studio.news.run)
        await anyio.wait_all_tasks_blocked()
        yield studio
        tasks.cancel_scope.cancel()
