"""What a push sends: access units as RTP, in the form that was announced.

One SSRC, one numbering and one clock per track for as long as the session lives; what the
sender's reports say of the tracks' clocks stands against one and the same wall-clock time.
Sans-IO. Specification: RFC 3550 sections 5.1 and 6.4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import TIMESCALE
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.packet import header
from streamctl.media.rtp.payloads import packetiser
from streamctl.media.timestamps import rescale

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.media.packet import Packet, Track
    from streamctl.media.rtp.formats import RtpFormat

    Random = Callable[[int], int]
    """That many random bits."""

NAME = "streamctl"
REPORT_TICKS = 5 * TIMESCALE
"""Media between two reports of a track."""


class SentTrack:
    """One track that is sent."""

    def __init__(self, number: int, rtp: RtpFormat, track: Track, random: Random) -> None:
        """``number`` is its place in the description.

        Raises:
            RemoteProtocolError: its configuration can't be read.
        """
        self.number = number
        self.format = rtp
        self.ssrc = random(32)
        self.packets = 0
        self.octets = 0
        """Of payload."""
        self._sequence = random(16)
        self._base = random(32)
        self._reported: int | None = None
        self.configure(track)

    def configure(self, track: Track) -> None:
        """Go on with another configuration of the same kind.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        self._packetiser = packetiser(track)

    def timestamp(self, time: int) -> int:
        """A time of the stream on the track's clock."""
        return (self._base + rescale(time, TIMESCALE, self.format.clock_rate)) & 0xFFFF_FFFF

    def pack(self, packet: Packet) -> list[bytes]:
        """The datagrams of an access unit.

        Raises:
            RemoteProtocolError: it is not of the form that its codec has.
        """
        payloads = self._packetiser.pack(packet)
        kind, ssrc = self.format.payload_type, self.ssrc
        timestamp = self.timestamp(packet.pts)
        first, last = self._sequence, len(payloads) - 1
        marks = self._packetiser.marks
        self._sequence = (first + len(payloads)) & 0xFFFF
        self.packets += len(payloads)
        self.octets += sum(map(len, payloads))
        return [
            header(kind, first + at, timestamp, ssrc, marker=marks and at == last) + payload
            for at, payload in enumerate(payloads)
        ]

    def report_due(self, now: int) -> bool:
        """Whether a report has to stand before media that is decoded at that time."""
        return self._reported is None or not 0 <= now - self._reported < REPORT_TICKS

    def report(self, now: int, ntp: int) -> bytes:
        """The report that ``now`` was ``ntp``."""
        self._reported = now
        told = rtcp.SenderReport(self.ssrc, ntp, self.timestamp(now), self.packets, self.octets)
        return rtcp.serialise([told, rtcp.Description(self.ssrc, NAME)])


class Publication:
    """The tracks of one push."""

    def __init__(self, tracks: dict[int, SentTrack], wall: float) -> None:
        """``tracks`` by their number in the stream; ``wall`` is the time of the first unit."""
        self.tracks = tracks
        self._wall = wall
        self._begin: int | None = None

    def configure(self, tracks: tuple[Track, ...]) -> None:
        """Go on with tracks that are described alike.

        Raises:
            RemoteProtocolError: a configuration can't be read.
        """
        for track in tracks:
            sent = self.tracks.get(track.id)
            if sent is not None:
                sent.configure(track)

    def reports(self, packet: Packet) -> list[tuple[SentTrack, bytes]]:
        """The reports that have to stand before a unit: of all tracks before the first one."""
        now = packet.dts
        if self._begin is None:
            self._begin = now
            return [(sent, sent.report(now, self._ntp(now))) for sent in self.tracks.values()]
        sent = self.tracks[packet.track]
        return [(sent, sent.report(now, self._ntp(now)))] if sent.report_due(now) else []

    def _ntp(self, now: int) -> int:
        return rtcp.ntp_time(self._wall + (now - (self._begin or 0)) / TIMESCALE)
