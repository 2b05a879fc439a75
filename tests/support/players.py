"""Players: real programs that receive a stream, and what they saw of it.

Programs that write files are judged by their recordings, here; those with a screen in
:mod:`tests.support.screens`.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tests.support.clients import (
    CLASSIC,
    ENHANCED,
    TS,
    current_ffmpeg,
    ffmpeg_version,
    first_match,
    gstreamer_version,
    streamlink,
)
from tests.support.judge import judge
from tests.support.process import Process
from tests.support.seen import Seen, Wanted, weigh
from tests.support.ts import whole_units

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLV_HEADER = 13
"""The file header and the size of no previous tag (FLV 10.1, annex E)."""
COMPLAINTS = ("non monotonically", "Non-monotonous", "Invalid data", "corrupt")
SPLIT = re.compile(r"Non-monotonous DTS .* previous: (\d+), current: (\d+);")
SPLIT_TICKS = 9
"""A ten-thousandth of a second, at 90 kHz."""
CONTAINERS = {
    "rtmp": "flv",
    "http-flv": "flv",
    "hls": "ts",
    "http-ts": "ts",
    "srt": "ts",
    "udp": "ts",
}


class Watch(Protocol):
    """A player at work."""

    def enough(self) -> bool:
        """Whether it has seen what was asked for, or given up."""

    def stop(self) -> Seen:
        """Ends it; what it saw, compared with what it should have."""


@dataclass(frozen=True)
class Player:
    """A program that plays."""

    name: str
    output: str
    """The kind of output that it watches."""
    codecs: frozenset[str]
    """What it understands in this output."""
    version: Callable[[], str]
    """Nothing when it is not installed."""
    watch: Callable[[str, Path, Wanted], Watch]
    """Starts watching a URL, with a folder of its own, to see what is wanted."""


class Recording:
    """A program that writes what it receives into a file."""

    def __init__(self, process: Process, path: Path, wanted: Wanted) -> None:
        self.process, self.path, self.wanted = process, path, wanted

    def enough(self) -> bool:
        """Whether the program has ended, or its file is long enough."""
        if not self.process.running():
            return True
        return self.path.suffix == ".flv" and flv_seconds(self.path) >= self.wanted.seconds

    def stop(self) -> Seen:
        """Interrupt the program and judge the file."""
        output = self.process.output
        self.process.stop(signal.SIGINT, 5)
        if not self.path.exists() or not self.path.stat().st_size:
            return Seen("", ["nothing was recorded"], output)
        whole = WHOLE[self.path.suffix]
        seen = weigh(judge(whole(self.path.read_bytes())), self.wanted)
        seen.output = output
        seen.faults += complaints(output, self.wanted)[:1]
        return seen


def complaints(output: str, wanted: Wanted) -> list[str]:
    """What a player says about the stream."""
    lines = [line for line in output.splitlines() if any(word in line for word in COMPLAINTS)]
    if "opus" in wanted.codecs:
        lines = [line for line in lines if not splits_opus(line)]
    return [f"says: {line.strip()[:120]}" for line in lines]


def splits_opus(line: str) -> bool:
    """Whether ffmpeg 5.1 counts a packet of Opus as two, as it does in files of its own."""
    found = SPLIT.search(line)
    return found is not None and 0 <= int(found[1]) - int(found[2]) < SPLIT_TICKS


def flv_seconds(path: Path) -> float:
    """How long a growing FLV file is, by its whole tags."""
    if not path.exists():
        return 0.0
    data = path.read_bytes()
    times = [time for kind, time in flv_tags(data) if kind in (8, 9)]
    return (max(times) - min(times)) / 1000 if times else 0.0


def flv_tags(data: bytes) -> list[tuple[int, int]]:
    """Type and timestamp of each whole tag."""
    found = []
    at = FLV_HEADER
    while at + 11 <= len(data):
        end = at + 15 + int.from_bytes(data[at + 1 : at + 4], "big")
        if end > len(data):
            break
        time = int.from_bytes(data[at + 7 : at + 8] + data[at + 4 : at + 7], "big")
        found.append((data[at] & 0x1F, time))
        at = end
    return found


def whole_tags(data: bytes) -> bytes:
    """An FLV file without the tag at its end that a recorder was stopped in."""
    end = FLV_HEADER
    while True:
        after = end + 15 + int.from_bytes(data[end + 1 : end + 4], "big")
        if after > len(data):
            return data[:end]
        end = after


WHOLE = {".flv": whole_tags, ".ts": whole_units}
"""What leaves out the units in which a recording stops, or in which a segment may."""


def ffmpeg_player(
    name: str, output: str, codecs: frozenset[str], program: Callable[[], str]
) -> Player:
    """One of the installed versions of ffmpeg."""

    def watch(url: str, folder: Path, wanted: Wanted) -> Recording:
        path = folder / f"recorded.{CONTAINERS[output]}"
        quiet = [program(), "-hide_banner", "-nostdin", "-loglevel", "warning"]
        limit = [
            "-t",
            str(wanted.seconds + 1),
            "-c",
            "copy",
            "-flush_packets",
            "1",
            "-y",
            str(path),
        ]
        return Recording(Process([*quiet, "-i", url, *limit]), path, wanted)

    return Player(name, output, codecs, lambda: ffmpeg_version(program()), watch)


def watch_rtmpdump(url: str, folder: Path, wanted: Wanted) -> Recording:
    """Record with librtmp."""
    path = folder / "recorded.flv"
    return Recording(Process(["rtmpdump", "-q", "-v", "-r", url, "-o", str(path)]), path, wanted)


def watch_rtmp2src(url: str, folder: Path, wanted: Wanted) -> Recording:
    """Record with GStreamer."""
    path = folder / "recorded.flv"
    pipeline = f"rtmp2src location={url} ! filesink location={path} buffer-mode=unbuffered"
    return Recording(Process(["gst-launch-1.0", "-q", "-e", *pipeline.split()]), path, wanted)


def watch_streamlink(url: str, folder: Path, wanted: Wanted) -> Recording:
    """Record HLS with streamlink."""
    path = folder / "recorded.ts"
    limit = ["--stream-segmented-duration", f"{wanted.seconds + 2:.0f}s", "--loglevel", "warning"]
    argv = [streamlink(), "--no-config", *limit, "--force", "-o", str(path), f"hls://{url}", "best"]
    return Recording(Process(argv), path, wanted)


RECORDERS = (
    ffmpeg_player("ffmpeg", "rtmp", CLASSIC, lambda: "ffmpeg"),
    ffmpeg_player("current ffmpeg", "rtmp", ENHANCED, current_ffmpeg),
    Player(
        "rtmpdump",
        "rtmp",
        ENHANCED,
        lambda: first_match(r"RTMPDump v?([\d.]+)", "rtmpdump", "-h"),
        watch_rtmpdump,
    ),
    Player(
        "GStreamer rtmp2src",
        "rtmp",
        ENHANCED,
        lambda: gstreamer_version("rtmp2src"),
        watch_rtmp2src,
    ),
    ffmpeg_player("ffmpeg", "http-flv", CLASSIC, lambda: "ffmpeg"),
    ffmpeg_player("current ffmpeg", "http-flv", ENHANCED, current_ffmpeg),
    ffmpeg_player("ffmpeg", "hls", TS, lambda: "ffmpeg"),
    Player(
        "streamlink",
        "hls",
        TS,
        lambda: first_match(r"streamlink ([\d.]+)", streamlink(), "-V"),
        watch_streamlink,
    ),
    ffmpeg_player("ffmpeg", "http-ts", TS, lambda: "ffmpeg"),
)
