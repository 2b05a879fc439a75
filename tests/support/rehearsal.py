"""A broadcast in which inputs fail one after the other, before an audience that is judged.

Every fault is noted with its time; the server tells by its events when it noticed, decided and
went on. What viewers miss is read from what they recorded (:mod:`tests.support.review`).
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from tests.support.audience import KINDS, Audience, Stage, silences, verdicts
from tests.support.hls import faults
from tests.support.media import Recipe
from tests.support.peers import HOST, ffmpeg, ffmpeg_publish
from tests.support.ports import free_port
from tests.support.review import BLOCK, Act, Review
from tests.support.upstream import Nginx

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tests.support.process import Process

KEYS = """
packet_timeout_s = 2
probe_after_s = 2
failback_after_s = 4
"""
"""Shorter than the defaults, so that a rehearsal does not take long."""
CALM_KEYS = KEYS.replace("packet_timeout_s = 2", "packet_timeout_s = 5")
"""The same where nothing falls silent: a machine that stands still is no fault."""
SETTLE_S = 40
"""More than anything takes that is waited for, on a busy machine."""
PUSH = '[[streams.news.push]]\nname = "{name}"\nurl = "{url}"\nretry_s = 0.5\n'
ECHO = '[streams.echo]\ninputs = ["publish:"]\n'
"""A stream that the server sends to itself."""


def medium(source: int, **more: Any) -> Recipe:
    """What one encoder sends, over and over: its pictures say whose they are."""
    recipe = Recipe(seconds=30, video_kbps=300, gop=25, bframes=2, first=source * BLOCK)
    return Recipe(**{**vars(recipe), **more})


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
        **ports: int,
    ) -> None:
        """Serve a stream; ``{rtmp}``, ``{rtsp}``, ``{nginx}`` and others in its table are ports.

        Viewers of the ``leaving`` kinds may be sent away.
        """
        self.folder = folder
        self.stack = ExitStack()
        self.kinds = kinds
        self.leaving = leaving
        self.rtmp, self.rtsp = free_port(), free_port()
        self.ports = ports
        self.encoders: dict[str, Process] = {}
        self.acts: list[Act] = []
        self.source = -1
        self.table = f"[streams.news]\n{table}\n[streams.news.hls]\nsegment_s = 1\n"
        self.more = more

    def __enter__(self) -> Self:
        with self.stack:
            self.audience = Audience(self.folder, self.kinds)
            self.stack.enter_context(self.audience)
            self.nginx = Nginx(self.folder / "nginx")
            self.stack.callback(self.nginx.kill)
            ports = {"rtmp": self.rtmp, "rtsp": self.rtsp, "nginx": self.nginx.port, **self.ports}
            text = self.table.format(**ports)
            for name, url in self.destinations().items():
                text += PUSH.format(name=name, url=url)
            if "rtsp push" in self.kinds:
                text += ECHO
            server = Stage(self.folder, text + self.more, rtmp=self.rtmp, rtsp=self.rtsp)
            self.server = self.stack.enter_context(server)
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def destinations(self) -> dict[str, str]:
        """Where the stream is pushed to, by name."""
        found = {kind: self.nginx.url(kind) for kind in ("push", "push2") if kind in self.kinds}
        if self.audience.udp is not None:
            found["udp"] = f"udp://{HOST}:{self.audience.udp.port}"
        if "rtsp push" in self.kinds:
            found["rtsp"] = f"rtsp://{HOST}:{self.rtsp}/live/echo"
        return found

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

    def opens(self, source: int) -> None:
        """Seat the audience; everybody watches from now on, first pictures of that source."""
        self.source = source
        self.audience.sits(self.server, self.nginx)

    def kill(self, name: str) -> float:
        """End an encoder as a power cut does; when that was."""
        began = time.time()
        self.encoders[name].kill()
        return began

    def freeze(self, name: str) -> float:
        """Stop an encoder in its tracks; its connection stays."""
        began = time.time()
        os.killpg(self.encoders[name].pid, signal.SIGSTOP)
        return began

    def wish(self, priority: int | None) -> float:
        """Ask for an input."""
        began = time.time()
        connection = http.client.HTTPConnection(HOST, self.server.port("api"), timeout=15)
        body = json.dumps({"priority": priority})
        path = "/api/v1/streams/news/switch"
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.status == 200, said
        return began

    def act(self, name: str, after: int, source: int, *, at: float, wait_s: float = 0.0) -> Act:
        """Wait until that input is on air, which became necessary at a time, and note it.

        A time below zero is that before it was noticed.
        """
        self.server.wait_input(after, SETTLE_S)
        last = self.server.switches()[-1]
        act = Act(name, at, after, source, last["reason"], last["detail"], wait_s=wait_s)
        act.decided = unix(last["at"])
        self.acts.append(act)
        return act

    def plays(self, seconds: float) -> None:
        """Let it run."""
        time.sleep(seconds)

    def closes(self, *, judged: bool = True) -> Review:
        """The end; what everybody has seen, or has kept at least."""
        audience, server = self.audience, self.server
        audience.receiving(self.leaving)
        review = Review(self.acts, self.source, pushes=server.stream()["pushes"])
        protocols = {kind.split()[0] for kind in self.leaving}
        review.farewells = {kind: server.farewells(kind) for kind in sorted(protocols)}
        self.time_acts(server.events("input.*"))
        review.kept = audience.stop()
        review.silences = {kind: silences(one.times) for kind, one in audience.http.items()}
        review.log = server.output
        if judged:
            kept = {kind: path for kind, path in review.kept.items() if kind not in self.leaving}
            review.seen = verdicts(kept)
        if audience.hls_seen is not None:
            spoilt = any(act.spoils for act in self.acts)
            found = faults(audience.hls_seen)
            review.hls_faults = [one for one in found if not (spoilt and "corrupt" in one)]
            listed = audience.hls_seen.listed.values()
            review.discontinuities = sum(segment.discontinuity for segment in listed)
        review.transport = audience.reports
        return review

    def time_acts(self, events: list[dict[str, Any]]) -> None:
        """Note when the server let go of what was on air, and when it went on."""
        mine = [event for event in events if event["stream"] == "news"]
        begun = [event for event in mine if event["type"] == "input.connected"]
        for act, event in zip(self.acts, begun[-len(self.acts) :], strict=True):
            assert event["payload"]["input"] == act.after, (act, event)
            act.begun = unix(event["time"])
            before = [one for one in mine[: mine.index(event)] if one["type"] == "input.closed"]
            act.closed = unix(before[-1]["time"])
            if act.at <= 0:
                act.at += act.closed

    def settled(self, priority: int, state: str) -> None:
        """Wait until an input is in a state."""
        self.server.wait_state(priority, state, SETTLE_S)


def unix(text: str) -> float:
    """The time that ISO 8601 tells."""
    return datetime.fromisoformat(text).timestamp()
