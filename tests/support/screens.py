"""Players with a screen and a clock: VLC and mpv, and what they say of themselves.

VLC writes each picture that it shows into a file, where its number can be read. mpv tells the
time of each decoded picture, and how far the screen is from the sound.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import av

from tests.support.clients import TS, as_nobody, first_match, vlc_version
from tests.support.judge import brightness
from tests.support.media import read_number
from tests.support.peers import HOST
from tests.support.players import Player
from tests.support.ports import free_port
from tests.support.process import Process
from tests.support.seen import RHYTHM_S, SHOWN, Seen, Wanted, weigh_shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.media import Recipe

ANSWER_S = 2.0
AUDIO_BUFFERS = 5
"""In a second, of any codec, at least."""
MPV_SYNC_S = 0.1
VLC_OPTIONS = (
    "--no-video-title-show --vout vdummy --aout adummy --no-osd --no-sub-autodetect-file "
    "--network-caching 1000 --live-caching 1000 --no-skip-frames --no-avcodec-hurry-up"
)
VLC_SCENE = "--video-filter scene --scene-ratio 1 --scene-format png --scene-prefix shown"
MPV_OPTIONS = (
    "--no-config --no-ytdl --vo=null --ao=null --hwdec=no --cache-pause=no "
    "--msg-level=all=warn,ffmpeg=v --vf=lavfi=[showinfo]"
)
TROUBLE = re.compile(r"(?i)error while decoding|concealing|non-existing|corrupt|missing reference")
PICTURE = re.compile(r"Parsed_showinfo_0: n: *\d+ pts: *\S+ pts_time:([\d.]+)")


class VlcScreen:
    """VLC with a control port, no sound card, and a folder of pictures.

    It may show some pictures broken: where an FLV stream comes in small pieces, as any live one
    does, VLC 3 loses bytes at some multiples of 32 KiB, from any server.
    """

    def __init__(self, url: str, folder: Path, wanted: Wanted) -> None:
        self.folder, self.wanted = folder, wanted
        self.port = free_port()
        self.home = Path(tempfile.mkdtemp(prefix="vlc-"))
        """The folder of a test is closed to the user that VLC runs as."""
        control = f"-I oldrc --rc-fake-tty --rc-host {HOST}:{self.port}"
        options = f"{control} {VLC_OPTIONS}"
        if wanted.recipe is not None:
            options += f" {VLC_SCENE} --scene-path {self.home}"
        self.process = Process(
            as_nobody("cvlc", *options.split(), url, "vlc://quit", home=self.home)
        )
        self.began = 0.0
        self.counters: dict[str, int] = {}

    def ask(self) -> dict[str, int]:
        """The statistics of the input that plays."""
        answer = b""
        with (
            suppress(OSError),
            socket.create_connection((HOST, self.port), ANSWER_S) as connection,
        ):
            connection.settimeout(ANSWER_S)
            connection.sendall(b"stats\nlogout\n")
            while data := connection.recv(65536):
                answer += data
        found = re.findall(r"\| ([a-z ]+?) *: +(\d+)", answer.decode(errors="replace"))
        return {name: int(value) for name, value in found}

    def enough(self) -> bool:
        """Whether it has played for long enough, or ended."""
        if not self.process.running():
            return True
        self.counters = self.ask() or self.counters
        now = time.monotonic()
        plays = self.counters.get("frames displayed") or self.counters.get("buffers played")
        if not self.began and plays:
            self.began = now
        return bool(self.began) and now - self.began >= self.wanted.seconds

    def stop(self) -> Seen:
        """End VLC; its counters, and the numbers of the pictures that it showed."""
        wanted = self.wanted
        counters = self.ask() or self.counters
        self.process.stop(timeout_s=5)
        numbers = [read_picture(path) for path in sorted(self.home.glob("shown*.png"))[:-1]]
        shutil.rmtree(self.home, ignore_errors=True)
        shown, heard = counters.get("frames displayed", 0), counters.get("buffers played", 0)
        faults = []
        if counters.get("demux corrupted"):
            faults.append(f"{counters['demux corrupted']} corrupted packets")
        if wanted.audio and heard < AUDIO_BUFFERS * wanted.seconds:
            faults.append(f"{heard} buffers of sound played")
        if wanted.video and wanted.recipe is not None:
            faults += weigh_shown(numbers, wanted, unreadable=wanted.recipe.gop)
        elif wanted.video and shown < SHOWN * wanted.frames:
            faults.append(f"{shown} frames shown, {wanted.frames} expected")
        summary = f"{shown} frames shown" if wanted.video else f"{heard} buffers of sound played"
        return Seen(summary if shown or heard else "", faults, self.process.output)


def read_picture(path: Path) -> int | None:
    """The frame number in an image file."""
    with suppress(av.FFmpegError, OSError), av.open(str(path)) as image:
        for frame in image.decode(video=0):
            return read_number(brightness(frame.reformat(format="gray")))
    return None


class MpvScreen:
    """mpv without a window, asked over its socket."""

    options: ClassVar[tuple[str, ...]] = ()
    """What else it is told."""

    def __init__(self, url: str, folder: Path, wanted: Wanted) -> None:
        self.wanted = wanted
        self.path = folder / "control"
        control = f"--input-ipc-server={self.path}"
        argv = ["mpv", *MPV_OPTIONS.split(), *self.options, control, url]
        self.process = Process(argv)
        self.times: list[float] = []
        self.skew: list[float] = []
        self.sound = ""

    def ask(self, *names: str) -> dict[str, Any]:
        """Properties, those that are unavailable left out."""
        lines = [
            json.dumps({"command": ["get_property", n], "request_id": i})
            for i, n in enumerate(names)
        ]
        answers: dict[str, Any] = {}
        with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(str(self.path))
            connection.sendall("".join(f"{line}\n" for line in lines).encode())
            with connection.makefile() as replies:
                for line in replies:
                    reply = json.loads(line)
                    number = reply.get("request_id")
                    if number is not None and reply.get("data") is not None:
                        answers[names[number]] = reply["data"]
                    if number == len(names) - 1:
                        break
        return answers

    def enough(self) -> bool:
        """Whether it has played for long enough, or ended."""
        if not self.process.running():
            return True
        answers = self.ask("time-pos", "avsync", "audio-codec-name")
        self.sound = answers.get("audio-codec-name", self.sound)
        if "time-pos" in answers:
            self.times.append(answers["time-pos"])
        if "avsync" in answers:
            self.skew.append(abs(answers["avsync"]))
        return self.played() >= self.wanted.seconds

    def played(self) -> float:
        """Media time since the first answer."""
        return self.times[-1] - self.times[0] if self.times else 0.0

    def heard(self, output: str) -> list[str]:
        """What it says that counts."""
        return output.splitlines()

    def pictures(self, output: str) -> list[float]:
        """When its pictures are due, seconds."""
        return [float(at) for at in PICTURE.findall(output)]

    def stop(self) -> Seen:
        """End mpv; the times of its pictures, and its own measure of lip sync."""
        wanted = self.wanted
        output = self.process.output
        self.process.stop(timeout_s=5)
        pictures = self.pictures(output)
        faults = [f"says: {line[:120]}" for line in self.heard(output) if TROUBLE.search(line)][:1]
        if self.played() < 0.8 * wanted.seconds:
            faults.append(f"{self.played():.1f} s only")
        if wanted.audio and not self.sound:
            faults.append("no sound")
        if wanted.video:
            faults += weigh_times(pictures, wanted)
        summary = f"{self.played():.1f} s" + (f", {len(pictures)} frames" if wanted.video else "")
        if wanted.video and wanted.audio and self.skew:
            skew = median(self.skew)
            summary += f", avsync {skew * 1000:.0f} ms"
            if skew > MPV_SYNC_S:
                faults.append(f"sound and picture are {skew * 1000:.0f} ms apart")
        return Seen(summary if self.times else "", faults, plain(output))


def weigh_times(times: Sequence[float], wanted: Wanted) -> list[str]:
    """What is wrong with the times of decoded pictures, none of which may be skipped."""
    faults = []
    if len(times) < 0.8 * wanted.frames:
        faults.append(f"{len(times)} frames, {wanted.frames} expected")
    steps = [after - before for before, after in pairwise(times)]
    if wanted.recipe is None:
        uneven = sum(abs(step - 1 / wanted.fps) > 0.5 / wanted.fps for step in steps)
    else:
        uneven = out_of_step(steps, wanted.recipe)
    return [*faults, f"{uneven} frames are not on time"] if uneven else faults


def out_of_step(steps: Sequence[float], recipe: Recipe) -> int:
    """How many distances are not those of the recipe, begun at the picture that fits best."""
    cycle = len(recipe.steps)
    frame = float(1 / recipe.fps)
    return min(
        sum(
            abs(step - frame * recipe.steps[(start + place) % cycle]) > RHYTHM_S
            for place, step in enumerate(steps)
        )
        for start in range(cycle)
    )


def plain(output: str) -> str:
    """What mpv prints at the usual level."""
    return "\n".join(line for line in output.splitlines() if "showinfo" not in line)


SCREENS = (
    Player("VLC", "rtmp", frozenset({"h264", "aac", "mp3"}), vlc_version, VlcScreen),
    Player("VLC", "http-flv", frozenset({"h264", "aac", "mp3"}), vlc_version, VlcScreen),
    Player("VLC", "hls", TS, vlc_version, VlcScreen),
    Player("VLC", "http-ts", TS, vlc_version, VlcScreen),
    *(
        Player(
            "mpv",
            output,
            frozenset({"h264", "aac", "mp3"}) if output in ("rtmp", "http-flv") else TS,
            lambda: first_match(r"mpv v?([\d.]+)", "mpv", "--version"),
            MpvScreen,
        )
        for output in ("rtmp", "http-flv", "hls", "http-ts")
    ),
)
