"""Headless Chromium, driven over its debugging pipe: no driver, no port, no library.

Messages are JSON objects that end in a zero byte (Chrome DevTools Protocol); Chromium reads
descriptor 3 and writes descriptor 4 when started with ``--remote-debugging-pipe``.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from tests.support.process import Process, eventually
from tests.support.tools import missing

NAMES = ("chromium", "chromium-browser", "google-chrome")
ANSWER_S = 15.0
HIGH_FD = 20
"""Above what the shell needs for its own redirections."""
WATCH = """
(() => {
  const video = document.querySelector("video");
  if (!video) return null;
  if (!window.watched) {
    window.watched = { waits: 0, errors: [], started: false };
    video.addEventListener("playing", () => { window.watched.started = true; });
    video.addEventListener("waiting", () => {
      if (window.watched.started) window.watched.waits += 1;
    });
    video.addEventListener("error", () => window.watched.errors.push(String(video.error?.message)));
  }
  const quality = video.getVideoPlaybackQuality();
  return {
    time: video.currentTime, ready: video.readyState, paused: video.paused,
    width: video.videoWidth, height: video.videoHeight, frames: quality.totalVideoFrames,
    dropped: quality.droppedVideoFrames, audio_bytes: video.webkitAudioDecodedByteCount,
    waits: window.watched.waits, errors: window.watched.errors,
  };
})()
"""


@dataclass(frozen=True)
class Playing:
    """What a page's video element says of itself."""

    time: float
    ready: int
    paused: bool
    width: int
    height: int
    frames: int
    """Pictures that reached the screen or were dropped."""
    dropped: int
    audio_bytes: int
    """Decoded sound, before output."""
    waits: int
    """How often playback ran dry after it had begun."""
    errors: list[str]


def chromium() -> str:
    """The browser's path, or the end of the test."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    missing("the program `chromium`")
    return NAMES[0]


class Browser:
    """One browser with one page."""

    def __init__(self) -> None:
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        passed = [fcntl.fcntl(fd, fcntl.F_DUPFD, HIGH_FD) for fd in (theirs_in, theirs_out)]
        os.close(theirs_in)
        os.close(theirs_out)
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--mute-audio", "--autoplay-policy=no-user-gesture-required", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-extensions",
            f"--user-data-dir={self.profile}", "--remote-debugging-pipe", "about:blank",
        ]  # fmt: skip
        redirect = f'exec "$@" 3<&{passed[0]} 4>&{passed[1]}'
        argv = ["bash", "-c", redirect, "bash", chromium(), *flags]
        self.process = Process(argv, pass_fds=passed)
        for fd in passed:
            os.close(fd)
        self.pipe_out = os.fdopen(ours_out, "wb", buffering=0)
        self.pipe_in = os.fdopen(ours_in, "rb", buffering=0)
        self.answers: dict[int, dict[str, Any]] = {}
        self.answered = threading.Condition()
        self.asked = 0
        self.session = ""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def __enter__(self) -> Self:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop(timeout_s=5)
        self.pipe_out.close()
        self.reader.join(5)
        self.pipe_in.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def read(self) -> None:
        """Sort answers to their questions until the pipe ends."""
        pending = bytearray()
        with suppress(OSError, ValueError):
            while data := self.pipe_in.read(65536):
                pending += data
                *messages, rest = pending.split(b"\0")
                pending = bytearray(rest)
                for raw in messages:
                    document = json.loads(raw)
                    if "id" in document:
                        with self.answered:
                            self.answers[document["id"]] = document
                            self.answered.notify_all()

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command of the debugging protocol and its result."""
        self.asked += 1
        number = self.asked
        document: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self.session:
            document["sessionId"] = self.session
        self.pipe_out.write(json.dumps(document).encode() + b"\0")
        with self.answered:
            if not self.answered.wait_for(lambda: number in self.answers, ANSWER_S):
                raise AssertionError(f"no answer to {method}: {self.process.describe()}")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Go to a page."""
        result = self.call("Page.navigate", url=url)
        assert not result.get("errorText"), result["errorText"]

    def evaluate(self, code: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=code, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def playing(self) -> Playing:
        """The state of the page's video element."""
        state = self.evaluate(WATCH)
        assert state is not None, "the page has no video element"
        return Playing(**state)

    def wait_playing(self, beyond_s: float, timeout_s: float = 20.0) -> Playing:
        """Return once the video has advanced by that much from now."""
        eventually(self.playing, timeout_s, "a video element")
        start = self.playing().time
        eventually(
            lambda: self.playing().time >= start + beyond_s, timeout_s, f"{beyond_s} s of picture"
        )
        return self.playing()
