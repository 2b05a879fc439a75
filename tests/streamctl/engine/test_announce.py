from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine import causes as cause
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream

TOLD = {"stream.on_air", "stream.off_air", "stream.degraded", "stream.recovered"}


def told(rig: Rig) -> list[tuple[str, object]]:
    """What was told, each with its payload; forgotten then."""
    found: list[tuple[str, object]] = [
        (one.type, one.payload) for one in rig.events.history if one.type in TOLD
    ]
    rig.events.history.clear()
    return found


def tick(rig: Rig, stream: Stream) -> None:
    rig.clock.advance(1)
    stream.tick(rig.clock.now())


def test_a_stream_tells_when_it_goes_on_air_and_off() -> None:
    rig = Rig()
    stream = rig.stream()
    tick(rig, stream)
    waiting = ("stream.degraded", {"causes": {"no_publisher": "waiting for a publisher"}})
    assert told(rig) == [waiting]
    session, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    assert told(rig) == [("stream.on_air", {"tracks": ["mpeg2", "mp2"]})]
    tick(rig, stream)
    assert told(rig) == [("stream.recovered", {})]
    rig.gate.close(session, "done")
    tick(rig, stream)
    (first, reason), (second, _) = told(rig)
    assert (first, second) == ("stream.off_air", "stream.degraded")
    assert "done" in str(reason)
    tick(rig, stream)
    assert told(rig) == []


def test_what_was_on_air_is_told_to_be_closed_and_nothing_else() -> None:
    rig = Rig()
    stream = rig.stream()
    session, _, _ = rig.publisher(stream)
    rig.gate.close(session, "showed nothing")
    session, writer, _ = rig.publisher(stream, 2)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    rig.gate.close(session, "done")
    mine = [one for one in rig.events.history if one.type in {"input.connected", "input.closed"}]
    assert [(one.type, one.payload["epoch"]) for one in mine] == [
        ("input.connected", 2),
        ("input.closed", 2),
    ]


def test_a_change_of_publishers_is_no_pause() -> None:
    rig = Rig()
    stream = rig.stream()
    for port in (1, 2):
        session, writer, _ = rig.publisher(stream, port)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), rig.clock.now())
        if port == 1:
            tick(rig, stream)
            told(rig)
            rig.gate.close(session, "replaced")
    tick(rig, stream)
    assert told(rig) == []


def test_causes_that_come_and_go_between_two_looks_are_not_told() -> None:
    rig = Rig()
    stream = rig.stream()
    tick(rig, stream)
    told(rig)
    stream.causes.clear(cause.NO_PUBLISHER)
    stream.causes.set(cause.NO_PUBLISHER, "in other words")
    tick(rig, stream)
    assert told(rig) == []


def test_a_stream_that_is_stopped_goes_off_air_first() -> None:
    rig = Rig()
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    stream.close("removed")
    types = rig.types()
    assert types.index("stream.off_air") < types.index("stream.stopped")
