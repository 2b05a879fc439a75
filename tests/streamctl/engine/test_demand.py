from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.engine import causes as cause
from streamctl.engine.choice import OffAir, Reason, Rules, Spec, Start, Stop
from streamctl.engine.failover import Failover
from streamctl.engine.status import stream_status
from streamctl.sdk.plugin import Cap, ProtocolPlugin
from streamctl.sdk.session import Action, Grant
from tests.streamctl.engine.rig import Rig, request

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream

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
    assert machine.switches[0].reason is Reason.INITIAL


def test_publishers_stay_when_nobody_wants_what_is_pulled() -> None:
    machine = Failover([Spec(0, publish=True), Spec(1)], Rules(), 0.0)
    machine.arrived(0, 1.0)
    machine.rap(0, 1.5)
    machine.want(2.0, wanted=False)
    assert machine.active is machine.inputs[0]
