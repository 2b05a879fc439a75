"""One rendition as a queue of access units, with the tracks and breaks among them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.errors import MediaError, RemoteProtocolError
from streamctl.media.packet import Media, Packet, Track
from streamctl_hls.sniff import Kind, sniff
from streamctl_hls.unpack import open_unpacker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamctl.sdk.transport import TransportOptions
    from streamctl_hls.feed import Feed, Loaded
    from streamctl_hls.unpack import Found, Unpacker
    from streamctl_hls.wire.playlist import Rendition


MAX_DAMAGED = 3
"""Segments in a row of which nothing can be read, until the rendition is given up."""


@dataclass(frozen=True, slots=True)
class Break:
    """What follows does not go on from what was before."""

    reason: str


class Strand:
    """Takes a feed apart as far as is needed."""

    def __init__(self, feed: Feed, *, media: frozenset[Media], rendition: Rendition | None) -> None:
        self.feed = feed
        self.media = media
        """What is wanted of it."""
        self.rendition = rendition
        """None = the main one."""
        self.chosen: TransportOptions | None = None
        """Program and streams that are taken out of MPEG-TS; None = all of the first program."""
        self.queue: deque[Packet | tuple[Track, ...] | Break] = deque()
        self.newest: int | None = None
        """The latest decoding time that was taken apart."""
        self.end: int | None = None
        """Where the latest unit that was taken apart ends."""
        self.run = 0
        """Breaks that were passed."""
        self._unpacker: Unpacker | None = None
        self._kind: Kind | None = None
        self._open: Iterator[list[Found]] = iter(())
        self._told: tuple[str, ...] = ()
        """Tracks that were said to be left out."""
        self._damage = ""
        """What was wrong with the last segment that was damaged."""
        self._damaged_run = 0
        self._drained = False
        """The feed has nothing that was not taken apart, and never will."""
        self._wanted: frozenset[int] = frozenset()
        """Numbers of tracks that are kept."""

    @property
    def _broken(self) -> bool:
        return any(isinstance(item, Break) for item in self.queue)

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        return self._drained and not self.queue

    @property
    def at_break(self) -> bool:
        """What comes next is a break."""
        return bool(self.queue) and isinstance(self.queue[0], Break)

    def lacks(self, until: int | None) -> bool:
        """Whether more must be taken apart to have all until a time, or anything; never breaks."""
        if self._broken:
            return False
        return self.newest is None or (until is not None and self.newest < until)

    def pull(self, anchor: int | None) -> bool:
        """Take a little more apart; False = nothing is there.

        Raises:
            MediaError: it can't be read.
        """
        try:
            found = next(self._open, None)
        except RemoteProtocolError as error:
            self._damaged(error)
            return True
        if found is not None:
            self._append(found)
            return True
        loaded = self.feed.take()
        if loaded is None:
            if self.feed.over and self._unpacker is not None:
                self._append(self._unpacker.flush())
                self._unpacker = None
                return True
            self._drained = self.feed.over
            if self._drained and self._damage and self.end is None:
                raise MediaError(f"nothing of the segments can be read: {self._damage}")
            return False
        self._begin(loaded, anchor)
        return True

    def _damaged(self, error: RemoteProtocolError) -> None:
        """Leave the rest of a segment out, unless it is one of many."""
        self.feed.skipped += 1
        self._damage, self._damaged_run = str(error), self._damaged_run + 1
        shown = self.feed.loader.shown(self.feed.url)
        if self._damaged_run >= MAX_DAMAGED:
            raise MediaError(f"nothing of the segments of `{shown}` can be read: {error}")
        self.feed.log.warning("%s: a segment is damaged: %s", shown, error)
        self._open = iter(())

    def _begin(self, loaded: Loaded, anchor: int | None) -> None:
        """Go on with the next segment."""
        piece = loaded.piece
        if piece.broken:
            if self._unpacker is not None:
                self._append(self._unpacker.flush())
                self.queue.append(Break(piece.broken))
            self._unpacker = None
        if not loaded.data:
            return
        if self._unpacker is None:
            self._kind = sniff(loaded)
            self._unpacker = open_unpacker(self._kind, anchor, self.chosen)
        self._open = self._unpacker.feed(loaded)

    def _append(self, found: list[Found]) -> None:
        for item in found:
            if isinstance(item, Packet):
                if item.track in self._wanted:
                    self._damaged_run = 0
                    if self.newest is None or item.dts >= self.newest:
                        self.newest, self.end = item.dts, item.dts + item.dur
                    self.queue.append(item)
            else:
                self._tell_left_out()
                kept = tuple(self._named(each) for each in item if each.media in self.media)
                self._wanted = frozenset(each.id for each in kept)
                self.queue.append(kept)

    def _tell_left_out(self) -> None:
        """Say once which tracks can't be read."""
        left_out = self._unpacker.left_out if self._unpacker is not None else ()
        if left_out and left_out != self._told:
            self._told = left_out
            shown = self.feed.loader.shown(self.feed.url)
            self.feed.log.warning("%s: left out: %s", shown, ", ".join(left_out))

    def _named(self, track: Track) -> Track:
        """A track in the language that the playlist tells."""
        if self.rendition is None or not self.rendition.language or track.language:
            return track
        return replace(track, language=self.rendition.language)
