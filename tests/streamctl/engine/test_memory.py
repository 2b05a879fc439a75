from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine import causes as cause
from streamctl.engine.memory import enforce, held, spare
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.sdk.endpoints import Handler


def filled(rig: Rig, code: str, seconds: int) -> None:
    stream = rig.stream(code)
    _, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    for second in range(seconds):
        writer.put(gop(second * 25), rig.clock.now())


def test_the_largest_stream_gives_first() -> None:
    rig = Rig()
    filled(rig, "big", 8)
    filled(rig, "small", 2)
    small = held(rig.streams["small"])
    limit = small * 3
    gained = enforce(rig.streams.values(), limit=limit, stream_limit=10**9)
    assert gained > 0
    assert sum(map(held, rig.streams.values())) <= limit
    assert held(rig.streams["small"]) == small


def test_what_the_streams_leave_is_told() -> None:
    rig = Rig()
    filled(rig, "a", 2)
    filled(rig, "b", 2)
    size = sum(map(held, rig.streams.values()))
    assert spare(rig.streams.values(), size + 5) == 5
    assert spare(rig.streams.values(), size - 5) == -5


def test_a_stream_keeps_within_its_own_limit() -> None:
    rig = Rig()
    filled(rig, "a", 8)
    whole = held(rig.streams["a"])
    enforce(rig.streams.values(), limit=10**9, stream_limit=whole // 2)
    assert held(rig.streams["a"]) <= whole // 2
    assert not rig.streams["a"].causes


def test_a_stream_that_can_not_give_enough_says_so_until_it_can() -> None:
    rig = Rig()
    filled(rig, "a", 3)
    enforce(rig.streams.values(), limit=10**9, stream_limit=10)
    assert cause.OUT_OF_MEMORY in rig.streams["a"].causes
    enforce(rig.streams.values(), limit=10**9, stream_limit=10**9)
    assert cause.OUT_OF_MEMORY not in rig.streams["a"].causes


def test_the_want_of_memory_keeps_the_time_since_when_it_holds() -> None:
    rig = Rig()
    filled(rig, "a", 3)
    filled(rig, "b", 3)
    since = set()
    for _ in range(3):
        enforce(rig.streams.values(), limit=10, stream_limit=10**9)
        since |= {rig.streams[code].causes.active[cause.OUT_OF_MEMORY][1] for code in "ab"}
        rig.clock.advance(1)
    assert len(since) == 1


def test_who_has_nothing_to_give_is_not_blamed_once_the_others_gave_enough() -> None:
    rig = Rig()
    filled(rig, "large", 1)
    filled(rig, "many", 3)
    large = gop(1)[1:]
    for packet in large:
        packet.data = bytes(10_000)
    rig.streams["large"].graph.base.append(large)
    assert held(rig.streams["large"]) > held(rig.streams["many"])
    limit = sum(map(held, rig.streams.values())) - 1
    enforce(rig.streams.values(), limit=limit, stream_limit=10**9)
    assert not any(cause.OUT_OF_MEMORY in stream.causes for stream in rig.streams.values())


class Hoarder:
    """An output that holds media and gives a thousand bytes at a time."""

    memory_bytes = 5000

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def routes(self) -> Mapping[str, Handler]:
        return {}

    def status(self) -> Mapping[str, object]:
        return {}

    def shrink(self, wanted: int) -> int:
        freed = min(wanted, self.memory_bytes - 2000)
        self.memory_bytes -= freed
        return freed


def test_outputs_count_and_give_before_the_lanes() -> None:
    rig = Rig()
    filled(rig, "a", 8)
    stream = rig.streams["a"]
    lanes = held(stream)
    hoarder = stream.outputs["hoarder"] = Hoarder()
    assert held(stream) == lanes + 5000
    assert enforce([stream], limit=10**9, stream_limit=lanes + 4000) == 1000
    assert held(stream) == lanes + 4000
    enforce([stream], limit=10**9, stream_limit=lanes)
    assert hoarder.memory_bytes == 2000
    assert held(stream) <= lanes
