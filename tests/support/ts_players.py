"""Players of SRT and UDP, and what they saw.

SRT viewers call the server, which lets them in at a key frame. Those of UDP listen at a port that a
destination of the stream sends to, so they come into the middle of a group of pictures.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, ClassVar

from tests.support.clients import (
    TS,
    current_ffmpeg,
    first_match,
    gstreamer_version,
    vlc_version,
)
from tests.support.judge import judge
from tests.support.players import Player, Recording, complaints, ffmpeg_player
from tests.support.process import Process
from tests.support.screens import PICTURE, MpvScreen, VlcScreen
from tests.support.seen import Seen, Wanted, weigh
from tests.support.srt import RECEIVERS
from tests.support.ts import whole_units
from tests.support.ts_compare import pcrs
from tests.support.ts_damage import packets, pid_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.srt import Program

SPARE_S = 1.0
"""Recorded beyond what is wanted, for what players leave out at the end."""
LATE_S = 0.5
"""So long after a decoder has come into the middle, it has what pictures refer to."""
CLOCK_WRAP = (1 << 33) * 300
VIDEO_ID = 0xE0
TABLE_PIDS = 2
"""PAT and PMT, the first packets of which a decoder needs before anything."""


class TsRecording(Recording):
    """A program that writes transport packets into a file until it is told to stop."""

    def enough(self) -> bool:
        """Whether the program has ended, or its file is long enough."""
        if not self.process.running():
            return True
        if not self.path.exists():
            return False
        data = self.path.read_bytes()
        wanted = self.wanted.seconds + SPARE_S
        return clock_s(data) >= wanted and clock_s(from_key(whole_units(data))) >= wanted

    def stop(self) -> Seen:
        """Interrupt the program and judge the file, from its first key frame on."""
        self.process.stop(signal.SIGINT, 5)
        output = self.process.output
        data = self.path.read_bytes() if self.path.exists() else b""
        if not data:
            return Seen("", ["nothing was recorded"], output)
        seen = weigh(judge(from_key(whole_units(data))), self.wanted)
        seen.output = output
        seen.faults += complaints(output, self.wanted)[:1]
        return seen


def clock_s(data: bytes) -> float:
    """How long a recording is by its clock."""
    values = [value for _, _, value in pcrs(data)]
    return (values[-1] - values[0]) % CLOCK_WRAP / 27_000_000 if values else 0.0


def from_key(data: bytes) -> bytes:
    """A recording from the first random-access point on, its tables in front."""
    tables: dict[int, bytes] = {}
    for number, packet in enumerate(packets(data)):
        if not packet[1] & 0x40:
            continue
        begin = 4 + (packet[4] + 1 if packet[3] & 0x20 else 0)
        if packet[begin : begin + 3] != b"\0\0\1":
            tables.setdefault(pid_of(packet), packet)
        elif is_key(packet) and packet[begin + 3] & 0xF0 == VIDEO_ID:
            return b"".join(list(tables.values())[:TABLE_PIDS]) + data[number * len(packet) :]
    return data


def is_key(packet: bytes) -> bool:
    """Whether a packet says that decoding may begin in it."""
    return bool(packet[3] & 0x20 and packet[4] and packet[5] & 0x40)


def recorder(program: Program) -> Callable[[str, Path, Wanted], TsRecording]:
    """Recording with one of the programs that receive SRT."""

    def watch(url: str, folder: Path, wanted: Wanted) -> TsRecording:
        path = folder / "recorded.ts"
        return TsRecording(program.start(path, url), path, wanted)

    return watch


def watch_udpsrc(url: str, folder: Path, wanted: Wanted) -> TsRecording:
    """Record with GStreamer."""
    path = folder / "recorded.ts"
    host, _, port = url.rpartition("//")[2].rpartition(":")
    pipeline = f"udpsrc address={host} port={port} buffer-size=4194304 ! queue ! "
    pipeline += f"filesink location={path} buffer-mode=unbuffered"
    return TsRecording(Process(["gst-launch-1.0", "-q", "-e", *pipeline.split()]), path, wanted)


def watch_vlc(url: str, folder: Path, wanted: Wanted) -> VlcScreen:
    """VLC takes what is in front of an ``@`` for the only sender."""
    return VlcScreen(url.replace("udp://", "udp://@"), folder, wanted)


class LateMpv(MpvScreen):
    """mpv, coming into the middle of a group of pictures of a stream that just arrives."""

    options: ClassVar[tuple[str, ...]] = (
        "--cache=yes",
        "--cache-pause-initial=yes",
        "--cache-pause-wait=1",
    )
    """With a second in hand, since nothing but the machine keeps the time of what comes."""

    def heard(self, output: str) -> list[str]:
        """What it says from its first picture on."""
        lines = output.splitlines()
        first = next((at for at, line in enumerate(lines) if PICTURE.search(line)), len(lines))
        return lines[first:]

    def played(self) -> float:
        """Media time since the first picture: sound may begin long before."""
        if not self.wanted.video:
            return super().played()
        pictures = self.pictures(self.process.output)
        return pictures[-1] - pictures[0] if pictures else 0.0

    def pictures(self, output: str) -> list[float]:
        """Those after the first ones, some of which refer to what it did not get."""
        found = super().pictures(output)
        return [at for at in found if at >= found[0] + LATE_S]


def mpv_version() -> str:
    """The release of mpv."""
    return first_match(r"mpv v?([\d.]+)", "mpv", "--version")


def transmit_version() -> str:
    """The release of libsrt's own program."""
    return first_match(r"version: ([\d.]+)", "srt-live-transmit", "-version")


SRT_VERSIONS = {
    "GStreamer srtsrc": lambda: gstreamer_version("srtsrc"),
    "srt-live-transmit": transmit_version,
}
TS_PLAYERS = (
    ffmpeg_player("ffmpeg", "srt", TS, lambda: "ffmpeg"),
    ffmpeg_player("current ffmpeg", "srt", TS, current_ffmpeg),
    *(
        Player(program.name, "srt", TS, SRT_VERSIONS[program.name], recorder(program))
        for program in RECEIVERS
        if program.name in SRT_VERSIONS
    ),
    Player("mpv", "srt", TS, mpv_version, MpvScreen),
    ffmpeg_player("ffmpeg", "udp", TS, lambda: "ffmpeg"),
    ffmpeg_player("current ffmpeg", "udp", TS, current_ffmpeg),
    Player("GStreamer udpsrc", "udp", TS, lambda: gstreamer_version("udpsrc"), watch_udpsrc),
    Player("VLC", "udp", TS, vlc_version, watch_vlc),
    Player("mpv", "udp", TS, mpv_version, LateMpv),
)
