from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from streamctl.errors import ConfigError, MediaError
from streamctl.media.packet import Track
from streamctl.sdk.url import StreamURL
from streamctl_file.source import FileSource

from .world import AUDIO, VIDEO, Batch, MemoryContext, RecordingWriter, packet

pytestmark = pytest.mark.anyio
URL = StreamURL.parse("file:a.mp4")
START = 1000.0


async def play(
    source: FileSource, ctx: MemoryContext, out: RecordingWriter, seconds: float
) -> None:
    """Run the source while the clock moves on in steps of 10 ms."""

    async def run() -> None:
        await source.run(out)
        ended.set()

    ended = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        while not out.announced:
            await checkpoint()
        for _ in range(round(seconds * 100)):
            await wait_all_tasks_blocked()
            if ended.is_set():
                break
            ctx.time.advance(0.01)
        group.cancel_scope.cancel()


async def test_a_file_leaves_in_real_time() -> None:
    ctx = MemoryContext([Batch([packet(n / 25) for n in range(50)])])
    out = RecordingWriter()
    source = FileSource(URL, ctx, loop=False)
    await play(source, ctx, out, 10)
    sent = [(now - START, dts) for now, batch in out.written for dts in batch]
    assert [dts for _, dts in sent] == [n / 25 for n in range(50)]
    assert all(-0.021 <= now - dts <= 0.021 for now, dts in sent)
    assert source.position_s == 49 / 25
    assert source.duration_s == 2.0


async def test_batches_are_bounded_by_the_step_not_by_the_packet() -> None:
    ctx = MemoryContext([Batch([packet(n / 1000) for n in range(1000)])])
    out = RecordingWriter()
    await play(FileSource(URL, ctx, loop=False), ctx, out, 3)
    assert len(out.written) <= 51


async def test_changed_tracks_are_announced_before_their_packets() -> None:
    wide: list[Track] = [VIDEO, Track(1, AUDIO.codec, b"\x12\x10")]
    ctx = MemoryContext(
        [Batch([packet(0)]), Batch([packet(0.04)], wide), Batch([packet(0.08)], wide)]
    )
    out = RecordingWriter()
    await play(FileSource(URL, ctx, loop=False), ctx, out, 1)
    assert out.announced == [(VIDEO, AUDIO), wide]
    assert len(out.written) == 3


async def test_the_worker_gets_path_and_loop() -> None:
    ctx = MemoryContext([Batch([packet(0)])])
    await play(FileSource(URL, ctx, loop=True), ctx, RecordingWriter(), 1)
    assert ctx.worker.asked == [(Path("/media/a.mp4"), True, 0.0)]


async def test_what_is_left_out_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ctx = MemoryContext([Batch([packet(0)])])
    ctx.worker.demuxer.notes = ["left out: audio track 1 (`opus`)"]
    await FileSource(URL, ctx, loop=False).run(RecordingWriter())
    assert caplog.messages[0] == "/media/a.mp4: left out: audio track 1 (`opus`)"


async def test_a_lost_child_ends_the_run_with_its_reason() -> None:
    ctx = MemoryContext([Batch([packet(0)])], fails=True)
    with pytest.raises(MediaError, match="SIGKILL"):
        await FileSource(URL, ctx, loop=False).run(RecordingWriter())
    assert ctx.worker.running == 0


async def test_a_forbidden_path_is_refused_before_a_child_starts() -> None:
    ctx = MemoryContext([])
    with pytest.raises(ConfigError, match="media roots"):
        await FileSource(StreamURL.parse("file:outside.mp4"), ctx, loop=False).run(
            RecordingWriter()
        )
    assert ctx.worker.asked == []


async def test_cancelling_ends_the_child() -> None:
    ctx = MemoryContext([Batch([packet(0), packet(100)])])
    out = RecordingWriter()
    await play(FileSource(URL, ctx, loop=False), ctx, out, 0.1)
    assert ctx.worker.running == 0


@pytest.mark.parametrize(("frames", "said"), [(50, False), (20, True)])
async def test_a_file_that_was_cut_off_is_told(
    frames: int, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ctx = MemoryContext([Batch([packet(n / 25) for n in range(frames)])])
    await play(FileSource(URL, ctx, loop=False), ctx, RecordingWriter(), 5)
    assert ("cut off" in caplog.text) is said
