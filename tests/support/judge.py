"""Decodes what came out of a server and says what is wrong with it.

Independent of the code under test: libav demuxes and decodes, the generated picture tells which
frames arrived (:mod:`tests.support.media`), flash and beep tell the A/V offset. Works on any
media; numbers and offset stay empty where the picture carries none.
"""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any
from zlib import adler32

import av
import av.logging
import numpy as np

from tests.support.media import BEEP_HZ, is_lit, read_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.support.media import Recipe

PAIR_S = 0.5
"""A flash and a beep further apart than this do not belong together."""
TAIL = 4
"""Runs of pictures end in decode order, so holes among the last ones are no fault."""
BEEP_LEVEL = 0.15
"""Half of what a burst reaches after lossy coding."""
AUDIO_SLACK_S = 0.0015
"""Timestamps rounded to the millisecond put neighbouring audio frames this far off."""


@dataclass
class Verdict:
    """What a recording contains and what is wrong with it."""

    codecs: tuple[str, ...] = ()
    duration_s: float = 0.0
    """From the first to the last presentation time over all streams."""
    frames: int = 0
    """Pictures decoded."""
    video_s: float = 0.0
    """Length of the pictures, the last one's duration included."""
    step_s: float = 0.0
    """From one picture to the next, mostly."""
    numbers: list[int] = field(default_factory=list)
    """Frame numbers in presentation order, unreadable ones left out."""
    times: list[float] = field(default_factory=list)
    """When each numbered frame is shown, seconds."""
    unreadable: int = 0
    missing: int = 0
    """Frame numbers skipped; the last pictures are not counted."""
    repeated: int = 0
    restarts: list[int] = field(default_factory=list)
    """Frame numbers at which the count began anew (a loop or another publisher)."""
    picture_prints: list[tuple[float, int]] = field(default_factory=list, repr=False)
    """Time and checksum of each picture, in presentation order."""
    sound_prints: list[tuple[float, int]] = field(default_factory=list, repr=False)
    """Time and checksum of each decoded frame of sound."""
    starts_with_key: bool = False
    decode_errors: list[str] = field(default_factory=list)
    spoiled: list[float] = field(default_factory=list)
    """When the units are shown that the decoder complained of, seconds."""
    disorder: list[float] = field(default_factory=list)
    """Decode times, in seconds, that are not past the one before in their stream (in FLV, whose
    clock is too coarse, before the one before)."""
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """When a picture is shown that comes over one and a half frames after the one before, and how
    long after, seconds."""
    holes: list[tuple[float, float]] = field(default_factory=list)
    """When a frame of sound begins that does not follow the one before, and how long the hole is
    (positive) or the overlap (negative), seconds."""
    pairs: list[tuple[float, float]] = field(default_factory=list)
    """When the flash of each second is shown, and how many ms later its beep is heard."""

    @property
    def offsets_ms(self) -> list[float]:
        """Beep minus flash of each second: positive = the sound is late."""
        return [offset for _, offset in self.pairs]

    @property
    def dts_disorder(self) -> int:
        """Packets whose decode time is not in order."""
        return len(self.disorder)

    @property
    def video_gaps(self) -> list[float]:
        """Distances of neighbouring pictures that are over one and a half frames, seconds."""
        return [length for _, length in self.pauses]

    @property
    def audio_gaps(self) -> list[float]:
        """Holes (positive) and overlaps (negative) between neighbouring audio frames, seconds."""
        return [length for _, length in self.holes]

    @property
    def offset_ms(self) -> float:
        """Median A/V offset; NaN when no pair was found."""
        return median(self.offsets_ms) if self.offsets_ms else float("nan")

    @property
    def worst_offset_ms(self) -> float:
        """The largest A/V offset, regardless of its sign."""
        return max(map(abs, self.offsets_ms), default=float("nan"))


@dataclass
class Evidence:
    """What decoding yields before it is judged."""

    video: list[tuple[float, int | None, bool]] = field(default_factory=list)
    """Presentation time, frame number, lit."""
    audio: list[tuple[float, float]] = field(default_factory=list)
    """Start and duration of decoded frames."""
    sound: list[NDArray[np.float32]] = field(default_factory=list)
    sound_times: list[float] = field(default_factory=list)
    sample_rate: int = 0
    fps: float = 0.0


def judge(media: Path | str | bytes) -> Verdict:
    """Decode a recording and weigh it."""
    verdict, evidence = Verdict(), Evidence()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as lines:
            decode(media, verdict, evidence, lines)
        verdict.decode_errors += [f"{name}: {text.strip()}" for _, name, text in lines]
    finally:
        av.logging.set_level(None)
    evidence.video.sort(key=lambda item: item[0])
    verdict.picture_prints.sort()
    weigh_numbers(verdict, evidence)
    weigh_gaps(verdict, evidence)
    verdict.pairs = offsets(evidence)
    return verdict


def decode(
    media: Path | str | bytes, verdict: Verdict, evidence: Evidence, said: Sequence[object]
) -> None:
    """Demux and decode everything, collecting what was seen; ``said`` grows with complaints."""
    source = io.BytesIO(media) if isinstance(media, bytes) else str(media)
    try:
        container = av.open(source, "r")
    except av.FFmpegError as error:
        verdict.decode_errors.append(f"open: {error}")
        return
    last_dts: dict[int, int] = {}
    seen_video = False
    with container:
        least = 0 if container.format.name == "flv" else 1
        streams = [s for s in container.streams if s.type in ("video", "audio")]
        verdict.codecs = tuple(s.codec_context.codec.canonical_name for s in streams)
        for stream in streams:
            stream.codec_context.thread_count = 1
            if stream.type == "video" and stream.average_rate:
                evidence.fps = float(stream.average_rate)
        try:
            for packet in container.demux(streams):
                if packet.dts is not None:
                    index = packet.stream.index
                    before = last_dts.get(index, packet.dts - 1)
                    if packet.dts - before < least:
                        verdict.disorder.append(float(packet.dts * packet.time_base))
                    last_dts[index] = packet.dts
                    if packet.stream.type == "video" and not seen_video:
                        seen_video, verdict.starts_with_key = True, packet.is_keyframe
                complaints = len(said) + len(verdict.decode_errors)
                take(packet, verdict, evidence)
                if packet.pts is not None and len(said) + len(verdict.decode_errors) > complaints:
                    verdict.spoiled.append(float(packet.pts * packet.time_base))
        except av.FFmpegError as error:
            verdict.decode_errors.append(f"demux: {error}")


def take(packet: av.Packet[Any], verdict: Verdict, evidence: Evidence) -> None:
    """Decode one packet into evidence."""
    try:
        frames = packet.decode()
    except av.FFmpegError as error:
        verdict.decode_errors.append(f"decode: {error}")
        return
    for frame in frames:
        if frame.is_corrupt:
            verdict.decode_errors.append(f"corrupt frame at {frame.time}")
        if frame.time is None:
            continue
        if isinstance(frame, av.VideoFrame):
            verdict.frames += 1
            plane = brightness(frame)
            evidence.video.append((frame.time, read_number(plane), is_lit(plane)))
            verdict.picture_prints.append((frame.time, adler32(plane.tobytes())))
        elif isinstance(frame, av.AudioFrame):
            evidence.sample_rate = frame.sample_rate
            evidence.audio.append((frame.time, frame.samples / frame.sample_rate))
            evidence.sound.append(loudness(frame))
            verdict.sound_prints.append((frame.time, adler32(evidence.sound[-1].tobytes())))
            evidence.sound_times.append(frame.time)


def brightness(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The luma plane without padding."""
    plane = frame.planes[0]
    rows: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8)
    return rows.reshape(plane.height, plane.line_size)[:, : plane.width]


def loudness(frame: av.AudioFrame) -> NDArray[np.float32]:
    """The samples of the first channel between -1 and 1, whatever their format."""
    samples = frame.to_ndarray()
    first = samples[0] if frame.format.is_planar else samples[0][:: len(frame.layout.channels)]
    scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (8 * samples.itemsize - 1)
    level: NDArray[np.float32] = first.astype(np.float32) / np.float32(scale)
    return level


def weigh_numbers(verdict: Verdict, evidence: Evidence) -> None:
    """Compare each frame number with the one before."""
    verdict.unreadable = sum(number is None for _, number, _ in evidence.video)
    verdict.numbers = [number for _, number, _ in evidence.video if number is not None]
    verdict.times = [time for time, number, _ in evidence.video if number is not None]
    ends = run_ends(verdict.numbers)
    for place, (before, number) in enumerate(pairwise(verdict.numbers)):
        if number == before:
            verdict.repeated += 1
        elif number < before:
            verdict.restarts.append(number)
        elif place not in ends:
            verdict.missing += number - before - 1


def run_ends(numbers: list[int]) -> set[int]:
    """Places of steps among the last pictures of each run, where reordered ones may be missing.

    A recording, like the stream of a publisher that was killed, ends in decode order: some
    pictures that are shown before the last have not come.
    """
    starts = [place for place, (a, b) in enumerate(pairwise(numbers)) if b < a]
    return {place - back for place in [*starts, len(numbers) - 1] for back in range(1, TAIL + 1)}


def weigh_gaps(verdict: Verdict, evidence: Evidence) -> None:
    """Measure the distances between neighbours."""
    times = [time for time, _, _ in evidence.video]
    steps = [after - before for before, after in pairwise(times)]
    if steps:
        limit = 1.5 * (median(steps) or 1.0) + AUDIO_SLACK_S
        readable = len(verdict.numbers) == len(times)
        last = run_ends(verdict.numbers if readable else list(range(len(times))))
        verdict.pauses = [
            (times[place + 1], step)
            for place, step in enumerate(steps)
            if step > limit and place not in last
        ]
        verdict.step_s = median(steps)
        verdict.video_s = times[-1] - times[0] + verdict.step_s
    for (start, length), (after, _) in pairwise(evidence.audio):
        hole = after - start - length
        if abs(hole) > AUDIO_SLACK_S:
            verdict.holes.append((after, hole))
    ends = [*times, *(start for start, _ in evidence.audio)]
    verdict.duration_s = max(ends) - min(ends) if ends else 0.0


def offsets(evidence: Evidence) -> list[tuple[float, float]]:
    """Time of each flash, and its beep minus it in milliseconds."""
    beeps = beep_times(evidence)
    found = []
    dark = False
    for time, _, lit in evidence.video:
        if lit and dark and beeps:
            nearest = min(beeps, key=lambda beep: abs(beep - time))
            if abs(nearest - time) < PAIR_S:
                found.append((time, (nearest - time) * 1000))
        dark = not lit
    return found


def beep_times(evidence: Evidence) -> list[float]:
    """Where bursts begin: the first period above half of a burst's level after a silence."""
    if not evidence.sound:
        return []
    window = evidence.sample_rate // BEEP_HZ
    found: list[float] = []
    quiet_since = float("-inf")
    loud = False
    for time, samples in zip(evidence.sound_times, evidence.sound, strict=True):
        usable = len(samples) // window * window
        levels = np.abs(samples[:usable]).reshape(-1, window).max(axis=1)
        for index, level in enumerate(levels):
            at = time + index * window / evidence.sample_rate
            if level >= BEEP_LEVEL and not loud:
                loud = True
                if at - quiet_since > 0.1:
                    found.append(at)
            elif level < BEEP_LEVEL and loud:
                loud, quiet_since = False, at
    return found


def unevenness(verdict: Verdict, recipe: Recipe) -> float:
    """How far the pictures are from the rhythm they were made in, seconds; also for varying rates.

    Only for recordings without restarts.
    """
    pairs = zip(verdict.numbers, verdict.times, strict=True)
    late = [time - float(recipe.time_of(number)) for number, time in pairs]
    return max(late) - min(late) if late else 0.0


def summary(verdicts: dict[str, Verdict]) -> str:
    """One line per recording, for the message of a failed assertion."""
    lines = defaultdict(str)
    for name, verdict in verdicts.items():
        lines[name] = (
            f"{name}: {verdict.codecs} {verdict.duration_s:.2f} s, {verdict.frames} frames, "
            f"missing {verdict.missing}, repeated {verdict.repeated}, "
            f"restarts {verdict.restarts}, dts disorder {verdict.dts_disorder}, "
            f"A/V {verdict.offset_ms:.1f} ms, errors {verdict.decode_errors[:3]}"
        )
    return "\n".join(lines.values())
