"""What is tried: media, who publishes each, who plays each, and what each output can carry.

Every publisher sends every medium that it can send. The players of a medium are dealt out to its
publishers like cards, beginning with another publisher each time, so that each player plays each
medium, and each publisher is watched by each player sooner or later. With ``full`` every player
watches every publication.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.support.clients import ENHANCED, TS
from tests.support.media import Recipe
from tests.support.pages import PAGES
from tests.support.players import RECORDERS
from tests.support.screens import SCREENS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.players import Player
    from tests.support.publishers import Publisher

SECONDS = 60.0
"""Longer than any player needs, also on a loaded machine."""
CARRIED = {"rtmp": ENHANCED, "http-flv": ENHANCED, "hls": TS, "http-ts": TS}
"""What each output can carry: other video is refused, other audio left out."""
VIDEO = frozenset({"h264", "hevc", "av1", "vp9"})
PLAYERS = tuple(
    sorted((*RECORDERS, *SCREENS, *PAGES), key=lambda player: list(CARRIED).index(player.output))
)


@dataclass(frozen=True)
class Medium:
    """A file that is published."""

    name: str
    codecs: tuple[str, ...]
    """Video first."""
    fps: float
    recipe: Recipe | None = None
    """How it is made; None for a file that exists."""
    path: Path | None = None
    channels: int = 2

    def file(self, cache: MediaCache, container: str = "mp4") -> Path:
        """Where it is, made or put into another container if need be."""
        if self.recipe is not None:
            return cache.repack(cache(self.recipe).path, container)
        assert self.path is not None
        return cache.repack(self.path, container, SECONDS)

    def carried(self, output: str) -> tuple[str, ...]:
        """The codecs that viewers of an output get; empty when they are refused."""
        left = tuple(codec for codec in self.codecs if codec in CARRIED[output])
        refused = VIDEO.intersection(self.codecs) - CARRIED[output]
        return () if refused else left


@dataclass(frozen=True)
class Publication:
    """One publisher with one medium, and who watches it."""

    publisher: Publisher
    medium: Medium
    players: tuple[Player, ...]

    def only(self, text: str) -> Publication:
        """With the players for which a text occurs in one of the names."""
        ours = text in self.publisher.name or text in self.medium.name
        kept = (one for one in self.players if ours or text in f"{one.output} {one.name}")
        return replace(self, players=tuple(kept))


def made(name: str, **details: object) -> Medium:
    """A generated medium."""
    recipe = Recipe(seconds=SECONDS, **details)  # type: ignore[arg-type]
    video = (recipe.video_codec,) if recipe.video else ()
    audio = (recipe.audio_codec,) if recipe.audio else ()
    return Medium(name, (*video, *audio), float(recipe.fps), recipe)


MEDIA = (
    made("H.264 with B-frames, AAC", bframes=2, gop=50),
    made("H.264 without B-frames, AAC"),
    made("H.264, MP3", audio_codec="mp3", sample_rate=44_100),
    made("AAC alone", video=False),
    made("H.264 alone", audio=False, bframes=2),
    made("HEVC, AAC", video_codec="hevc", bframes=2),
    made("AV1, Opus", video_codec="av1", audio_codec="opus"),
    made("VP9, Opus", video_codec="vp9", audio_codec="opus"),
    made("H.264, Opus", audio_codec="opus"),
    made("H.264, AC-3", audio_codec="ac3"),
    made("H.264, E-AC-3", audio_codec="eac3"),
    made("H.264, FLAC", audio_codec="flac"),
    made("12.5 fps", fps=Fraction(25, 2), gop=25),
    made("29.97 fps", fps=Fraction(30000, 1001), gop=30, bframes=2, sample_rate=44_100),
    made("60 fps", fps=Fraction(60), gop=60),
    made("variable rate", fps=Fraction(30), gop=15, steps=(1, 2, 1, 3, 1)),
)


def deal(
    media: Sequence[Medium],
    publishers: Sequence[Publisher],
    players: Sequence[Player],
    *,
    full: bool = False,
) -> list[Publication]:
    """The publications, with the players of each."""
    publications = []
    for row, medium in enumerate(media):
        senders = [one for one in publishers if one.sends(medium.codecs, medium.channels)]
        viewers = [one for one in players if plays(one, medium)]
        for turn, publisher in enumerate(senders):
            hand = [
                player
                for card, player in enumerate(viewers)
                if full or (card + row) % len(senders) == turn
            ]
            publications.append(Publication(publisher, medium, tuple(hand)))
    return publications


def plays(player: Player, medium: Medium) -> bool:
    """Whether a player takes part: it knows the codecs, or the output has to refuse them."""
    carried = medium.carried(player.output)
    return not carried or player.codecs.issuperset(carried)
