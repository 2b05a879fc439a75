"""Streams that are in no file: made by publishers, and by viewers of what is pulled on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    CONFIG,
    HOST,
    HttpRecorder,
    Streamctl,
    ffmpeg,
    ffmpeg_publish,
    ffmpeg_record,
    stream_toml,
)
from tests.support.process import eventually
from tests.support.recorded import assert_clean, record_rtmp, wait_media
from tests.support.srt import HEAD as SRT
from tests.support.srt import SrtServer
from tests.support.ts import whole_units
from tests.support.upstream import media_time

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.needs("ffmpeg"), pytest.mark.timeout(240)]

RECIPE = Recipe(seconds=60, video_kbps=600, bframes=0, gop=25)
TS = Recipe(seconds=30, container="ts", video_kbps=600, bframes=0, gop=25)
HEAD = f'{CONFIG}[listeners.rtsp]\naddress = "{HOST}:0"\n'
STAGE = '[templates.stage]\nprefix = "stage/"\npublish_key = "k"\n'


def status_of(server: Streamctl, code: str, method: str = "GET") -> tuple[int, str]:
    """What the API says of a stream."""
    status, answer = server.ask(f"/api/v1/streams/{code.replace('/', '~')}", method)
    return status, str(answer)


def wait_idle(server: Streamctl, code: str) -> None:
    """Wait until a stream that nobody watches has been left."""

    def idle() -> bool:
        return [cause["name"] for cause in server.stream(code)["causes"]] == ["idle"]

    eventually(idle, 40, f"{code} is left")


def record(server: Streamctl, path: str, seconds: float = 3.0) -> bytes:
    with HttpRecorder(server.http(path)) as recorder:
        wait_media(recorder, seconds)
        return whole_units(recorder.stop())


def test_a_publisher_makes_its_stream(tmp_path: Path, media: MediaCache) -> None:
    path = media(RECIPE).path
    with Streamctl(tmp_path, STAGE, head=HEAD) as server:
        with ffmpeg_publish(path, server.rtmp("stage/a", "?key=wrong")) as refused:
            refused.wait(30)
        assert status_of(server, "stage/a")[0] == 404
        rtsp = f"rtsp://{HOST}:{server.port('rtsp')}/stage/b?key=k"
        with (
            ffmpeg_publish(path, server.rtmp("stage/a", "?key=k")),
            ffmpeg("-re", "-i", str(path), "-c", "copy", "-f", "rtsp", rtsp),
        ):
            for code in ("stage/a", "stage/b"):
                eventually(lambda code=code: status_of(server, code)[0] == 200, 15, code)  # type: ignore[misc]
                server.wait_on_air(code)
                status = server.stream(code)
                assert (status["runtime"], status["template"]) == (True, "stage")
                assert_clean(judge(record(server, f"/{code}/mpegts")), code)
            assert_clean(record_rtmp(server.rtmp("stage/a"), tmp_path / "a.flv", 3))
            answer = status_of(server, "stage/a", "DELETE")
            assert answer[0] == 409
            assert "template `stage`" in answer[1]
    assert "stage/a" not in server.config.read_text()


@pytest.mark.needs("srt-live-transmit")
def test_publishers_of_srt_and_rtp_make_streams_too(tmp_path: Path, media: MediaCache) -> None:
    path = str(media(TS).path)
    head = f'{SRT}[listeners.rtp]\naddress = "{HOST}:0"\nstream = "stage/{{ssrc}}"\n'
    open_stage = '[templates.stage]\nprefix = "stage/"\n'
    with SrtServer(tmp_path, open_stage, head=head) as server:
        rtp = f"rtp://{HOST}:{server.port('rtp')}"
        with (
            ffmpeg("-re", "-i", path, "-c", "copy", "-f", "mpegts", server.srt("publish:stage/s")),
            ffmpeg("-re", "-i", path, "-c", "copy", "-f", "rtp_mpegts", rtp),
        ):
            eventually(lambda: len(server.codes()) == 2, 40, "two streams")
            for code in server.codes():
                server.wait_on_air(code)
                assert server.stream(code)["runtime"]
                assert_clean(judge(record(server, f"/{code}/mpegts")), code)


def test_viewers_call_what_is_pulled_and_leave_it(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    with Streamctl(folder, stream_toml("front")) as there:
        demand = "on_demand = true\nclose_after_s = 1\n"
        cam = f'[templates.cam]\nprefix = "cam/"\n{demand}inputs = ["{there.rtmp("{name}")}"]\n'
        own = f'[streams.own]\n{demand}inputs = ["{there.rtmp("front")}"]\n'
        with (
            Streamctl(tmp_path, cam + own, head=HEAD) as server,
            ffmpeg_publish(media(RECIPE).path, there.rtmp("front")),
        ):
            there.wait_on_air("front")
            wait_idle(server, "own")
            assert server.stream("own")["status"] == "active"
            assert there.stream("front")["stats"]["viewers"] == 0
            over_rtsp = tmp_path / "rtsp.ts"
            rtsp = f"rtsp://{HOST}:{server.port('rtsp')}/cam/front"
            with ffmpeg_record(rtsp, over_rtsp) as recording:
                eventually(lambda: media_time(over_rtsp) > 3, 30, "RTSP")
                recording.stop(2)
            assert judge(over_rtsp).decode_errors == []
            assert server.stream("cam/front")["runtime"]
            assert_clean(record_rtmp(server.rtmp("own"), tmp_path / "own.flv", 3))
            for code in ("cam/front", "own"):
                wait_idle(server, code)
            eventually(lambda: there.stream("front")["stats"]["viewers"] == 0, 30, "left")
            assert_clean(judge(record(server, "/cam/front/mpegts")))
            wait_idle(server, "cam/front")
            hls = tmp_path / "hls.ts"
            with ffmpeg_record(server.http("/cam/front/index.m3u8"), hls) as recording:
                eventually(lambda: media_time(hls) > 3, 30, "HLS")
                recording.stop(2)
            assert judge(hls).decode_errors == []
            assert status_of(server, "cam/nobody")[0] == 404
