from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from streamctl.engine import causes as cause
from streamctl.errors import StaleEpoch
from streamctl.media.packet import Format
from streamctl.sdk.plugin import Cap, Options
from streamctl.sdk.session import Grant, Session
from tests.streamctl.engine.rig import (
    FRAME,
    SOUND,
    VIDEO,
    FakeOutput,
    Rig,
    WordsPlugin,
    gop,
    request,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from streamctl.config.model import StreamConfig
    from streamctl.engine.stream import Stream
    from streamctl.sdk.context import Context, StreamView
    from streamctl.sdk.lane import EpochWriter


class Wire:
    """Collects what a viewer is sent."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes | memoryview) -> None:
        self.data += data

    def unsent(self) -> int:
        return 0

    def set_send_buffer(self, size: int) -> None:
        pass

    def call_again(self) -> None:
        pass

    def read_least(self, size: int) -> None:
        pass

    def close(self, reason: str) -> None:
        pass

    def abort(self, reason: str) -> None:
        pass

    @property
    def times(self) -> list[int]:
        """The DTS of the pictures, in the order they came."""
        words = [word for word in self.data.decode().split(",") if word and word != "JOIN"]
        return [int(word.lstrip("KEYPB")) for word in words if word[0] in "KP"]


def watch(rig: Rig, stream: Stream) -> tuple[Wire, Session]:
    grant = rig.gate.check(request(stream.code))
    assert isinstance(grant, Grant)
    session = rig.gate.open(grant, lambda reason: None)
    playback = rig.gate.play(grant, session, Format.RTMP)
    wire = Wire()
    playback.fanout.add(playback.cursor, wire, session)
    return wire, session


def deliver(rig: Rig, writer: EpochWriter, seconds: int, *, start: int = 0) -> None:
    for second in range(seconds):
        writer.put(gop((start + second) * 25), rig.clock.now())
        rig.clock.advance(1.0)


def on_air(rig: Rig, stream: Stream) -> tuple[Session, EpochWriter]:
    session, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    return session, writer


def test_a_waiting_stream_says_so_and_a_publisher_clears_it() -> None:
    rig = Rig()
    stream = rig.stream()
    assert cause.NO_PUBLISHER in stream.causes
    session, writer = on_air(rig, stream)
    deliver(rig, writer, 1)
    assert not stream.causes
    assert stream.on_air()
    rig.gate.close(session, "left")
    assert cause.NO_PUBLISHER in stream.causes
    assert not stream.on_air()


def test_viewers_stay_through_a_reconnect_and_time_goes_on() -> None:
    rig = Rig()
    stream = rig.stream()
    session, writer = on_air(rig, stream)
    wire, _ = watch(rig, stream)
    deliver(rig, writer, 3)
    rig.gate.close(session, "killed")
    with pytest.raises(StaleEpoch):
        writer.put(gop(0), rig.clock.now())
    rig.clock.advance(4.0)
    _, again = on_air(rig, stream)
    deliver(rig, again, 3)
    times = wire.times
    assert len(times) == 150
    assert times == sorted(set(times))
    gap = times[75] - times[74]
    assert 4 * 90_000 <= gap <= 5 * 90_000 + FRAME
    assert wire.data.count(b"KEY") == 6
    assert stream.epochs == 2


def test_a_silent_publisher_is_closed_after_the_timeout() -> None:
    rig = Rig()
    stream = rig.stream(packet_timeout_s=3)
    _, writer, closed = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    deliver(rig, writer, 1)
    rig.clock.advance(2.5)
    stream.tick(rig.clock.now())
    assert closed == ["no packets for 4 s"]
    assert cause.NO_PUBLISHER in stream.causes
    assert "input.degraded" in rig.types()


def test_a_publisher_that_never_sends_anything_times_out_too() -> None:
    rig = Rig()
    stream = rig.stream()
    _, _, closed = rig.publisher(stream)
    rig.clock.advance(5.5)
    stream.tick(rig.clock.now())
    assert closed


def test_packets_without_a_picture_are_named() -> None:
    rig = Rig()
    stream = rig.stream()
    _, writer = on_air(rig, stream)
    writer.put(gop(0)[1:2], rig.clock.now())
    rig.clock.advance(1)
    stream.tick(rig.clock.now())
    assert cause.WAITING_FOR_KEYFRAME in stream.causes
    deliver(rig, writer, 1, start=1)
    stream.tick(rig.clock.now())
    assert not stream.causes


def test_one_group_of_pictures_over_the_byte_bound_is_named() -> None:
    rig = Rig()
    stream = rig.stream(buffer_bytes=1_048_576)
    _, writer = on_air(rig, stream)
    packets = gop(0, frames=25)
    for packet in packets:
        packet.data = bytes(50_000)
    writer.put(packets, rig.clock.now())
    stream.tick(rig.clock.now())
    assert cause.GOP_TOO_LONG in stream.causes
    deliver(rig, writer, 1, start=1)
    stream.tick(rig.clock.now())
    assert cause.GOP_TOO_LONG not in stream.causes


def test_a_broken_converter_is_named_restarted_and_spares_the_stream() -> None:
    rig = Rig()
    stream = rig.stream()
    _, writer = on_air(rig, stream)
    wire, _ = watch(rig, stream)
    deliver(rig, writer, 1)
    entry = stream.graph.entry(Format.RTMP)
    entry.converter.broken = True  # type: ignore[attr-defined] # the rig's converter has it
    deliver(rig, writer, 1, start=1)
    assert cause.CONVERTER_FAILED in stream.causes
    assert "stream.error" in rig.types()
    assert stream.on_air()
    before = len(wire.times)
    deliver(rig, writer, 2, start=2)
    assert len(wire.times) > before
    stream.tick(rig.clock.now())
    assert cause.CONVERTER_FAILED in stream.causes
    deliver(rig, writer, 5, start=4)
    stream.tick(rig.clock.now())
    assert not stream.causes


def test_outputs_live_as_long_as_the_stream() -> None:
    rig = Rig()
    stream = rig.stream(title="The News")
    output = WordsPlugin.made[-1]
    assert output.log == ["start"]
    assert output.view.title == "The News"
    assert output.view.code == "news"
    assert output.view.generation == int(stream.created_at * 1000)
    assert not output.view.on_air()
    assert output.view.init(Format.PACKETS) is None
    output.view.note("x", "something")
    assert stream.notes == {"x": "something"}
    output.view.note("x", "")
    assert stream.notes == {}
    stream.close("over")
    stream.close("again")
    assert output.log == ["start", "stop"]
    assert rig.types().count("stream.stopped") == 1


def test_closing_kicks_every_session() -> None:
    rig = Rig()
    stream = rig.stream()
    _, _, closed = rig.publisher(stream)
    stream.close("the server is shutting down")
    assert closed == ["the server is shutting down"]


def test_publisher_bytes_are_counted_by_payload_at_least() -> None:
    rig = Rig()
    stream = rig.stream()
    session, writer = on_air(rig, stream)
    deliver(rig, writer, 1)
    stream.account()
    assert session.bytes_in == 25 * 110
    rig.gate.close(session, "left")
    assert stream.bytes_received == 25 * 110
    assert stream.packets_received == 50


class BrokenPlugin(WordsPlugin):
    """Its outputs fail at the start, or at the stop."""

    kind = "broken"
    caps = Cap.HTTP

    def __init__(self, when: str) -> None:
        self.when = when

    def http_output(self, view: StreamView, options: Any, ctx: Context) -> FakeOutput:
        output = super().http_output(view, options, ctx)

        def fail() -> None:
            raise RuntimeError("a bug")

        setattr(output, self.when, fail)
        return output


def test_an_output_that_can_not_start_is_named_and_spares_the_others() -> None:
    rig = Rig(BrokenPlugin("start"))
    stream = rig.stream()
    assert list(stream.outputs) == ["words"]
    assert stream.notes == {"broken": "can't be served: a bug"}
    stream.close("over")


def test_an_output_that_can_not_stop_does_not_keep_the_stream() -> None:
    rig = Rig(BrokenPlugin("stop"))
    stream = rig.stream()
    on_air(rig, stream)
    stream.close("over")
    assert stream.epoch is None
    assert stream.graph.base.closed
    assert rig.types()[-1] == "stream.stopped"


def test_a_stream_serves_only_the_outputs_that_are_configured() -> None:
    rig = Rig()
    assert rig.stream(outputs=("rtmp",)).outputs == {}


class TunedOptions(Options):
    """One key that changes under viewers, one that doesn't."""

    live: ClassVar[frozenset[str]] = frozenset({"window"})
    window: int = 12
    segment_s: int = 2


class TunedOutput(FakeOutput):
    """Takes new options."""

    def adjust(self, options: Any) -> None:
        self.log.append(f"adjust {options}")


class TunedPlugin(WordsPlugin):
    """An output with options."""

    kind = "tuned"
    caps = Cap.HTTP
    OutputOptions: ClassVar[type[BaseModel]] = TunedOptions

    def http_output(self, view: StreamView, options: Any, ctx: Context) -> FakeOutput:
        output = TunedOutput(view)
        output.log.append(f"made {options} {view.generation}")
        return output


def tuned(stream: Stream, **options: int) -> StreamConfig:
    return stream.config.model_copy(update={"outputs_options": {"tuned": TunedOptions(**options)}})


def test_an_output_takes_what_it_can_while_it_runs() -> None:
    stream = Rig(TunedPlugin()).stream()
    output = stream.outputs["tuned"]
    stream.update(tuned(stream, window=5))
    assert stream.outputs["tuned"] is output
    assert output.status() == {
        "log": [
            f"made {TunedOptions()} {stream.generation}",
            "start",
            "adjust window=5 segment_s=2",
        ]
    }


def test_an_output_begins_anew_for_other_options_and_no_other_notices() -> None:
    rig = Rig(TunedPlugin())
    stream = rig.stream()
    generation = stream.generation
    words, old = stream.outputs["words"], stream.outputs["tuned"]
    stream.update(tuned(stream, segment_s=4))
    assert old.status()["log"][-1] == "stop"  # type: ignore[index]
    new = stream.outputs["tuned"]
    assert new is not old
    assert stream.generation > generation
    log = [f"made window=12 segment_s=4 {stream.generation}", "start"]
    assert new.status() == {"log": log}
    assert stream.outputs["words"] is words
    assert words.status() == {"log": ["start"]}
    assert {kind for kind, _ in stream.routes.values()} == {"tuned"}
