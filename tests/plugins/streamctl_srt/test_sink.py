from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from streamctl.engine.lane import LaneCursor
from streamctl.errors import ConnectionFailed
from streamctl.media.packet import Chunk, Flag, Skipped
from streamctl.sdk.url import StreamURL
from streamctl_srt import sender
from streamctl_srt.options import PushOptions
from streamctl_srt.sink import LAG_S, Feed, SrtSink
from tests.plugins.streamctl_srt.world import HOST, World, chunk, need_libsrt
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


def sink(world: World, query: str, **options: Any) -> SrtSink:
    url = StreamURL.parse(f"srt://{HOST}:{world.port}?{query}")
    keys = PushOptions(connect_timeout_s=PATIENCE_S, **options)
    return SrtSink(url, keys, world.ctx, world.runtime)


def cursor(world: World) -> LaneCursor:
    found = LaneCursor(world.lane, lambda: None)
    found.join()
    return found


async def test_a_server_gets_the_stream_from_its_newest_picture_on() -> None:
    need_libsrt()
    here, there = World(), World()
    here.append(chunk(0, rap=True), chunk(1, rap=True), chunk(2))
    connected: list[bool] = []
    async with there.serving(), anyio.create_task_group() as tasks:
        here.port = there.port
        push = sink(here, "streamid=publish:news", passphrase=None)
        tasks.start_soon(lambda: push.run(cursor(here), connected=lambda: connected.append(True)))
        await there.until(lambda: connected)
        expected = chunk(1, rap=True).join + chunk(1).data + chunk(2).data
        await there.until(lambda: there.writer and len(there.writer.data) >= len(expected))
        here.append(chunk(3))
        expected += chunk(3).data
        await there.until(lambda: there.writer and len(there.writer.data) >= len(expected))
        assert there.writer is not None
        assert there.writer.data == expected
        assert push.bytes_sent == len(expected)
        assert push.measure()["packets"]
        here.lane.finish()
    assert push.measure() == {}


async def test_what_was_written_is_sent_when_the_stream_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need_libsrt()
    here, there = World(), World()
    # What the last bytes may take is counted without the time that the machine stands still.
    monkeypatch.setattr(sender, "time", SimpleNamespace(monotonic=here.ctx.clock.now))
    here.append(chunk(0, rap=True), *(chunk(n) for n in range(1, 40)))
    here.lane.finish()
    size = len(chunk(0, rap=True).join) + 40 * len(chunk(0).data)
    async with there.serving():
        here.port = there.port
        writers = []
        async with anyio.create_task_group() as tasks:
            push = sink(here, "streamid=publish:news")
            tasks.start_soon(lambda: push.run(cursor(here), connected=lambda: None))
            await there.until(lambda: there.writer)
            writers.append(there.writer)
            await there.until(lambda: there.ended)
        assert writers[0] is not None
        assert (len(writers[0].data), push.bytes_sent) == (size, size)


async def test_a_refusal_is_the_reason() -> None:
    need_libsrt()
    here, there = World(), World()
    here.append(chunk(0, rap=True))
    async with there.serving():
        here.port = there.port
        push = sink(here, "streamid=publish:nowhere")
        with pytest.raises(ConnectionFailed, match="no such stream"):
            await push.run(cursor(here), connected=lambda: None)


async def test_a_destination_that_leaves_is_an_error() -> None:
    need_libsrt()
    here, there = World(), World()
    here.append(chunk(0, rap=True))
    async with there.serving():
        here.port = there.port

        async def leave() -> None:
            await there.until(lambda: there.sessions)
            there.sessions[0].close("bye")

        push = sink(here, "streamid=publish:news")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave)
            with pytest.raises(ConnectionFailed, match="closed the connection"):
                await push.run(cursor(here), connected=lambda: None)


class Scripted:
    """A cursor that only skips."""

    def __init__(self) -> None:
        self.skips = 0
        self.head = False

    def at_head(self) -> bool:
        return self.head

    def skip(self) -> Skipped:
        self.skips += 1
        return Skipped(5, 90_000)


def feed() -> tuple[Feed, Scripted]:
    inner = Scripted()
    return Feed(inner), inner  # type: ignore[arg-type] # it is asked for no more


def test_nothing_goes_out_before_a_picture_that_can_be_joined() -> None:
    found, _ = feed()
    assert found.pack([chunk(0), chunk(1)], 0.0) == b""
    first = chunk(2, rap=True)
    assert found.pack([first, chunk(3)], 0.0) == first.join + first.data + chunk(3).data
    again = chunk(4, rap=True)
    assert found.pack([again], 0.0) == again.data


def test_after_a_gap_a_joinable_picture_comes_first() -> None:
    found, _ = feed()
    found.pack([chunk(0, rap=True)], 0.0)
    assert found.pack([Skipped(3, 9), chunk(4)], 0.0) == b""
    landed = chunk(5, rap=True)
    assert found.pack([landed], 0.0) == landed.join + landed.data


def test_pictures_that_lead_the_first_one_are_replaced() -> None:
    found, _ = feed()
    leading = Chunk(b"lead", 3600, 7200, False, True, 1, b"instead", int(Flag.LEADING))
    found.pack([chunk(0, rap=True)], 0.0)
    assert found.pack([leading], 0.0) == b"instead"
    found.pack([chunk(5, rap=True)], 0.0)
    assert found.pack([leading], 0.0) == b"lead"


def test_the_rate_is_that_of_the_media_and_not_of_its_coming() -> None:
    found, _ = feed()
    found.pack([chunk(n, rap=n == 0, packets=70) for n in range(100)], 0.0)
    assert found.rate == pytest.approx(70 * 188 * 25, rel=0.05)


def test_who_is_far_behind_goes_on_at_the_newest_picture() -> None:
    found, inner = feed()
    found.pack([chunk(n, rap=n == 0) for n in range(25)], 1.0)
    assert found.lag == 0.0
    found.pack([chunk(25)], 1.0 + LAG_S + 1.1)
    assert found.lag == pytest.approx(LAG_S + 1.06, abs=0.1)
    inner.head = True
    assert found.lag == 0.0
    inner.head = False
    found.skip()
    assert (inner.skips, found.lag) == (1, 0.0)
    assert found.pack([chunk(26)], 9.0) == b""


def test_a_clock_that_runs_away_is_no_lag() -> None:
    found, inner = feed()
    inner.head = True
    for number in range(100):
        found.pack([chunk(number, rap=number == 0)], number * 0.1)
    inner.head = False
    found.pack([chunk(100)], 10.0)
    assert found.lag == 0.0
