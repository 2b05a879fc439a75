"""Streams that are made of other streams of the same server: copies and mixes, watched."""

from __future__ import annotations

from contextlib import ExitStack
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HOST,
    HttpRecorder,
    Streamctl,
    ffmpeg,
    ffmpeg_publish,
    stream_toml,
)
from tests.support.ports import udp_port
from tests.support.process import eventually
from tests.support.recorded import assert_clean, record_rtmp, record_ts, wait_media
from tests.support.ts import inspect, whole_units
from tests.support.udp import input_toml

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.needs("ffmpeg"), pytest.mark.timeout(240)]

RECIPE = Recipe(seconds=60, video_kbps=600, bframes=2, gop=25)
TS = Recipe(seconds=30, container="ts", video_kbps=600, bframes=2, gop=25)
TOGETHER_MS = 100


def made(url: str) -> str:
    """The stream `news`, made of others."""
    return f'[streams.news]\ninputs = ["{url}"]\n'


def restart(server: Streamctl, path: str) -> None:
    """Start a stream anew, over the API."""
    connection = HTTPConnection(HOST, server.port("api"), timeout=20)
    header = {"Content-Type": "application/json"}
    connection.request("POST", f"/api/v1/streams/{path}/restart", "{}", header)
    assert connection.getresponse().status == 200
    connection.close()


def test_a_copy_shows_what_its_stream_shows_also_after_a_restart(
    tmp_path: Path, media: MediaCache
) -> None:
    path = media(RECIPE).path
    streams = stream_toml("region/a") + made("copy:region/a")
    with ExitStack() as stack:
        server = stack.enter_context(Streamctl(tmp_path, streams))
        publisher = stack.enter_context(ffmpeg_publish(path, server.rtmp("region/a")))
        server.wait_on_air()
        assert_clean(judge(record_ts(server, 3)))
        assert_clean(record_rtmp(server.rtmp(), tmp_path / "a.flv", 3))
        recorder = stack.enter_context(HttpRecorder(server.http("/news/mpegts")))
        wait_media(recorder, 2)
        publisher.kill()
        server.wait_off_air("region/a")
        since = len(recorder.data)
        stack.enter_context(ffmpeg_publish(path, server.rtmp("region/a")))
        wait_media(recorder, 2, since)
        restart(server, "region~a")
        server.wait_off_air("region/a")
        since = len(recorder.data)
        stack.enter_context(ffmpeg_publish(path, server.rtmp("region/a")))
        wait_media(recorder, 2, since)
        ts = whole_units(recorder.stop())
    verdict = judge(ts)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert inspect(ts).continuity_errors == []


def test_a_copy_of_transport_stays_transport(tmp_path: Path, media: MediaCache) -> None:
    port = udp_port()
    upstream = input_toml(f"udp://127.0.0.1:{port}").replace("news", "feed")
    with (
        Streamctl(tmp_path, upstream + made("copy:feed")) as server,
        ffmpeg(
            *("-re", "-i", str(media(TS).path), "-map", "0", "-c", "copy", "-f", "mpegts"),
            f"udp://127.0.0.1:{port}?pkt_size=1316",
        ),
    ):
        server.wait_on_air()
        ts = record_ts(server, 4)
        lanes = {lane["format"]: lane for lane in server.stream()["media"]["lanes"]}
        assert set(lanes) == {"mpegts", "packets"}
        assert lanes["packets"]["readers"] == 0
    assert_clean(judge(ts))
    assert inspect(ts).continuity_errors == []


def test_a_mix_keeps_pictures_and_sound_together(tmp_path: Path, media: MediaCache) -> None:
    streams = stream_toml("cam") + stream_toml("radio") + made("mixer:cam,radio")
    with Streamctl(tmp_path, streams) as server:
        # One program for both, so that what belongs together is sent together.
        with ffmpeg(
            *("-re", "-i", str(media(RECIPE).path)),
            *("-map", "0:v", "-c", "copy", "-f", "flv", server.rtmp("cam")),
            *("-map", "0:a", "-c", "copy", "-f", "flv", server.rtmp("radio")),
        ):
            server.wait_on_air()
            ts = record_ts(server, 4)
            flv = record_rtmp(server.rtmp(), tmp_path / "m.flv", 3)
            [source] = server.stream()["inputs"]
            assert source["status"] == "active"
            assert server.stream("cam")["stats"]["viewers"] == 0
        eventually(lambda: server.stream()["ingest_status"] != "active", 40, "the end of a part")
    for verdict in (judge(ts), flv):
        assert verdict.codecs == ("h264", "aac")
        assert verdict.decode_errors == []
        assert verdict.dts_disorder == 0
        assert verdict.missing == 0
        assert verdict.worst_offset_ms < TOGETHER_MS
