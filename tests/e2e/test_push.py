"""Streams that are sent on: to nginx, to node-media-server, to another server of ours."""

from __future__ import annotations

import http.client
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    HOST,
    Streamctl,
    ffmpeg_publish,
    ffmpeg_record,
    stream_toml,
)
from tests.support.process import Process, eventually
from tests.support.recorded import assert_clean, record_rtmp
from tests.support.upstream import media_time, nginx, node_media_server

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "ffprobe", "nginx"),
    pytest.mark.timeout(240),
]

RECIPE = Recipe(seconds=60, video_kbps=500, bframes=2, gop=25)


def push_toml(name: str, url: str, *lines: str, code: str = "news") -> str:
    keys = [f'name = "{name}"', f'url = "{url}"', "retry_s = 0.5", *lines]
    return "\n".join([f"[[streams.{code}.push]]", *keys, ""])


def pushes(server: Streamctl, code: str = "news") -> dict[str, dict[str, Any]]:
    status, document = server.ask(f"/api/v1/streams/{code}/pushes")
    assert status == 200
    return {push["name"]: push for push in document["pushes"]}


def reaches(server: Streamctl, name: str, state: str, timeout_s: float = 20.0) -> None:
    eventually(lambda: pushes(server)[name]["state"] == state, timeout_s, f"{name} is {state}")


def test_a_destination_that_dies_is_found_again(tmp_path: Path, media: MediaCache) -> None:
    with (
        nginx(tmp_path / "nginx") as there,
        Streamctl(tmp_path, stream_toml() + push_toml("copy", there.url())) as server,
    ):
        assert pushes(server)["copy"]["state"] == "waiting"
        with ffmpeg_publish(media(RECIPE).path, server.rtmp()):
            reaches(server, "copy", "active")
            assert_clean(record_rtmp(there.url(), tmp_path / "before.flv"))
            there.kill()
            reaches(server, "copy", "reconnecting")
            push = pushes(server)["copy"]
            assert push["attempt"] >= 1
            assert push["last_error"]
            causes = [cause["name"] for cause in server.stream()["causes"]]
            assert causes == ["push_failed"]
            there.start()
            reaches(server, "copy", "active")
            assert_clean(record_rtmp(there.url(), tmp_path / "after.flv"))
            push = pushes(server)["copy"]
            assert (push["connections"], push["attempt"], push["errors"]) == (2, 0, [])
            assert push["packets_sent"] > 0
            assert server.stream()["causes"] == []
        reaches(server, "copy", "waiting")
        told = [event["type"] for event in server.events("push.*")]
    assert told[:3] == ["push.started", "push.active", "push.reconnecting"]
    assert told[-2:] == ["push.active", "push.waiting"]


def test_the_connection_outlives_its_publisher(tmp_path: Path, media: MediaCache) -> None:
    path = media(RECIPE).path
    toml = stream_toml()
    with (
        nginx(tmp_path / "nginx") as there,
        Streamctl(tmp_path, toml + push_toml("copy", there.url())) as server,
    ):
        copy = tmp_path / "copy.flv"
        with ffmpeg_publish(path, server.rtmp()) as publisher:
            reaches(server, "copy", "active")
            recording = ffmpeg_record(there.url(), copy)
            eventually(lambda: media_time(copy) > 3, 40, "media")
            publisher.kill()
            server.wait_off_air()
            reaches(server, "copy", "waiting")
            assert pushes(server)["copy"]["connected_since"]
        with recording, ffmpeg_publish(path, server.rtmp()):
            reaches(server, "copy", "active")
            eventually(lambda: media_time(copy) > 8, 30, "media of the second publisher")
            assert pushes(server)["copy"]["connections"] == 1
            recording.stop(2)
    verdict = judge(copy)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0
    assert verdict.restarts == [0]
    assert verdict.missing == verdict.repeated == 0
    assert verdict.worst_offset_ms < 40


def test_destinations_are_edited_while_others_notice_nothing(
    tmp_path: Path, media: MediaCache
) -> None:
    with (
        nginx(tmp_path / "nginx") as there,
        Streamctl(tmp_path, stream_toml() + push_toml("a", there.url("a"))) as server,
        ffmpeg_publish(media(RECIPE).path, server.rtmp()),
    ):
        reaches(server, "a", "active")
        viewer, copy = tmp_path / "viewer.flv", tmp_path / "a.flv"
        with (
            ffmpeg_record(server.rtmp(), viewer) as watching,
            ffmpeg_record(there.url("a"), copy) as copying,
        ):
            a, b = push_toml("a", there.url("a")), push_toml("b", there.url("b"))
            server.rewrite(stream_toml() + a + b)
            eventually(lambda: "b" in pushes(server), 30, "`b`")
            reaches(server, "b", "active")
            assert_clean(record_rtmp(there.url("b"), tmp_path / "b.flv", 3))
            renamed = push_toml("again", there.url("a"), "hold = false")
            server.rewrite(stream_toml() + renamed + push_toml("b", there.url("c")))
            eventually(lambda: "again" in pushes(server), 30, "a new name")
            reaches(server, "b", "active")
            assert_clean(record_rtmp(there.url("c"), tmp_path / "c.flv", 3))
            assert pushes(server)["again"]["connections"] == 1
            server.rewrite(stream_toml() + renamed)
            eventually(lambda: list(pushes(server)) == ["again"], 30, "`b` is gone")
            document = {
                "inputs": ["publish:"],
                "push": [
                    {"name": "again", "url": there.url("a"), "retry_s": 0.5, "hold": False},
                    {"name": "api", "url": there.url("d")},
                ],
            }
            assert put(server, document)["steps"][0]["action"] == "update"
            reaches(server, "api", "active")
            assert pushes(server)["again"]["connections"] == 1
            eventually(lambda: media_time(viewer) > 5, 30, "media")
            watching.stop(2)
            copying.stop(2)
    assert_clean(judge(viewer))
    assert_clean(judge(copy))


def put(server: Streamctl, document: dict[str, Any]) -> dict[str, Any]:
    """Replace the stream over the API."""
    connection = http.client.HTTPConnection(HOST, server.port("api"), timeout=20)
    headers = {"Content-Type": "application/json"}
    connection.request("PUT", "/api/v1/streams/news", json.dumps(document), headers)
    answer = connection.getresponse()
    body: dict[str, Any] = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, body
    return body


def test_a_refusal_is_shown_with_its_reason_and_without_the_key(
    tmp_path: Path, media: MediaCache
) -> None:
    (tmp_path / "there").mkdir()
    secured = stream_toml("copy", 'publish_key = "right-secret"')
    with Streamctl(tmp_path / "there", secured) as there:
        url = f"rtmp://{HOST}:{there.port('rtmp')}/live/copy?key=wrong-secret"
        with (
            Streamctl(tmp_path, stream_toml() + push_toml("copy", url, "retries = 1")) as server,
            ffmpeg_publish(media(RECIPE).path, server.rtmp()),
        ):
            reaches(server, "copy", "failed")
            push = pushes(server)["copy"]
            assert "wrong key for publish" in push["last_error"]
            assert "wrong-secret" not in json.dumps(server.stream())
            assert "wrong-secret" not in server.output
            right = push_toml("copy", url.replace("wrong", "right"))
            server.rewrite(stream_toml() + right)
            reaches(server, "copy", "active")
            there.wait_on_air("copy")
            assert_clean(record_rtmp(there.rtmp("copy"), tmp_path / "copy.flv"))
            assert "right-secret" not in server.output + json.dumps(server.stream())
        there.wait_off_air("copy")


def test_a_destination_that_is_not_held_is_left_and_found_again(
    tmp_path: Path, media: MediaCache
) -> None:
    (tmp_path / "there").mkdir()
    path = media(RECIPE).path
    with Streamctl(tmp_path / "there", stream_toml("copy")) as there:
        url = there.rtmp("copy")
        with Streamctl(tmp_path, stream_toml() + push_toml("copy", url, "hold = false")) as server:
            with ffmpeg_publish(path, server.rtmp()):
                there.wait_on_air("copy")
            there.wait_off_air("copy")
            assert pushes(server)["copy"]["connected_since"] == ""
            with ffmpeg_publish(path, server.rtmp()):
                there.wait_on_air("copy")
                assert_clean(record_rtmp(there.rtmp("copy"), tmp_path / "copy.flv", 3))


def test_node_media_server_takes_a_push(tmp_path: Path, media: MediaCache) -> None:
    with node_media_server(tmp_path / "nms") as port:
        url = f"rtmp://{HOST}:{port}/live/copy"
        with (
            Streamctl(tmp_path, stream_toml() + push_toml("copy", url)) as server,
            ffmpeg_publish(media(RECIPE).path, server.rtmp()),
        ):
            reaches(server, "copy", "active")
            assert_clean(record_rtmp(url, tmp_path / "copy.flv"))


def test_a_stalled_destination_harms_nobody(tmp_path: Path, media: MediaCache) -> None:
    heavy = media(Recipe(seconds=40, video_kbps=9000, gop=25, width=640, height=360))
    with (
        nginx(tmp_path / "nginx") as there,
        Streamctl(
            tmp_path,
            stream_toml("news", "buffer_s = 2") + push_toml("slow", there.url("slow")),
        ) as server,
        ffmpeg_publish(heavy.path, server.rtmp()),
    ):
        reaches(server, "slow", "active")
        viewer = tmp_path / "viewer.flv"
        with ffmpeg_record(server.rtmp(), viewer) as watching:
            suspend(there.process)
            eventually(lambda: pushes(server)["slow"]["lag_s"] > 5, 30, "the push falls behind")
            eventually(lambda: media_time(viewer) > 5, 30, "media")
            resume(there.process)
            eventually(lambda: pushes(server)["slow"]["skips"] >= 1, 40, "a skip")
            eventually(lambda: pushes(server)["slow"]["lag_s"] < 1, 40, "it caught up")
            watching.stop(2)
        assert_clean(judge(viewer))
        verdict = record_rtmp(there.url("slow"), tmp_path / "slow.flv", 3)
    assert verdict.decode_errors == []
    assert verdict.dts_disorder == 0


def suspend(process: Process) -> None:
    """Let a program read nothing more for a while."""
    os.kill(process.pid, signal.SIGSTOP)


def resume(process: Process) -> None:
    """Let it go on."""
    os.kill(process.pid, signal.SIGCONT)
