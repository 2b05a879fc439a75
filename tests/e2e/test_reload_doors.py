"""Listeners, files and commands while a server runs: what moves, what stays, and what is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import presented, self_signed
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import (
    CONFIG,
    HOST,
    Streamctl,
    accepts,
    ffmpeg,
    ffmpeg_publish,
    ffmpeg_record,
    stream_toml,
)
from tests.support.ports import free_port
from tests.support.process import eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NEWS = stream_toml("news", "# Kept as it is.", 'title = "News"  # shown')
APPLIED = "configuration applied"
REFUSED = "configuration not applied"
MORE_BYTES = 20_000
"""Some pictures and sound."""
RTMP = f'[listeners.rtmp]\naddress = "{HOST}:0"'
API = f'[api]\naddress = "{HOST}:0"'
HTTP = f'[http]\naddress = "{HOST}:0"'


def command(server: Streamctl, *arguments: str, port: int = 0) -> tuple[int, str]:
    """Exit code and output of a command that asks the server."""
    url = f"http://{HOST}:{port or server.port('api')}"
    done = subprocess.run(
        [sys.executable, "-m", "streamctl", *arguments],
        env={**os.environ, "NO_COLOR": "1", "STREAMCTL_SERVER": url},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def more_than(server: Streamctl, code: str, wanted: int) -> bool:
    """Whether a stream's publishers have sent so much."""
    return received(server, code) > wanted


def received(server: Streamctl, code: str) -> int:
    """Bytes of a stream's publishers."""
    sessions = server.ask("/api/v1/sessions")[1]["sessions"]
    return sum(one["bytes_in"] for one in sessions if one["stream"] == code)


def applied(server: Streamctl, count: int) -> None:
    """Wait until so many files have been applied."""
    eventually(lambda: server.output.count(APPLIED) >= count, 30, f"{count} times applied")


def refuses(port: int) -> bool:
    try:
        return not accepts(port)
    except OSError:
        return True


def test_a_change_by_command_is_written_line_by_line_and_not_read_again(tmp_path: Path) -> None:
    with Streamctl(tmp_path, NEWS) as server:
        before = server.config.read_text()
        server.config.chmod(0o640)
        code, said = command(server, "stream", "add", "cam", 'inputs=["publish:"]', "title=Cam 1")
        assert (code, said) == (0, "stream cam: start: added\n")
        assert server.codes() == {"news", "cam"}
        added = '\n[streams.cam]\ninputs = ["publish:"]\ntitle = "Cam 1"\n'
        assert server.config.read_text() == before + added
        assert server.config.stat().st_mode & 0o777 == 0o640
        assert command(server, "stream", "set", "news", "title=N", "--dry-run")[0] == 0
        assert command(server, "stream", "set", "news", "title=N")[0] == 0
        changed = before.replace('title = "News"  # shown', 'title = "N"  # shown')
        assert server.config.read_text() == changed + added
        assert command(server, "stream", "disable", "cam")[0] == 0
        assert server.stream("cam")["status"] == "stopped"
        assert command(server, "stream", "remove", "cam")[0] == 0
        assert server.config.read_text() == changed
        server.config.write_text(changed + stream_toml("hand"))
        applied(server, 1)
        assert server.codes() == {"news", "hand"}
        # What the commands wrote was there to be seen for longer than this: none was read again.
        assert server.output.count(APPLIED) == 1


def test_a_port_that_is_taken_changes_nothing_and_is_told(tmp_path: Path) -> None:
    with Streamctl(tmp_path, NEWS) as server, socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        bad = CONFIG.replace(RTMP, RTMP.replace(":0", f":{port}"))
        server.rewrite(NEWS + stream_toml("more"), head=bad)
        server.wait_line(rf"{REFUSED}.*{port}.*in use")
        assert server.codes() == {"news"}
        assert accepts(server.port("rtmp"))
        code, said = command(server, "status")
        assert code == 0
        assert said.startswith("configuration: reload failed since 20")
        assert "in use" in said
        assert server.ask("/health")[1]["status"] == "degraded"
        assert command(server, "reload")[0] == 2
        assert command(server, "config", "diff", "server", str(server.config))[0] == 1
        server.rewrite(NEWS + stream_toml("more"))
        applied(server, 1)
        assert "reload failed" not in command(server, "status")[1]
        assert server.output.count(REFUSED) == 1


@pytest.mark.needs("ffmpeg")
def test_every_listener_moves_under_its_peers(tmp_path: Path, media: MediaCache) -> None:
    made = media(Recipe(seconds=60, video_kbps=300, gop=25))
    with (
        Streamctl(tmp_path, NEWS) as server,
        ffmpeg_publish(made.path, server.rtmp()) as publisher,
    ):
        server.wait_on_air()
        old = {kind: server.port(kind) for kind in ("rtmp", "http", "api")}
        new = {kind: free_port() for kind in old}
        head = CONFIG
        for kind, text in (("rtmp", RTMP), ("http", HTTP), ("api", API)):
            head = head.replace(text, text.replace(":0", f":{new[kind]}"))
        pair = self_signed(tmp_path)
        secure = f'tls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n'
        head = head.replace("[http]\n", f"[http]\n{secure}")
        # The call that moves the API is answered.
        server.rewrite(NEWS, head=head)
        code, said = command(server, "reload")
        assert code == 0 or APPLIED in server.output, said
        eventually(lambda: not any(map(refuses, new.values())), 30, "all have moved")
        assert all(refuses(port) for port in old.values())
        assert publisher.running()
        assert presented(new["http"]) == pair.shown
        code, said = command(server, "status", "news", port=new["api"])
        assert code == 0
        assert "active" in said


@pytest.mark.needs("ffmpeg", "srt-live-transmit")
def test_listeners_of_every_protocol_move_or_change_under_publishers_and_viewers(
    tmp_path: Path, media: MediaCache
) -> None:
    made = media(Recipe(seconds=60, video_kbps=300, gop=25))
    copy = ("-re", "-i", str(made.path), "-c", "copy")
    listeners = f"""
[listeners.rtsp]
address = "{HOST}:0"
[listeners.srt]
address = "{HOST}:0"
[listeners.rtp]
address = "{HOST}:{free_port()}"
"""
    streams = NEWS + stream_toml("cam") + stream_toml("field")
    with Streamctl(tmp_path, streams, head=CONFIG + listeners) as server:
        rtsp, srt = server.port("rtsp"), server.port("srt")
        with (
            ffmpeg_publish(made.path, server.rtmp()) as first,
            ffmpeg(
                *copy, "-f", "rtsp", "-rtsp_transport", "tcp", f"rtsp://{HOST}:{rtsp}/live/cam"
            ) as second,
            ffmpeg(*copy, "-f", "mpegts", f"srt://{HOST}:{srt}?streamid=publish:field") as third,
        ):
            publishers = (first, second, third)
            for code in ("news", "cam", "field"):
                server.wait_on_air(code)
            sessions = {one["id"] for one in server.ask("/api/v1/sessions")[1]["sessions"]}
            # To other ports, then with other options at the same ones.
            moved = listeners
            for kind in ("rtsp", "srt"):
                text = f'[listeners.{kind}]\naddress = "{HOST}:'
                moved = moved.replace(f'{text}0"', f'{text}{free_port()}"')
            changed = moved.replace("[listeners.srt]", "session_timeout_s = 30\n[listeners.srt]")
            changed = changed.replace("[listeners.rtp]", "latency_ms = 200\n[listeners.rtp]")
            changed += "reorder_ms = 50\n"
            for count, text in enumerate((moved, changed), 1):
                server.rewrite(streams, head=CONFIG + text)
                applied(server, count)
            assert REFUSED not in server.output
            for code in ("news", "cam", "field"):
                wanted = received(server, code) + MORE_BYTES
                eventually(partial(more_than, server, code, wanted), 20, code)
            assert all(one.running() for one in publishers)
            now = {one["id"] for one in server.ask("/api/v1/sessions")[1]["sessions"]}
            assert now == sessions
            for code in ("news", "cam", "field"):
                found = server.stream(code)
                assert found["ingest_status"] == "active"
                assert found["media"]["epochs"] == 1
            # The doors are open at their new places, for new peers.
            rtsp = int(changed.split('rtsp]\naddress = "127.0.0.1:')[1].split('"')[0])
            taken = tmp_path / "cam.ts"
            with ffmpeg_record(f"rtsp://{HOST}:{rtsp}/live/cam", taken, seconds=1) as record:
                assert record.wait(30) == 0
            assert judge(taken).decode_errors == []


def test_files_arrive_in_all_the_ways_that_editors_and_deployments_know(tmp_path: Path) -> None:
    versions = [tmp_path / "v1", tmp_path / "v2"]
    for folder in versions:
        folder.mkdir()
    with Streamctl(tmp_path, NEWS) as server:
        # In place, cut in the middle of its way.
        text = CONFIG + NEWS + stream_toml("a")
        with server.config.open("w") as file:
            file.write(text[: len(CONFIG) + 20])
            file.flush()
            file.write(text[len(CONFIG) + 20 :])
        applied(server, 1)
        assert server.codes() == {"news", "a"}
        # By links, as clusters do.
        for number, folder in enumerate(versions, 2):
            (folder / "s.toml").write_text(CONFIG + NEWS + stream_toml(f"link{number}"))
        current = tmp_path / "current"
        current.symlink_to("v1")
        server.config.unlink()
        server.config.symlink_to("current/s.toml")
        applied(server, 2)
        assert server.codes() == {"news", "link2"}
        aside = tmp_path / "aside"
        aside.symlink_to("v2")
        aside.rename(current)
        applied(server, 3)
        assert server.codes() == {"news", "link3"}
        # A change through the link is one of the file that it leads to.
        assert command(server, "stream", "set", "news", "title=Linked")[0] == 0
        assert server.config.is_symlink()
        assert 'title = "Linked"' in (versions[1] / "s.toml").read_text()
        os.kill(server.pid, signal.SIGHUP)
        applied(server, 4)
        assert REFUSED not in server.output


def test_the_log_follows_the_file(tmp_path: Path) -> None:
    with Streamctl(tmp_path, NEWS) as server:
        quiet = CONFIG.replace('level = "info"', 'level = "debug"')
        server.rewrite(NEWS, head=quiet.replace('format = "text"', 'format = "json"'))
        server.wait_line(r'"message": "configuration applied')
        server.rewrite(NEWS + stream_toml("b"), head=CONFIG.replace("info", "error"))
        eventually(lambda: server.codes() == {"news", "b"}, 30, "it is applied")
        assert server.output.count(APPLIED) == 1


@pytest.mark.needs("openssl")
def test_another_certificate_counts_and_one_that_is_missing_changes_nothing(
    tmp_path: Path,
) -> None:
    port = free_port()
    folders = [tmp_path / name for name in ("old", "new")]
    for folder in folders:
        folder.mkdir()
    old, new = map(self_signed, folders)

    def head(cert: Path, key: Path) -> str:
        table = f'[listeners.rtmps]\naddress = "{HOST}:{port}"\n'
        return f'{CONFIG}{table}tls_cert = "{cert}"\ntls_key = "{key}"\n'

    with Streamctl(tmp_path, NEWS, head=head(old.cert, old.key)) as server:
        server.port("rtmps")
        assert presented(port) == old.shown
        server.rewrite(NEWS, head=head(tmp_path / "none.pem", old.key))
        server.wait_line(rf"{REFUSED}.*none\.pem.*no such file")
        assert presented(port) == old.shown
        server.rewrite(NEWS, head=head(new.cert, new.key))
        applied(server, 1)
        assert presented(port) == new.shown
