"""A broadcast in which inputs fail one after the other, before an audience that is judged.

Every fault is noted with its time; the server says when it noticed and what it did. What viewers
miss is read from what they recorded.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from tests.support.audience import KINDS, PUSHES, Audience, Stage, verdicts
from tests.support.hls import faults
from tests.support.peers import HOST, ffmpeg, ffmpeg_publish
from tests.support.ports import free_port
from tests.support.process import eventually
from tests.support.upstream import Nginx

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tests.support.judge import Verdict
    from tests.support.process import Process

FRAME_S = 0.04
SYNC_MS = 40
KEYS = """
packet_timeout_s = 2
probe_after_s = 2
failback_after_s = 4
"""
"""Shorter than the defaults, so that a rehearsal does not take long."""


@dataclass
class Act:
    """One change of what is on air."""

    name: str
    at: float
    """Unix time of the fault, or of the wish."""
    after: int
    """The input that went on air."""
    reason: str = ""
    noticed_s: float = 0.0
    """From the fault to the switch."""


@dataclass
class Review:
    """What became of it."""

    acts: list[Act]
    seen: dict[str, Verdict]
    kept: dict[str, Path] = field(default_factory=dict)
    """Recordings."""
    hls_faults: list[str] = field(default_factory=list)
    ts_errors: list[str] = field(default_factory=list)
    discontinuities: int = 0
    """Of HLS."""
    switches: list[dict[str, Any]] = field(default_factory=list)
    """The history of the server, the oldest first."""
    farewells: dict[str, list[str]] = field(default_factory=dict)
    """Why viewers were sent away, by kind."""
    log: str = ""
    """Of the server."""

    def gaps(self, viewer: str) -> list[float]:
        """What is missing between pictures, seconds."""
        return [round(gap - FRAME_S, 3) for gap in self.seen[viewer].video_gaps]


class Rehearsal:
    """A server with one stream, ``news``, its encoders and its viewers."""

    def __init__(
        self,
        folder: Path,
        table: str,
        *,
        more: str = "",
        kinds: Collection[str] = KINDS,
        leaving: Collection[str] = (),
    ) -> None:
        """Serve a stream; ``{rtmp}`` and ``{rtsp}`` in its table are the server's own ports.

        Viewers of the ``leaving`` kinds may be sent away.
        """
        self.folder = folder
        self.stack = ExitStack()
        self.kinds = kinds
        self.leaving = leaving
        self.rtmp, self.rtsp = free_port(), free_port()
        self.encoders: dict[str, Process] = {}
        self.acts: list[Act] = []
        self.table = f"[streams.news]\n{table.format(rtmp=self.rtmp, rtsp=self.rtsp)}\n"
        self.table += "[streams.news.hls]\nsegment_s = 1\n"
        self.more = more

    def __enter__(self) -> Self:
        with self.stack:
            text = self.table
            self.nginx: Nginx | None = None
            if "push" in self.kinds:
                self.nginx = Nginx(self.folder / "nginx")
                self.stack.callback(self.nginx.kill)
                for name in PUSHES:
                    text += f'[[streams.news.push]]\nname = "{name}"\n'
                    text += f'url = "{self.nginx.url(name)}"\nretry_s = 0.5\n'
            server = Stage(self.folder, text + self.more, rtmp=self.rtmp, rtsp=self.rtsp)
            self.server = self.stack.enter_context(server)
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def encoder(self, name: str, path: Path, url: str = "", *options: str) -> Process:
        """An encoder that publishes a file, over RTMP to the stream unless a URL says otherwise."""
        if not url.startswith("rtmp:") and url:
            form = "rtsp" if url.startswith("rtsp:") else "mpegts"
            copy = ("-map", "0", "-c", "copy", *options, "-f", form)
            process = ffmpeg("-re", "-stream_loop", "-1", "-i", str(path), *copy, url)
        else:
            process = ffmpeg_publish(path, url or self.server.rtmp(), loop=True)
        self.encoders[name] = self.stack.enter_context(process)
        return process

    def opens(self) -> None:
        """Seat the audience; everybody watches from now on."""
        self.audience = Audience(self.server, self.folder, nginx=self.nginx, kinds=self.kinds)
        self.stack.enter_context(self.audience)

    def kill(self, name: str) -> None:
        """End an encoder as a power cut does."""
        self.encoders[name].kill()

    def freeze(self, name: str) -> None:
        """Stop an encoder in its tracks; its connection stays."""
        os.killpg(self.encoders[name].pid, signal.SIGSTOP)

    def wish(self, priority: int | None) -> None:
        """Ask for an input."""
        connection = http.client.HTTPConnection(HOST, self.server.port("api"), timeout=5)
        body = json.dumps({"priority": priority})
        path = "/api/v1/streams/news/switch"
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.status == 200, said

    def act(self, name: str, after: int, *, at: float | None = None, timeout_s: float = 40) -> None:
        """Wait until that input is on air, and note it; ``at`` is when that became necessary."""
        began = time.time() if at is None else at
        self.server.wait_input(after, timeout_s)
        last = self.server.switches()[-1]
        switched = datetime.fromisoformat(last["at"]).timestamp()
        self.acts.append(Act(name, began, after, last["reason"], round(switched - began, 3)))

    def plays(self, seconds: float) -> None:
        """Let it run."""
        time.sleep(seconds)

    def closes(self, *, judged: bool = True) -> Review:
        """The end; what everybody has seen, or has kept at least."""
        self.audience.receiving(self.leaving)
        switches = self.server.switches()
        farewells = {kind: self.server.farewells(kind) for kind in self.leaving}
        kept = self.audience.stop()
        seen = verdicts(kept) if judged else {}
        review = Review(self.acts, seen, kept=kept, switches=switches, farewells=farewells)
        review.log = self.server.output
        if self.audience.hls_seen is not None:
            review.hls_faults = faults(self.audience.hls_seen)
            listed = self.audience.hls_seen.listed.values()
            review.discontinuities = sum(segment.discontinuity for segment in listed)
        if self.audience.ts_report is not None:
            review.ts_errors = self.audience.ts_report.continuity_errors
        return review

    def settled(self, priority: int, state: str) -> None:
        """Wait until an input is in a state."""
        eventually(
            lambda: self.server.inputs()[priority]["status"] == state,
            40,
            f"input {priority} is {state}",
        )


def in_sync(review: Review, viewer: str) -> bool:
    """Whether sound and picture stay together, but for a flash or a beep that was cut in two."""
    offsets = [abs(offset) for offset in review.seen[viewer].offsets_ms]
    cut = [offset for offset in offsets if offset > SYNC_MS]
    return len(offsets) > 5 and len(cut) <= len(review.acts)
