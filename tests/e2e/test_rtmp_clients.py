"""Real publishers, players and servers against the plugin, without the rest of the server."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.engine.lane import LaneCursor
from streamctl.media.packet import Chunk, Packet
from streamctl.net.clock import LoopClock
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.options import ClientOptions
from streamctl_rtmp.sink import RtmpSink
from streamctl_rtmp.source import RtmpSource
from streamctl_rtmp.wire.connection import OUT_CHUNK_SIZE
from tests.plugins.streamctl_rtmp.running import HOST, serving
from tests.plugins.streamctl_rtmp.world import FakeContext, World, Writer
from tests.support.judge import judge
from tests.support.media import Recipe
from tests.support.peers import (
    ffmpeg_publish,
    ffmpeg_record,
    gst_publish,
    gst_record,
    nginx_rtmp,
    rtmpdump,
)
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.judge import Verdict
    from tests.support.media import MediaCache
    from tests.support.process import Process

pytestmark = [pytest.mark.anyio, pytest.mark.e2e, pytest.mark.timeout(240)]

ENOUGH_BYTES = 150_000
"""About 3 s of the generated media."""


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def record(recorders: dict[Path, Process], enough: int = ENOUGH_BYTES) -> dict[str, Verdict]:
    """What the recorders have got, once each of them has enough."""
    try:
        await until(lambda: all(size(path) > enough for path in recorders), 30)
    finally:
        for process in recorders.values():
            await anyio.to_thread.run_sync(process.stop, signal.SIGINT)
    return {path.name: judge(whole_tags(path.read_bytes())) for path in recorders}


def pictures(world: World) -> list[Packet]:
    """What of the video the lane has."""
    return [one for one in world.packets.items if isinstance(one, Packet) and one.track == 0]


def whole_tags(data: bytes) -> bytes:
    """An FLV file without the tag at its end that a recorder was stopped in."""
    end = 13
    while True:
        after = end + 15 + int.from_bytes(data[end + 1 : end + 4], "big")
        if after > len(data):
            return data[:end]
        end = after


def assert_clean(verdict: Verdict, name: str) -> None:
    assert verdict.decode_errors == [], name
    assert verdict.starts_with_key, name
    assert verdict.missing == 0, name
    assert verdict.dts_disorder == 0, name
    assert abs(verdict.offset_ms) < 40, name


# GStreamer's flvmux gives the first pictures equal decode times when there are B-frames.
@pytest.mark.parametrize(("publish", "bframes"), [(ffmpeg_publish, 2), (gst_publish, 0)])
async def test_known_publishers_and_players(
    tmp_path: Path, media: MediaCache, publish: Callable[[Path, str], Process], bframes: int
) -> None:
    made = media(Recipe(seconds=30, video_kbps=500, bframes=bframes))
    async with serving() as (world, port):
        url = f"rtmp://{HOST}:{port}/live/news"
        with publish(made.path, url):
            await until(lambda: world.lane.joins, 20)
            verdicts = await record(
                {
                    tmp_path / "ffmpeg.flv": ffmpeg_record(url, tmp_path / "ffmpeg.flv"),
                    tmp_path / "librtmp.flv": rtmpdump(url, tmp_path / "librtmp.flv"),
                    tmp_path / "gst.flv": gst_record(url, tmp_path / "gst.flv"),
                }
            )
    for name, verdict in verdicts.items():
        assert_clean(verdict, name)


@pytest.mark.parametrize(
    "passed",
    [
        pytest.param(0xFFFFFF, id="four bytes"),
        pytest.param(2**31, id="sign"),
        pytest.param(2**32, id="wrap"),
    ],
)
async def test_players_pass_the_timestamps_that_are_special(
    tmp_path: Path, media: MediaCache, passed: int
) -> None:
    made = media(Recipe(seconds=15, width=640, height=360, video_kbps=12_000, gop=10))
    start = (passed - 2500) * 90
    async with serving(first_timestamp=start) as (world, port):
        url = f"rtmp://{HOST}:{port}/live/news"
        with ffmpeg_publish(made.path, url):
            await until(lambda: world.lane.joins, 20)
            recorders = {
                tmp_path / "ffmpeg.flv": ffmpeg_record(url, tmp_path / "ffmpeg.flv"),
                tmp_path / "librtmp.flv": rtmpdump(url, tmp_path / "librtmp.flv"),
            }
            # The recordings must go on well behind the passage.
            chunks = [item for item in world.lane.items if isinstance(item, Chunk)]
            first = chunks[0].start
            await until(lambda: world.lane.newest - first > 90 * 5000, 30)
            verdicts = await record(recorders, 4 * made.path.stat().st_size // 15)
            largest = max(len(item.data) for item in world.lane.items if isinstance(item, Chunk))
    assert largest > OUT_CHUNK_SIZE
    for name, verdict in verdicts.items():
        assert_clean(verdict, name)
        assert verdict.duration_s > 3


@pytest.mark.parametrize("passed_s", [16_777, 2_147_483], ids=["four bytes", "sign"])
async def test_a_publisher_passes_the_timestamps_that_are_special(
    media: MediaCache, passed_s: int
) -> None:
    made = media(Recipe(seconds=6, width=640, height=360, video_kbps=6000, gop=10))
    async with serving() as (world, port):
        url = f"rtmp://{HOST}:{port}/live/news"
        with ffmpeg_publish(made.path, url, start_s=passed_s - 3) as publisher:
            await until(lambda: not publisher.running(), 20)
            await until(lambda: len(pictures(world)) >= made.recipe.frames, 5)
    times = [picture.dts for picture in pictures(world)]
    assert times == list(range(times[0], times[0] + made.recipe.frames * 3600, 3600))


async def test_another_server_is_pushed_to_and_pulled_from(
    tmp_path: Path, media: MediaCache
) -> None:
    made = media(Recipe(seconds=30, video_kbps=500, bframes=2))
    context = FakeContext(LoopClock()).as_context
    back = Writer(World())
    server, there = nginx_rtmp(tmp_path)
    with server:
        async with serving() as (world, port), anyio.create_task_group() as tasks:
            with ffmpeg_publish(made.path, f"rtmp://{HOST}:{port}/live/news"):
                await until(lambda: world.packets.joins, 20)
                url = StreamURL.parse(f"rtmp://{HOST}:{there}/live/x")
                cursor = LaneCursor(world.packets, lambda: None)
                cursor.join()
                connected = anyio.Event()

                async def push() -> None:
                    await RtmpSink(url, ClientOptions(), context).run(
                        cursor, connected=connected.set
                    )

                tasks.start_soon(push)
                await connected.wait()
                tasks.start_soon(RtmpSource(url, ClientOptions(), context).run, back)
                await until(lambda: len(back.packets) > 200, 20)
                tasks.cancel_scope.cancel()
    sent = {item.data for item in world.packets.items if isinstance(item, Packet)}
    assert {packet.data for packet in back.packets[:-20]} <= sent
    times = [packet.dts for packet in back.packets if packet.track == 0]
    assert times == sorted(set(times))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("live/other", "no stream `live/other`"),
        ("region/secure?key=wrong", "the key is wrong"),
    ],
)
async def test_a_publisher_shows_why_it_was_refused(
    media: MediaCache, path: str, reason: str
) -> None:
    made = media(Recipe(seconds=30, video_kbps=500, bframes=2))
    async with serving() as (_, port):
        with ffmpeg_publish(made.path, f"rtmp://{HOST}:{port}/{path}") as process:
            await until(lambda: not process.running())
            assert reason in process.output
