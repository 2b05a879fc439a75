from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine import causes as cause
from streamctl.engine.choice import OffAir, Reason, Rules, Spec, Start, Stop
from streamctl.engine.demand import ANSWER_S, PATIENCE_S
from streamctl.engine.failover import Failover
from streamctl.engine.status import stream_status
from streamctl.engine.web import WebApp
from streamctl.errors import NotReady
from streamctl.media.packet import Format
from streamctl.sdk.endpoints import HttpRequest, Wait
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl.sdk.session import Action, Grant
from tests.streamctl.engine.fanout_world import FakeWire
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, ScriptPlugin, gop, request

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream
    from streamctl.sdk.lane import EpochWriter

pytestmark = pytest.mark.anyio


class Pull(ProtocolPlugin):
    """Only its configuration is looked at."""

    kind = "pull"
    caps = Cap.PULL


def sleeper(rig: Rig, **keys: object) -> Stream:
    return rig.stream("cam", "pull://x", **{"on_demand": True, "close_after_s": 5.0, **keys})


async def test_what_is_not_on_demand_is_always_wanted() -> None:
    stream = Rig(Pull()).stream("cam", "pull://x")
    assert stream.demand.wanted
    assert not stream.demand.sleeping
    assert cause.IDLE not in stream.causes


async def test_a_stream_that_nobody_wants_is_idle_and_sound() -> None:
    stream = sleeper(Rig(Pull()))
    assert stream.demand.sleeping
    assert set(stream.causes.active) == {cause.IDLE}
    assert not stream.causes
    status = stream_status(stream)
    assert (status.status, status.ingest_status) == ("active", "paused")
    assert stream.inputs.machine.tick(stream.clock.now()) == []


async def test_a_viewer_wants_it_for_as_long_as_it_stays_and_longer() -> None:
    rig = Rig(Pull())
    stream = sleeper(rig)
    grant = rig.gate.check(request("cam", Action.PLAY))
    assert isinstance(grant, Grant)
    session = rig.gate.open(grant, lambda reason: None)
    assert stream.inputs.machine.wanted
    assert cause.IDLE not in stream.causes
    rig.clock.advance(100)
    rig.gate.close(session, "left")
    stream.demand.look()
    assert stream.inputs.machine.wanted
    rig.clock.advance(5)
    stream.demand.look()
    assert not stream.inputs.machine.wanted
    assert cause.IDLE in stream.causes


async def test_asking_wakes_for_a_while() -> None:
    rig = Rig(Pull())
    stream = sleeper(rig)
    aired = stream.demand.aired
    stream.demand.ask()
    assert stream.demand.wanted
    stream.demand.begun()
    assert aired.is_set()
    assert not stream.demand.aired.is_set()
    rig.clock.advance(6)
    stream.demand.look()
    assert not stream.demand.wanted


async def test_who_waits_for_an_answer_wants_it_as_long_as_it_may_take() -> None:
    rig = Rig(Pull())
    stream = sleeper(rig, close_after_s=1.0)
    web = WebApp(rig.gate, rig.clock)
    reply = web.handle(HttpRequest("GET", "/cam/pieces/1", {}, {}, "192.0.2.1"))
    assert isinstance(reply, Wait)
    rig.clock.advance(reply.timeout_s - 0.1)
    stream.tick(rig.clock.now())
    assert stream.inputs.machine.wanted
    stream.demand.begun()
    reply.then()
    rig.clock.advance(60)
    stream.tick(rig.clock.now())
    assert stream.inputs.machine.wanted, "it has become a viewer"


async def test_who_was_answered_and_did_not_stay_is_waited_for_no_longer() -> None:
    rig = Rig(Pull())
    stream = sleeper(rig, close_after_s=1.0)
    stream.demand.ask(10.0)
    stream.demand.begun()
    rig.clock.advance(ANSWER_S - 0.1)
    stream.demand.look()
    assert stream.inputs.machine.wanted
    rig.clock.advance(0.1)
    stream.demand.look()
    assert not stream.inputs.machine.wanted


async def test_viewers_of_what_does_not_come_are_told_why() -> None:
    rig = Rig(Pull())
    stream = sleeper(rig)
    grant = rig.gate.check(request("cam", Action.PLAY))
    assert isinstance(grant, Grant)
    told: list[str] = []

    def close(reason: str) -> None:
        told.append(reason)
        rig.gate.close(viewer, reason)

    viewer = rig.gate.open(grant, close)
    watching = rig.gate.open(grant, print)
    watching.bytes_out = 1
    stream.causes.set(cause.INPUT_FAILED, "connection refused")
    rig.clock.advance(PATIENCE_S - 1)
    stream.tick(rig.clock.now())
    assert told == []
    rig.clock.advance(1)
    stream.tick(rig.clock.now())
    assert told == ["stream `cam` did not come on air: connection refused"]
    assert stream.viewers == 1, "an outage is no reason to leave"


async def show(writer: EpochWriter) -> None:
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), 1000.0)


async def test_what_came_to_its_end_begins_again_for_whoever_comes() -> None:
    rig = Rig(ScriptPlugin(show))
    stream = rig.stream("cam", "script://x", on_demand=True, close_after_s=5.0)
    grant = rig.gate.check(request("cam", Action.PLAY))
    assert isinstance(grant, Grant)
    ended: list[str] = []
    for run in (1, 2):
        viewer = rig.gate.open(grant, ended.append)
        playback = rig.gate.play(grant, viewer, Format.RTMP)
        playback.fanout.add(playback.cursor, FakeWire(), viewer)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.run)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert stream.epochs == run
        stream.tick(rig.clock.now())
        assert ended == ["the input came to its end"] * run
        rig.gate.close(viewer, ended[-1])
        stream.tick(rig.clock.now())
        assert not stream.inputs.machine.wanted


async def test_nobody_is_shown_what_was_on_air_last_time() -> None:
    rig = Rig(ScriptPlugin(show))
    stream = rig.stream("cam", "script://x", on_demand=True, close_after_s=0.0)
    stream.demand.ask(1.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert stream.graph.base.items
    rig.clock.advance(2)
    stream.tick(rig.clock.now())
    assert cause.IDLE in stream.causes
    assert not stream.graph.base.items
    with pytest.raises(NotReady):
        stream.graph.cursor(Format.PACKETS).join()


async def test_many_viewers_start_one_attempt() -> None:
    started = 0

    async def count(writer: EpochWriter) -> None:
        nonlocal started
        started += 1
        await anyio.sleep_forever()

    rig = Rig(ScriptPlugin(count))
    stream = rig.stream("cam", "script://x", on_demand=True)
    grant = rig.gate.check(request("cam", Action.PLAY))
    assert isinstance(grant, Grant)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        for _ in range(20):
            rig.gate.open(grant, print)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert started == 1


async def test_a_stream_that_is_closed_wakes_who_waits_and_asks_for_nothing() -> None:
    stream = sleeper(Rig(Pull()))
    aired = stream.demand.aired
    stream.close("enough")
    assert aired.is_set()
    stream.demand.ask()
    assert not stream.inputs.machine.wanted


def test_the_machine_connects_to_nothing_that_nobody_wants() -> None:
    machine = Failover([Spec(0), Spec(1)], Rules(hot=True), 0.0)
    machine.wanted = False
    assert machine.tick(0.0) == []
    assert machine.want(1.0, wanted=True) == [Start(0)]
    machine.rap(0, 2.0)
    assert machine.active is not None
    out = machine.want(3.0, wanted=False)
    assert [one for one in out if isinstance(one, Stop)]
    assert [one for one in out if isinstance(one, OffAir)] == [OffAir(0, "nobody wanted it")]
    assert machine.active is None
    for number in (0, 1):
        machine.failed(number, "", 3.1)
    assert machine.tick(60.0) == []
    assert not machine.exhausted
    assert Start(0) in machine.want(61.0, wanted=True)
    machine.rap(0, 62.0)
    assert (machine.switches[0].reason, machine.switches[0].detail) == (Reason.INITIAL, "")


def test_whoever_comes_anew_finds_every_input_worth_an_attempt() -> None:
    machine = Failover([Spec(0), Spec(1)], Rules(), 0.0)
    machine.tick(0.0)
    machine.failed(0, "no such file", 0.0, permanent=True)
    machine.rap(1, 0.1)
    machine.ended(1, 0.2)
    assert machine.exhausted
    machine.want(0.3, wanted=False)
    assert machine.want(0.4, wanted=True) == [Start(1)]
    machine.want(0.5, wanted=False)
    machine.failed(1, "", 0.6)
    assert Start(0) in machine.want(1.0, wanted=True)


def test_publishers_stay_when_nobody_wants_what_is_pulled() -> None:
    machine = Failover([Spec(0, publish=True), Spec(1)], Rules(), 0.0)
    machine.arrived(0, 1.0)
    machine.rap(0, 1.5)
    machine.want(2.0, wanted=False)
    assert machine.active is machine.inputs[0]
