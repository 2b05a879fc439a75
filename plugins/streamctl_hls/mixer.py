"""Plays renditions together: pictures and sound of several playlists, by one clock.

All times are those of the server, on which renditions agree (RFC 8216bis, section 6.2.4). Access
units leave when they are due, in the order of their decoding times; a rendition that is late holds
the others up for a moment, not longer. A discontinuity is one for all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from streamctl.media.packet import TIMESCALE, Media, Packet
from streamctl_hls.pacing import LivePacer
from streamctl_hls.strand import Break, Strand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Track
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.transport import TransportOptions
    from streamctl_hls.feed import Feed
    from streamctl_hls.wire.playlist import Rendition

AHEAD = TIMESCALE // 2
"""Taken apart in front of what is due, so that each step finds something."""
PATIENCE_S = 1.0
"""How long a rendition that is late holds up the others."""
START_PATIENCE_S = 10.0
"""The same for its very first media."""
STEP_S = 0.02
"""Between two looks at what is due."""
LONE_S = 5.0
"""How long a rendition waits at a discontinuity that the others have not come to."""
SOUND = frozenset({Media.AUDIO})
EVERYTHING = frozenset(Media)
SILENT = EVERYTHING - SOUND


class Mixer:
    """Plays feeds into an epoch."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        sounds: Sequence[Rendition],
        out: EpochWriter,
        ctx: Context,
        chosen: TransportOptions | None = None,
    ) -> None:
        self.out = out
        self.clock = ctx.clock
        self.pacer = LivePacer()
        self.put_at = ctx.clock.now()
        """When something was written last."""
        self.main = Strand(feeds[0], media=SILENT if sounds else EVERYTHING, rendition=None)
        self.main.chosen = chosen
        self.strands = [self.main]
        for feed, rendition in zip(feeds[1:], sounds, strict=True):
            self.strands.append(Strand(feed, media=SOUND, rendition=rendition))
        self._numbers: dict[tuple[Strand, int], int] = {}
        """Track numbers of the epoch, by strand and number there."""
        self._tracks: dict[int, Track] = {}
        self._late: dict[Strand, float] = {}
        """Since when strands have had nothing to play, or stood at a break alone."""
        self._ended: int | None = None
        """Where media ended before a break."""
        self._crossed = 0.0

    async def run(self) -> None:
        """Play until the main rendition ends.

        Raises:
            MediaError: what comes can't be read.
            StaleEpoch: the epoch has ended.
        """
        await self._gather()
        horizon = 0
        while self._goes_on(horizon):
            now = self.clock.now()
            horizon = self._horizon(now)
            await self._fill(None if self._ended is not None else horizon + AHEAD)
            if self._ended is not None and self._head is not None:
                # Where times go on behind the break is known by now.
                continue
            self._play(horizon, now)
            await self.clock.sleep(STEP_S)

    def _goes_on(self, horizon: int) -> bool:
        """Whether the main rendition has more, or its last unit still lasts, with sound beside."""
        if not self.main.over:
            return True
        end = self.main.end
        return self.pacer.origin_s is not None and end is not None and horizon < end

    async def _gather(self) -> None:
        """Wait until every rendition has something, so that all begin together."""
        since = self.clock.now()
        while self.clock.now() - since < START_PATIENCE_S:
            await self._fill(None)
            if all(strand.newest is not None or strand.over for strand in self.strands):
                return
            await self.clock.sleep(STEP_S)

    async def _fill(self, until: int | None) -> None:
        """Take apart what will be due next; without a time, the beginning of everything."""
        anchor = self.main.newest
        for strand in self.strands:
            while strand.lacks(until):
                if not strand.pull(anchor):
                    break
                await checkpoint()

    @property
    def _head(self) -> Packet | None:
        """What the main rendition plays next."""
        return next((item for item in self.main.queue if isinstance(item, Packet)), None)

    def _horizon(self, now: float) -> int:
        """The time up to which all is due."""
        pacer = self.pacer
        pacer.hurry = self.main.feed.crowded
        head = self._head
        if head is not None:
            media_s = head.dts / TIMESCALE
            if self._ended is not None:
                pacer.rebase(self._ended / TIMESCALE, media_s)
                self._ended = None
            return round(pacer.horizon_s(media_s, now) * TIMESCALE)
        origin_s = now if pacer.origin_s is None else pacer.origin_s
        return round((now - origin_s) * TIMESCALE)

    def _play(self, horizon: int, now: float) -> None:
        """Write what is due, in order."""
        ready: list[Packet] = []
        while (strand := self._next(horizon, now)) is not None:
            item = strand.queue.popleft()
            if isinstance(item, Packet):
                number = self._numbers.get((strand, item.track))
                if number is not None and not self._lags(strand, now):
                    item.track = number
                    ready.append(item)
            else:
                self._put(ready, now)
                if isinstance(item, Break):
                    self._cross(strand, item, now)
                    return
                self._announce(strand, item)
        self._put(ready, now)

    def _put(self, ready: list[Packet], now: float) -> None:
        if ready:
            self.put_at = now
            self.out.put(ready.copy(), now)
            ready.clear()

    def _next(self, horizon: int, now: float) -> Strand | None:
        """The strand whose first item comes next; None = nothing is due."""
        found: Strand | None = None
        first = horizon + 1
        for strand in self.strands:
            head = strand.queue[0] if strand.queue else None
            if isinstance(head, tuple):
                return strand
            if isinstance(head, Packet):
                self._late.pop(strand, None)
                if head.dts < first:
                    found, first = strand, head.dts
        for strand in self.strands:
            head = strand.queue[0] if strand.queue else None
            if isinstance(head, Break) and self._may_cross(strand, first <= horizon, now):
                return strand
            if head is None and not strand.over and self._holds_up(strand, first, now):
                return None
        return found

    def _holds_up(self, strand: Strand, due: int, now: float) -> bool:
        """Whether others wait for a strand that has nothing."""
        if strand.newest is not None and strand.newest >= due:
            return False
        return now - self._late.setdefault(strand, now) < PATIENCE_S

    def _may_cross(self, strand: Strand, busy: bool, now: float) -> bool:
        """Whether a strand may go on behind its break: the main one when the others are there."""
        if strand is not self.main:
            # It follows the main one, or goes alone when that does not come.
            alone = now - self._late.setdefault(strand, now) > LONE_S
            return strand.run < self.main.run or alone
        others = [each for each in self.strands if each is not strand]
        if any(each.run > strand.run or each.at_break for each in others) or not busy:
            busy = any(isinstance(each.queue[0], Packet) for each in others if each.queue)
        late = now - self._late.setdefault(strand, now) > PATIENCE_S
        return late or not busy

    def _cross(self, strand: Strand, item: Break, now: float) -> None:
        """Go on behind a break."""
        strand.run += 1
        self._late.pop(strand, None)
        if strand is self.main:
            self._ended, self._crossed = strand.end, now
            self.out.discontinuity(item.reason)
        strand.newest = None

    def _lags(self, strand: Strand, now: float) -> bool:
        """Whether what a strand plays belongs before a break that the main one has passed."""
        if strand.run >= self.main.run:
            return False
        if now - self._crossed > LONE_S:
            strand.run = self.main.run
        return True

    def _announce(self, strand: Strand, tracks: Sequence[Track]) -> None:
        """Tell the epoch what the tracks are from here on."""
        for track in tracks:
            place = strand, track.id
            number = self._numbers.setdefault(place, len(self._numbers))
            self._tracks[number] = replace(track, id=number)
        self.out.tracks([self._tracks[number] for number in sorted(self._tracks)])
