"""Players of every kind and a push, on one stream for as long as a rehearsal lasts.

What they kept is judged afterwards: each recording is that of a program of others, except the
bytes of HTTP, which nobody has touched.
"""

from __future__ import annotations

import http.client
import json
import signal
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from tests.support.hls import HlsClient, HlsRecording
from tests.support.judge import Verdict, judge
from tests.support.peers import HOST, HttpRecorder, ffmpeg, ffmpeg_record
from tests.support.process import Process, eventually
from tests.support.srt import SrtServer
from tests.support.ts import TsReport, inspect, whole_units

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from tests.support.upstream import Nginx

FLOWING_BYTES = 4000
"""A recording of this size has begun for certain."""
PUSHES = ("push", "push2")
"""Destinations, by the names that the streams have there."""
KINDS = ("rtmp", *PUSHES, "srt", "http-ts", "http-flv", "hls")
ALL_LISTENERS = f"""
[log]
level = "info"
format = "text"
[api]
address = "{HOST}:0"
[http]
address = "{HOST}:0"
[listeners.rtmp]
address = "{HOST}:{{rtmp}}"
[listeners.srt]
address = "{HOST}:0"
[listeners.rtsp]
address = "{HOST}:{{rtsp}}"
"""


class Stage(SrtServer):
    """A server with every listener, some on ports that are known beforehand."""

    def __init__(self, folder: Path, streams: str, *, rtmp: int = 0, rtsp: int = 0) -> None:
        super().__init__(folder, streams, head=ALL_LISTENERS.format(rtmp=rtmp, rtsp=rtsp))

    def inputs(self, code: str = "news") -> list[dict[str, Any]]:
        """What the server says of the inputs of a stream."""
        found: list[dict[str, Any]] = self.stream(code)["inputs"]
        return found

    def switches(self, code: str = "news") -> list[dict[str, Any]]:
        """The history, the oldest first."""
        found: list[dict[str, Any]] = self.stream(code)["switches"]
        return found[::-1]

    def on_air(self, code: str = "news") -> int | None:
        """The priority of the input on air."""
        return next((one["priority"] for one in self.inputs(code) if one["on_air"]), None)

    def farewells(self, protocol: str) -> list[str]:
        """Why viewers of a protocol were sent away, as the events tell."""
        connection = http.client.HTTPConnection(HOST, self.port("api"), timeout=2)
        found = []
        with suppress(TimeoutError):
            connection.request("GET", "/api/v1/events", headers={"Last-Event-ID": "0"})
            answer = connection.getresponse()
            while line := answer.readline():
                if line.startswith(b"data:") and b'"session.closed"' in line:
                    payload = json.loads(line[5:])["payload"]
                    if (payload["protocol"], payload["action"]) == (protocol, "play"):
                        found.append(str(payload["reason"]))
        connection.close()
        return found

    def wait_input(self, priority: int, timeout_s: float = 15.0, code: str = "news") -> None:
        """Return once that input is on air."""
        eventually(lambda: self.on_air(code) == priority, timeout_s, f"input {priority} on air")

    def wait_state(self, priority: int, state: str, timeout_s: float = 15.0) -> None:
        """Return once an input is in a state."""
        eventually(
            lambda: self.inputs()[priority]["status"] == state,
            timeout_s,
            f"input {priority} is {state}",
        )


class Audience:
    """Watches a stream in every way at once; :meth:`stop` ends that and judges."""

    def __init__(
        self,
        server: Stage,
        folder: Path,
        *,
        nginx: Nginx | None = None,
        kinds: Collection[str] = KINDS,
        code: str = "news",
    ) -> None:
        self.server = server
        self.folder = folder
        self.stack = ExitStack()
        self.files: dict[str, tuple[Process, Path]] = {}
        self.http: dict[str, HttpRecorder] = {}
        self.hls: HlsClient | None = None
        self.hls_seen: HlsRecording | None = None
        self.ts_report: TsReport | None = None
        urls = {"rtmp": server.rtmp(code)}
        if nginx is not None:
            urls |= {kind: nginx.url(kind) for kind in PUSHES}
        for kind, url in urls.items():
            if kind in kinds:
                path = folder / f"{kind}.flv"
                self.files[kind] = (ffmpeg_record(url, path), path)
        if "srt" in kinds:
            path = folder / "srt.ts"
            url = server.srt(f"read:{code}", "latency=120000")
            copy = ("-map", "0", "-c", "copy", "-flush_packets", "1", "-y", str(path))
            self.files["srt"] = (ffmpeg("-i", url, *copy), path)
        if "rtsp" in kinds:
            path = folder / "rtsp.ts"
            where = f"rtsp://{HOST}:{server.port('rtsp')}/live/{code}"
            keep = ("-c", "copy", "-flush_packets", "1", "-y", str(path))
            self.files["rtsp"] = (ffmpeg("-rtsp_transport", "tcp", "-i", where, *keep), path)
        for kind, suffix in (("http-ts", "mpegts"), ("http-flv", "")):
            if kind in kinds:
                target = f"/{code}/{suffix}" if suffix else f"/{code}.flv"
                self.http[kind] = HttpRecorder(server.http(target))
        if "hls" in kinds:
            self.hls = HlsClient(server.http(f"/{code}/index.m3u8"))

    def __enter__(self) -> Self:
        with self.stack:
            for process, _ in self.files.values():
                self.stack.enter_context(process)
            for recorder in self.http.values():
                self.stack.enter_context(recorder)
            if self.hls is not None:
                self.stack.enter_context(self.hls)
            try:
                eventually(lambda: not self.silent(), 40, "bytes for every viewer")
            except AssertionError as error:
                raise AssertionError(f"{error}: {self.silent()}") from None
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def silent(self) -> list[str]:
        """Who has received nothing yet."""
        sizes = {kind: size_of(path) for kind, (_, path) in self.files.items()}
        sizes |= {kind: len(recorder.data) for kind, recorder in self.http.items()}
        found = [kind for kind, size in sizes.items() if size <= FLOWING_BYTES]
        return [*found, *(["hls"] if self.hls and not self.hls.recording.bodies else [])]

    def receiving(self, leaving: Collection[str] = ()) -> None:
        """Assert that nobody has been disconnected, but for those who may be."""
        for kind, (process, _) in self.files.items():
            if kind in leaving:
                continue
            assert process.running(), process.describe()
        for kind, recorder in self.http.items():
            assert recorder.thread.is_alive(), f"{kind} ended"

    def stop(self) -> dict[str, Path]:
        """End every viewer the way it likes to; what each of them kept."""
        kept: dict[str, Path] = {}
        data = {kind: recorder.stop() for kind, recorder in self.http.items()}
        if self.hls is not None:
            self.hls_seen = self.hls.stop()
            data["hls"] = self.hls_seen.media
        for process, _ in self.files.values():
            process.stop(signal.SIGINT)
        for kind, (_, path) in self.files.items():
            kept[kind] = path
            if path.suffix == ".ts" and path.exists():
                path.write_bytes(whole_units(path.read_bytes()))
        for kind, body in data.items():
            kept[kind] = self.folder / f"{kind}.{'flv' if kind == 'http-flv' else 'ts'}"
            kept[kind].write_bytes(whole_units(body) if kind == "http-ts" else body)
        if "http-ts" in kept:
            self.ts_report = inspect(kept["http-ts"].read_bytes())
        return kept


def size_of(path: Path) -> int:
    """Bytes of a file that may not be there yet."""
    return path.stat().st_size if path.exists() else 0


def verdicts(kept: Mapping[str, Path]) -> dict[str, Verdict]:
    """What is to be said of each recording."""
    return {kind: judge(path) for kind, path in kept.items()}
