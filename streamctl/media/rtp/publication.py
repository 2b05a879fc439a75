"""What a push sends: access units as RTP, in the form that was announced.

One SSRC, one numbering and one clock per track for as long as the publication lives; what the
sender's reports say of the tracks' clocks stands against one and the same wall-clock time.
Sans-IO. Specification: RFC 3550 sections 5.1, 6.4.1 and 6.6.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.packet import TIMESCALE, Boundary, Flag, InitChange, Kind, Packet
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.announced import alike, described
from streamctl.media.rtp.packet import header
from streamctl.media.rtp.payloads import packetiser
from streamctl.media.timestamps import rescale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.media.packet import Init, Item, Track
    from streamctl.media.rtp.announced import Described
    from streamctl.media.rtp.formats import RtpFormat

    Random = Callable[[int], int]
    """That many random bits."""
    Datagram = tuple[int, bool, bytes]
    """Number of its track in the description, whether it is RTCP, and its bytes."""

NAME = "streamctl"
REPORT_TICKS = 5 * TIMESCALE
"""Media between two reports of a track."""
LEADING = int(Flag.LEADING)


class SentTrack:
    """One track that is sent."""

    def __init__(self, number: int, rtp: RtpFormat, track: Track, random: Random) -> None:
        """``number`` is its place in the description.

        Raises:
            RemoteProtocolError: its configuration can't be read.
        """
        self.number = number
        self.format = rtp
        self.whole = rtp.whole
        self.ssrc = random(32)
        self.packets = 0
        self.octets = 0
        """Of payload."""
        self.received: rtcp.ReportBlock | None = None
        """What a receiver has said last of what came; None = nothing yet."""
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

    def payloads(self, packet: Packet) -> list[bytes]:
        """What the datagrams of an access unit carry.

        Raises:
            RemoteProtocolError: it is not of the form that its codec has.
        """
        return self._packetiser.pack(packet)

    def datagrams(self, payloads: list[bytes], time: int) -> list[bytes]:
        """The datagrams of an access unit that is shown at that time."""
        kind, ssrc = self.format.payload_type, self.ssrc
        timestamp = self.timestamp(time)
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
        return rtcp.serialise(self._told(now, ntp))

    def farewell(self, now: int, ntp: int) -> bytes:
        """The last report, and that nothing follows."""
        return rtcp.serialise([*self._told(now, ntp), rtcp.Bye((self.ssrc,))])

    def measure(self) -> dict[str, object]:
        """What was sent, and what of that did not come if a receiver says so, JSON-ready."""
        found: dict[str, object] = {
            "encoding": self.format.encoding,
            "ssrc": self.ssrc,
            "packets": self.packets,
        }
        if self.received is not None:
            found["lost"] = self.received.lost
            jitter_s = self.received.jitter / self.format.clock_rate
            found["jitter_ms"] = round(1000 * jitter_s, 2)
        return found

    def _told(self, now: int, ntp: int) -> list[rtcp.SenderReport | rtcp.Description]:
        report = rtcp.SenderReport(self.ssrc, ntp, self.timestamp(now), self.packets, self.octets)
        return [report, rtcp.Description(self.ssrc, NAME)]


class Publication:
    """The tracks of one push."""

    def __init__(
        self,
        told: Sequence[Described],
        init: Init,
        wall: float,
        random: Random = secrets.randbits,
    ) -> None:
        """``told`` are the tracks of ``init`` that are sent; ``wall`` is the first unit's time.

        Raises:
            RemoteProtocolError: a configuration can't be read.
        """
        self.told = list(told)
        self.tracks: dict[int, SentTrack] = {}
        """By their number in the stream."""
        self.stale = False
        """The stream has gone on with tracks that were not told of."""
        self.landed = True
        """Nothing is sent before the next random-access point."""
        for one in self.told:
            track = init.track(one.id)
            assert track is not None
            self.tracks[one.id] = SentTrack(one.index, one.format, track, random)
        self._wall = wall
        self._begin: int | None = None
        self._now = 0
        self._pictures = any(one.media == "video" for one in self.told)
        self._alone = False
        """Pictures that lead the newest random-access point can't be decoded."""

    def use(self, init: Init) -> None:
        """Go on with tracks that are described alike, or not at all.

        Raises:
            RemoteProtocolError: a configuration can't be read.
        """
        told = described(init)
        if not alike(self.told, told):
            self.stale = True
            return
        sent = list(self.tracks.values())
        self.tracks = {one.id: known for one, known in zip(told, sent, strict=True)}
        for number, known in self.tracks.items():
            track = init.track(number)
            assert track is not None
            known.configure(track)

    def unit(self, item: Item) -> Packet | None:
        """The access unit that an item is, if it is to be sent; changes are taken in on the way.

        Raises:
            RemoteProtocolError: a configuration can't be read.
        """
        if isinstance(item, (Boundary, InitChange)):
            self.use(item.init)
            return None
        if not isinstance(item, Packet) or self.stale or item.track not in self.tracks:
            return None
        if item.kind is Kind.KEY or not self._pictures:
            self._alone, self.landed = self.landed, False
        elif self.landed or (self._alone and item.flags & LEADING):
            return None
        return item

    def pack(self, packet: Packet) -> list[Datagram]:
        """The datagrams of an access unit, behind the reports that are due."""
        sent = self.tracks[packet.track]
        try:
            payloads = sent.payloads(packet)
        except ProtocolError:
            # A unit that its codec's packets can't carry: the next one may be better.
            return []
        now = self._now = packet.dts
        due = [sent] if sent.report_due(now) else []
        if self._begin is None:
            self._begin = now
            due = list(self.tracks.values())
        ntp = self._ntp(now) if due else 0
        found = [(one.number, True, one.report(now, ntp)) for one in due]
        media = sent.datagrams(payloads, packet.pts)
        return found + [(sent.number, False, data) for data in media]

    def heed(self, data: bytes | memoryview) -> None:
        """Take what a receiver says of what came; whatever else it says is left out."""
        tracks = {track.ssrc: track for track in self.tracks.values()}
        with suppress(ProtocolError):
            for packet in rtcp.parse(data):
                if isinstance(packet, (rtcp.ReceiverReport, rtcp.SenderReport)):
                    for block in packet.reports:
                        if block.ssrc in tracks:
                            tracks[block.ssrc].received = block

    def measure(self) -> list[dict[str, object]]:
        """What is known of each track, JSON-ready."""
        return [track.measure() for track in self.tracks.values()]

    def farewells(self) -> list[Datagram]:
        """What says that no more comes; nothing if nothing was sent."""
        if self._begin is None:
            return []
        now, ntp = self._now, self._ntp(self._now)
        return [(one.number, True, one.farewell(now, ntp)) for one in self.tracks.values()]

    def _ntp(self, now: int) -> int:
        return rtcp.ntp_time(self._wall + (now - (self._begin or 0)) / TIMESCALE)
