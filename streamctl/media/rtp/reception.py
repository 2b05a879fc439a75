"""What is known of one source's packets on their way: loss, jitter, and the reports about them.

Specification: RFC 3550, sections 6.4.1 and 6.4.2, appendices A.3 (loss) and A.8 (jitter).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.rtp.rtcp import ReportBlock, ntp_middle

if TYPE_CHECKING:
    from streamctl.media.rtp.jitter import Tally

FRACTION_DELAY = 65_536
"""Delays in reports are told in parts of a second of this size."""
JITTER_GAIN = 16


class Reception:
    """The statistics of one source; begins anew with another one."""

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self.jitter = 0.0
        """Mean deviation of the packets' distance, in ticks of the source's clock."""
        self._rate = clock_rate
        self._transit: float | None = None
        self._timestamp = -1
        self._restarts = 0
        self._expected_before = 0
        self._received_before = 0
        self._report = 0
        """Middle bits of the NTP time of the newest sender report."""
        self._reported_at = 0.0

    def arrived(self, timestamp: int, now: float) -> None:
        """Take the time of a packet; those of one frame count once.

        Frames leave in bursts: between the packets of one there is nothing that the network did.
        """
        if timestamp == self._timestamp:
            return
        self._timestamp = timestamp
        transit = now * self._rate - timestamp
        last, self._transit = self._transit, transit
        if last is None:
            return
        deviation = abs(transit - last)
        if deviation < self._rate:
            # Beyond a second the clock was set, or has wrapped.
            self.jitter += (deviation - self.jitter) / JITTER_GAIN

    def reported(self, ntp: int, now: float) -> None:
        """Take the time of a sender report."""
        self._report, self._reported_at = ntp_middle(ntp), now

    def block(self, tally: Tally, now: float) -> ReportBlock:
        """What to report now; the fraction lost is that since the last block."""
        if tally.restarts != self._restarts:
            self._restarts = tally.restarts
            self._expected_before = self._received_before = 0
        expected = tally.highest - tally.base + 1
        recent = expected - self._expected_before
        missing = recent - (tally.received - self._received_before)
        self._expected_before, self._received_before = expected, tally.received
        fraction = min((missing << 8) // recent, 255) if recent > 0 and missing > 0 else 0
        delay = round((now - self._reported_at) * FRACTION_DELAY) if self._report else 0
        return ReportBlock(
            self.ssrc,
            fraction,
            expected - tally.received,
            tally.highest,
            round(self.jitter),
            self._report,
            delay,
        )
