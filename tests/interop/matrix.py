"""What is tried: media, who publishes each, who plays each, and what each output can carry.

The array is pairwise: each medium is sent by one publisher of each kind that can send it, those of
a kind taking turns, and by each program that can; and its players are dealt out to its publishers
like cards, to whom has met their output least. So each player plays each medium, each kind of
publisher and each program sends each medium, and each publisher meets each output. With ``full``
every publisher sends every medium, and every player watches.
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
KINDS = (RTMP_PUBLISHERS, TS_PUBLISHERS, RTSP_PUBLISHERS, PULLED)
"""Publishers of a kind take turns."""
PUBLISHERS = tuple(publisher for kind in KINDS for publisher in kind)
PROGRAMS = ("ffmpeg", "current ffmpeg", "GStreamer", "srt-live-transmit", "streamctl")
"""How the names of publishers begin that send every medium they can, one way or another."""
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
    dealer = Dealer(media, kinds)
    publications = []
    for medium in media:
        able = [one for one in dealer.kind_of if sends(one, medium)]
        viewers = tuple(one for one in players if plays(one, medium))
        if full:
            publications += [Publication(one, medium, viewers) for one in able]
        else:
            hands = dealer.hands(dealer.senders(able), viewers)
            publications += [Publication(one, medium, tuple(hands[one])) for one in hands]
    return publications


class Dealer:
    """Deals media to publishers, and players to those; remembers whom each of them has met."""

    def __init__(self, media: Sequence[Medium], kinds: Sequence[Sequence[Publisher]]) -> None:
        self.kind_of = {one: number for number, kind in enumerate(kinds) for one in kind}
        self.chances = Counter(one for one in self.kind_of for each in media if sends(one, each))
        """How many media a publisher can send."""
        self.sent: Counter[Publisher] = Counter()
        self.met: Counter[tuple[Publisher, str]] = Counter()
        """Players of an output."""
        self.played: Counter[tuple[int, Player]] = Counter()
        """Publications by a kind of publisher."""

    def senders(self, able: Sequence[Publisher]) -> list[Publisher]:
        """Who sends a medium, of those who can.

        One of each kind, of those whose turn it is one whose program does not send it yet; then one
        of each program that is left.
        """
        turns = sorted(able, key=lambda one: (self.sent[one], self.chances[one]))
        found: list[Publisher] = []
        seen: set[str] = set()
        for kind in sorted({self.kind_of[one] for one in able}):
            ours = [one for one in turns if self.kind_of[one] == kind]
            found.append(min(ours, key=lambda one: (self.sent[one], program(one) in seen)))
            seen.add(program(found[-1]))
        for name in PROGRAMS:
            if name not in seen:
                found += [one for one in turns if program(one) == name][:1]
        self.sent.update(found)
        return found

    def hands(
        self, senders: Sequence[Publisher], viewers: Sequence[Player]
    ) -> dict[Publisher, list[Player]]:
        """The players of a medium, dealt to its senders."""
        hands: dict[Publisher, list[Player]] = {one: [] for one in senders}

        def claim(one: Publisher, player: Player) -> tuple[int, ...]:
            """The least has the best claim: those who would not meet the output otherwise."""
            met = self.met[one, player.output]
            chances = 0 if met else self.chances[one]
            played = self.played[self.kind_of[one], player]
            return bool(met), chances, bool(played), met, played, len(hands[one])

        for player in viewers:
            sender = min(senders, key=lambda one: claim(one, player))
            self.note(sender, player, 1)
            hands[sender].append(player)
        for one in senders:
            if not hands[one]:
                self.beg(one, hands)
        return hands

    def beg(self, poor: Publisher, hands: dict[Publisher, list[Player]]) -> None:
        """Get a player from another sender, of the same kind if possible, who misses it least."""
        giver, player = max(
            ((one, player) for one, hand in hands.items() if len(hand) > 1 for player in hand),
            key=lambda card: (
                self.kind_of[card[0]] == self.kind_of[poor],
                self.met[card[0], card[1].output],
                len(hands[card[0]]),
            ),
        )
        hands[giver].remove(player)
        hands[poor].append(player)
        self.note(giver, player, -1)
        self.note(poor, player, 1)

    def note(self, sender: Publisher, player: Player, count: int) -> None:
        """Remember that they meet, or that they don't."""
        self.met[sender, player.output] += count
        self.played[self.kind_of[sender], player] += count


def program(publisher: Publisher) -> str:
    """The program that a publisher is; nothing for those who only take their turn."""
    return next((name for name in PROGRAMS if publisher.name.startswith(name)), "")


def sends(publisher: Publisher, medium: Medium) -> bool:
    """Whether a publisher can send a medium."""
    fits = medium.broadcast is None or publisher.container == "ts"
    return fits and publisher.sends(medium.codecs, medium.channels)


def plays(player: Player, medium: Medium) -> bool:
    """Whether a player takes part: it knows the codecs, or the output has to refuse them."""
    return player.codecs.issuperset(medium.carried(player.output))
