from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.engine.job import Job, JobOptions
from streamctl.engine.push import Retry
from streamctl.errors import (
    ConfigError,
    ConnectionFailed,
    MediaError,
    NotReady,
    UnknownScheme,
    Unsupported,
)
from streamctl.media.packet import Format
from streamctl.registry import Registry
from streamctl.testing.clock import FakeClock
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, ScriptPlugin, WordsPlugin, gop
from tests.streamctl.engine.test_ingest import dropped, refused, settle, unreadable, whole
from tests.streamctl.engine.test_push import ListSink, SinkPlugin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.plugin import ProtocolPlugin
    from streamctl.sdk.url import StreamURL

    Script = Callable[[EpochWriter], Awaitable[None]]

pytestmark = pytest.mark.anyio


class FakeRegistry(Registry):
    """Plugins that a test made itself."""

    def __init__(self, *plugins: ProtocolPlugin) -> None:
        self.known = {plugin.kind: plugin for plugin in (WordsPlugin(), *plugins)}

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.known))

    def load(self, kind: str) -> ProtocolPlugin:
        if kind not in self.known:
            raise UnknownScheme(f"no plugin `{kind}`")
        return self.known[kind]


class OtherSink(SinkPlugin):
    """A second destination."""

    kind = "other"


class WordSink(SinkPlugin):
    """A destination that reads a derived lane."""

    kind = "wordsink"

    def sink(self, url: StreamURL, options: Any, ctx: Context) -> ListSink:
        sink = super().sink(url, options, ctx)
        sink.wants = Format.RTMP
        return sink


class Bench:
    """A job on a clock, run until it ends."""

    def __init__(
        self,
        *scripts: Script,
        sinks: tuple[SinkPlugin, ...] = (),
        loop: bool = False,
        retry: Retry | None = None,
    ) -> None:
        self.rig = Rig()
        self.clock = FakeClock()
        self.rig.clock = self.clock
        self.source = ScriptPlugin(*scripts)
        self.job = Job(
            FakeRegistry(self.source, *sinks),
            "script://u:secret@h/x",
            [f"{sink.kind}://u:secret@h/x" for sink in sinks],
            options=JobOptions(loop=loop, retry=retry or Retry(retries=0, wait_s=1)),
            clock=self.clock,
        )
        self.ended: BaseException | str = ""

    async def run(self, seconds: float) -> None:
        """Run for that long at most; :attr:`ended` says how it ended, if it did."""

        async def run() -> None:
            try:
                await self.job.run()
            except Exception as error:
                self.ended = error
            else:
                self.ended = "well"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await settle(self.rig, seconds)
            tasks.cancel_scope.cancel()


def live(seconds: int) -> Script:
    """A source that goes on for a while and then for ever silent."""

    async def script(out: EpochWriter) -> None:
        out.tracks([VIDEO, SOUND])
        for second in range(seconds):
            out.put(gop(second * 25), 1000.0 + second)
        await anyio.sleep_forever()

    return script


async def test_a_job_ends_with_its_source_and_every_destination_has_all() -> None:
    first, second = SinkPlugin(), OtherSink()
    bench = Bench(whole, sinks=(first, second))
    await bench.run(2)
    assert bench.ended == "well"
    assert len(first.packets) == len(second.packets) == 50
    status = bench.job.status()
    assert [d.state for d in status.destinations] == ["done", "done"]
    assert [d.bytes_sent for d in status.destinations] == [25 * 110, 25 * 110]
    assert status.stream.ingest_status == "closed"
    assert bench.job.stream.closed


async def test_numbers_are_measured_and_secrets_hidden() -> None:
    sink = SinkPlugin()
    bench = Bench(live(3), sinks=(sink,))
    status = bench.job.status()
    assert (status.position_s, status.duration_s) == (0.0, 0.0)
    assert [d.state for d in status.destinations] == ["waiting"]
    await bench.run(1)
    status = bench.job.status()
    assert status.position_s == pytest.approx(3.0, abs=0.05)
    assert status.duration_s == 7.0
    (destination,) = status.destinations
    assert (destination.state, destination.attempt, destination.error) == ("active", 0, "")
    assert destination.bytes_sent == 25 * 110
    assert status.stream.stats.packets_received == 150
    assert "secret" not in repr(status)
    assert "***" in destination.url
    assert bench.ended == ""


async def test_a_looped_source_has_no_end() -> None:
    bench = Bench(live(1), loop=True)
    await bench.run(1)
    assert bench.job.stream.config.inputs[0].options.loop  # type: ignore[attr-defined] # the script's own
    assert bench.job.status().duration_s == 0.0


async def test_readers_of_derived_lanes_end_with_the_source_too() -> None:
    async def later(out: EpochWriter) -> None:
        out.tracks([VIDEO, SOUND])
        out.put(gop(0), bench.clock.now())
        await bench.clock.sleep(1)

    for script in (whole, later):
        bench = Bench(script, sinks=(WordSink(),))
        await bench.run(3)
        assert bench.ended == "well"


async def test_a_source_that_fails_is_tried_as_often_as_allowed() -> None:
    bench = Bench(refused, retry=Retry(retries=2, wait_s=1))
    await bench.run(1.5)
    assert bench.ended == ""
    bench = Bench(refused, retry=Retry(retries=2, wait_s=1))
    await bench.run(5)
    assert isinstance(bench.ended, ConnectionFailed)
    assert bench.job.stream.pull is not None
    assert bench.job.stream.pull.attempts == 3


async def test_a_source_that_was_on_air_may_fail_anew() -> None:
    sink = SinkPlugin()
    bench = Bench(dropped, dropped, dropped, whole, sinks=(sink,), retry=Retry(1, 1))
    await bench.run(6)
    assert bench.ended == "well"
    assert len(sink.packets) == 200


async def test_an_error_that_can_not_be_helped_ends_the_job_at_once() -> None:
    sink = SinkPlugin()
    bench = Bench(unreadable, sinks=(sink,), retry=Retry())
    await bench.run(1)
    assert isinstance(bench.ended, MediaError)
    assert [d.state for d in bench.job.status().destinations] == ["failed"]


async def test_a_source_without_media_leaves_nothing_to_push() -> None:
    async def empty(out: EpochWriter) -> None:
        out.tracks([VIDEO])

    bench = Bench(empty, sinks=(SinkPlugin(),))
    await bench.run(1)
    assert isinstance(bench.ended, NotReady)


async def test_a_destination_that_fails_is_told_after_the_others_were_finished() -> None:
    async def slow(out: EpochWriter) -> None:
        out.tracks([VIDEO, SOUND])
        out.put(gop(0), bench.clock.now())
        await bench.clock.sleep(3)

    def sinks() -> tuple[SinkPlugin, ...]:
        return SinkPlugin(), OtherSink(ConnectionFailed("no", permanent=True))

    bench = Bench(slow, sinks=sinks())
    await bench.run(2)
    assert bench.ended == ""
    assert [d.state for d in bench.job.status().destinations] == ["active", "failed"]
    bench = Bench(slow, sinks=sinks())
    await bench.run(5)
    assert isinstance(bench.ended, ConnectionFailed)
    states = [(d.state, d.error) for d in bench.job.status().destinations]
    assert states == [("done", ""), ("failed", "no")]


async def test_a_source_that_nobody_takes_any_more_is_let_go() -> None:
    gone = (SinkPlugin(ConnectionFailed("no", permanent=True)), OtherSink(MediaError("bad codec")))
    bench = Bench(live(2), sinks=gone)
    await bench.run(5)
    assert isinstance(bench.ended, ConnectionFailed)
    assert bench.job.stream.closed
    assert bench.job.stream.epoch is None


async def test_without_destinations_a_job_watches_its_source() -> None:
    bench = Bench(live(1))
    await bench.run(3)
    assert bench.ended == ""
    assert bench.job.status().destinations == []


async def test_a_silent_source_is_given_up() -> None:
    bench = Bench(live(1))
    await bench.run(8)
    assert bench.job.stream.pull is not None
    assert "no packets" in bench.job.stream.pull.last_error


def test_what_can_not_be_pulled_or_pushed_to_is_refused_by_name() -> None:
    registry = FakeRegistry(ScriptPlugin(whole), SinkPlugin())
    with pytest.raises(Unsupported, match="can't be a source"):
        Job(registry, "sink://h/x", clock=FakeClock())
    with pytest.raises(Unsupported, match="can't be pushed to") as caught:
        Job(registry, "script://h/x", ["words://h/x"], clock=FakeClock())
    assert caught.value.hint == "kinds that can: sink"
    with pytest.raises(UnknownScheme):
        Job(registry, "nothing://h/x", clock=FakeClock())


@pytest.mark.parametrize(
    "text",
    ["live_abcd-efgh", "rtmp:live/abcd-efgh", "rtmp://h:abcd-efgh/x", "http://h/live/abcd-efgh"],
)
def test_a_destination_that_is_no_url_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="destination 2 is no URL") as caught:
        Job(
            FakeRegistry(ScriptPlugin(), SinkPlugin()),
            "script://h/x",
            ["sink://h/x", text],
            clock=FakeClock(),
        )
    assert "efgh" not in f"{caught.value}{caught.value.hint}{caught.value.__cause__}"


async def test_a_job_takes_the_clock_of_the_loop_by_default() -> None:
    job = Job(FakeRegistry(ScriptPlugin(whole)), "script://h/x")
    await job.run()
    assert job.status().stream.stats.packets_received == 50
