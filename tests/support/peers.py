"""Real servers and clients on free ports of 127.0.0.1, started and stopped by context managers."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.ports import free_port
from tests.support.process import Process, eventually
from tests.support.tools import missing, tool
from tests.support.waiting import PATIENCE_S

HOST = "127.0.0.1"
SILENCE_S = 5
"""After so long without packets a source counts as gone, in tests: longer than machines stall."""
LISTENING = r"listening kind={kind} address=(?:\S+):(\d+)"
CONFIG = """
[log]
level = "info"
format = "text"
[api]
address = "127.0.0.1:0"
[http]
address = "127.0.0.1:0"
[listeners.rtmp]
address = "127.0.0.1:0"
"""
"""Listeners on ports that the system chooses; tests append streams."""


class Streamctl(Process):
    """A server of ours with its real ports."""

    def __init__(self, folder: Path, streams: str, *, head: str = CONFIG) -> None:
        self.config = folder / "streams.toml"
        self.head = head
        self.config.write_text(head + streams)
        argv = [sys.executable, "-m", "streamctl", "serve", str(self.config)]
        env = {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
        super().__init__(argv, env=env, cwd=folder)

    def __enter__(self) -> Self:
        try:
            self.ready()
        except BaseException:
            self.kill()
            raise
        return self

    def ready(self, timeout_s: float = 40.0) -> None:
        """Return once every listener of the configuration is bound."""
        try:
            for kind in ("api", "http", "rtmp"):
                self.port(kind, timeout_s)
        except AssertionError as error:
            # Where it stands is printed by its fault handler.
            self.stop(signal.SIGABRT)
            raise AssertionError(f"not ready: {self.describe()}") from error

    def port(self, kind: str, timeout_s: float = 40.0) -> int:
        """The port that a listener got."""
        return int(self.wait_line(LISTENING.format(kind=kind), timeout_s).group(1))

    def rtmp(self, code: str = "news", query: str = "") -> str:
        """The RTMP URL of a stream, for publishers and players."""
        path = code if "/" in code else f"live/{code}"
        return f"rtmp://{HOST}:{self.port('rtmp')}/{path}{query}"

    def http(self, path: str) -> str:
        """A URL on the media port."""
        return f"http://{HOST}:{self.port('http')}{path}"

    def rewrite(self, streams: str, *, head: str | None = None) -> None:
        """Replace the configuration file the way editors do: write aside, then rename."""
        aside = self.config.with_suffix(".new")
        aside.write_text((self.head if head is None else head) + streams)
        aside.rename(self.config)

    def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """Status and JSON document of an API call."""
        connection = http.client.HTTPConnection(HOST, self.port("api"), timeout=PATIENCE_S)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(body) if body else None

    def stream(self, code: str = "news") -> dict[str, Any]:
        """The status document of a stream."""
        status, document = self.ask(f"/api/v1/streams/{code.replace('/', '~')}")
        assert status == 200, f"{status}: {document}"
        found: dict[str, Any] = document
        return found

    def codes(self) -> set[str]:
        """The streams that there are."""
        return {stream["id"] for stream in self.ask("/api/v1/streams")[1]["streams"]}

    def source(self, code: str = "news") -> dict[str, Any]:
        """The state of a stream's first input."""
        found: dict[str, Any] = self.stream(code)["inputs"][0]
        return found

    def sessions(self, code: str = "news") -> list[dict[str, Any]]:
        """The connected peers of a stream."""
        found: list[dict[str, Any]] = self.ask(f"/api/v1/sessions?stream={code}")[1]["sessions"]
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What has happened so far, the oldest first."""
        connection = http.client.HTTPConnection(HOST, self.port("api"), timeout=PATIENCE_S)
        connection.request("GET", f"/api/v1/events?since=0&follow=0&type={kind}")
        lines = connection.getresponse().read().splitlines()
        connection.close()
        return [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]

    def players(self, code: str = "news") -> set[str]:
        """The sessions that play a stream."""
        return {one["id"] for one in self.sessions(code) if one["action"] == "play"}

    def wait_on_air(self, code: str = "news", timeout_s: float = 30.0) -> None:
        """Return once packets of a publisher arrive."""
        eventually(lambda: self.stream(code)["ingest_status"] == "active", timeout_s, "on air")

    def wait_off_air(self, code: str = "news", timeout_s: float = 30.0) -> None:
        """Return once the server knows that the publisher is gone."""
        eventually(lambda: self.stream(code)["ingest_status"] != "active", timeout_s, "off air")


def ffmpeg(*arguments: str) -> Process:
    """FFmpeg with quiet output and no questions."""
    return Process([tool("ffmpeg"), "-hide_banner", "-nostdin", "-loglevel", "warning", *arguments])


def ffmpeg_publish(media: Path, url: str, *, loop: bool = False, start_s: int = 0) -> Process:
    """Publish a file in real time without transcoding, with timestamps from ``start_s`` on."""
    again = ["-stream_loop", "-1"] if loop else []
    start = ["-output_ts_offset", str(start_s)] if start_s else []
    return ffmpeg("-re", *again, "-i", str(media), "-c", "copy", *start, "-f", "flv", url)


def ffmpeg_record(url: str, out: Path, *, seconds: float = 0.0) -> Process:
    """Record a URL without transcoding; the container follows the file name."""
    limit = ["-t", str(seconds)] if seconds else []
    return ffmpeg("-i", url, *limit, "-c", "copy", "-flush_packets", "1", "-y", str(out))


def rtmpdump(url: str, out: Path) -> Process:
    """Record a live RTMP stream with librtmp; stop it with SIGINT."""
    return Process([tool("rtmpdump"), "-q", "-v", "-r", url, "-o", str(out)])


def gst(*pipeline: str) -> Process:
    """A GStreamer pipeline that ends its files properly on SIGINT."""
    return Process([tool("gst-launch-1.0"), "-q", "-e", *pipeline])


def gst_publish(media: Path, url: str) -> Process:
    """Publish an MP4 file in real time with GStreamer's own RTMP client."""
    head = f"filesrc location={media} ! qtdemux name=d  flvmux name=m streamable=true"
    video = "d.video_0 ! queue ! h264parse ! m.video"
    audio = "d.audio_0 ! queue ! aacparse ! m.audio"
    tail = f"m. ! identity sync=true ! rtmp2sink location={url}"
    return gst(*f"{head}  {video}  {audio}  {tail}".split())


def gst_record(url: str, out: Path) -> Process:
    """Record a live RTMP stream with GStreamer."""
    return gst(*f"rtmp2src location={url} ! filesink location={out}".split())


class HttpRecorder:
    """Keeps the bytes of an endless HTTP response until stopped."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.path = parts.path
        self.connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        self.socket: socket.socket | None = None
        self.status = 0
        self.data = bytearray()
        self.times: list[float] = []
        """When something came, Unix time."""
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self) -> None:
        """Read until the connection ends or is closed by :meth:`stop`."""
        with suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            self.connection.request("GET", self.path)
            # An answer without a length takes the socket away from its connection.
            self.socket = self.connection.sock
            with self.connection.getresponse() as answer:
                self.status = answer.status
                while data := answer.read1(65536):
                    self.data += data
                    self.times.append(time.time())

    def stop(self) -> bytes:
        """Close, and hand over what came."""
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.connection.close()
        return bytes(self.data)


NGINX = """
load_module {module};
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
rtmp {{
  server {{
    listen {host}:{port};
    chunk_size 4096;
    access_log off;
    application live {{ live on; }}
  }}
}}
"""


def nginx_rtmp(folder: Path) -> tuple[Process, int]:
    """nginx with its RTMP module, one worker, and its port."""
    module = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
    if not module.exists():
        missing("the nginx RTMP module")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(module=module, folder=folder, host=HOST, port=port))
    process = Process([tool("nginx"), "-p", str(folder), "-c", str(config)])
    eventually(lambda: accepts(port), 20, "nginx listens")
    return process, port


def connect(port: int, timeout_s: float = PATIENCE_S) -> socket.socket:
    """A plain TCP connection."""
    return socket.create_connection((HOST, port), timeout_s)


def accepts(port: int) -> bool:
    """Whether something listens on a port."""
    with connect(port):
        return True


def closed_by_peer(connection: socket.socket, timeout_s: float) -> bool:
    """Whether the peer closes the connection in time; what it sends first is thrown away."""
    connection.settimeout(timeout_s)
    try:
        while connection.recv(65536):
            continue
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def stream_toml(code: str = "news", *lines: str) -> str:
    """The table of a stream that waits for a publisher."""
    name = code if re.fullmatch(r"[A-Za-z0-9_-]+", code) else f'"{code}"'
    return "\n".join([f"[streams.{name}]", 'inputs = ["publish:"]', *lines, ""])


def pull_toml(url: str, *lines: str, code: str = "news") -> str:
    """The table of a stream that is fetched, with keys of its input."""
    keys = [
        f"packet_timeout_s = {SILENCE_S}",
        f"[[streams.{code}.inputs]]",
        f'url = "{url}"',
        *lines,
    ]
    return "\n".join([f"[streams.{code}]", *keys, ""])
