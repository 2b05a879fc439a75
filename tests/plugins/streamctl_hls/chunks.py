"""Items of an ``mpegts`` lane without real media in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import Boundary, Chunk, Codec, Init, InitChange, Track
from streamctl_hls.segment import Segment, segment_name

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME = 3600
"""Ticks of a frame at 25 fps."""
PAT = bytes((0x47, 0x40, 0x00, 0x10)) + b"pat".ljust(184, b"\xff")
PMT = bytes((0x47, 0x50, 0x00, 0x10)) + b"pmt".ljust(184, b"\xff")
JOIN = bytes((0x47, 0x01, 0x00, 0x20)) + b"join".ljust(184, b"\xff")
AUDIO_ONLY = (Track(0, Codec.AAC, b"\x12\x10", sample_rate=44100, channels=2),)
AVCC = bytes.fromhex(
    "0164001fffe1001a6764001facd9405005bb011000000300100000030320f183196001000668ebe3cb22c0fdf8f800"
)
"""High profile, level 3.1, 1280x720."""
AV = (
    Track(0, Codec.H264, AVCC, width=1280, height=720, fps=25.0),
    Track(1, Codec.AAC, b"\x11\x90", sample_rate=48000, channels=2),
)


def es_packet(pid: int, text: str) -> bytes:
    """A transport packet that carries ``text``."""
    return bytes((0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10)) + text.encode().ljust(184, b"\xff")


def picture(start: int, *, rap: bool = False, dur: int = FRAME, epoch: int = 1) -> Chunk:
    """A video access unit; tables stand in front of a random-access point."""
    data = es_packet(0x100, f"video {start}")
    if rap:
        data = PAT + PMT + data
    return Chunk(data, start, start + dur, rap, True, epoch, JOIN if rap else b"")


def sound(start: int, *, dur: int = 1920, epoch: int = 1) -> Chunk:
    """An audio access unit of a program with video."""
    return Chunk(es_packet(0x101, f"audio {start}"), start, start + dur, False, False, epoch)


def pictures(
    count: int, gop: int, *, start: int = 0, dur: int = FRAME, epoch: int = 1
) -> Iterator[Chunk]:
    """A run of pictures with a keyframe every ``gop``."""
    for n in range(count):
        yield picture(start + n * dur, rap=n % gop == 0, dur=dur, epoch=epoch)


def boundary(epoch: int, tracks: tuple[Track, ...] = AV) -> Boundary:
    """A new epoch begins."""
    return Boundary(epoch, Init(1, epoch, tracks), "test")


def change(tracks: tuple[Track, ...], epoch: int = 1) -> InitChange:
    """The tracks change within an epoch."""
    return InitChange(Init(2, epoch, tracks))


def segment(
    number: int,
    *,
    start: int = 0,
    end: int = 180_000,
    size: int = 1000,
    cut: bool = False,
    key: bool = True,
    wall: float = 0.0,
) -> Segment:
    """A finished segment of generation 5; ``cut`` = a discontinuity, ``key`` = independent."""
    data = (number.to_bytes(8, "big") + bytes(size))[:size]
    name = segment_name(5, number)
    return Segment(name, number, start, end, (data,), size, wall, cut, key)
