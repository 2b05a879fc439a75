"""What tells a player how the clocks of its tracks stand: before any media, then every 5 seconds.

The lane says with each random-access point what its clocks show there. As neither they nor the
time that they are held against ever jump, everything later follows from it.

The counts are the player's own (RFC 3550 section 6.4.1: what the sender has transmitted): they
begin at 0 with the session, and go on over pauses and skips. The numbers of packets are the lane's,
which all players share. So a skip, or a pause, is a gap in the numbers that the counts don't have:
to the player those packets are lost, as the pictures in them are, and who compares sees that we
never sent them. A gap of 3000 or more looks like another sender to a receiver that follows RFC 3550
appendix A.1: it drops one packet, and believes the second. An empty packet goes first then, so that
the first packet of the picture to begin with is that second one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from struct import Struct
from typing import TYPE_CHECKING

from streamctl.errors import NotReady
from streamctl.media.packet import Boundary, Chunk, InitChange
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.announced import alike, described
from streamctl_rtsp.converter import NAME
from streamctl_rtsp.wire.frames import frame, spans
from streamctl_rtsp.wire.tally import NOTHING, Tally, tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.media.packet import Init
    from streamctl.media.rtp.announced import Described
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.sdk.context import Clock
    from streamctl.sdk.endpoints import Playback
    from streamctl.sdk.lane import Cursor
    from streamctl.sdk.session import Session

NTP_SECOND = 1 << 32
NUMBERS = 1 << 32
"""Numbers of packets with their cycles are told in so many bits."""
LARGEST_GAP = 2_900
"""Somewhat below MAX_DROPOUT (RFC 3550 appendix A.1)."""
EVERYTHING = 1 << 62
"""What is behind a place to join must be seen whole, to find changes of the tracks."""
EMPTY = Struct("!BBHIII")
PADDED, PADDING = 0xA0, 4
"""A packet of padding alone, whose last octet tells how much there is."""


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a player would join now."""

    init: Init
    reports: dict[int, rtcp.SenderReport]
    """How the clocks stand there, and which packets are next, by the number of the track."""


def landing(cursor: Cursor) -> Landing | None:
    """Where a player would join now; None while there is nothing to join.

    Moves the cursor.
    """
    try:
        init = cursor.join()
    except NotReady:
        return None
    items = cursor.take(EVERYTHING)
    changes = [item.init for item in items if isinstance(item, (Boundary, InitChange))]
    if changes and not alike(described(init), described(changes[-1])):
        # Nobody begins before a change of tracks: the next place to do so is still to come.
        return Landing(changes[-1], {})
    chunks = [item for item in items if isinstance(item, Chunk)]
    return Landing(init, told(chunks[0].join) if chunks else {})


def counted(report: rtcp.SenderReport, sent: Tally) -> bytes:
    """A report with what its player was sent."""
    told = replace(report, packets=sent.packets, octets=sent.octets)
    return rtcp.serialise([told, rtcp.Description(report.ssrc, NAME)])


def told(join: bytes) -> dict[int, rtcp.SenderReport]:
    """The lane's reports for who joins, by the number of the track."""
    found: dict[int, rtcp.SenderReport] = {}
    for span in spans(join):
        for one in rtcp.parse(join[span.start : span.end]):
            if isinstance(one, rtcp.SenderReport):
                found[span.channel // 2] = one
    return found


def nothing(track: int) -> Tally:
    """What waits where nothing can."""
    del track
    return NOTHING


class Reporter:
    """The reports of one player, or of a group."""

    def __init__(self, playback: Playback, session: Session, clock: Clock) -> None:
        self._fanout = playback.fanout
        self._session = session
        self._clock = clock
        self._formats: dict[int, RtpFormat] = {}
        self._reports: dict[int, rtcp.SenderReport] = {}
        self._learnt_at = 0.0
        self._earlier: dict[int, Tally] = {}
        """What was sent before the fan-out last began to count, by track."""
        self._ahead: dict[int, int] = {}
        """How far the lane's numbers are ahead of the player's counts, by track."""

    def know(self, tracks: Sequence[Described]) -> None:
        """The tracks that the player is told of."""
        self._formats = {track.index: track.format for track in tracks}

    def greet(self, chunk: Chunk) -> bytes:
        """What the player gets before the chunk that it lands at."""
        self._reports = told(chunk.join)
        self._learnt_at = self._clock.now()
        reports: list[bytes] = []
        empty: list[bytes] = []
        for track, report in self._reports.items():
            sent = self._sent(track)
            reports.append(frame(2 * track + 1, counted(report, sent)))
            ahead = (report.packets - sent.packets) % NUMBERS
            if (ahead - self._ahead.get(track, ahead)) % NUMBERS >= LARGEST_GAP:
                empty.append(frame(2 * track, self._empty(track, report)))
                self._earlier[track] = self._earlier.get(track, NOTHING).plus(Tally(1, 0))
                ahead -= 1
            self._ahead[track] = ahead
        return b"".join(reports + empty)

    def report(self, track: int, waiting: Tally = NOTHING) -> bytes:
        """The report on a track as things stand; empty if its clock is not known.

        ``waiting`` is what the fan-out has written and has not left.
        """
        first = self._reports.get(track)
        if first is None:
            return b""
        elapsed_s = max(self._clock.now() - self._learnt_at, 0.0)
        ticks = round(elapsed_s * self._formats[track].clock_rate)
        now = replace(
            first,
            ntp=first.ntp + round(elapsed_s * NTP_SECOND),
            timestamp=(first.timestamp + ticks) & 0xFFFF_FFFF,
        )
        return counted(now, self._sent(track).minus(waiting))

    def pause(self, dropped: Callable[[int], Tally] = nothing) -> None:
        """The fan-out is about to forget the player; what is ``dropped`` will never leave."""
        for track in self._formats:
            self._earlier[track] = self._sent(track).minus(dropped(track))

    def _sent(self, track: int) -> Tally:
        """All that was written to the player."""
        written = tally(self._fanout.units(self._session), track)
        return self._earlier.get(track, NOTHING).plus(written)

    def _empty(self, track: int, report: rtcp.SenderReport) -> bytes:
        """The packet before the next one of a track."""
        kind = self._formats[track].payload_type
        number = (report.packets - 1) & 0xFFFF
        return EMPTY.pack(PADDED, kind, number, report.timestamp, report.ssrc, PADDING)
