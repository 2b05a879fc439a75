from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.media.packet import Chunk
from streamctl.sdk.endpoints import Bytes, Wait
from streamctl_hls.options import HlsOptions
from streamctl_hls.packager import RESTART_MAX_S, RESTART_S
from tests.plugins.streamctl_hls.chunks import FRAME, boundary, pictures
from tests.plugins.streamctl_hls.stage import FakeView, Stage
from tests.support.hls import parse
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.media.packet import Item

GOP = 50


def on_air(options: HlsOptions | None = None, frames: int = 201) -> Stage:
    stage = Stage(options)
    stage.output.start()
    stage.play([boundary(1), *pictures(frames, GOP)])
    return stage


def poison(stage: Stage) -> None:
    """Feed something that no segmenter can take, as an engine would."""
    reader = stage.view.reader
    assert reader is not None
    with pytest.raises(TypeError):
        reader.feed([Chunk(b"x", None, 1, True, True, 1)])  # type: ignore[arg-type]
    stage.view.reader = None


def media(stage: Stage) -> str:
    reply = stage.get("/main_stream.m3u8")
    assert isinstance(reply, Bytes)
    assert isinstance(reply.body, bytes)
    return reply.body.decode()


def test_after_a_failure_it_goes_on_under_a_new_generation_with_a_discontinuity() -> None:
    stage = on_air()
    before = parse(media(stage))
    poison(stage)
    assert media(stage) == before.text
    stage.clock.advance(RESTART_S)
    assert stage.view.reader is not None
    stage.play(pictures(200, GOP, start=200 * FRAME))
    after = parse(media(stage))
    assert [s.uri for s in after.segments[:4]] == [s.uri for s in before.segments]
    new = after.segments[4:]
    assert [segment.discontinuity for segment in new] == [True, False, False]
    assert all(not segment.uri.startswith("hls/s5_") for segment in new)
    assert [segment.duration_s for segment in new] == [2.0] * 3
    assert after.target_s == before.target_s


def test_the_history_that_it_gets_again_is_not_shown_twice() -> None:
    stage = on_air()
    poison(stage)
    stage.view.history = [boundary(1), *pictures(251, GOP)]
    stage.clock.advance(RESTART_S)
    [*old, new] = parse(media(stage)).segments
    assert len(old) == 4
    assert new.discontinuity
    assert new.program_time is not None
    assert stage.output.packager.window.listed[-1].start == 200 * FRAME


def test_a_failure_that_stays_is_tried_less_and_less_often() -> None:
    stage = on_air()
    pauses = []
    for _ in range(8):
        poison(stage)
        waited = 0.0
        while stage.view.reader is None:
            stage.clock.advance(0.5)
            waited += 0.5
        pauses.append(waited)
    assert pauses == [1, 2, 4, 8, 16, RESTART_MAX_S, RESTART_MAX_S, RESTART_MAX_S]
    stage.play(pictures(60, GOP, start=900 * FRAME))
    poison(stage)
    stage.clock.advance(RESTART_S)
    assert stage.view.reader is not None


def test_a_failure_before_the_first_segment_goes_on_too() -> None:
    stage = on_air(frames=10)
    poison(stage)
    stage.clock.advance(RESTART_S)
    stage.play([boundary(1), *pictures(60, GOP)])
    [only] = parse(media(stage)).segments
    assert not only.discontinuity


def test_stopping_ends_the_restart() -> None:
    stage = on_air()
    poison(stage)
    stage.output.stop()
    stage.clock.advance(RESTART_MAX_S)
    assert stage.view.reader is None


def test_a_window_changes_under_its_viewers() -> None:
    stage = on_air(HlsOptions(window=12), frames=601)
    assert len(parse(media(stage)).segments) == 12
    stage.output.adjust(HlsOptions(window=4))
    few = parse(media(stage))
    assert len(few.segments) == 4
    stage.output.adjust(HlsOptions(window=20))
    stage.play(pictures(200, GOP, start=600 * FRAME))
    many = parse(media(stage))
    assert many.sequence == few.sequence
    assert len(many.segments) == 7
    assert not any(segment.discontinuity for segment in many.segments)


def test_memory_is_given_back() -> None:
    stage = on_air(frames=601)
    held = stage.output.memory_bytes
    freed = stage.output.shrink(held // 4)
    assert freed >= held // 4 - 20_000
    assert stage.output.memory_bytes == held - freed
    assert stage.output.shrink(0) == 0


@pytest.mark.parametrize("start", ["always", "on_demand"])
def test_how_it_starts_changes_while_it_runs(start: str) -> None:
    other = {"always": "on_demand", "on_demand": "always"}[start]
    stage = Stage(HlsOptions.model_validate({"start": start}))
    stage.output.start()
    stage.output.adjust(HlsOptions.model_validate({"start": other}))
    assert stage.view.reader is not None
    stage.clock.advance(100)
    assert (stage.view.reader is not None) == (other == "always")


@pytest.mark.anyio
async def test_segments_on_disk_come_back_whole(tmp_path: Path) -> None:
    options = HlsOptions(storage="disk", directory=str(tmp_path / "hls"), history_s=20)
    stage = Stage(options, FakeView(code="region/secure"))
    stage.output.start()
    items: list[Item] = [boundary(1), *pictures(401, GOP)]
    for item in items:
        stage.play([item])
        await anyio.sleep(0)
    folder = tmp_path / "hls" / "region~secure"
    whole = sum(len(chunk.data) for chunk in items[:-1] if isinstance(chunk, Chunk))
    await until(lambda: len(list(folder.glob("*.ts"))) == 8)
    await until(lambda: stage.output.status()["disk_bytes"] == whole)
    segments = parse(media(stage)).segments
    bodies = []
    for segment in segments:
        reply = stage.get(f"/{segment.uri}")
        if isinstance(reply, Wait):
            await reply.event.wait()
            reply = reply.then()
        assert isinstance(reply, Bytes)
        assert reply.status == 200
        assert reply.content_type == "video/mp2t"
        bodies.append(reply.body if isinstance(reply.body, bytes) else b"".join(reply.body))
    assert b"".join(bodies) == b"".join(c.data for c in items[:-1] if isinstance(c, Chunk))
    assert isinstance(stage.get(f"/{segments[0].uri}"), Bytes)
    stage.output.stop()
    await until(lambda: not folder.exists())
    assert stage.view.causes == {}


@pytest.mark.anyio
async def test_without_a_disk_segments_stay_in_memory_and_the_cause_is_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "hls").write_text("not a folder")
    stage = Stage(HlsOptions(storage="disk", directory=str(tmp_path / "hls")))
    stage.output.start()
    items: list[Item] = [boundary(1), *pictures(401, GOP)]
    for item in items:
        stage.play([item])
        await anyio.sleep(0)
    await until(lambda: stage.view.causes)
    assert "can't write to" in stage.view.causes["hls_storage"]
    assert "segments stay in memory" in stage.view.causes["hls_storage"]
    for segment in parse(media(stage)).segments:
        reply = stage.get(f"/{segment.uri}")
        assert isinstance(reply, Bytes)
        assert reply.status == 200
    stage.output.stop()
