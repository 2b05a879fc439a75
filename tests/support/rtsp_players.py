"""Players of RTSP, with media inside the connection or beside it, and what they saw.

Those that write files decode what they get: no reader of RTSP tells decoding times that could be
copied. The pictures of a recording are whole anyway, so their numbers and times are judged.
"""

from __future__ import annotations

import re
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from tests.support.clients import (
    current_ffmpeg,
    ffmpeg_version,
    gstreamer_version,
)
from tests.support.judge import judge
from tests.support.players import Player, Recording, complaints
from tests.support.process import Process
from tests.support.rtsp_publishers import PICTURES
from tests.support.screens import TROUBLE, MpvScreen
from tests.support.seen import Seen, Wanted, weigh
from tests.support.ts_players import LateMpv, mpv_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.judge import Verdict

TRANSPORTS = {"rtsp": "tcp", "rtsp udp": "udp"}
CLASSIC = frozenset({"h264", "hevc", "vp9", "aac", "mp3", "opus"})
"""What ffmpeg 5.1 takes out of RTP; the AC-3 of others it does as well."""
CURRENT = CLASSIC | {"av1", "ac3"}
"""What a newer one does: it has no reader for E-AC-3, nor has GStreamer."""
GSTREAMER = CLASSIC | {"ac3"}
DECODED = ("ffvhuff", "pcm_s16le")
"""What ffmpeg makes of it, quickly: it reads no packets from its sockets while it encodes."""
RECEIVE_BYTES = "4194304"
"""Of its sockets: it may have to wait for a processor that decodes for many others."""
PICTURES_DECODED = frozenset({DECODED[0], "ffv1"})
DECODERS = {
    "h264": "rtph264depay ! h264parse ! avdec_h264",
    "hevc": "rtph265depay ! h265parse ! avdec_h265",
    "vp9": "rtpvp9depay ! avdec_vp9",
    "aac": "rtpmp4gdepay ! aacparse ! avdec_aac",
    "mp3": "rtpmpadepay ! mpegaudioparse ! avdec_mp3",
    "opus": "rtpopusdepay ! opusdec",
    "ac3": "rtpac3depay ! ac3parse ! avdec_ac3",
}
SPARE_S = 2.0
"""Recorded beyond what is wanted: what comes first comes at once."""
HEAD_BYTES = 100_000
"""More than stands in a file before any media."""
SETTLED_S = 2.0
"""After this long a player has put the tracks together."""
DISORDER = re.compile(r"(?i)non.monoton\w+ DTS.*previous: (\d+)")


class DecodedRecording(Recording):
    """A program that decodes what it gets into a file."""

    def __init__(self, process: Process, path: Path, wanted: Wanted) -> None:
        super().__init__(process, path, wanted)
        self.began = 0.0

    def enough(self) -> bool:
        """Whether the program has ended, or has written for long enough."""
        if not self.process.running():
            return True
        now = time.monotonic()
        if not self.began and self.path.exists() and self.path.stat().st_size > HEAD_BYTES:
            self.began = now
        return bool(self.began) and now - self.began >= self.wanted.seconds + SPARE_S

    def stop(self) -> Seen:
        """Interrupt the program and judge the file."""
        self.process.stop(signal.SIGINT, 10)
        output = self.process.output
        if not self.path.exists() or not self.path.stat().st_size:
            return Seen("", ["nothing was recorded"], output)
        seen = weigh(as_sent(judge(self.path), self.wanted), self.wanted)
        seen.output = output
        faults = [f"says: {line[:120]}" for line in output.splitlines() if TROUBLE.search(line)]
        seen.faults += (faults or [line for line in complaints(output, self.wanted) if late(line)])[
            :1
        ]
        return seen


def late(line: str) -> bool:
    """Whether a complaint is not about decode times at the beginning, in milliseconds."""
    found = DISORDER.search(line)
    return found is None or int(found[1]) >= SETTLED_S * 1000


def as_sent(verdict: Verdict, wanted: Wanted) -> Verdict:
    """A verdict with the codecs that were sent, if as much was recorded, and without first times.

    FFmpeg gives the first unit of a track no time where it parses units anew, as pictures and MP3.
    GStreamer may read the first reports after the media, and then moves a track. Samples of sound
    are not those of another decoder, so there is nothing to look up in footage.
    """
    kinds = [codec in PICTURES_DECODED for codec in verdict.codecs]
    sent = [codec in PICTURES for codec in wanted.codecs]
    codecs = wanted.codecs if sorted(kinds) == sorted(sent) else verdict.codecs
    prints = [*verdict.picture_prints[:1], *verdict.sound_prints[:1]]
    begin = min((at for at, _ in prints), default=0.0) + SETTLED_S
    kept = [pair for pair in zip(verdict.numbers, verdict.times, strict=True) if pair[1] >= begin]
    return replace(
        verdict,
        codecs=codecs,
        numbers=[number for number, _ in kept],
        times=[at for _, at in kept],
        picture_prints=[one for one in verdict.picture_prints if one[0] >= begin],
        sound_prints=[],
        disorder=[at for at in verdict.disorder if at >= begin],
        pauses=[one for one in verdict.pauses if one[0] >= begin],
        holes=[one for one in verdict.holes if one[0] >= begin],
    )


def ffmpeg_player(
    name: str, output: str, codecs: frozenset[str], program: Callable[[], str]
) -> Player:
    """One of the installed versions of ffmpeg."""

    def watch(url: str, folder: Path, wanted: Wanted) -> DecodedRecording:
        path = folder / "recorded.mkv"
        argv = [program(), "-hide_banner", "-nostdin", "-loglevel", "warning"]
        argv += ["-rtsp_transport", TRANSPORTS[output], "-buffer_size", RECEIVE_BYTES]
        argv += ["-i", url, "-t", str(wanted.seconds + 1)]
        argv += ["-fps_mode", "passthrough", "-c:v", DECODED[0], "-c:a", DECODED[1]]
        return DecodedRecording(Process([*argv, "-y", str(path)]), path, wanted)

    return Player(name, output, codecs, lambda: ffmpeg_version(program()), watch)


def rtspsrc_player(output: str) -> Player:
    """GStreamer, by the times that the packets tell: by default it goes by their arrival."""

    def watch(url: str, folder: Path, wanted: Wanted) -> DecodedRecording:
        path = folder / "recorded.mkv"
        text = f"rtspsrc location={url} name=s protocols={TRANSPORTS[output]} latency=500"
        text += f" buffer-mode=none matroskamux name=m ! filesink location={path}"
        for codec in wanted.codecs:
            if codec in PICTURES:
                text += f" s. ! {DECODERS[codec]} ! videoconvert ! avenc_ffv1 ! queue ! m."
            else:
                text += f" s. ! {DECODERS[codec]} ! audioconvert ! audio/x-raw,format=S16LE"
                text += " ! queue ! m."
        return DecodedRecording(Process(["gst-launch-1.0", "-e", *text.split()]), path, wanted)

    version = lambda: gstreamer_version("rtspsrc")  # noqa: E731
    return Player("GStreamer rtspsrc", output, GSTREAMER, version, watch)


class TcpMpv(LateMpv):
    """mpv, which gives some of the first pictures no time."""

    options: ClassVar[tuple[str, ...]] = ("--rtsp-transport=tcp",)


class UdpMpv(LateMpv):
    """The same over UDP."""

    options: ClassVar[tuple[str, ...]] = ("--rtsp-transport=udp",)


def players(output: str, screen: type[MpvScreen]) -> tuple[Player, ...]:
    """Those of one way for the media."""
    return (
        ffmpeg_player("ffmpeg", output, CLASSIC, lambda: "ffmpeg"),
        ffmpeg_player("current ffmpeg", output, CURRENT, current_ffmpeg),
        rtspsrc_player(output),
        Player("mpv", output, CLASSIC, mpv_version, screen),
    )


RTSP_PLAYERS = (*players("rtsp", TcpMpv), *players("rtsp udp", UdpMpv))
