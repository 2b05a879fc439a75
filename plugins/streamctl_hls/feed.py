"""Follows one media playlist and fetches what comes, some way ahead of what is played.

Playlists are loaded again at half their target duration, or at once where the server holds a
request until there is something new. Segments that can't be fetched are left out by name; several
in a row, and a playlist that brings nothing new any more, end the feed.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import ConnectionFailed, RemoteProtocolError, StreamctlError
from streamctl_hls.loader import PLAYLIST_S
from streamctl_hls.wire.follow import START_TARGETS, Follower
from streamctl_hls.wire.playlist import MediaPlaylist

if TYPE_CHECKING:
    import logging

    from streamctl.sdk.context import Clock
    from streamctl_hls.loader import Loader
    from streamctl_hls.wire.follow import Piece
    from streamctl_hls.wire.playlist import Resource

AHEAD_S = 30.0
"""Fetched and not played; live playlists rarely have as much."""
AHEAD_BYTES = 128 << 20
"""The same in memory, and at least one segment."""
MIN_RELOAD_S = 0.5
MIN_PART_RELOAD_S = 0.1
STALL_TARGETS = 3
"""A playlist that brings nothing new for so many target durations has come to a halt."""
MIN_STALL_S = 15.0
SLACK_TARGETS = 1.5
"""Playing hurries when there is so much more than at the start, in target durations."""
PART_SLACK_S = 0.5
"""The same for parts, in seconds."""
MAX_FAILED = 3
"""Segments in a row that can't be fetched, until the feed is given up."""
SLOW = 1.25
"""How much longer than it plays a segment takes that comes slowly; some come as they are made."""
MAX_SLOW = 3
"""Segments in a row that come slowly with nothing in front, until a smaller variant is fetched."""
LOOPED = "the playlist begins again"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Media as it was fetched."""

    piece: Piece
    data: bytes
    """Empty = it is missing."""
    section: bytes
    """The initialization section that it needs; empty = none."""


class Feed:
    """Fetches one rendition."""

    def __init__(self, loader: Loader, url: str, clock: Clock, log: logging.Logger) -> None:
        self.loader = loader
        self.url = url
        self.clock = clock
        self.log = log
        self.first: MediaPlaylist | None = None
        """The playlist, if somebody has loaded it before."""
        self.low_latency = True
        self.loop = False
        self.follower = Follower()
        self.playlist: MediaPlaylist | None = None
        """As it was loaded last."""
        self.failure: StreamctlError | None = None
        """Why nothing more will come; None = something will, or the playlist has ended."""
        self.over = False
        """Nothing more will come."""
        self.fetched = 0
        """Segments and parts."""
        self.skipped = 0
        """Segments and parts that could not be fetched."""
        self.buffered_s = 0.0
        self.choosy = False
        """Something smaller could be fetched: what comes slower than it plays is given up."""
        self.retired = False
        """Something better is fetched from the next segment on."""
        self.changed = anyio.Event()
        """Set, and replaced, when there is more to take or never will be."""
        self._waiting: deque[Loaded] = deque()
        self._bytes = 0
        self._taken = anyio.Event()
        self._failed = 0
        self._failed_from = 0
        self._ended_at: int | None = None
        self._slow = 0
        """Segments in a row that came slower than they play."""
        self._preloaded: tuple[Resource | None, bytes] = None, b""
        self._news = clock.now()

    @property
    def target_s(self) -> float:
        """The target duration; 0 = not known yet."""
        return self.playlist.target_s if self.playlist else 0.0

    @property
    def stall_s(self) -> float:
        """How long nothing new may come."""
        return max(STALL_TARGETS * self.target_s, MIN_STALL_S)

    async def run(self) -> None:
        """Fetch until the playlist ends or can't be fetched."""
        try:
            await self._follow()
        except StreamctlError as error:
            self.failure = error
            if error.permanent and self.fetched:
                # What was allowed before may be again, by the next playlist or with the next key.
                self.failure = ConnectionFailed(str(error), hint=error.hint)
        self.over = True
        self._notify()

    @property
    def position(self) -> int | None:
        """The segment that somebody else would have to go on with; None = the beginning."""
        if self._failed:
            return self._failed_from
        return self.follower.next if self._ended_at is None else self._ended_at

    def take(self) -> Loaded | None:
        """What comes next; None = not yet, or never."""
        if not self._waiting:
            return None
        loaded = self._waiting.popleft()
        self._bytes -= len(loaded.data)
        self.buffered_s -= loaded.piece.duration_s
        self._taken.set()
        return loaded

    def peek(self) -> Loaded | None:
        """The first media that waits to be taken; None = there is none yet."""
        return next((each for each in self._waiting if each.data), None)

    @property
    def crowded(self) -> bool:
        """There is more in front of a live stream than there should be, since clocks differ."""
        playlist = self.playlist
        if playlist is None or playlist.ended:
            return False
        behind_s = self.follower.behind_s
        if playlist.part_target_s:
            hold_s = playlist.part_hold_back_s or START_TARGETS * playlist.part_target_s
            return self.buffered_s > max(2 * hold_s, behind_s) + PART_SLACK_S
        most_s = max(START_TARGETS * playlist.target_s, playlist.hold_back_s, behind_s)
        return self.buffered_s > most_s + SLACK_TARGETS * playlist.target_s

    async def _follow(self) -> None:
        place = self.url
        while True:
            playlist, place = await self._newest(place)
            loaded_at = self.clock.now()
            if not self.low_latency:
                playlist = whole_segments(playlist)
            self.playlist = playlist
            news = False
            while pieces := self.follower.take(playlist):
                news, self._news = True, self.clock.now()
                for piece in pieces:
                    if self._retires(piece):
                        return
                    await self._fetch(piece)
                    self._weigh(piece, place)
            if playlist.ended:
                if not self.loop or not news:
                    return
                self.follower.restart(LOOPED)
                continue
            if self.clock.now() - self._news > self.stall_s:
                raise ConnectionFailed(
                    f"`{self.loader.shown(place)}` brings nothing new for {self.stall_s:.0f} s"
                )
            await self._rest(playlist, loaded_at, news=news)

    async def _newest(self, place: str) -> tuple[MediaPlaylist, str]:
        """The playlist as it is now, and where it came from."""
        if self.first is not None:
            first, self.first = self.first, None
            return first, place
        if self.playlist is None:
            return await self._load(place)
        return await self._reload(place, self.playlist), place

    async def _load(self, url: str) -> tuple[MediaPlaylist, str]:
        blocked_s = STALL_TARGETS * self.target_s
        found, place = await self.loader.playlist(url, timeout_s=PLAYLIST_S + blocked_s)
        if not isinstance(found, MediaPlaylist):
            raise RemoteProtocolError(f"`{self.loader.shown(place)}` has variants inside a variant")
        return found, place

    async def _reload(self, place: str, before: MediaPlaylist) -> MediaPlaylist:
        """The playlist anew, and with it the part that was announced, asked for at once."""
        url = self.follower.wanted(place, before)
        hint = before.hint if before.blocking and before.part_target_s else None
        newest = before.segments[-1:]
        if hint is None or any(segment.key is not None for segment in newest):
            return (await self._load(url))[0]
        found: MediaPlaylist | StreamctlError
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._preload, hint)
            try:
                found, _ = await self._load(url)
            except StreamctlError as error:
                found = error
            if isinstance(found, StreamctlError) or not lists(found, hint):
                tasks.cancel_scope.cancel()
        if isinstance(found, StreamctlError):
            raise found
        return found

    async def _preload(self, hint: Resource) -> None:
        """Fetch a part that is about to come; if that fails it will be asked for as usual."""
        with suppress(StreamctlError):
            self._preloaded = hint, await self.loader.hint(hint)

    async def _rest(self, playlist: MediaPlaylist, loaded_at: float, *, news: bool) -> None:
        """Wait until the playlist may have changed."""
        if playlist.part_target_s:
            pause_s = max(playlist.part_target_s / 2, MIN_PART_RELOAD_S)
        else:
            pause_s = max(playlist.target_s / 2, MIN_RELOAD_S)
        if playlist.blocking and news:
            return
        left_s = loaded_at + pause_s - self.clock.now()
        if left_s > 0:
            await self.clock.sleep(left_s)

    async def _fetch(self, piece: Piece) -> None:
        """Fetch a segment or part, and put it where it can be taken."""
        while self._waiting and (self.buffered_s > AHEAD_S or self._bytes > AHEAD_BYTES):
            self._taken = anyio.Event()
            await self._taken.wait()
            self._news = self.clock.now()
        data = section = b""
        if piece.at is not None:
            hungry, since = not self._waiting, self.clock.now()
            try:
                if piece.map is not None:
                    section = await self.loader.map(piece.map, piece.sequence)
                data = await self._media(piece)
                self._failed = 0
                self.fetched += 1
            except StreamctlError as error:
                self._left_out(piece, error)
            if hungry and piece.part < 0:
                slow = self.clock.now() - since > SLOW * piece.duration_s
                self._slow = self._slow + 1 if slow else 0
        self._waiting.append(Loaded(piece, data, section))
        self._bytes += len(data)
        self.buffered_s += piece.duration_s
        self._notify()

    async def _media(self, piece: Piece) -> bytes:
        """The media of a segment or part, which may have come already."""
        hint, data = self._preloaded
        if hint is not None and piece.at == hint:
            self._preloaded = None, b""
            return data
        return await self.loader.piece(piece)

    def _retires(self, piece: Piece) -> bool:
        """Whether somebody else goes on with a segment."""
        if not self.retired or piece.part > 0:
            return False
        self._ended_at = piece.sequence
        return True

    def _weigh(self, piece: Piece, place: str) -> None:
        """Give up what comes slowly while something smaller is there.

        Raises:
            ConnectionFailed: it does.
        """
        if self.choosy and self._slow >= MAX_SLOW:
            self._ended_at = piece.sequence + 1
            raise ConnectionFailed(f"`{self.loader.shown(place)}` comes slower than it plays")

    def _left_out(self, piece: Piece, error: StreamctlError) -> None:
        """Go on without a segment, unless it is one of many."""
        self._failed += 1
        self.skipped += 1
        if self._failed == 1:
            self._failed_from = piece.sequence
        if error.permanent:
            raise error
        if self._failed >= MAX_FAILED:
            raise ConnectionFailed(f"{piece.name}: {error}", hint=error.hint)
        shown = self.loader.shown(self.url)
        self.log.warning("%s: %s is left out: %s", shown, piece.name, error)

    def _notify(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


def whole_segments(playlist: MediaPlaylist) -> MediaPlaylist:
    """A playlist without its parts."""
    segments = tuple(
        replace(each, parts=()) if each.parts else each
        for each in playlist.segments
        if each.at is not None
    )
    return replace(playlist, segments=segments, part_target_s=0.0, blocking=False)


def lists(playlist: MediaPlaylist, part: Resource) -> bool:
    """Whether a playlist has a part among its newest."""
    newest = playlist.segments[-2:]
    return any(each.at == part for segment in newest for each in segment.parts)
