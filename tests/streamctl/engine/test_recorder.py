from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine import recorder as module
from streamctl.engine import recordmaker
from streamctl.engine.job import Job
from streamctl.engine.recorder import Recorder
from streamctl.errors import MediaError, StreamctlError
from streamctl.media.packet import Codec, Format, Track
from tests.streamctl.engine.rig import SOUND, VIDEO, ScriptPlugin, WordsPlugin, gop
from tests.streamctl.engine.test_job import FakeRegistry
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.sdk.lane import EpochWriter

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record the lane of words, which every rig has."""
    monkeypatch.setitem(recordmaker.LANES, ".ts", Format.RTMP)


async def seconds(out: EpochWriter) -> None:
    out.tracks([VIDEO, SOUND])
    for number in range(4):
        out.put(gop(number * 25), 1000.0 + number)


async def record(recorder: Recorder, script: object = seconds) -> BaseException | None:
    job = Job(FakeRegistry(ScriptPlugin(script), WordsPlugin()), "script://h/x")  # type: ignore[arg-type] # a script
    job.parts.append(recorder)
    with anyio.fail_after(PATIENCE_S):
        try:
            await job.run()
        except BaseExceptionGroup as group:
            return group.exceptions[0]
        except StreamctlError as error:
            return error
    return None


async def test_everything_of_the_lane_is_in_the_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.ts")
    assert await record(recorder) is None
    data = (tmp_path / "a.ts").read_bytes()
    assert recorder.file.committed
    assert recorder.file.size == len(data)
    assert data.count(b"AUDIO") == 100
    assert not (tmp_path / "a.ts.part").exists()


async def test_what_waits_is_written_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await record(Recorder(tmp_path / "whole.ts")) is None
    monkeypatch.setattr(module, "WRITE_BYTES", 100)
    recorder = Recorder(tmp_path / "a.ts")
    sizes: list[int] = []
    write = recorder.file.write

    def noted(data: bytes, at: int | None = None) -> None:
        sizes.append(len(data))
        write(data, at)

    monkeypatch.setattr(recorder.file, "write", noted)
    assert await record(recorder) is None
    assert len(sizes) > 5
    assert max(sizes) < 200
    assert (tmp_path / "a.ts").read_bytes() == (tmp_path / "whole.ts").read_bytes()


async def test_a_size_ends_the_job_in_order(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.ts", max_bytes=500)
    assert await record(recorder) is None
    assert recorder.full
    assert 400 < (tmp_path / "a.ts").stat().st_size <= 500


async def test_a_disk_that_takes_no_more_ends_it_with_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path / "a.ts")
    write = recorder.file.write

    def full(data: bytes, at: int | None = None) -> None:
        write(data[:100], at)
        raise StreamctlError("can't write: no space left on device")

    monkeypatch.setattr(recorder.file, "write", full)
    assert "no space left" in str(await record(recorder))
    assert (tmp_path / "a.ts").stat().st_size == 100


async def test_a_disk_that_is_too_slow_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES", 100)
    assert "too slow" in str(await record(Recorder(tmp_path / "a.ts")))


async def test_a_picture_that_the_file_can_not_hold_is_refused(tmp_path: Path) -> None:
    async def other(out: EpochWriter) -> None:
        out.tracks([Track(0, Codec.VP8, b"", width=2, height=2), SOUND])
        out.put(gop(0), 1000.0)
        await anyio.sleep_forever()

    error = await record(Recorder(tmp_path / "a.ts"), other)
    assert isinstance(error, MediaError)
    assert str(error) == "`.ts` can't hold VP8"
    assert list(tmp_path.iterdir()) == []


async def test_a_job_that_is_cut_short_leaves_a_whole_file(tmp_path: Path) -> None:
    async def endless(out: EpochWriter) -> None:
        await seconds(out)
        await anyio.sleep_forever()

    recorder = Recorder(tmp_path / "a.ts")
    job = Job(FakeRegistry(ScriptPlugin(endless), WordsPlugin()), "script://h/x")
    job.parts.append(recorder)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(job.run)
        while not recorder.file.size:
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert (tmp_path / "a.ts").read_bytes().count(b"AUDIO") == 100
