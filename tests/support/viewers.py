"""One viewer of every kind on one stream, and what each of them saw."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tests.support.browser import Browser, Playing
from tests.support.hls import HlsClient, HlsRecording
from tests.support.judge import Verdict, judge
from tests.support.peers import HttpRecorder, Streamctl, ffmpeg_record, rtmpdump
from tests.support.process import eventually
from tests.support.ts import TsReport, inspect, whole_units

if TYPE_CHECKING:
    from pathlib import Path

FLOWING_BYTES = 4000
"""A recording of this size has begun for certain."""


@dataclass(frozen=True)
class Seen:
    """What the viewers of one stream recorded."""

    rtmp: Verdict
    """By ffmpeg."""
    librtmp: Verdict
    """By rtmpdump."""
    ts: Verdict
    ts_report: TsReport
    hls: HlsRecording
    page: Playing | None
    """The player page at the end, if a browser watched."""

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The recordings by viewer, HLS as its segments joined."""
        return {
            "rtmp": self.rtmp,
            "librtmp": self.librtmp,
            "http-ts": self.ts,
            "hls": judge(self.hls.media),
        }


class Viewers:
    """Starts all viewers; :meth:`stop` ends them and judges."""

    def __init__(
        self, server: Streamctl, folder: Path, code: str = "news", *, page: bool = False
    ) -> None:
        self.server, self.code = server, code
        self.flv, self.dumped = folder / "ffmpeg.flv", folder / "librtmp.flv"
        self.stack = ExitStack()
        self.recorder = ffmpeg_record(server.rtmp(code), self.flv)
        self.dump = rtmpdump(server.rtmp(code), self.dumped)
        self.ts = HttpRecorder(server.http(f"/{code}/mpegts"))
        self.hls = HlsClient(server.http(f"/{code}/index.m3u8"))
        self.browser = Browser() if page else None

    def __enter__(self) -> Self:
        with self.stack:
            for viewer in (self.recorder, self.dump, self.ts, self.hls, self.browser):
                if viewer is not None:
                    self.stack.enter_context(viewer)
            if self.browser is not None:
                self.browser.open(self.server.http(f"/{self.code}"))
            eventually(self.flowing, 20, "bytes for every viewer")
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def flowing(self) -> bool:
        """Whether everybody receives."""
        sizes = [path.stat().st_size for path in (self.flv, self.dumped) if path.exists()]
        return len(sizes) == 2 and min(*sizes, len(self.ts.data)) > FLOWING_BYTES

    def wait_media(self, seconds: int) -> None:
        """Return once that much more of the stream has come over HLS."""
        recording = self.hls.recording
        have = sum(recording.listed[number].duration_s for number in list(recording.bodies))
        eventually(
            lambda: (
                sum(recording.listed[number].duration_s for number in list(recording.bodies))
                >= have + seconds
            ),
            seconds + 20,
            f"{seconds} s of segments",
        )

    def wait_page(self, seconds: float, timeout_s: float) -> None:
        """Return once the player page has shown that much."""
        assert self.browser is not None
        self.browser.wait_playing(seconds, timeout_s)

    def lasting(self) -> set[str]:
        """Sessions of the players that hold a connection."""
        return {
            session["id"]
            for session in self.server.sessions(self.code)
            if session["action"] == "play" and session["protocol"] in {"rtmp", "http-ts"}
        }

    def receiving(self) -> None:
        """Assert that nobody has been disconnected."""
        assert self.recorder.running(), self.recorder.describe()
        assert self.dump.running(), self.dump.describe()
        assert self.ts.thread.is_alive()

    def stop(self) -> Seen:
        """End every viewer the way it likes to, and judge what it kept."""
        page = self.browser.playing() if self.browser is not None else None
        hls, ts = self.hls.stop(), whole_units(self.ts.stop())
        self.recorder.stop(signal.SIGINT)
        self.dump.stop(signal.SIGINT)
        return Seen(
            rtmp=judge(self.flv),
            librtmp=judge(self.dumped),
            ts=judge(ts),
            ts_report=inspect(ts),
            hls=hls,
            page=page,
        )
