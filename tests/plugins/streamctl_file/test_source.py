from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from streamctl.errors import ConfigError, MediaError
from streamctl.media.pace import STEP_S
from streamctl.media.packet import Track
from streamctl.sdk.url import StreamURL
from streamctl_file.options import FileInputOptions
from streamctl_file.source import MUCH_BYTES, FileSource
from tests.support.broadcast import Broadcast, broadcast
from tests.support.ts import inspect

from .world import AUDIO, VIDEO, Batch, MemoryContext, RecordingWriter, packet

if TYPE_CHECKING:
    from tests.support.media import MediaCache

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
    source = FileSource(URL, ctx, FileInputOptions(loop=False))
    await play(source, ctx, out, 10)
    sent = [(now - START, dts) for now, batch in out.written for dts in batch]
    assert [dts for _, dts in sent] == [n / 25 for n in range(50)]
    assert all(-0.021 <= now - dts <= 0.021 for now, dts in sent)
    assert source.position_s == 49 / 25
    assert source.duration_s == 2.0


async def test_batches_are_bounded_by_the_step_not_by_the_packet() -> None:
    ctx = MemoryContext([Batch([packet(n / 1000) for n in range(1000)])])
    out = RecordingWriter()
    await play(FileSource(URL, ctx, FileInputOptions(loop=False)), ctx, out, 3)
    assert len(out.written) <= 51


async def test_changed_tracks_are_announced_before_their_packets() -> None:
    wide: list[Track] = [VIDEO, Track(1, AUDIO.codec, b"\x12\x10")]
    ctx = MemoryContext(
        [Batch([packet(0)]), Batch([packet(0.04)], wide), Batch([packet(0.08)], wide)]
    )
    out = RecordingWriter()
    await play(FileSource(URL, ctx, FileInputOptions(loop=False)), ctx, out, 1)
    assert out.announced == [(VIDEO, AUDIO), wide]
    assert len(out.written) == 3


async def test_the_worker_gets_path_and_loop() -> None:
    ctx = MemoryContext([Batch([packet(0)])])
    await play(FileSource(URL, ctx, FileInputOptions(loop=True)), ctx, RecordingWriter(), 1)
    assert ctx.worker.asked == [(Path("/media/a.mp4"), True, 0.0)]


async def test_what_is_left_out_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ctx = MemoryContext([Batch([packet(0)])])
    ctx.worker.demuxer.notes = ["left out: audio track 1 (`opus`)"]
    await FileSource(URL, ctx, FileInputOptions(loop=False)).run(RecordingWriter())
    assert caplog.messages[0] == "/media/a.mp4: left out: audio track 1 (`opus`)"


async def test_a_lost_child_ends_the_run_with_its_reason() -> None:
    ctx = MemoryContext([Batch([packet(0)])], fails=True)
    with pytest.raises(MediaError, match="SIGKILL"):
        await FileSource(URL, ctx, FileInputOptions(loop=False)).run(RecordingWriter())
    assert ctx.worker.running == 0


async def test_a_transport_stream_leaves_as_it_is_by_its_clock(
    media: MediaCache, tmp_path: Path
) -> None:
    data = broadcast(media, Broadcast(seconds=2.5, kbps=2500)).data
    path = tmp_path / "a.ts"
    path.write_bytes(data)
    ctx = MemoryContext([], path=path)
    out = RecordingWriter()
    source = FileSource(URL, ctx, FileInputOptions(loop=False))
    async with anyio.create_task_group() as group:
        group.start_soon(source.run, out)
        while sum(len(each) for _, each in out.sent) < len(data):
            await wait_all_tasks_blocked()
            # Reading takes a thread, and no time of this clock.
            ctx.time.advance(0.01 if ctx.time.pending else 0.0)
    assert b"".join(each for _, each in out.sent) == data
    assert ctx.worker.asked == []
    assert source.duration_s == pytest.approx(3.0, abs=0.15)
    assert source.position_s == pytest.approx(3.0, abs=0.15)
    sent = 0
    for now, each in out.sent:
        early_s = sent * 8 / 2_500_000 - (now - out.sent[0][0])
        assert -0.06 < early_s < 0.06
        sent += len(each)
    assert len(out.sent) < 3.0 / STEP_S + 2


async def test_a_source_that_was_held_up_catches_up_in_pieces(
    media: MediaCache, tmp_path: Path
) -> None:
    data = broadcast(media, Broadcast(seconds=2.5, kbps=8000)).data
    path = tmp_path / "a.ts"
    path.write_bytes(data)
    ctx = MemoryContext([], path=path)
    out = RecordingWriter()
    async with anyio.create_task_group() as group:
        group.start_soon(FileSource(URL, ctx, FileInputOptions(loop=False)).run, out)
        while not out.sent:
            await wait_all_tasks_blocked()
        begun = len(out.sent)
        ctx.time.advance(1.0)
        await wait_all_tasks_blocked()
        sizes = [len(each) for _, each in out.sent[begun:]]
        group.cancel_scope.cancel()
    assert sum(sizes) > 3 * MUCH_BYTES
    assert max(sizes) < MUCH_BYTES * 1.5


async def test_program_and_pids_are_chosen_before_the_first_bytes(
    media: MediaCache, tmp_path: Path
) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(broadcast(media, Broadcast(seconds=1.0, programs=2)).data[: 188 * 50])
    ctx = MemoryContext([], path=path)
    for options, wanted in (
        (FileInputOptions(loop=False, program=2, pids=(0x211,)), [(2, (0x211,))]),
        (FileInputOptions(loop=False), []),
    ):
        out = RecordingWriter()
        async with anyio.create_task_group() as group:
            group.start_soon(FileSource(URL, ctx, options).run, out)
            while not out.sent:
                await wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert out.selected == wanted


async def test_a_choice_that_means_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    ctx = MemoryContext([Batch([packet(0)])])
    await FileSource(URL, ctx, FileInputOptions(loop=False, program=2)).run(RecordingWriter())
    assert "no programs to choose from" in caplog.text


async def test_a_transport_stream_that_loops_never_ends(media: MediaCache, tmp_path: Path) -> None:
    data = broadcast(media, Broadcast(seconds=1.0)).data
    path = tmp_path / "a.ts"
    path.write_bytes(data)
    ctx = MemoryContext([], path=path)
    out = RecordingWriter()
    async with anyio.create_task_group() as group:
        group.start_soon(FileSource(URL, ctx, FileInputOptions(loop=True)).run, out)
        while sum(len(each) for _, each in out.sent) < 3 * len(data):
            await wait_all_tasks_blocked()
            ctx.time.advance(0.1 if ctx.time.pending else 0.0)
        group.cancel_scope.cancel()
    assert inspect(b"".join(each for _, each in out.sent)).continuity_errors == []


async def test_a_forbidden_path_is_refused_before_a_child_starts() -> None:
    ctx = MemoryContext([])
    with pytest.raises(ConfigError, match="media roots"):
        await FileSource(
            StreamURL.parse("file:outside.mp4"), ctx, FileInputOptions(loop=False)
        ).run(RecordingWriter())
    assert ctx.worker.asked == []


async def test_cancelling_ends_the_child() -> None:
    ctx = MemoryContext([Batch([packet(0), packet(100)])])
    out = RecordingWriter()
    await play(FileSource(URL, ctx, FileInputOptions(loop=False)), ctx, out, 0.1)
    assert ctx.worker.running == 0


@pytest.mark.parametrize(("frames", "said"), [(50, False), (20, True)])
async def test_a_file_that_was_cut_off_is_told(
    frames: int, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ctx = MemoryContext([Batch([packet(n / 25) for n in range(frames)])])
    await play(FileSource(URL, ctx, FileInputOptions(loop=False)), ctx, RecordingWriter(), 5)
    assert ("cut off" in caplog.text) is said
