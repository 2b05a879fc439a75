from __future__ import annotations

from typing import Any

import pytest

from streamctl.config.model import DegradeConfig
from streamctl.engine import causes as cause
from streamctl.engine.choice import State
from streamctl.engine.ingest import PullInput, Slot
from streamctl.engine.status import counters, stream_status
from streamctl.errors import NotFound, NotReady, StaleEpoch, StreamctlError
from streamctl.media.packet import Kind
from streamctl.sdk.session import Refusal, Transit
from tests.streamctl.engine.studio import Pulls, Studio, at_work, entry, plays, silent, units

pytestmark = pytest.mark.anyio


async def test_a_second_publisher_takes_the_second_place_and_waits() -> None:
    studio = Studio(entry("publish:"), entry("publish:"))
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        main.second()
        spare.second()
        assert studio.states() == "active standby"
        assert isinstance(studio.wish(3), Refusal)
        assert {packet.epoch for packet in studio.keeper.packets} == {1}
        main.leave()
        assert studio.on_air == 1
        assert studio.epochs() == [1, 2]
        with pytest.raises(StaleEpoch):
            main.second()
        spare.second()
        assert not studio.news.causes


async def test_the_history_and_the_events_tell_what_happened() -> None:
    studio = Studio(entry("publish:"), entry("publish:"))
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        main.second()
        spare.second()
        main.leave("killed")
        document = stream_status(studio.news)
        assert [one.reason for one in document.switches] == ["error", "initial"]
        assert document.switches[0].detail == "killed"
        assert (document.switches[0].before, document.switches[0].after) == (0, 1)
        assert document.inputs[1].last_switch_at == document.switches[0].at
        assert document.inputs[0].errors == ["killed"]
        numbers = counters(studio.news)
        assert {why for why, count in numbers.switches.items() if count} == {"initial", "error"}
        assert "timeout" in numbers.switches
        assert [(one.state, one.on_air) for one in numbers.inputs] == [
            ("idle", False),
            ("active", True),
        ]
        assert "input.failover" in studio.types()


async def test_a_publisher_that_freezes_is_closed_and_the_spare_is_on_air() -> None:
    studio = Studio(entry("publish:"), entry("publish:"))
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        main.second()
        for _ in range(4):
            spare.second()
            await studio.pass_time(1)
        assert studio.on_air == 1
        assert main.closed == ["no packets for 2 s"]
        assert studio.states() == "idle active"


async def test_a_pull_covers_for_a_missing_publisher_and_gives_way_to_it() -> None:
    studio = Studio(entry("publish:"), entry("script://a"), scripts={"a": plays(lambda: studio)})
    async with at_work(studio):
        await studio.pass_time(1)
        assert studio.on_air == 1
        assert not studio.news.causes
        main = studio.arrive()
        for _ in range(8):
            main.second()
            await studio.pass_time(1)
        assert studio.on_air == 0
        assert studio.states() == "active idle"
        main.leave()
        await studio.pass_time(1)
        assert studio.on_air == 1
        times = [packet.dts for packet in studio.keeper.packets if packet.kind is not Kind.AUDIO]
        assert times == sorted(set(times))


async def test_pulls_are_tried_one_after_the_other_and_none_twice_at_a_time() -> None:
    studio = Studio(
        entry("script://a"),
        entry("script://b"),
        entry("script://c"),
        scripts={"b": silent, "c": plays(lambda: studio)},
    )
    async with at_work(studio):
        await studio.pass_time(4)
        assert studio.on_air == 2
        plugin = studio.services.plugins["script"]
        assert isinstance(plugin, Pulls)
        assert plugin.asked[:2] == ["a", "b"]
        assert plugin.asked.count("b") == plugin.asked.count("c") == 1
        assert studio.states().endswith("active")
        assert stream_status(studio.news).inputs[1].last_error == "no packets for 2 s"


async def test_when_nothing_is_left_that_is_said_and_taken_back() -> None:
    scripts: dict[str, Any] = {}
    studio = Studio(entry("script://a"), entry("script://b"), scripts=scripts)
    async with at_work(studio):
        await studio.pass_time(1)
        assert cause.INPUTS_EXHAUSTED in studio.news.causes
        assert cause.INPUT_FAILED in studio.news.causes
        scripts["b"] = plays(lambda: studio)
        await studio.pass_time(12)
        assert studio.on_air == 1
        assert not studio.news.causes
        assert {"input.failed", "input.reconnecting"} < set(studio.types())


async def test_what_comes_back_after_nothing_was_on_air_has_recovered() -> None:
    studio = Studio(entry("publish:"), entry("publish:"))
    async with at_work(studio):
        main = studio.arrive()
        main.second()
        main.leave("killed")
        await studio.pass_time(1)
        assert "input.recovered" not in studio.types()
        again = studio.arrive(2)
        again.second()
        told = [one for one in studio.events.history if one.type == "input.recovered"]
        assert [one.payload for one in told] == [{"input": 0, "detail": "killed"}]
        assert "input.failover" not in studio.types()


async def test_viewers_who_come_during_a_switch_may_wait_for_it() -> None:
    studio = Studio(entry("publish:"), entry("script://slow"), scripts={"slow": silent})
    async with at_work(studio):
        main = studio.arrive()
        main.second()
        await studio.pass_time(0.5)
        main.leave()
        assert studio.on_air is None
        assert studio.news.absent == ""
    alone = Studio(entry("publish:"), entry("publish:"))
    async with at_work(alone):
        main = alone.arrive()
        main.second()
        main.leave()
        assert alone.news.absent == "nobody publishes it"


async def test_the_slate_keeps_the_stream_on_air_and_is_a_cause() -> None:
    studio = Studio(
        entry("publish:"),
        entry("script://slate", role="slate"),
        scripts={"slate": plays(lambda: studio)},
        slate_after_s=1,
    )
    async with at_work(studio):
        await studio.pass_time(2)
        assert studio.on_air == 1
        assert set(studio.news.causes.active) == {cause.NO_PUBLISHER, cause.ON_SLATE}
        assert stream_status(studio.news).inputs[1].role == "slate"
        main = studio.arrive()
        main.second()
        assert studio.on_air == 0
        assert not studio.news.causes
        main.leave("killed")
        assert studio.on_air is None
        await studio.pass_time(1.5)
        assert studio.on_air == 1
        reasons = [one.reason for one in stream_status(studio.news).switches]
        assert reasons == ["slate", "recovery", "slate"]


async def test_an_operator_chooses_and_lets_go() -> None:
    studio = Studio(entry("publish:"), entry("publish:"))
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        main.second()
        spare.second()
        studio.news.inputs.switch(1)
        assert studio.on_air == 0
        spare.second()
        assert studio.on_air == 1
        for _ in range(8):
            main.second()
            spare.second()
            await studio.pass_time(1)
        assert studio.on_air == 1
        studio.news.inputs.switch(None)
        main.second()
        assert studio.on_air == 0
        with pytest.raises(NotFound):
            studio.news.inputs.switch(2)
        spare.leave()
        with pytest.raises(NotReady):
            studio.news.inputs.switch(1)


async def test_pictures_that_stop_while_bytes_flow_are_noticed() -> None:
    degrade = DegradeConfig(no_frames_s=2)
    studio = Studio(entry("publish:"), entry("publish:"), degrade=degrade)
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        main.second()
        for _ in range(4):
            sound = [units(main.number + n)[1] for n in range(25)]
            main.number += 25
            main.writer.put(sound, studio.clock.now())
            spare.second()
            await studio.pass_time(1)
        assert studio.on_air == 1
        assert main.closed == []
        assert studio.states() == "degraded active"
        assert stream_status(studio.news).inputs[0].complaint.startswith("no frames for")
        assert "input.degraded" in studio.types()
        for _ in range(8):
            main.second()
            spare.second()
            await studio.pass_time(1)
        assert studio.on_air == 0


async def test_a_stall_is_told_once_and_a_short_one_not_at_all() -> None:
    studio = Studio(entry("publish:"), entry("publish:"), packet_timeout_s=5)
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        for second in range(12):
            spare.second()
            if second % 4 == 0:
                main.second()
            await studio.pass_time(1)
        assert "input.degraded" not in studio.types()
        for _ in range(20):
            spare.second()
            await studio.pass_time(1)
        assert studio.types().count("input.degraded") == 1
        again = studio.arrive(3)
        for _ in range(8):
            again.second()
            spare.second()
            await studio.pass_time(1)
        assert studio.on_air == 0
        assert studio.types().count("input.degraded") == 1


async def test_a_pause_of_the_process_passes_for_no_silence() -> None:
    degrade = DegradeConfig(no_frames_s=2, no_keyframe_s=2, min_kbps=10)
    studio = Studio(entry("publish:"), entry("publish:"), degrade=degrade)
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        for _ in range(8):
            main.second()
            spare.second()
            await studio.pass_time(1)
        for pause_s in (3.0, 60.0):
            studio.clock.advance(pause_s)
            spare.second()
            studio.news.tick(studio.clock.now())
            await studio.pass_time(0.5)
            assert (studio.on_air, studio.states()) == (0, "active standby")
            main.second()
            await studio.pass_time(1)
        assert len(stream_status(studio.news).switches) == 1
        for _ in range(3):
            spare.second()
            await studio.pass_time(1)
        assert studio.on_air == 1
        assert main.closed == ["no packets for 2 s"]


async def test_packets_that_a_protocol_numbers_are_judged_when_they_are_lost() -> None:
    studio = Studio(entry("publish:"), entry("publish:"), degrade=DegradeConfig(max_loss_pct=5))
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        came = lost = 0
        main.session.transit = lambda: Transit(came, lost)
        for second in range(13):
            came += 100 - (worse := 10 if second >= 8 else 1)
            lost += worse
            main.second()
            spare.second()
            await studio.pass_time(1)
            assert studio.on_air == (second >= 12)
        one = stream_status(studio.news).inputs[0]
        assert 5 < one.loss_pct < 6
        assert one.complaint.endswith("% lost, more than 5")
        assert studio.states() == "degraded active"


async def test_a_low_bit_rate_with_nothing_better_is_a_cause() -> None:
    degrade = DegradeConfig(min_kbps=5000)
    studio = Studio(entry("publish:"), degrade=degrade)
    async with at_work(studio):
        main = studio.arrive()
        for _ in range(8):
            main.second()
            await studio.pass_time(1)
        assert studio.on_air == 0
        assert "less than 5000" in studio.news.causes.active[cause.INPUT_DEGRADED][0]


async def test_inputs_are_added_and_removed_under_way() -> None:
    studio = Studio(entry("publish:"), entry("script://a"), scripts={"a": plays(lambda: studio)})
    async with at_work(studio):
        main = studio.arrive()
        main.second()
        pull = studio.news.inputs.order[1]
        config = studio.news.config
        fewer = config.model_copy(update={"inputs": (config.inputs[1],)})
        studio.news.update(fewer)
        assert main.closed == ["the input was removed"]
        await studio.pass_time(1)
        assert studio.news.inputs.order == [pull]
        assert studio.on_air == 0
        studio.news.update(config)
        again = studio.arrive(2)
        for _ in range(7):
            again.second()
            await studio.pass_time(1)
        assert studio.on_air == 0
        assert studio.news.inputs.order[1] is pull
        assert studio.epochs()[-1] == studio.news.epochs


async def test_a_removed_pull_is_let_go() -> None:
    studio = Studio(
        entry("script://a"),
        entry("publish:"),
        scripts={"a": plays(lambda: studio)},
    )
    async with at_work(studio):
        await studio.pass_time(1)
        assert studio.on_air == 0
        config = studio.news.config
        studio.news.update(config.model_copy(update={"inputs": (config.inputs[1],)}))
        await studio.pass_time(1)
        assert len(studio.news.inputs.by_number) == 1
        assert studio.news.epoch is None


async def test_a_hot_pull_is_connected_beside_the_publisher() -> None:
    studio = Studio(
        entry("publish:"),
        entry("script://a"),
        scripts={"a": plays(lambda: studio)},
        standby="hot",
    )
    async with at_work(studio):
        main = studio.arrive()
        for _ in range(7):
            main.second()
            await studio.pass_time(1)
        assert studio.states() == "active standby"
        held = stream_status(studio.news).inputs[1].held_bytes
        assert held == studio.news.inputs.held_bytes > 0
        assert stream_status(studio.news).inputs[0].held_bytes == 0
        main.leave()
        assert studio.on_air == 1


async def test_what_cannot_go_on_air_is_degraded(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Studio(entry("publish:"), entry("publish:"))
    async with at_work(studio):
        main, spare = studio.arrive(), studio.arrive(2)
        main.second()
        spare.second()
        intake = studio.news.inputs.order[1].intake
        assert intake is not None

        def fails(reason: str) -> None:
            raise StreamctlError("no room")

        monkeypatch.setattr(intake, "go_live", fails)
        main.leave()
        assert studio.on_air is None
        assert spare.closed == ["no room"]


async def test_a_closed_stream_decides_nothing() -> None:
    studio = Studio(entry("publish:"), entry("script://a"))
    async with at_work(studio):
        main = studio.arrive()
        main.second()
        studio.news.close("over")
        assert studio.news.epoch is None
        await studio.pass_time(5)
        assert stream_status(studio.news).ingest_status == "closed"


def test_inputs_know_what_they_are() -> None:
    studio = Studio(entry("publish:"), entry("script://a"))
    slot, pull = studio.news.inputs.order
    assert isinstance(slot, Slot)
    assert isinstance(pull, PullInput)
    assert slot.waiting == pull.waiting == slot.peer == pull.peer == ""
    assert slot.measure() == pull.measure() == {}
    assert not slot.finished
    slot.stop("nobody is there")
    pull.stop("nothing runs")
    machine = studio.news.inputs.machine
    assert [machine.state(one) for one in machine.inputs] == [State.IDLE, State.IDLE]
