"""The commands against a running server, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import HOST, Streamctl, ffmpeg_publish, rtmpdump, stream_toml
from tests.support.process import Process, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(240),
]

STREAMS = (
    stream_toml("news") + stream_toml("second") + stream_toml("locked", 'publish_key = "s3cret"')
)
SHORT = Recipe(seconds=6, video_kbps=500, bframes=2, gop=50)
LONG = Recipe(seconds=60, video_kbps=500, bframes=2, gop=50)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streamctl]:
    with Streamctl(tmp_path_factory.mktemp("commands"), STREAMS) as running:
        yield running


@pytest.fixture
def on_air(server: Streamctl, media: MediaCache) -> Iterator[Streamctl]:
    with ffmpeg_publish(media(LONG).path, server.rtmp()):
        server.wait_on_air()
        yield server
    server.wait_off_air()


def arguments(server: Streamctl | None, *words: str) -> tuple[list[str], dict[str, str]]:
    env = {"NO_COLOR": "1"}
    if server is not None:
        env["STREAMCTL_SERVER"] = f"http://{HOST}:{server.port('api')}"
    return [sys.executable, "-m", "streamctl", *words], env


def start(server: Streamctl | None, *words: str) -> Process:
    argv, env = arguments(server, *words)
    return Process(argv, env=env)


def run(server: Streamctl | None, *words: str) -> subprocess.CompletedProcess[str]:
    argv, env = arguments(server, *words)
    return subprocess.run(
        argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def document(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_push_delivers_every_frame(server: Streamctl, media: MediaCache, tmp_path: Path) -> None:
    made = media(SHORT)
    out = tmp_path / "out.flv"
    with start(None, "push", f"file:{made.path}", server.rtmp(), server.rtmp("second")) as push:
        server.wait_on_air()
        server.wait_on_air("second")
        with rtmpdump(server.rtmp(), out) as viewer:
            assert push.wait(30) == 0, push.output
            server.wait_off_air()
            viewer.stop(signal.SIGINT)
    verdict = judge(out)
    assert verdict.decode_errors == []
    assert verdict.missing == 0
    assert verdict.numbers[-1] >= made.recipe.frames - 5
    assert verdict.worst_offset_ms <= 40


def test_push_says_why_it_was_refused(server: Streamctl, media: MediaCache) -> None:
    done = run(None, "push", f"file:{media(SHORT).path}", server.rtmp("locked"))
    assert done.returncode == 3
    assert "key" in done.stderr
    assert "Traceback" not in done.stderr


def test_push_does_not_show_keys(server: Streamctl, media: MediaCache) -> None:
    url = server.rtmp("locked", "?key=s3cret")
    done = run(None, "push", f"file:{media(SHORT).path}", url)
    assert done.returncode == 0, done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_push_goes_on_where_it_can(server: Streamctl, media: MediaCache) -> None:
    """Keys come from the environment and from standard input, and are shown nowhere."""
    argv, env = arguments(
        server, "push", str(media(SHORT).path), "env:KEYED", "-", "--retries", "1", "--retry-s", "1"
    )
    wrong = server.rtmp("locked", "?key=notTheKey12345")
    done = subprocess.run(
        argv,
        env={**os.environ, **env, "KEYED": server.rtmp("locked", "?key=s3cret")},
        input=f"# targets\n{server.rtmp('second')}\n\n{wrong}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 6, done.stderr
    assert "1 of 3 destinations failed" in done.stderr
    assert "wrong key" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    assert "notTheKey" not in done.stdout + done.stderr


def test_push_loops_for_its_time(server: Streamctl, media: MediaCache, tmp_path: Path) -> None:
    out = tmp_path / "out.flv"
    source = str(media(SHORT).path)
    with start(None, "push", source, server.rtmp(), "--loop", "--duration", "12") as push:
        server.wait_on_air()
        with rtmpdump(server.rtmp(), out) as viewer:
            assert push.wait(30) == 0, push.output
            server.wait_off_air()
            viewer.stop(signal.SIGINT)
    verdict = judge(out)
    assert verdict.decode_errors == []
    assert verdict.missing == 0
    assert verdict.restarts == [0]


def test_probe_reads_a_file(media: MediaCache) -> None:
    report = document(run(None, "probe", "--json", str(media(SHORT).path)))
    text = json.dumps(report)
    assert "h264" in text
    assert "aac" in text


def test_probe_of_what_is_no_media_fails(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(b"noise" * 1000)
    done = run(None, "probe", str(tmp_path / "noise.mp4"))
    assert done.returncode == 5
    assert "Traceback" not in done.stderr


def test_probe_says_what_the_server_said(server: Streamctl) -> None:
    done = run(None, "probe", server.rtmp("nope"))
    assert done.returncode == 3
    assert "no stream `live/nope`" in done.stderr


def test_probe_reads_a_live_stream(on_air: Streamctl) -> None:
    report = document(run(None, "probe", "--json", "--duration", "3", on_air.rtmp()))
    assert "h264" in json.dumps(report)


def test_ingest_shows_what_comes_in(on_air: Streamctl) -> None:
    with start(None, "ingest", "--json", "--duration", "4", on_air.rtmp()) as ingest:
        assert ingest.wait(30) == 0, ingest.output
    lines = [json.loads(line) for line in ingest.output.splitlines() if line.startswith("{")]
    text = json.dumps(lines[-1])
    assert "h264" in text
    assert "aac" in text


def test_status_tells_the_state(on_air: Streamctl) -> None:
    def answer() -> Any:
        return document(run(on_air, "status", "news", "--json"))

    eventually(lambda: answer()["frame_rate"] > 20, 30, "a measured frame rate")
    found = answer()
    assert found["ingest_status"] == "active"
    assert found["resolution"] == "320x180"
    assert found["video_codec"]
    table = run(on_air, "status")
    assert table.returncode == 0
    assert "news" in table.stdout


def test_status_of_an_unknown_stream_fails_with_a_hint(server: Streamctl) -> None:
    done = run(server, "status", "nwes")
    assert done.returncode != 0
    assert "nwes" in done.stderr
    assert "news" in done.stderr


def test_status_without_a_server_says_so() -> None:
    done = run(None, "status", "--server", f"http://{HOST}:9")
    assert done.returncode == 3
    assert "streamctl serve" in done.stderr


def test_plugins_are_listed(server: Streamctl) -> None:
    found = document(run(server, "plugins", "--json"))
    plugins = found["plugins"] if isinstance(found, dict) else found
    assert {plugin["kind"] for plugin in plugins} >= {"file", "hls", "http-ts", "rtmp"}
