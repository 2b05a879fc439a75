from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine import causes as cause
from streamctl.engine.health import Reading
from streamctl.errors import ConnectionFailed, MediaError
from streamctl.sdk.session import Transit
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, ScriptPlugin, gop

if TYPE_CHECKING:
    from streamctl.sdk.lane import EpochWriter

pytestmark = pytest.mark.anyio


async def refused(out: EpochWriter) -> None:
    raise ConnectionFailed("refused")


async def unreadable(out: EpochWriter) -> None:
    raise MediaError("unreadable", permanent=True)


async def bug(out: EpochWriter) -> None:
    raise ZeroDivisionError("a bug")


async def silent(out: EpochWriter) -> None:
    await anyio.sleep_forever()


async def whole(out: EpochWriter) -> None:
    out.tracks([VIDEO, SOUND])
    out.put(gop(0), 0.0)


async def dropped(out: EpochWriter) -> None:
    await whole(out)
    raise ConnectionFailed("the upstream went away")


async def settle(rig: Rig, seconds: float) -> None:
    for _ in range(int(seconds * 2)):
        await anyio.wait_all_tasks_blocked()
        rig.clock.advance(0.5)
    await anyio.wait_all_tasks_blocked()


async def test_attempts_back_off_and_a_success_starts_over() -> None:
    plugin = ScriptPlugin(refused, refused, refused, dropped, whole)
    rig = Rig(plugin)
    stream = rig.stream(url="script://x")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await settle(rig, 0.5)
        assert stream.pull is not None
        assert stream.pull.attempts == 1
        assert cause.INPUT_FAILED in stream.causes
        assert list(stream.pull.health.errors) == ["refused"]
        await settle(rig, 1)
        assert stream.pull.attempts == 2
        await settle(rig, 6)
        assert stream.pull.attempts == 4
        assert stream.pull.last_error == "the upstream went away"
        assert list(stream.pull.health.errors) == ["the upstream went away"], "of before it worked"
        await settle(rig, 2)
        assert stream.pull.finished
        tasks.cancel_scope.cancel()
    assert stream.epochs == 5
    assert list(stream.causes.active) == [cause.INPUT_ENDED]


async def test_a_source_that_numbers_its_packets_tells_of_their_loss() -> None:
    rig = Rig(ScriptPlugin(silent))
    stream = rig.stream(url="script://x")
    pull = stream.pull
    assert pull is not None
    assert pull.transit() == Transit()
    assert pull.reading() == Reading()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await settle(rig, 0.5)
        assert pull.transit() == Transit()
        pull.source = Numbers()
        assert pull.reading() == Reading(came=90, lost=10)
        tasks.cancel_scope.cancel()


class Numbers:
    """A source whose packets are numbered."""

    duration_s = 0.0

    async def run(self, out: EpochWriter) -> None:
        await anyio.sleep_forever()

    def transit(self) -> Transit:
        return Transit(90, 10)


@pytest.mark.parametrize("script", [unreadable, bug])
async def test_errors_of_any_kind_are_named_and_tried_again(script: object) -> None:
    plugin = ScriptPlugin(script, whole)  # type: ignore[arg-type] # a parameter has no better type
    rig = Rig(plugin)
    stream = rig.stream(url="script://x")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await settle(rig, 0.5)
        assert cause.INPUT_FAILED in stream.causes
        await settle(rig, 31)
        tasks.cancel_scope.cancel()
    assert stream.pull is not None
    assert stream.pull.finished
    assert stream.pull.duration_s == 7.0


async def test_a_source_that_delivers_nothing_is_given_up_and_tried_again() -> None:
    rig = Rig(ScriptPlugin(silent, whole))
    stream = rig.stream(url="script://x", packet_timeout_s=2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await settle(rig, 2.5)
        stream.tick(rig.clock.now())
        await settle(rig, 0)
        assert stream.pull is not None
        assert "no packets" in stream.pull.last_error
        await settle(rig, 3)
        assert stream.pull.finished
        tasks.cancel_scope.cancel()


async def test_cancelling_ends_the_epoch() -> None:
    rig = Rig(ScriptPlugin(silent))
    stream = rig.stream(url="script://x")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await settle(rig, 0)
        assert stream.epoch is not None
        tasks.cancel_scope.cancel()
    assert stream.epoch is None


async def test_who_waits_for_a_peer_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting:
        duration_s = 0.0

        def __init__(self) -> None:
            self.waiting = "waiting for a caller"

        async def run(self, out: EpochWriter) -> None:
            await anyio.sleep_forever()

    plugin = ScriptPlugin(silent)
    source = Waiting()
    monkeypatch.setattr(plugin, "source", lambda url, options, ctx: source)
    rig = Rig(plugin)
    stream = rig.stream(url="script://x")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await anyio.wait_all_tasks_blocked()
        for _ in range(20):
            rig.clock.advance(1)
            stream.tick(rig.clock.now())
            await anyio.wait_all_tasks_blocked()
        assert stream.pull is not None
        assert stream.pull.attempts == 1
        assert stream.causes.active[cause.NO_PACKETS][0] == "waiting for a caller"
        source.waiting = ""
        for second in range(6):
            assert stream.pull.last_error == "", second
            rig.clock.advance(1)
            stream.tick(rig.clock.now())
            await anyio.wait_all_tasks_blocked()
        assert "no packets for 6 s" in stream.pull.last_error
        tasks.cancel_scope.cancel()
