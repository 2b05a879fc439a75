from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from streamctl.avworker import client as client_module
from streamctl.avworker import wire
from streamctl.avworker.client import (
    AvWorkerClient,
    RunningDemuxer,
    opened,
    parse_report,
    probe_job,
)
from streamctl.avworker.wire import Opened, Record, RecordType
from streamctl.errors import ConfigError, ConnectionFailed, MediaError
from streamctl.media.packet import Codec, Kind, Packet, Track
from tests.support.media import Recipe
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamctl.avworker.process import Child
    from streamctl.sdk.context import AvWorker, Demuxer
    from tests.support.media import MediaCache

pytestmark = pytest.mark.anyio
RECIPE = Recipe(seconds=3.0)
TRIES = 5
"""Once in so many the machine does not stand still meanwhile."""
VIDEO = Track(0, Codec.H264, b"\1", width=320, height=180)


def open_files() -> set[str]:
    """What this process holds open, by descriptor and target."""
    gc.collect()
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(f"{entry.name} {entry.readlink()}")
    return found


def children() -> list[int]:
    """Media processes of this process, zombies included (their command line is empty)."""
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    pids = [int(pid) for pid in " ".join(lists).split()]
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
    return [pid for pid, line in commands.items() if b"streamctl.avworker" in line or not line]


def cpu_ticks(pid: int) -> int:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def gather(demuxer: Demuxer, limit: int = 1 << 30) -> list[Packet]:
    packets: list[Packet] = []
    async for batch in demuxer.packets():
        packets += batch
        if len(packets) >= limit:
            break
    return packets


async def test_a_file_is_demuxed_by_a_child(media: MediaCache) -> None:
    worker: AvWorker = AvWorkerClient()
    async with worker.demux(media(RECIPE).path) as demuxer:
        assert [track.codec for track in demuxer.tracks] == [Codec.H264, Codec.AAC]
        assert demuxer.duration_s == pytest.approx(3.0, abs=0.1)
        packets = await gather(demuxer)
    assert len([packet for packet in packets if packet.track == 0]) == 75
    assert children() == []


async def test_a_loop_goes_on_until_the_context_ends(media: MediaCache) -> None:
    async with AvWorkerClient().demux(media(RECIPE).path, loop=True) as demuxer:
        packets = await gather(demuxer, 2000)
    assert packets[-1].dts > 20 * 90_000
    assert children() == []


async def test_a_reader_that_stops_makes_the_child_wait(media: MediaCache) -> None:
    recipe = Recipe(seconds=3.0, video_kbps=8000)
    async with AvWorkerClient().demux(media(recipe).path, loop=True) as demuxer:
        await gather(demuxer, 10)
        (child,) = children()
        before = -1
        with anyio.fail_after(PATIENCE_S):
            while before != (now := cpu_ticks(child)):
                before = now
                await anyio.sleep(0.3)
        assert await gather(demuxer, 1000)


async def test_ten_children_leave_no_descriptor_and_no_zombie(media: MediaCache) -> None:
    path = media(RECIPE).path
    before = open_files()
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(demux_some, path)
    with pytest.raises(MediaError):
        await demux_some(path.with_name("nothing.mp4"))
    await AvWorkerClient().probe(path)
    assert children() == []
    assert len(open_files()) == len(before), open_files() ^ before


async def demux_some(path: Path) -> None:
    async with AvWorkerClient().demux(path) as demuxer:
        await gather(demuxer, 20)


async def demux_and_strike(
    path: Path, number: signal.Signals, begun: Callable[[], None] = lambda: None
) -> None:
    """Read on while the child gets a signal, once it has begun to work."""
    async with AvWorkerClient().demux(path, loop=True) as demuxer:
        begun()
        os.kill(children()[0], number)
        await gather(demuxer)


async def test_cancelling_kills_and_reaps_within_a_second(media: MediaCache) -> None:
    async def endless() -> None:
        async with AvWorkerClient().demux(media(RECIPE).path, loop=True) as demuxer:
            started.set()
            await gather(demuxer)

    times = []
    for _ in range(TRIES):
        started = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(endless)
            await started.wait()
            begin = time.monotonic()
            group.cancel_scope.cancel()
        times.append(time.monotonic() - begin)
        assert children() == []
        if times[-1] < 1:
            break
    assert min(times) < 1


async def test_cancelling_during_the_start_leaves_nothing(media: MediaCache) -> None:
    path = media(RECIPE).path
    before = open_files()
    for delay_s in (0.0, 0.01, 0.05, 0.1):
        with anyio.move_on_after(delay_s):
            await demux_some(path)
    assert children() == []
    assert len(open_files()) == len(before), open_files() ^ before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
async def test_a_dead_child_is_an_error_with_its_signal(
    media: MediaCache, number: signal.Signals
) -> None:
    with pytest.raises(MediaError, match=f"was killed by {number.name}"):
        await demux_and_strike(media(RECIPE).path, number)
    assert children() == []


async def test_a_stopped_child_is_an_error(
    media: MediaCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurry() -> None:
        monkeypatch.setattr("streamctl.avworker.process.SILENCE_S", 0.3)

    with pytest.raises(MediaError, match="was silent"):
        await demux_and_strike(media(RECIPE).path, signal.SIGSTOP, hurry)
    assert children() == []


async def test_a_child_without_progress_is_an_error(
    media: MediaCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurry() -> None:
        monkeypatch.setattr(client_module, "STALL_TIMEOUT_S", 0.3)

    with pytest.raises(MediaError, match="nothing was read"):
        await demux_and_strike(media(RECIPE).path, signal.SIGSTOP, hurry)
    assert children() == []


@pytest.mark.parametrize("content", [b"", b"no media at all" * 100])
async def test_an_unreadable_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="can't read"):
        async with AvWorkerClient().demux(path):
            pass


async def test_a_file_name_that_looks_like_a_protocol_is_a_file(
    media: MediaCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = Path("concat:a.mp4")
    (tmp_path / name).write_bytes(media(RECIPE).path.read_bytes())
    async with AvWorkerClient().demux(name) as demuxer:
        assert await gather(demuxer)


async def test_a_file_is_probed(media: MediaCache) -> None:
    report = await AvWorkerClient().probe(f"file:{media(RECIPE).path}")
    assert report.format == "mp4"
    assert [track.codec for track in report.tracks] == ["h264", "aac"]
    assert report.worst() is None


async def test_a_refusing_server_is_a_failed_connection() -> None:
    with pytest.raises(ConnectionFailed, match="refused"):
        await AvWorkerClient().probe("rtmp://127.0.0.1:1/live/a?key=secret")


async def test_a_silent_server_times_out() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        begin = time.monotonic()
        with pytest.raises(ConnectionFailed) as caught:
            await AvWorkerClient().probe(f"rtmp://127.0.0.1:{port}/a?key=secret", timeout_s=2)
    assert time.monotonic() - begin < PATIENCE_S
    assert "secret" not in str(caught.value)


async def test_an_http_stream_is_probed_for_the_wanted_time(
    media: MediaCache, served: tuple[str, Path]
) -> None:
    url, folder = served
    recipe = Recipe(seconds=6.0, container="ts")
    (folder / "a.ts").write_bytes(media(recipe).path.read_bytes())
    report = await AvWorkerClient().probe(f"{url}/a.ts?token=secret", duration_s=2)
    assert report.target == f"{url}/a.ts?token=***"
    assert (report.format, len(report.tracks)) == ("mpegts", 2)
    assert report.analysed_s == pytest.approx(2, abs=0.2)


async def test_a_remote_playlist_is_probed_but_leads_to_no_file(
    media: MediaCache, served: tuple[str, Path]
) -> None:
    url, folder = served
    path = media(Recipe(seconds=6.0, container="ts")).path
    (folder / "a.ts").write_bytes(path.read_bytes())
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n"
    (folder / "good.m3u8").write_text(f"{head}a.ts\n#EXT-X-ENDLIST\n")
    (folder / "evil.m3u8").write_text(f"{head}file://{path}\n#EXT-X-ENDLIST\n")
    report = await AvWorkerClient().probe(f"{url}/good.m3u8")
    assert (report.format, len(report.tracks)) == ("hls", 2)
    with pytest.raises(MediaError):
        await AvWorkerClient().probe(f"{url}/evil.m3u8")


async def test_a_missing_page_is_a_failed_connection(served: tuple[str, Path]) -> None:
    url, _ = served
    with pytest.raises(ConnectionFailed, match="404"):
        await AvWorkerClient().probe(f"{url}/none.ts")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A folder behind an HTTP server."""
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", tmp_path
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()


@pytest.mark.parametrize(
    ("url", "reason"),
    [("srt://h:1", "`srt` can't be probed"), ("ftp://h/a", "`ftp` can't be probed")],
)
async def test_what_libav_can_not_open_is_said_at_once(url: str, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        await AvWorkerClient().probe(url)


class ScriptedChild:
    """A child that has already said everything."""

    def __init__(self, *records: Record) -> None:
        self.records = list(records)

    async def receive(self) -> Record:
        return self.records.pop(0)


def scripted(*records: Record) -> RunningDemuxer:
    return RunningDemuxer(cast("Child", ScriptedChild(*records)), Opened((VIDEO,)))


async def test_changed_tracks_are_there_before_their_packets() -> None:
    wide = replace(VIDEO, width=640)
    packet = Packet(0, 0, 0, Kind.KEY, 0, b"")
    records = [wire.tracks_record([wide]), wire.packets_record([packet]), Record(RecordType.END)]
    demuxer = scripted(*records)
    seen = [(demuxer.tracks, batch) async for batch in demuxer.packets()]
    assert seen == [((wide,), [packet])]


@pytest.mark.parametrize(
    "record", [Record(RecordType.REPORT), Record(RecordType.PACKETS), Record(RecordType.TRACKS)]
)
async def test_nonsense_while_demuxing_is_a_media_error(record: Record) -> None:
    with pytest.raises(MediaError, match="nonsense"):
        await anext(scripted(record))


@pytest.mark.parametrize("record", [Record(RecordType.END), Record(RecordType.OPENED, b"{}")])
async def test_nonsense_instead_of_tracks_is_a_media_error(record: Record) -> None:
    with pytest.raises(MediaError, match="nonsense"):
        await opened(cast("Child", ScriptedChild(record)))


@pytest.mark.parametrize(
    "record", [Record(RecordType.END), Record(RecordType.REPORT, b'{"format": 1}')]
)
def test_nonsense_instead_of_a_report_is_a_media_error(record: Record) -> None:
    with pytest.raises(MediaError, match="nonsense"):
        parse_report(record)


async def test_jobs_of_targets(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    assert (await probe_job("/x/\udcff.mp4", None, 60)).shown == "/x/\\udcff.mp4"
    job = await probe_job(path, None, 60)
    assert (job.target, job.network, job.duration_s) == (str(path), False, 0)
    job = await probe_job("hls+https://u:p@h/x?token=t", None, 60)
    assert job.target == "https://u:p@h/x?token=t"
    assert job.shown == "hls+https://u:***@h/x?token=***"
    assert (job.network, job.duration_s) == (True, 10)
    job = await probe_job("http://h/anything", 3, 60)
    assert (job.shown, job.duration_s) == ("http://h/anything", 3)
    with pytest.raises(ConfigError):
        await probe_job("file:", None, 60)


def test_the_client_never_loads_libav() -> None:
    code = (
        "import sys, streamctl.avworker.client, streamctl.avworker.report;"
        "print([name for name in sys.modules if name.partition('.')[0] == 'av'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
