"""Compares a slate with the stream that it stands in for: what would viewers notice?

Nothing here refuses anything. Players follow most changes, some destinations do not; an operator
wants to know before it happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import Media
from streamctl.media.silence import can_be_silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Track

FPS_SLACK = 0.02
"""Rates of frames that differ by no more than this part are the same."""


NOTE = "slate"
"""What the remark in the status is called."""


class SlateWatch:
    """Compares the slate of a running stream with the input that was on air last."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.last: Sequence[Track] = ()
        """What that input delivered."""

    def look(self) -> None:
        """Note what differs, as soon as both are known; called about once a second."""
        inputs = self.stream.inputs
        slate = next((one for one in inputs.order if one.config.slate), None)
        if slate is None:
            self.stream.note(NOTE, "")
            return
        live = inputs.live
        if live is not None and not live.config.slate and live.intake is not None:
            self.last = live.intake.carried or self.last
        if self.last and slate.intake is not None and (tracks := slate.intake.carried):
            pushed = bool(self.stream.config.push)
            self.stream.note(NOTE, "; ".join(slate_remarks(tracks, self.last, pushed=pushed)))


def slate_remarks(slate: Sequence[Track], last: Sequence[Track], *, pushed: bool) -> list[str]:
    """What differs between a slate and the tracks that were on air last.

    ``pushed`` tells whether the stream is sent to other servers, which take changes badly. Without
    known tracks only what any stream would suffer from is remarked.
    """
    found = [*missing(slate, last), *differing(slate, last)]
    if pushed and found and last:
        found.append("services that the stream is pushed to may drop it when it changes like this")
    return found


def missing(slate: Sequence[Track], last: Sequence[Track]) -> Iterator[str]:
    """Media that the slate lacks."""
    media = {track.media for track in slate}
    expected = {track.media for track in last} or {Media.VIDEO}
    if Media.VIDEO in expected and Media.VIDEO not in media:
        yield "the slate has no pictures"
    if Media.AUDIO in expected and Media.AUDIO not in media:
        sound = first(last, Media.AUDIO)
        filled = sound is not None and can_be_silent(sound)
        yield (
            "the slate has no sound: silence is made up for it"
            if filled
            else "the slate has no sound, and players may wait for some"
        )
    if not last and Media.AUDIO not in media:
        yield "the slate has no sound: players of a stream that has some may wait for it"


def differing(slate: Sequence[Track], last: Sequence[Track]) -> Iterator[str]:
    """Properties in which first tracks differ."""
    for media in (Media.VIDEO, Media.AUDIO):
        ours, theirs = first(slate, media), first(last, media)
        if ours is None or theirs is None:
            continue
        name = "pictures" if media is Media.VIDEO else "sound"
        for what, mine, wanted in properties(ours, theirs):
            yield f"the slate's {name} have {what} {mine}, the stream's {wanted}".replace(
                "sound have", "sound has"
            )


def properties(ours: Track, theirs: Track) -> Iterator[tuple[str, str, str]]:
    """What differs between two tracks of one medium: its name and both values."""
    if ours.codec is not theirs.codec:
        yield "the codec", ours.codec.value, theirs.codec.value
    if known(ours.width, theirs.width) and (ours.width, ours.height) != (
        theirs.width,
        theirs.height,
    ):
        yield "the size", f"{ours.width}x{ours.height}", f"{theirs.width}x{theirs.height}"
    if known(ours.fps, theirs.fps) and abs(ours.fps - theirs.fps) > FPS_SLACK * theirs.fps:
        yield "the frame rate", f"{ours.fps:g}", f"{theirs.fps:g}"
    if known(ours.sample_rate, theirs.sample_rate) and ours.sample_rate != theirs.sample_rate:
        yield "the sampling rate", str(ours.sample_rate), str(theirs.sample_rate)
    if known(ours.channels, theirs.channels) and ours.channels != theirs.channels:
        yield "the channels", str(ours.channels), str(theirs.channels)


def known(*values: float) -> bool:
    """Whether all values are known."""
    return all(values)


def first(tracks: Sequence[Track], media: Media) -> Track | None:
    """The first track of a medium."""
    return next((track for track in tracks if track.media is media), None)
