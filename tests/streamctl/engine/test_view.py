from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.engine.view import EngineView
from streamctl.errors import Unsupported
from streamctl.media.packet import Boundary, Chunk, Format, Item
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop

if TYPE_CHECKING:
    from collections.abc import Sequence


class Recorder:
    """Keeps what it was fed."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def feed(self, items: Sequence[Item]) -> None:
        self.items.extend(items)


def test_it_tells_what_the_stream_is() -> None:
    rig = Rig()
    stream = rig.stream("a/b", title="Title")
    view = EngineView(stream)
    assert (view.code, view.title) == ("a/b", "Title")
    assert view.generation == int(rig.clock.wall() * 1000)
    assert EngineView(rig.stream("untitled")).title == "untitled"


def test_a_title_that_changes_is_seen_at_once() -> None:
    rig = Rig()
    stream = rig.stream(title="old")
    view = EngineView(stream)
    stream.config = stream.config.model_copy(update={"title": "new"})
    assert view.title == "new"


def test_it_follows_the_stream_on_air_and_off() -> None:
    rig = Rig()
    stream = rig.stream()
    view = EngineView(stream)
    assert not view.on_air()
    assert view.init(Format.PACKETS) is None
    session, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    assert not view.on_air()
    writer.put(gop(0), rig.clock.now())
    assert view.on_air()
    init = view.init(Format.PACKETS)
    assert init is not None
    assert init.tracks == (VIDEO, SOUND)
    rig.gate.close(session, "left")
    stream.tick(rig.clock.now())
    assert not view.on_air()


def test_who_comes_at_a_cut_is_let_in() -> None:
    rig = Rig()
    stream = rig.stream()
    view = EngineView(stream)
    session, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.discontinuity("nothing was shown yet")
    assert not view.on_air()
    writer.put(gop(0), rig.clock.now())
    writer.discontinuity("it begins again")
    assert not stream.on_air()
    assert view.on_air()
    rig.gate.close(session, "another one takes over")
    assert view.on_air()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    stream.tick(rig.clock.now())
    assert view.on_air()


def test_readers_are_fed_from_the_oldest_join_point_until_they_are_detached() -> None:
    rig = Rig()
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    view = EngineView(stream)
    reader = Recorder()
    attached = view.attach(Format.RTMP, reader)
    assert isinstance(reader.items[0], Boundary)
    assert sum(isinstance(item, Chunk) for item in reader.items) == 50
    assert stream.lane_running(Format.RTMP)
    attached.detach()
    writer.put(gop(25), rig.clock.now())
    assert len(reader.items) == 51


def test_a_format_that_nothing_makes_is_unsupported() -> None:
    view = EngineView(Rig().stream())
    with pytest.raises(Unsupported):
        view.attach(Format.CMAF, Recorder())
    with pytest.raises(Unsupported):
        view.init(Format.CMAF)


def test_notes_are_shown_until_their_text_is_empty() -> None:
    stream = Rig().stream()
    view = EngineView(stream)
    view.note("hls", "waiting")
    view.note("hls", "waiting")
    assert stream.notes == {"hls": "waiting"}
    view.note("hls", "")
    view.note("hls", "")
    assert stream.notes == {}


def test_an_output_can_call_the_stream_degraded() -> None:
    stream = Rig().stream()
    view = EngineView(stream)
    view.degrade("hls_storage", "no space left")
    view.degrade("hls_storage", "still none")
    assert stream.causes.active["hls_storage"][0] == "still none"
    view.degrade("hls_storage", "")
    assert "hls_storage" not in stream.causes
