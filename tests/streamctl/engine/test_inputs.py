from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pydantic import SecretStr

from streamctl.config.model import DegradeConfig, InputConfig, PublishKeys
from streamctl.engine import causes as cause
from streamctl.engine.choice import State
from streamctl.engine.ingest import PullInput, Slot
from streamctl.engine.status import stream_status
from streamctl.engine.stream import Stream
from streamctl.errors import ConnectionFailed, NotFound, NotReady, StaleEpoch, StreamctlError
from streamctl.media.packet import Format, Kind, Packet
from streamctl.sdk.plugin import Empty
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode
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

pytestmark = pytest.mark.anyio


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
        assert "input.reconnecting" in studio.types()


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


async def test_places_have_keys_of_their_own() -> None:
    studio = Studio(entry("publish:", key="one"), entry("publish:", key="two"))
    missing = studio.wish()
    assert isinstance(missing, Refusal)
    assert missing.code is RefusalCode.UNAUTHORIZED
    wrong = studio.wish(key="three")
    assert isinstance(wrong, Refusal)
    assert wrong.guessed
    second = studio.arrive(key="two")
    assert studio.news.inputs.slots[1].session is second.session
    taken = studio.wish(2, key="two")
    assert isinstance(taken, Refusal)
    assert taken.code is RefusalCode.BUSY
    first = studio.arrive(3, key="one")
    assert studio.news.inputs.slots[0].session is first.session


async def test_a_key_of_the_stream_opens_the_places_without_one() -> None:
    studio = Studio(entry("publish:"), entry("publish:", key="two"), publish_key="all")
    first = studio.arrive(key="all")
    assert studio.news.inputs.slots[0].session is first.session
    assert isinstance(studio.wish(2, key="all"), Refusal)
    second = studio.arrive(2, key="two")
    assert studio.news.inputs.slots[1].session is second.session


async def test_a_publisher_may_name_its_place() -> None:
    studio = Studio(entry("script://a"), entry("publish:"), entry("publish:"))
    third = studio.arrive(query={"input": "2"})
    assert studio.news.inputs.slots[1].session is third.session
    nowhere = studio.wish(2, query={"input": "0"})
    assert isinstance(nowhere, Refusal)
    assert nowhere.code is RefusalCode.NOT_FOUND


async def test_a_place_may_be_taken_over() -> None:
    studio = Studio(entry("publish:", override=True))
    first = studio.arrive()
    first.second()
    second = studio.arrive(2)
    assert first.closed == ["10.0.0.1:2 took its place"]
    with pytest.raises(StaleEpoch):
        first.second()
    second.second()
    assert studio.news.on_air()
    assert studio.news.publisher is second.session


async def test_a_ghost_gives_way_at_any_place() -> None:
    studio = Studio(entry("publish:"), entry("publish:"))
    first, ghost = studio.arrive(), studio.arrive(2)
    studio.clock.advance(1.5)
    first.second()
    third = studio.arrive(3)
    assert ghost.closed == ["silent; 10.0.0.1:3 took its place"]
    assert studio.news.inputs.slots[1].session is third.session


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
        assert stream_status(studio.news).inputs[1].held_bytes > 0
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
