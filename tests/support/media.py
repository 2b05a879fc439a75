"""Media that tests need, made in seconds: every frame says its number, every second its time.

The picture carries its frame number as a row of black and white squares that survives lossy
coding (:func:`read_number`), a bar that moves with each frame, and a white flash on the first
frame of every full second. The sound is silence with a 1 kHz burst that starts at the very time
of the flash, so the distance of the two in what comes out is the A/V offset.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, cast

import av
import numpy as np

from tests.support.encoders import add_audio, add_video, same_priority
from tests.support.repack import open_output, repack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]

NUMBER_BITS = 16
CHECK_BITS = 4
CELLS = NUMBER_BITS + CHECK_BITS
"""Squares of the number row, which spans the whole width at the top of the picture."""
ROW_FRACTION = 6
"""The number row is one sixth of the height."""
FLASH_FRAMES = 2
BEEP_HZ = 1000
BEEP_S = 0.06
WHITE, BLACK, GREY = 235, 16, 70
JUMP = 41
"""Times the usual step of the noise: further than encoders look."""


@dataclass(frozen=True)
class Recipe:
    """What a generated file contains; equal recipes are the same file."""

    seconds: float = 6.0
    container: str = "mp4"
    """mp4, flv, ts, mkv or webm."""
    width: int = 320
    height: int = 180
    fps: Fraction = Fraction(25)
    steps: tuple[int, ...] = (1,)
    """For how many frame times pictures are shown, in turn: other than 1, the rate varies."""
    gop: int = 25
    """Frames from one IDR to the next."""
    bframes: int = 0
    video_kbps: int = 0
    """0 = constant quality; else the rate is held by a one-second VBV and a noisy picture."""
    restless: bool = False
    """Whether that noise jumps, so that no prediction helps and any rate is reached."""
    sample_rate: int = 48_000
    channels: int = 2
    audio_kbps: int = 96
    video: bool = True
    audio: bool = True
    video_codec: str = "h264"
    """h264, hevc, av1, vp9 or mpeg2video."""
    audio_codec: str = "aac"
    """aac, mp3, mp2, opus, ac3, eac3 or flac."""
    audio_shift_s: float = 0.0
    """Plants a fault: the sound is late by this much."""
    drop_frames: tuple[int, ...] = ()
    """Plants a fault: these pictures are never encoded."""
    first: int = 0
    """The number that the first picture says: it may tell where pictures come from."""

    @property
    def frames(self) -> int:
        """Pictures of one pass, dropped ones included."""
        rounds, rest = divmod(int(self.seconds * self.fps), sum(self.steps))
        return rounds * len(self.steps) + sum(at <= rest for at in accumulate(self.steps))

    def tick(self, number: int) -> int:
        """When a picture is shown, in frame times."""
        rounds, place = divmod(number, len(self.steps))
        return rounds * sum(self.steps) + sum(self.steps[:place])

    def time_of(self, number: int) -> Fraction:
        """When a picture is shown, in seconds."""
        return self.tick(number) / self.fps

    @property
    def key(self) -> str:
        """A name that differs whenever the content does."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Media:
    """A generated file and how it was made."""

    path: Path
    recipe: Recipe


class MediaCache:
    """Makes each file once per session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, recipe: Recipe) -> Media:
        """The file of a recipe."""
        path = self.folder / f"{recipe.key}.{recipe.container}"
        if not path.exists():
            partial = path.with_suffix(f".{os.getpid()}.{recipe.container}")
            make(recipe, partial)
            partial.rename(path)
        return Media(path, recipe)

    def repack(self, path: Path, container: str, seconds: float = 0.0) -> Path:
        """A file in another container, repeated until it is long enough."""
        copy = self.folder / f"{path.stem}.{seconds:.0f}.{container}"
        if path.suffix == f".{container}" and not seconds:
            return path
        if not copy.exists():
            partial = copy.with_suffix(f".{os.getpid()}.{container}")
            repack(path, partial, container, seconds)
            partial.rename(copy)
        return copy


def make(recipe: Recipe, path: Path) -> None:
    """Encode a recipe into a file."""
    with same_priority(), open_output(path, recipe.container) as out:
        video = add_video(out, recipe) if recipe.video else None
        audio = add_audio(out, recipe) if recipe.audio else None
        pictures = iter(draw(recipe)) if video else iter(())
        sound = iter(play(recipe)) if audio else iter(())
        picture, block = next(pictures, None), next(sound, None)
        while picture is not None or block is not None:
            if block is None or (picture is not None and due(picture) <= due(block)):
                assert video is not None
                out.mux(video.encode(cast("av.VideoFrame", picture)))
                picture = next(pictures, None)
            else:
                assert audio is not None
                out.mux(audio.encode(block))
                block = next(sound, None)
        for stream in (video, audio):
            if stream is not None:
                out.mux(stream.encode(None))


def due(frame: av.VideoFrame | av.AudioFrame) -> Fraction:
    """Presentation time in seconds."""
    assert frame.pts is not None
    assert frame.time_base is not None
    return frame.pts * frame.time_base


def draw(recipe: Recipe) -> Iterator[av.VideoFrame]:
    """The pictures in order."""
    noise = noise_texture(recipe)
    flashes = flash_frames(recipe)
    lit = {first + step for first in flashes for step in range(FLASH_FRAMES)}
    for number in range(recipe.frames):
        if number in recipe.drop_frames:
            continue
        frame = av.VideoFrame(recipe.width, recipe.height, "yuv420p")
        fill(frame, 0, luma(recipe, number, noise, lit=number in lit))
        chroma = np.full((recipe.height // 2, recipe.width // 2), 128, np.uint8)
        fill(frame, 1, chroma)
        fill(frame, 2, chroma)
        frame.pts = recipe.tick(number)
        frame.time_base = 1 / recipe.fps
        yield frame


def luma(recipe: Recipe, number: int, noise: Plane | None, *, lit: bool) -> Plane:
    """The brightness of one picture."""
    plane = np.full((recipe.height, recipe.width), GREY, np.uint8)
    if noise is not None:
        step = JUMP if recipe.restless else 1
        plane = np.roll(noise, (number * 3 * step, number * 5 * step), axis=(0, 1))
    bar = number * 4 % recipe.width
    plane[:, bar : bar + 8] = 110
    if lit:
        plane[recipe.height // 3 :, :] = WHITE
    row = recipe.height // ROW_FRACTION
    cell = recipe.width // CELLS
    plane[:row, :] = BLACK
    for index, bit in enumerate(number_bits(recipe.first + number)):
        if bit:
            plane[:row, index * cell : (index + 1) * cell] = WHITE
    return plane


def noise_texture(recipe: Recipe) -> Plane | None:
    """A picture that is hard to compress, so that a wanted rate is really reached."""
    if not recipe.video_kbps:
        return None
    random = np.random.default_rng(1)
    return random.integers(40, 101, (recipe.height, recipe.width), dtype=np.uint8)


def fill(frame: av.VideoFrame, index: int, pixels: Plane) -> None:
    """Copy pixels into a plane whose lines may be longer than the picture."""
    plane = frame.planes[index]
    rows = np.zeros((plane.height, plane.line_size), np.uint8)
    rows[:, : plane.width] = pixels
    plane.update(rows.tobytes())


def flash_frames(recipe: Recipe) -> list[int]:
    """Numbers of the first lit picture of each full second."""
    numbers = range(1, recipe.frames)
    return [n for n in numbers if int(recipe.time_of(n)) > int(recipe.time_of(n - 1))]


def play(recipe: Recipe) -> Iterator[av.AudioFrame]:
    """The sound in short blocks."""
    rate = recipe.sample_rate
    samples = np.zeros(int(recipe.seconds * rate), np.float32)
    burst = np.sin(2 * np.pi * BEEP_HZ * np.arange(int(BEEP_S * rate)) / rate)
    for first in flash_frames(recipe):
        start = round((recipe.time_of(first) + Fraction(recipe.audio_shift_s)) * rate)
        end = min(start + len(burst), len(samples))
        if start < end:
            samples[start:end] = 0.5 * burst[: end - start]
    for start in range(0, len(samples), 1024):
        block = samples[start : start + 1024]
        planes = np.repeat(block[np.newaxis, :], recipe.channels, axis=0)
        layout = "mono" if recipe.channels == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate = rate
        frame.pts = start
        frame.time_base = Fraction(1, rate)
        yield frame


def number_bits(number: int) -> list[int]:
    """The squares of a frame number: its bits, then a check over its nibbles."""
    value = number << CHECK_BITS | check(number)
    return [value >> shift & 1 for shift in range(CELLS - 1, -1, -1)]


def check(number: int) -> int:
    """Four bits that change when any one bit of the number does, and are never all zero at 0."""
    nibbles = (number >> 12 ^ number >> 8 ^ number >> 4 ^ number) & 15
    return nibbles ^ 0b1010


def read_number(plane: Plane) -> int | None:
    """The frame number in the brightness of a decoded picture; None when it can't be read."""
    height, width = plane.shape
    row, cell = height // ROW_FRACTION, width // CELLS
    top, bottom = row // 4, max(row // 4 + 1, row * 3 // 4)
    margin = cell // 4
    bits = ""
    for index in range(CELLS):
        left = index * cell + margin
        mean = float(plane[top:bottom, left : (index + 1) * cell - margin].mean())
        bits += "?" if 90 < mean < 160 else "1" if mean >= 160 else "0"
    return number_of(bits)


def number_of(bits: str) -> int | None:
    """The number that a row of squares stands for; None when one of them can't be made out."""
    if "?" in bits:
        return None
    value = int(bits, 2)
    number = value >> CHECK_BITS
    return number if value & 15 == check(number) else None


def is_lit(plane: Plane) -> bool:
    """Whether a decoded picture is a flash."""
    return float(plane[plane.shape[0] // 2 :, :].mean()) > 180
