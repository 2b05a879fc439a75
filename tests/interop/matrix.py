"""What is tried: media, who publishes each, who plays each, and what each output can carry.

The array is pairwise: each medium is sent by one publisher of each kind that can send it, those of
a kind taking turns; and its players are dealt out to its publishers like cards, to whom has met
their output least. So each player plays each medium, each kind of publisher sends each medium, and
each publisher meets each output. With ``full`` every publisher sends every medium, and every player
watches.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.support.broadcast import Broadcast, broadcast
from tests.support.clients import ENHANCED, TS
from tests.support.media import Recipe
from tests.support.pages import PAGES
from tests.support.players import RECORDERS
from tests.support.publishers import PUBLISHERS as RTMP_PUBLISHERS
from tests.support.pulled import PULLED
from tests.support.rtsp_players import RTSP_PLAYERS
from tests.support.rtsp_publishers import RTP, RTSP_PUBLISHERS
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
    "rtsp": RTP,
    "rtsp udp": RTP,
}
"""What each output can carry: other video is refused, other audio left out."""
VIDEO = frozenset({"h264", "hevc", "av1", "vp9"})
SILENT = frozenset({"srt", "udp"})
"""Outputs that can't tell a player why they have nothing for it."""
KINDS = (RTMP_PUBLISHERS, TS_PUBLISHERS, RTSP_PUBLISHERS, PULLED)
"""Publishers of a kind take turns."""
PUBLISHERS = tuple(publisher for kind in KINDS for publisher in kind)
PLAYERS = tuple(
    sorted(
        (*RECORDERS, *SCREENS, *PAGES, *TS_PLAYERS, *RTSP_PLAYERS),
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
    broadcast: Broadcast | None = None
    """What it is a capture of; only those send it who send transport streams."""

    def file(self, cache: MediaCache, container: str = "mp4") -> Path:
        """Where it is, made or put into another container if need be."""
        if self.broadcast is not None:
            return capture(cache, self.broadcast)
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


def capture(cache: MediaCache, wanted: Broadcast) -> Path:
    """The file of a capture, made once."""
    path = cache.folder / f"broadcast-{zlib.crc32(repr(wanted).encode()):08x}.ts"
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.part")
        partial.write_bytes(broadcast(cache, wanted).data)
        partial.rename(path)
    return path


CABLE = Broadcast(seconds=SECONDS, languages=("eng",), kbps=1500)
"""Teletext, subtitles, cues, KLV and ID3 beside picture and sound, a clock with a PID of its own,
and filled up with null packets."""
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
    replace(made("broadcast: H.264, AAC and data", bframes=2), broadcast=CABLE),
)


def deal(
    media: Sequence[Medium],
    kinds: Sequence[Sequence[Publisher]],
    players: Sequence[Player],
    *,
    full: bool = False,
) -> list[Publication]:
    """The publications, with the players of each."""
    publications = []
    sent: Counter[Publisher] = Counter()
    met: Counter[tuple[Publisher, str]] = Counter()
    played: Counter[tuple[int, Player]] = Counter()
    chances = Counter(
        one for kind in kinds for one in kind for medium in media if sends(one, medium)
    )
    for medium in media:
        viewers = tuple(one for one in players if plays(one, medium))
        able = [[one for one in kind if sends(one, medium)] for kind in kinds]
        if full:
            publications += [Publication(one, medium, viewers) for kind in able for one in kind]
            continue
        senders = {
            number: min(kind, key=lambda one: (sent[one], chances[one]))
            for number, kind in enumerate(able)
            if kind
        }
        sent.update(senders.values())
        hands: dict[int, list[Player]] = {number: [] for number in senders}
        for player in viewers:
            _, kind = min(
                ((met[one, player.output], played[number, player], len(hands[number])), number)
                for number, one in senders.items()
            )
            met[senders[kind], player.output] += 1
            played[kind, player] += 1
            hands[kind].append(player)
        publications += [
            Publication(one, medium, tuple(hands[number])) for number, one in senders.items()
        ]
    return publications


def sends(publisher: Publisher, medium: Medium) -> bool:
    """Whether a publisher can send a medium."""
    fits = medium.broadcast is None or publisher.container == "ts"
    return fits and publisher.sends(medium.codecs, medium.channels)


def plays(player: Player, medium: Medium) -> bool:
    """Whether a player takes part: it knows the codecs, or the output has to refuse them."""
    carried = medium.carried(player.output)
    if not carried:
        return player.output not in SILENT
    return player.codecs.issuperset(carried)
