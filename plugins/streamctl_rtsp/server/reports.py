"""What tells a player how the clocks of its tracks stand: first in the lane, then every 5 seconds.

The lane's reports for joiners say it once; as neither the lane's clocks nor the time that they are
held against ever jump, everything later follows from them. Specification: RFC 3550 section 6.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.errors import NotReady
from streamctl.media.packet import Chunk
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.packet import parse
from streamctl_rtsp.converter import NAME
from streamctl_rtsp.wire.frames import spans

if TYPE_CHECKING:
    from streamctl.media.packet import Init
    from streamctl.media.rtp.announced import Described
    from streamctl.sdk.lane import Cursor

NTP_SECOND = 1 << 32


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a player would join now."""

    init: Init
    reports: dict[int, rtcp.SenderReport]
    """How the clocks stand there, by the number of the track."""
    sequences: dict[int, int]
    """First packets there, of tracks that have some."""


def landing(cursor: Cursor) -> Landing | None:
    """Where a player would join now; None while there is nothing to join.

    Moves the cursor.
    """
    try:
        init = cursor.join()
    except NotReady:
        return None
    reports: dict[int, rtcp.SenderReport] = {}
    sequences: dict[int, int] = {}
    for item in cursor.take(1):
        if isinstance(item, Chunk):
            for span in spans(item.join):
                for told in rtcp.parse(item.join[span.start : span.end]):
                    if isinstance(told, rtcp.SenderReport):
                        reports[span.channel // 2] = told
            for span in spans(item.data):
                packet = parse(item.data[span.start : span.end])
                sequences.setdefault(span.channel // 2, packet.sequence)
    return Landing(init, reports, sequences)


class Reporter:
    """Goes on with the reports of one player."""

    def __init__(self, tracks: list[Described], found: Landing, now: float) -> None:
        self._rates = {track.index: track.format.clock_rate for track in tracks}
        self._reports = found.reports
        self._learnt_at = now

    def report(self, track: int, now: float) -> bytes:
        """The report on a track; empty if its clock is not known."""
        first = self._reports.get(track)
        if first is None:
            return b""
        elapsed = max(now - self._learnt_at, 0.0)
        told = replace(
            first,
            ntp=first.ntp + round(elapsed * NTP_SECOND),
            timestamp=(first.timestamp + round(elapsed * self._rates[track])) & 0xFFFF_FFFF,
        )
        return rtcp.serialise([told, rtcp.Description(told.ssrc, NAME)])
