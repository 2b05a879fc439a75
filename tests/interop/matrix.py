"""What is tried: media, who publishes each, who plays each, and what each output can carry.

Every publisher of RTMP sends every medium that it can send, those of MPEG-TS take turns. The
players of a medium are dealt out to its publishers like cards, beginning with another publisher
each time, so that each player plays each medium, and meets publishers of all kinds. With ``full``
every player watches every publication.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.support.clients import ENHANCED, TS
from tests.support.media import Recipe
from tests.support.pages import PAGES
from tests.support.players import RECORDERS
from tests.support.publishers import PUBLISHERS as RTMP_PUBLISHERS
from tests.support.screens import SCREENS
from tests.support.ts_players import TS_PLAYERS
from tests.support.ts_publishers import TS_PUBLISHERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.media import MediaCache
    from tests.support.players import Player
    from tests.support.publishers import Publisher

SECONDS = 60.0
"""Longer than any player needs, also on a loaded machine."""
CARRIED = {
    "rtmp": ENHANCED,
    "http-flv": ENHANCED,
    "hls": TS,
    "http-ts": TS,
    "srt": TS,
    "udp": TS,
}
"""What each output can carry: other video is refused, other audio left out."""
VIDEO = frozenset({"h264", "hevc", "av1", "vp9"})
SILENT = frozenset({"srt", "udp"})
"""Outputs that can't tell a player why they have nothing for it."""
PUBLISHERS = (*RTMP_PUBLISHERS, *TS_PUBLISHERS)
TS_TURNS = 3
"""Publishers of MPEG-TS that send a medium; they take turns."""
PLAYERS = tuple(
    sorted(
        (*RECORDERS, *SCREENS, *PAGES, *TS_PLAYERS),
        key=lambda player: list(CARRIED).index(player.output),
    )
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
        if not full:
            senders = take_turns(senders, row)
        viewers = [one for one in players if plays(one, medium)]
        for turn, publisher in enumerate(senders):
            hand = [
                player
                for card, player in enumerate(viewers)
                if full or (card + row) % len(senders) == turn
            ]
            publications.append(Publication(publisher, medium, tuple(hand)))
    return publications


def take_turns(senders: Sequence[Publisher], row: int) -> list[Publisher]:
    """All publishers of RTMP, and for each row some others of MPEG-TS."""
    others = [one for one in senders if one.protocol != "rtmp"]
    start = row * TS_TURNS % max(1, len(others))
    chosen = (others[start:] + others[:start])[:TS_TURNS]
    return [one for one in senders if one.protocol == "rtmp" or one in chosen]


def plays(player: Player, medium: Medium) -> bool:
    """Whether a player takes part: it knows the codecs, or the output has to refuse them."""
    carried = medium.carried(player.output)
    if not carried:
        return player.output not in SILENT
    return player.codecs.issuperset(carried)
