"""Compares a recording with the file that was published, picture by picture and sound by sound.

For footage that carries no numbers. What was not transcoded decodes to the same pixels and, behind
the first frames, to the same samples, wherever a player joined.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from tests.support.judge import Verdict

    Prints = Sequence[tuple[float, int]]
    """Presentation times and fingerprints of decoded frames, in order."""

WARM_UP = 4
"""Sound frames at a join whose samples depend on what came before."""


PACKED = 8
"""Sound frames in one packet of RTP, at most, which tells the time of the first one only: those
behind a seam in it are shifted by the hole there."""


@dataclass
class Likeness:
    """How the frames of one stream compare with the original's."""

    matched: int = 0
    missing: int = 0
    foreign: int = 0
    """Frames that the original does not have."""
    shifts: list[float] = field(default_factory=list)
    """How much later each frame is shown than in the original, seconds."""

    @property
    def shift(self) -> float:
        """The usual distance."""
        return median(self.shifts) if self.shifts else 0.0

    @property
    def unevenness(self) -> float:
        """The largest difference of two distances."""
        return max(self.shifts) - min(self.shifts) if self.shifts else 0.0


def compare(recorded: Prints, original: Prints, *, loose: Container[int] = frozenset()) -> Likeness:
    """Find each recorded frame in the original; the times of those in ``loose`` places don't count.

    Silence and black repeat one fingerprint. So the search begins at a frame that occurs once, and
    goes from there to both sides, preferring the neighbour of what was found last. Where none does,
    as in nothing but silence, there is no telling what is missing.
    """
    places: dict[int, list[int]] = defaultdict(list)
    for place, (_, print_) in enumerate(original):
        places[print_].append(place)
    known = [(time, places[print_]) for time, print_ in recorded if print_ in places]
    likeness = Likeness(foreign=len(recorded) - len(known))
    begin = next((n for n, (_, found) in enumerate(known) if len(found) == 1), None)
    if begin is None:
        return likeness
    (anchor,) = known[begin][1]
    ahead = follow((found for _, found in known[begin:]), anchor, 1)
    back = follow((found for _, found in reversed(known[:begin])), anchor - 1, -1)
    for (time, _), (place, skipped) in zip(known, [*list(back)[::-1], *ahead], strict=True):
        likeness.matched += 1
        likeness.missing += skipped
        if place not in loose:
            likeness.shifts.append(time - original[place][0])
    return likeness


def behind_seams(original: Prints, rhythm_s: float) -> set[int]:
    """Places behind a hole or an overlap, as footage that is repeated has them."""
    steps = [after - before for (before, _), (after, _) in pairwise(original)]
    usual = median(steps) if steps else 0.0
    seams = (place for place, step in enumerate(steps, 1) if abs(step - usual) > rhythm_s)
    return {seam + ahead for seam in seams for ahead in range(PACKED)}


def follow(frames: Iterable[Sequence[int]], expected: int, step: int) -> Iterator[tuple[int, int]]:
    """The place of each frame, and how many were skipped to get there."""
    for places in frames:
        place = min(places, key=lambda at: ((at - expected) * step < 0, abs(at - expected)))
        yield place, abs(place - expected)
        expected = place + step


def likeness_faults(
    verdict: Verdict, original: Verdict, rhythm_s: float, sync_s: float
) -> list[str]:
    """What is wrong with a recording of footage."""
    pictures = compare(verdict.picture_prints[:-WARM_UP], original.picture_prints)
    loose = behind_seams(original.sound_prints, rhythm_s)
    sounds = compare(verdict.sound_prints[WARM_UP:], original.sound_prints, loose=loose)
    faults = []
    for name, found in (("pictures", pictures), ("frames of sound", sounds)):
        if found.foreign:
            faults.append(f"{found.foreign} {name} are not those that were published")
        if found.missing:
            faults.append(f"{found.missing} {name} are missing")
        if found.unevenness > rhythm_s:
            faults.append(f"{name} are up to {found.unevenness * 1000:.1f} ms off their rhythm")
    if pictures.shifts and sounds.shifts and abs(sounds.shift - pictures.shift) > sync_s:
        faults.append(f"sound is {(sounds.shift - pictures.shift) * 1000:+.0f} ms off")
    return faults
