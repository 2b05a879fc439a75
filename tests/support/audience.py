"""Players of every kind and destinations, on one stream for as long as a rehearsal lasts.

What they kept is judged afterwards: each recording is that of a program of others, except the
bytes of HTTP and UDP, which nobody has touched.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from tests.support.hls import HlsClient, HlsRecording
from tests.support.judge import Verdict, judge
from tests.support.peers import HOST, HttpRecorder, ffmpeg, ffmpeg_record, gst
from tests.support.process import Process, eventually
from tests.support.srt import SrtServer
from tests.support.ts import TsReport, inspect, whole_units
from tests.support.udp import UdpRecorder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from tests.support.upstream import Nginx

FLOWING_BYTES = 4000
"""A recording of this size has begun for certain."""
KINDS = ("rtmp", "push", "srt", "http-ts", "http-flv", "hls")
"""Those that follow every switch; there are ``push2``, ``udp``, ``rtsp``, ``rtsp gstreamer`` and
``rtsp push``, too."""
BARE_TS = ("http-ts", "udp")
"""Recordings of transport packets as they came."""
ENDLESS = {"http-ts": "/{code}/mpegts", "http-flv": "/{code}.flv", "rtsp push": "/echo/mpegts"}
"""What is recorded over HTTP, at its address."""
QUIET_S = 0.25
"""A viewer who gets nothing for longer than this is left waiting."""
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
        closed = [event["payload"] for event in self.events("session.closed")]
        wanted = (protocol, "play")
        return [str(one["reason"]) for one in closed if (one["protocol"], one["action"]) == wanted]

    def wait_input(self, priority: int, timeout_s: float = 30.0, code: str = "news") -> None:
        """Return once that input is on air."""
        eventually(lambda: self.on_air(code) == priority, timeout_s, f"input {priority} on air")

    def wait_state(self, priority: int, state: str, timeout_s: float = 30.0) -> None:
        """Return once an input is in a state."""
        eventually(
            lambda: self.inputs()[priority]["status"] == state,
            timeout_s,
            f"input {priority} is {state}",
        )


class Audience:
    """Watches a stream in every way at once; :meth:`stop` ends that."""

    def __init__(self, folder: Path, kinds: Collection[str] = KINDS, code: str = "news") -> None:
        """Destinations listen from the beginning; viewers come with :meth:`sits`."""
        self.folder = folder
        self.kinds = kinds
        self.code = code
        self.stack = ExitStack()
        self.files: dict[str, tuple[Process, Path]] = {}
        self.http: dict[str, HttpRecorder] = {}
        self.udp = UdpRecorder() if "udp" in kinds else None
        self.hls: HlsClient | None = None
        self.hls_seen: HlsRecording | None = None
        self.reports: dict[str, TsReport] = {}

    def __enter__(self) -> Self:
        if self.udp is not None:
            self.stack.enter_context(self.udp)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def sits(self, server: Stage, nginx: Nginx) -> None:
        """Everybody begins to watch; return once everybody gets something."""
        self.begin_files(server, nginx)
        for kind, target in ENDLESS.items():
            if kind in self.kinds:
                recorder = HttpRecorder(server.http(target.format(code=self.code)))
                self.http[kind] = self.stack.enter_context(recorder)
        if "hls" in self.kinds:
            hls = HlsClient(server.http(f"/{self.code}/index.m3u8"))
            self.hls = self.stack.enter_context(hls)
        try:
            eventually(lambda: not self.silent(), 40, "bytes for every viewer")
        except AssertionError as error:
            answers = {kind: one.status for kind, one in self.http.items()}
            raise AssertionError(f"{error}: {self.silent()}; HTTP: {answers}") from None

    def begin_files(self, server: Stage, nginx: Nginx) -> None:
        """Start the programs that record into files."""
        urls = {"rtmp": server.rtmp(self.code)}
        urls |= {kind: nginx.url(kind) for kind in ("push", "push2")}
        for kind, url in urls.items():
            if kind in self.kinds:
                path = self.folder / f"{kind}.flv"
                self.record(kind, path, ffmpeg_record(url, path))
        if "srt" in self.kinds:
            path = self.folder / "srt.ts"
            url = server.srt(f"read:{self.code}", "latency=120000")
            copy = ("-map", "0", "-c", "copy", "-flush_packets", "1", "-y", str(path))
            self.record("srt", path, ffmpeg("-i", url, *copy))
        where = f"rtsp://{HOST}:{server.port('rtsp')}/live/{self.code}"
        if "rtsp" in self.kinds:
            path = self.folder / "rtsp.ts"
            keep = ("-c", "copy", "-flush_packets", "1", "-y", str(path))
            self.record("rtsp", path, ffmpeg("-rtsp_transport", "tcp", "-i", where, *keep))
        if "rtsp gstreamer" in self.kinds:
            path = self.folder / "gstreamer.mkv"
            text = f"rtspsrc location={where} name=s protocols=udp latency=500 buffer-mode=none "
            text += "matroskamux name=m streamable=true ! "
            text += f"filesink location={path} buffer-mode=unbuffered "
            text += "s. ! rtph264depay ! h264parse ! queue ! m. "
            text += "s. ! rtpmp4gdepay ! aacparse ! queue ! m."
            self.record("rtsp gstreamer", path, gst(*text.split()))

    def record(self, kind: str, path: Path, process: Process) -> None:
        """Have a program record into a file."""
        self.files[kind] = self.stack.enter_context(process), path

    def silent(self) -> list[str]:
        """Who has received nothing yet."""
        sizes = {kind: size_of(path) for kind, (_, path) in self.files.items()}
        sizes |= {kind: len(recorder.data) for kind, recorder in self.http.items()}
        if self.udp is not None:
            sizes["udp"] = len(self.udp.data)
        found = [kind for kind, size in sizes.items() if size <= FLOWING_BYTES]
        return [*found, *(["hls"] if self.hls and not self.hls.recording.bodies else [])]

    def receiving(self, leaving: Collection[str] = ()) -> None:
        """Assert that nobody has been disconnected, but for those who may be."""
        for kind, (process, _) in self.files.items():
            assert kind in leaving or process.running(), f"{kind}: {process.describe()}"
        for kind, recorder in self.http.items():
            assert kind in leaving or recorder.thread.is_alive(), f"{kind} ended"

    def stop(self) -> dict[str, Path]:
        """End every viewer the way it likes to; what each of them kept."""
        kept: dict[str, Path] = {}
        data = {kind: recorder.stop() for kind, recorder in self.http.items()}
        if self.udp is not None:
            data["udp"] = self.udp.stop()
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
            bare = kind not in ("http-flv", "hls")
            kept[kind].write_bytes(whole_units(body) if bare else body)
        for kind in BARE_TS:
            if kind in kept:
                self.reports[kind] = inspect(kept[kind].read_bytes())
        return kept


def silences(times: list[float]) -> list[tuple[float, float]]:
    """When somebody who got something at these times began to wait, and for how long."""
    steps = pairwise(times)
    return [(before, after - before) for before, after in steps if after - before > QUIET_S]


def size_of(path: Path) -> int:
    """Bytes of a file that may not be there yet."""
    return path.stat().st_size if path.exists() else 0


def verdicts(kept: Mapping[str, Path]) -> dict[str, Verdict]:
    """What is to be said of each recording."""
    return {kind: judge(path) for kind, path in kept.items()}
