"""One track on its way from datagrams to access units: whose packets are taken, and in what order.

Theory of operation: a track has one source, the SSRC that came first. Another one takes its place
when the sender has begun anew: at once where a connection brings the packets, among datagrams only
when two that follow each other have come and the old source is silent; so neither strays nor a
second sender break what runs. What comes of the new source meanwhile is kept. Packets of another
payload type are left out, unless none of the expected one ever came: descriptions err.
Specification: RFC 3550, sections 5.1, 8.2 and appendix A.1.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.packet import Media
from streamctl.media.rtp.decode_order import DecodeOrder
from streamctl.media.rtp.formats import TRANSPORT_STREAM
from streamctl.media.rtp.packet import SEQUENCE_MASK, parse
from streamctl.media.rtp.payloads import depacketiser
from streamctl.media.rtp.reception import Reception
from streamctl.media.rtp.timing import TrackTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.media.packet import Track
    from streamctl.media.rtp.depacketise import Depacketiser, Unit
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.jitter import Order, Ordered
    from streamctl.media.rtp.packet import RtpPacket
    from streamctl.media.rtp.rtcp import SenderReport

SILENT_S = 1.0
"""A source is over that has been silent for so long while another one sends."""
KEPT_S = 2.0
"""What a new source sent longer ago, the old one has shown; all that follows would be late."""
MAX_WAITING_BYTES = 4 * 1024 * 1024
"""What is kept of a new source meanwhile: half a second at 60 Mbit/s."""
PACKET_COST_BYTES = 256
"""What a packet takes beside its payload."""
WRONG_TYPES = 10
"""Packets of a payload type that show that the description is wrong about it."""


class Channel:
    """The path of one track."""

    def __init__(
        self, index: int, rtp: RtpFormat, make_order: Callable[[], Order], *, patient: bool
    ) -> None:
        """``patient`` = another source has to wait until the one that was there is silent.

        Raises:
            RemoteProtocolError: the format can't be read.
        """
        self.index = index
        self.format = rtp
        self.patient = patient
        self.transport = rtp.encoding == TRANSPORT_STREAM
        """The payload is MPEG-TS, not access units."""
        self.depacketiser: Depacketiser | None = None
        self.decode = DecodeOrder()
        self.time = TrackTime(rtp.clock_rate)
        self.order = make_order()
        self.reception: Reception | None = None
        """Of the source that is taken; None before the first packet."""
        self.newcomer = False
        """Set when a source has come, the first one or another."""
        self.began_anew = False
        """Set when another source has taken the place of the one that was there."""
        self.ended = False
        """The source has said farewell."""
        self.invalid = 0
        """What was no RTP."""
        self.other_types = 0
        """Packets of payload types that nothing was said about."""
        self.damaged = 0
        """Units that were left out since packets of them were missing or wrong."""
        self.starving = False
        """The next picture that is of use is one that stands for itself."""
        self._make_order = make_order
        self._type = rtp.payload_type
        self._matched = False
        self._heard_at = 0.0
        self.backlog: list[tuple[RtpPacket, float]] = []
        """Packets of a source that has taken the place, with their arrival; for who reads them."""
        self._newcomers: deque[tuple[RtpPacket, float]] = deque()
        self._newcomers_bytes = 0
        self._sent_away = 0
        """Packets of sources that did not take the place."""
        self._open()

    @property
    def track(self) -> Track | None:
        """The track as it is known; None for MPEG-TS."""
        return self.depacketiser.track if self.depacketiser is not None else None

    @property
    def other_sources(self) -> int:
        """Packets of sources beside the one that is taken, which may still take its place."""
        return self._sent_away + len(self._newcomers)

    @property
    def video(self) -> bool:
        """Whether the track is video that a request for a picture may help."""
        return self.track is not None and self.track.media is Media.VIDEO

    def feed(self, data: bytes | memoryview, now: float) -> list[Ordered]:
        """Take a datagram; the packets that go on, in order."""
        try:
            packet = parse(data)
        except ProtocolError:
            self.invalid += 1
            return []
        if packet.payload_type != self._type and not self._adopts(packet.payload_type):
            return []
        self._matched = True
        reception = self.reception
        if reception is None:
            reception = self.reception = Reception(packet.ssrc, self.format.clock_rate)
            self.newcomer = True
        elif packet.ssrc != reception.ssrc:
            self._newcomer(packet, now)
            return []
        self._heard_at = now
        reception.arrived(packet.timestamp, now)
        return self.order.push(packet, now)

    def units(self, packet: RtpPacket, *, lost: bool) -> list[Unit]:
        """The access units that are whole with a packet."""
        depacketiser = self.depacketiser
        assert depacketiser is not None
        damaged = depacketiser.damaged_units
        found = depacketiser.feed(packet, lost=lost)
        if depacketiser.damaged_units != damaged:
            self.damaged += depacketiser.damaged_units - damaged
            self.starving = self.video
        return found

    def sender_report(self, report: SenderReport, now: float) -> None:
        """Take a report of the source that is there."""
        if self.reception is not None:
            self.reception.reported(report.ntp, now)
        if report.ntp:
            self.time.report(report.ntp, report.timestamp)

    def farewell(self, now: float) -> None:
        """The source has ended: the next one need not wait."""
        self.ended = True
        self._heard_at = min(self._heard_at, now - SILENT_S)

    def _adopts(self, payload_type: int) -> bool:
        """Whether another payload type is taken for the track's from now on."""
        self.other_types += 1
        if self._matched or self.other_types < WRONG_TYPES:
            return False
        self._type = payload_type
        return True

    def _newcomer(self, packet: RtpPacket, now: float) -> None:
        """Take a packet of another source than the one that is there."""
        waiting = self._newcomers
        last = waiting[-1][0] if waiting else None
        if last is not None and last.ssrc != packet.ssrc:
            self._send_away()
            last = None
        follows = last is not None and packet.sequence == (last.sequence + 1) & SEQUENCE_MASK
        if self.patient:
            # A view would keep everything in memory that came with it, others' datagrams too.
            packet.payload = memoryview(bytes(packet.payload))
        waiting.append((packet, now))
        self._newcomers_bytes += cost(packet)
        while waiting[0][1] < now - KEPT_S:
            self._newcomers_bytes -= cost(waiting.popleft()[0])
            self._sent_away += 1
        if self.patient and not (follows and now - self._heard_at >= SILENT_S):
            if self._newcomers_bytes > MAX_WAITING_BYTES:
                self._send_away()
            return
        self.backlog, self._newcomers = list(waiting), deque()
        self._newcomers_bytes = 0
        self._heard_at = now
        self._begin_anew(packet.ssrc)

    def _send_away(self) -> None:
        """Drop what was kept of a source that has not taken the place."""
        self._sent_away += len(self._newcomers)
        self._newcomers.clear()
        self._newcomers_bytes = 0

    def _begin_anew(self, ssrc: int) -> None:
        self.reception = Reception(ssrc, self.format.clock_rate)
        tally = self.order.tally
        self.order = self._make_order()
        # What was counted belongs to the track, not to its sources.
        fresh = self.order.tally
        fresh.lost, fresh.gaps, fresh.late = tally.lost, tally.gaps, tally.late
        fresh.restarts = tally.restarts
        self.newcomer = self.began_anew = True
        self.ended = False
        self.time.restart()
        self.decode.reset()
        self._open()

    def _open(self) -> None:
        """Begin with a depacketiser that knows nothing yet but the format."""
        if self.transport:
            return
        known = self.track
        self.depacketiser = depacketiser(self.format, self.index)
        if known is not None and known.config and self.depacketiser.track.config is None:
            self.depacketiser.track = known
        self.decode.configure(self.depacketiser.track)
        self.starving = self.video


def cost(packet: RtpPacket) -> int:
    """What it takes to keep a packet."""
    return len(packet.payload) + PACKET_COST_BYTES
