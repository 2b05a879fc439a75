"""What a player is expected to see, and the comparison with what it saw."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.support.judge import Verdict, unevenness
from tests.support.likeness import likeness_faults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.media import Recipe

SYNC_MS = 40.0
"""Sound and picture may be this much further apart than in the file that was published."""
RHYTHM_S = 0.0025
"""Timestamps rounded to the millisecond, once on each side."""
SEAM_S = 0.1
"""The longest hole in the sound, or overlap, where footage is repeated: its sound may end before
the pictures, or its last frame be cut short."""
SHOWN = 0.3
"""A screen on a loaded machine may drop pictures that come late, but not most of them."""


@dataclass(frozen=True)
class Wanted:
    """What a player should have seen."""

    codecs: tuple[str, ...]
    """Video first."""
    seconds: float
    fps: float
    recipe: Recipe | None = None
    """None when the pictures carry no numbers."""
    original: Verdict | None = None
    """The file that was published, judged; for footage."""
    offset_ms: float = 0.0
    """How far sound and picture are apart in the file that was published."""

    @property
    def video(self) -> bool:
        """Whether there are pictures."""
        return bool({"h264", "hevc", "av1", "vp9"}.intersection(self.codecs))

    @property
    def audio(self) -> bool:
        """Whether there is sound."""
        return len(self.codecs) > self.video

    @property
    def frames(self) -> int:
        """Pictures in the wanted time."""
        if self.recipe is not None:
            rate = self.recipe.fps * len(self.recipe.steps) / sum(self.recipe.steps)
            return int(rate * int(self.seconds))
        return int(self.seconds * self.fps)


@dataclass
class Seen:
    """What a player saw."""

    summary: str = ""
    faults: list[str] = field(default_factory=list)
    """Empty when everything was as wanted."""
    output: str = ""
    """What the program printed, for messages."""


def weigh(verdict: Verdict, wanted: Wanted) -> Seen:
    """Compare a recording with what should be in it."""
    faults = [f"decoder: {line}" for line in verdict.decode_errors[:2]]
    if sorted(verdict.codecs) != sorted(wanted.codecs):
        faults.append(f"codecs are {', '.join(verdict.codecs) or 'none'}")
    if verdict.duration_s < 0.8 * wanted.seconds:
        faults.append(f"{verdict.duration_s:.1f} s only")
    if verdict.dts_disorder:
        faults.append(f"{verdict.dts_disorder} decode times are not in order")
    allowed = 0.0 if wanted.recipe is not None else SEAM_S
    if gaps := [gap for gap in verdict.audio_gaps if abs(gap) >= allowed]:
        worst = max(gaps, key=abs) * 1000
        faults.append(f"{len(gaps)} gaps in the sound, worst {worst:+.0f} ms")
    seen = Seen(f"{verdict.duration_s:.1f} s", faults)
    if wanted.video:
        weigh_pictures(verdict, wanted, seen)
    if wanted.video and wanted.audio and wanted.recipe is not None:
        weigh_sync(verdict, wanted, seen)
    if wanted.original is not None:
        seen.faults += likeness_faults(verdict, wanted.original, RHYTHM_S, SYNC_MS / 1000)
    return seen


def weigh_pictures(verdict: Verdict, wanted: Wanted, seen: Seen) -> None:
    """Every picture has to be there, whole and on time."""
    seen.summary += f", {verdict.frames} frames"
    counts = {
        "starts without a key frame": not verdict.starts_with_key,
        "frames are missing": verdict.missing,
        "frames are repeated": verdict.repeated,
        "frames are unreadable": verdict.unreadable if wanted.recipe else 0,
        "restarts": len(verdict.restarts),
    }
    seen.faults += [f"{count} {what}" for what, count in counts.items() if count]
    if wanted.recipe is None:
        if verdict.video_gaps:
            seen.faults.append(f"{len(verdict.video_gaps)} gaps in the pictures")
    elif (uneven := unevenness(verdict, wanted.recipe)) > RHYTHM_S:
        seen.faults.append(f"pictures are up to {uneven * 1000:.1f} ms off their rhythm")


def weigh_sync(verdict: Verdict, wanted: Wanted, seen: Seen) -> None:
    """Flash and beep have to come together."""
    offset = verdict.offset_ms - wanted.offset_ms
    if math.isnan(offset) or len(verdict.offsets_ms) < wanted.seconds / 2 - 1:
        seen.faults.append("too few flashes with a beep")
        return
    seen.summary += f", A/V {offset:+.0f} ms"
    if abs(offset) > SYNC_MS:
        seen.faults.append(f"sound is {offset:+.0f} ms off")


def weigh_shown(numbers: Sequence[int | None], wanted: Wanted, *, unreadable: int = 0) -> list[str]:
    """What is wrong with the pictures on a screen, which may skip some but never go back."""
    found = [number for number in numbers if number is not None]
    faults = []
    if len(found) < SHOWN * wanted.frames:
        faults.append(f"{len(found)} frames shown, {wanted.frames} expected")
    if len(numbers) - len(found) > unreadable:
        faults.append(f"{len(numbers) - len(found)} of {len(numbers)} shown frames are unreadable")
    # Beside what can't be read, what can is no number either.
    trios = zip([0, *numbers], numbers, [*numbers[1:], 0], strict=False)
    sure = [one for before, one, after in trios if None not in (before, after) and one is not None]
    back = sum(after < before for before, after in pairwise(sure))
    if back:
        faults.append(f"the picture went back {back} times")
    return faults
