"""What became of a rehearsal, in numbers, and which of the promised bounds it breaks.

Every source of pictures numbers them in a thousand of its own, so each recording tells who was on
air, in which order, and what is missing where one took over from another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.support.judge import TAIL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.judge import Verdict
    from tests.support.ts import TsReport

BLOCK = 4000
"""So many numbers belong to one source."""
GAP_S = 0.5
"""What may be missing beyond the time until a fault was noticed, with a hot standby or a slate."""
TURN_S = 0.15
"""From the end of one epoch, or from the decision, to the first picture of the next."""
REACH_S = 1.25
"""A connection to a server on this machine, and one group of pictures: what a cold standby needs
before anything of it can be shown."""
SYNC_MS = 40
"""How far sound and picture may move against each other."""
EDGE_S = 0.25
"""A flash or a beep that is nearer to a cut may have been cut in two."""
AROUND_S = 0.7
"""So long before its pictures end the sound of an input may end: it is sent later. What comes
behind it is the sound of the next one."""
SOUND_S = 0.5
"""What may be missing of the sound beyond the pictures: so much later encoders send it, so that it
has not come when they are lost, and multiplexers put several frames in one packet."""
OVERLAP_S = 0.03
"""A frame of sound: where the sampling rate changes, some decoders tell the old end of one."""
FRAME_S = 0.04
TABLES = 2
"""PAT and PMT."""
BUSY_S = 0.5
"""What other tests at the same time may take from the clock."""
JITTER_S = 0.002
"""Times are rounded to milliseconds, on both sides."""


@dataclass
class Act:
    """One change of what is on air."""

    name: str
    at: float
    """Unix time of the fault, or of the wish."""
    after: int
    """The input that went on air."""
    source: int
    """Whose pictures it brings, by the first thousand of their numbers."""
    reason: str = ""
    detail: str = ""
    closed: float = 0.0
    """Unix time at which the input before was let go."""
    decided: float = 0.0
    """Unix time of the decision for the next one."""
    begun: float = 0.0
    """Unix time at which the next one began to be written."""
    spoils: bool = False
    """The last picture before it may be damaged: it was torn, or nobody can tell noise in it."""
    wait_s: float = 0.0
    """What is allowed on purpose between noticing and deciding: ``slate_after_s``, a connection."""

    @property
    def noticed_s(self) -> float:
        """From the fault until it was noticed, or from the wish until a place to cut came."""
        return self.closed - self.at

    @property
    def on_air_s(self) -> float:
        """From noticing to the first picture of the next input."""
        return self.begun - self.closed

    @property
    def turn_s(self) -> float:
        """The switch itself."""
        return self.begun - max(self.closed, self.decided if self.wait_s else 0.0)


@dataclass
class Run:
    """Pictures of one source, one after the other."""

    source: int
    numbers: list[int]
    times: list[float]

    @property
    def begin(self) -> float:
        """When the first one is shown."""
        return self.times[0]

    @property
    def end(self) -> float:
        """Until when the last one is shown."""
        return self.times[-1] + FRAME_S


@dataclass
class Review:
    """What became of it."""

    acts: list[Act]
    source: int
    """Who was on air at the beginning."""
    seen: dict[str, Verdict] = field(default_factory=dict)
    """What is to be said of each recording."""
    kept: dict[str, Path] = field(default_factory=dict)
    """Recordings."""
    silences: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """When HTTP viewers began to get nothing for more than a moment, Unix time, and how long."""
    hls_faults: list[str] = field(default_factory=list)
    transport: dict[str, TsReport] = field(default_factory=dict)
    """What the packets of transport streams tell, by viewer."""
    discontinuities: int | None = None
    """Of HLS; None = nobody watched."""
    pushes: list[dict[str, Any]] = field(default_factory=list)
    """How the destinations stand at the end."""
    farewells: dict[str, list[str]] = field(default_factory=dict)
    """Why viewers were sent away, by kind."""
    log: str = ""
    """Of the server."""
    notes: list[str] = field(default_factory=list)
    """What else was measured."""
    faults: list[str] = field(default_factory=list)
    """What else was wrong."""

    def runs(self, viewer: str) -> list[Run]:
        """Whose pictures a viewer saw, in order."""
        found: list[Run] = []
        verdict = self.seen[viewer]
        for number, time in zip(verdict.numbers, verdict.times, strict=True):
            source = number // BLOCK
            if not found or found[-1].source != source:
                found.append(Run(source, [], []))
            found[-1].numbers.append(number % BLOCK)
            found[-1].times.append(time)
        return found

    def judged(self, viewer: str) -> list[Run]:
        """The same from the beginning of the rehearsal on: some have come before it."""
        return self.runs(viewer)[-1 - len(self.acts) :]

    def gaps(self, viewer: str) -> list[float]:
        """What is missing between pictures at each cut, seconds."""
        pairs = pairwise(self.judged(viewer))
        return [round(after.begin - before.end, 3) for before, after in pairs]

    def sounds(self, viewer: str) -> list[float]:
        """How much sound is missing at each cut, seconds; negative = it overlaps."""
        pairs = pairwise(self.judged(viewer))
        edges = [(before.end - AROUND_S, after.begin + AROUND_S) for before, after in pairs]
        holes = self.seen[viewer].holes
        return [
            round(sum(hole for at, hole in holes if begin < at < end), 3) for begin, end in edges
        ]

    def offsets(self, viewer: str) -> list[float]:
        """How far sound and picture are apart in each run, ms; NaN where nothing tells."""
        found = []
        for run in self.judged(viewer):
            begin, end = run.begin + EDGE_S, run.end - AROUND_S
            pairs = [
                ms
                for at, ms in self.seen[viewer].pairs
                if begin <= min(at, at + ms / 1000) <= max(at, at + ms / 1000) <= end
            ]
            found.append(median(pairs) if pairs else math.nan)
        return found

    def shift_ms(self, viewer: str) -> float:
        """How far sound and picture have moved against each other at most."""
        known = [offset for offset in self.offsets(viewer) if not math.isnan(offset)]
        return max((abs(offset - known[0]) for offset in known), default=math.nan)

    def silence_s(self, act: Act) -> float:
        """For how long an HTTP viewer got nothing around an act."""
        end = act.begun + 1
        found = [
            length
            for pauses in self.silences.values()
            for began, length in pauses
            if began < end and began + length > act.at
        ]
        return max(found, default=0.0)


def broken(review: Review, slack_s: float = 0.0) -> list[str]:
    """The bounds that are broken, in words; empty = everything is as promised.

    A machine that is busy with other things may add some slack to times of the clock.
    """
    found = [*review.faults]
    found += [fault for act in review.acts for fault in act_faults(review, act, slack_s)]
    for viewer in review.seen:
        found += [f"{viewer}: {fault}" for fault in viewer_faults(review, viewer, slack_s)]
    found += [f"hls: {fault}" for fault in review.hls_faults]
    for viewer, packets in review.transport.items():
        found += [f"{viewer}: {error}" for error in packets.continuity_errors[:2]]
        told = signals(packets)
        if told < len(review.acts):
            found.append(f"{viewer}: {told} cuts of {len(review.acts)} are signalled")
    if review.discontinuities is not None and "hls" in review.seen:
        cuts = len(review.runs("hls")) - 1
        if review.discontinuities != cuts:
            found.append(f"hls: {review.discontinuities} discontinuities at {cuts} cuts")
    found += [f"{kind}: nobody was told" for kind, told in review.farewells.items() if not told]
    for push in review.pushes:
        if (push["state"], push["connections"]) != ("active", 1):
            state = f"{push['state']} after {push['connections']} connections"
            found.append(f"push {push['name']}: {state}: {push['last_error']}")
    if "Traceback" in review.log or "converter_failed" in review.log:
        found.append("the server's log has a traceback")
    return found


def signals(packets: TsReport) -> int:
    """How often a discontinuity was told, of the tables and of something else."""
    return sum(count > TABLES for count in packets.announcements)


def act_faults(review: Review, act: Act, slack_s: float) -> Iterator[str]:
    """What took too long."""
    if act.turn_s >= TURN_S + slack_s:
        yield f"{act.name}: the switch took {act.turn_s * 1000:.0f} ms"
    if act.on_air_s > act.wait_s + GAP_S + slack_s:
        yield f"{act.name}: on air {act.on_air_s:.2f} s after it was noticed"
    silence = review.silence_s(act)
    if silence > act.noticed_s + act.wait_s + GAP_S + slack_s:
        yield f"{act.name}: nothing came over HTTP for {silence:.2f} s"


def viewer_faults(review: Review, viewer: str, slack_s: float) -> Iterator[str]:
    """What a viewer saw that nobody should see."""
    verdict = review.seen[viewer]
    spoiling = sum(act.spoils for act in review.acts)
    if verdict.decode_errors and not in_cuts(review, viewer):
        yield from verdict.decode_errors[:2]
    if verdict.dts_disorder:
        yield f"{verdict.dts_disorder} decode times are not in order"
    if verdict.unreadable > spoiling:
        yield f"{verdict.unreadable} pictures are spoiled"
    runs = review.judged(viewer)
    seen = [run.source for run in runs]
    wanted = [review.source, *(act.source for act in review.acts)]
    if seen != wanted:
        yield f"pictures of {seen}, not of {wanted}"
        return
    for place, run in enumerate(runs):
        # Readers of RTSP may give the very first picture no time of its own.
        yield from run_faults(run, 0 if place else 1)
    yield from cut_faults(review, viewer, slack_s)
    if not review.shift_ms(viewer) <= SYNC_MS:
        yield f"sound and picture moved by {review.shift_ms(viewer):.0f} ms"


def cut_faults(review: Review, viewer: str, slack_s: float) -> Iterator[str]:
    """What is missing where one source took over from another."""
    sounds = review.sounds(viewer)
    # Of several languages it can't be told whose frames do not follow each other.
    heard = len(review.seen[viewer].codecs) <= len(("picture", "sound"))
    for act, gap, sound in zip(review.acts, review.gaps(viewer), sounds, strict=True):
        if gap > act.noticed_s + act.wait_s + GAP_S + slack_s:
            yield f"{act.name}: {gap:.2f} s are missing"
        if gap < -JITTER_S:
            yield f"{act.name}: pictures overlap by {-gap:.3f} s"
        if heard and sound < -OVERLAP_S:
            yield f"{act.name}: sound overlaps by {-sound:.3f} s"
        if heard and sound > max(gap, 0) + SOUND_S:
            yield f"{act.name}: {sound:.2f} s of sound are missing, {gap:.2f} s of pictures"


def in_cuts(review: Review, viewer: str) -> bool:
    """Whether all that decoders complained of lies at a cut before which that may be."""
    ends = pairwise(review.judged(viewer))
    cuts = [
        # A decoder gives some pictures late, and complains of them then.
        (before.end - EDGE_S, after.begin + EDGE_S)
        for act, (before, after) in zip(review.acts, ends, strict=False)
        if act.spoils
    ]
    spoiled = review.seen[viewer].spoiled
    return bool(spoiled) and all(any(a <= at < b for a, b in cuts) for at in spoiled)


def run_faults(run: Run, first: int) -> Iterator[str]:
    """What is wrong between two cuts; the last pictures end in decode order."""
    last = len(run.numbers) - TAIL
    for place, (before, after) in enumerate(pairwise(run.numbers)):
        if not first <= place < last:
            continue
        if after != before + 1 and after != 0:
            yield f"picture {after} follows {before} of source {run.source}"
        step = run.times[place + 1] - run.times[place]
        if abs(step - FRAME_S) > FRAME_S / 2:
            yield f"{step:.3f} s lie between two pictures of source {run.source}"


def report(review: Review) -> Iterator[str]:
    """The tables of one rehearsal, as Markdown."""
    head = (
        "| what happened | input | reason | noticed, s | on air after, s | switch, ms | silence, s"
    )
    yield f"{head} |"
    yield "|---|---|---|---|---|---|---|"
    for act in review.acts:
        silence = f"{review.silence_s(act):.2f}" if review.silences else ""
        yield (
            f"| {act.name} | {act.after} | {act.reason} | {act.noticed_s:.2f} "
            f"| {act.on_air_s:.2f} | {act.turn_s * 1000:.0f} | {silence} |"
        )
    yield ""
    if review.seen:
        yield (
            "| viewer | pictures missing at each cut, s | sound missing, s | A/V change, ms "
            "| decode errors | DTS disorder |"
        )
        yield "|---|---|---|---|---|---|"
    for viewer, verdict in review.seen.items():
        gaps = ", ".join(f"{gap:.2f}" for gap in review.gaps(viewer))
        sounds = ", ".join(f"{gap:.2f}" for gap in review.sounds(viewer))
        numbers = f"{len(verdict.decode_errors)} | {verdict.dts_disorder}"
        yield f"| {viewer} | {gaps} | {sounds} | {review.shift_ms(viewer):.0f} | {numbers} |"
    yield ""
    yield from review.notes
    for push in review.pushes:
        yield f"push {push['name']}: {push['state']}, connections: {push['connections']}"
    if review.discontinuities is not None:
        yield f"HLS: {review.discontinuities} discontinuities"
    for viewer, packets in review.transport.items():
        errors = len(packets.continuity_errors)
        yield f"{viewer}: {errors} errors of continuity, {signals(packets)} discontinuities told"
    for kind, reasons in review.farewells.items():
        yield f"{kind} was sent away: {'; '.join(reasons) or 'not at all'}"
