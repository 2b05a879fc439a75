from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import av
import pytest
from anyio import to_thread

from streamctl.avworker.client import AvWorkerClient
from streamctl.avworker.wire import RecordReader, parse_packets
from streamctl.engine.recording import RecordingFile
from streamctl.engine.recordmaker import BATCH_BYTES, LaneMaker, MuxMaker, maker_of
from streamctl.errors import MediaError, StreamctlError, Unsupported
from streamctl.media.packet import Chunk, Codec, Format, Kind, Packet, Track
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop
from tests.support.media import Recipe

if TYPE_CHECKING:
    from tests.support.media import MediaCache

pytestmark = pytest.mark.anyio


PICTURE = Track(0, Codec.H264, b"v")
TONE = Track(1, Codec.AAC, b"a")


def count(path: Path) -> int:
    """The packets of a file."""
    with av.open(str(path), "r") as found:
        return len([packet for packet in found.demux() if packet.size])


def chunk(data: bytes, *, rap: bool = False, lead: bytes = b"") -> Chunk:
    join = b"JOIN" if rap else b""
    return Chunk(data, 0, 0, rap=rap, flush=True, epoch=1, join=join, lead=lead)


def test_a_file_of_a_lane_begins_where_a_viewer_could() -> None:
    maker = LaneMaker(RecordingFile(Path("a.ts")), Format.MPEGTS)
    assert maker.announce([VIDEO]) == b""
    items = [chunk(b"lost"), chunk(b"key", rap=True, lead=b"a "), chunk(b"more", lead=b"some ")]
    assert list(maker.pack(items)) == [b"JOINa key", b"some more"]
    assert list(maker.pack([chunk(b"key", rap=True)])) == [b"key"]


@pytest.mark.parametrize(
    ("tracks", "flags"), [([VIDEO, SOUND], 5), ([VIDEO], 1), ([SOUND], 4), ([], 0)]
)
def test_an_flv_has_a_head(tracks: list[Track], flags: int) -> None:
    maker = LaneMaker(RecordingFile(Path("a.flv")), Format.FLV)
    assert maker.announce(tracks) == b"FLV\1" + bytes((flags, 0, 0, 0, 9, 0, 0, 0, 0))
    assert maker.announce(tracks) == b""


def test_what_a_file_can_not_hold_is_known() -> None:
    graph = Rig().stream().graph
    odd = Track(2, Codec.G711A)
    assert LaneMaker(RecordingFile(Path("a.ts")), Format.RTMP).kept(graph, [VIDEO, odd]) == [VIDEO]
    muxer = MuxMaker(RecordingFile(Path("a.mp4")), "mp4")
    assert muxer.kept(graph, [PICTURE, odd, TONE]) == [PICTURE, TONE]
    graph.origin = Format.RTMP
    kept = LaneMaker(RecordingFile(Path("a.ts")), Format.RTMP).kept(graph, [VIDEO, odd])
    assert kept == [VIDEO, odd]


def test_the_tracks_of_an_mp4_are_settled() -> None:
    maker = MuxMaker(RecordingFile(Path("a.mp4")), "mp4")
    assert maker.announce([PICTURE, TONE]) != b""
    assert maker.announce([PICTURE, TONE]) == b""
    with pytest.raises(MediaError, match=r"`\.mp4` can't go on") as caught:
        maker.announce([PICTURE])
    assert ".ts" in caught.value.hint
    (record,) = maker.pack([*gop(0, frames=3), Packet(9, 0, 0, gop(0)[0].kind, 0, b"x")])
    assert record.count(b"v" * 100) == 3
    assert len(list(maker.pack(gop(0, frames=50)))) == 2


def test_what_a_child_gets_at_once_is_bounded() -> None:
    maker = MuxMaker(RecordingFile(Path("a.mp4")), "mp4")
    maker.announce([PICTURE])
    sizes = [BATCH_BYTES // 2, BATCH_BYTES // 2, 1, 2 * BATCH_BYTES, BATCH_BYTES, *[10] * 70]
    packets = [Packet(0, n, n, Kind.P, 0, bytes(size)) for n, size in enumerate(sizes)]
    (*found,) = RecordReader().receive_data(b"".join(maker.pack(packets)))
    batches = [parse_packets(record) for record in found]
    assert [packet for batch in batches for packet in batch] == packets
    assert [len(batch) for batch in batches] == [2, 1, 1, 1, 64, 6]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
async def test_a_child_makes_the_file(media: MediaCache, tmp_path: Path, ending: str) -> None:
    file = RecordingFile(tmp_path / f"a.{ending}")
    await to_thread.run_sync(file.open)
    maker = maker_of(file)
    async with anyio.create_task_group() as tasks:
        await maker.open(tasks)
        async with AvWorkerClient().demux(media(Recipe(seconds=2)).path) as demuxer:
            await maker.write(maker.announce(demuxer.tracks))
            async for batch in demuxer.packets():
                for data in maker.pack(batch):
                    await maker.write(data)
        await maker.close()
    await to_thread.run_sync(file.commit)
    assert await to_thread.run_sync(count, file.path) > 50 + 90


async def test_a_child_that_gives_up_is_an_error(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "a.mp4")
    await to_thread.run_sync(file.open)
    maker = maker_of(file)
    async with anyio.create_task_group() as tasks:
        await maker.open(tasks)
        await maker.write(b"\xff" * 5)
        with pytest.raises(MediaError, match="nonsense"):
            await maker.close()
        with pytest.raises(MediaError, match="nonsense"):
            await maker.write(b"more")
    await to_thread.run_sync(file.close)


async def test_a_child_that_can_not_be_started_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    maker = maker_of(RecordingFile(tmp_path / "a.mp4"))
    async with anyio.create_task_group() as tasks:
        with pytest.raises(MediaError):
            await maker.open(tasks)


async def test_a_disk_that_is_full_is_an_error(
    media: MediaCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(data: bytes, at: int | None = None) -> None:
        raise StreamctlError("no space left on device")

    file = RecordingFile(tmp_path / "a.mkv")
    await to_thread.run_sync(file.open)
    monkeypatch.setattr(file, "write", full)
    maker = maker_of(file)
    async with anyio.create_task_group() as tasks:
        await maker.open(tasks)
        async with AvWorkerClient().demux(media(Recipe(seconds=2)).path) as demuxer:
            await maker.write(maker.announce(demuxer.tracks))
            (batch, *_) = [batch async for batch in demuxer.packets()]
            for data in maker.pack(batch):
                await maker.write(data)
        with pytest.raises(StreamctlError, match="no space left"):
            await maker.close()
    await to_thread.run_sync(file.close)


def test_the_name_tells_the_format() -> None:
    assert isinstance(maker_of(RecordingFile(Path("x/a.FLV"))), LaneMaker)
    assert isinstance(maker_of(RecordingFile(Path("x/a.mkv"))), MuxMaker)
    with pytest.raises(Unsupported, match=r"`a\.avi`") as caught:
        maker_of(RecordingFile(Path("x/a.avi")))
    assert caught.value.hint == "names end in .ts, .flv, .mp4, .mkv"
