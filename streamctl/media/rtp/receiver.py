"""The receiving side of RTP: from the datagrams of a source's tracks to access units on one time.

Theory of operation: RTSP and plain RTP share it. Datagrams go in by :meth:`Receiver.feed`, control
packets by :meth:`Receiver.feed_rtcp`; what they make waits for :meth:`Receiver.deliver`. At the
beginning units are held for a moment, until reports of the sender tell how the tracks stand to each
other, and pictures how they are reordered; each keeps its arrival, so nothing is shown later for
it. So they are when a sender begins anew. No packet raises: what is wrong with one is counted. The
owner calls :meth:`Receiver.poll` and :meth:`Receiver.reports` a few times a second.
Specification: RFC 3550, section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from streamctl.errors import ProtocolError
from streamctl.media.packet import TIMESCALE, Kind, Packet
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.channel import Channel
from streamctl.media.rtp.decode_order import LEARNING
from streamctl.media.rtp.jitter import DEFAULT_WAIT_S, Arrival, JitterBuffer
from streamctl.media.rtp.rtcp import (
    Bye,
    Description,
    FullIntra,
    PictureLoss,
    ReceiverReport,
    SenderReport,
)
from streamctl.media.rtp.timing import CommonTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Track
    from streamctl.media.rtp.depacketise import Unit
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.jitter import Ordered

HOLD_S = 1.0
"""How long the first units wait for the reports of their sender, which may send none."""
MAX_HELD = 3000
"""Units that wait meanwhile."""
MAX_HELD_BYTES = 16 * 1024 * 1024
MAX_EARLY = 64
"""Reports about sources of which nothing is known."""
REPORT_S = 5.0
"""Receivers report this often (RFC 3550, section 6.2)."""
FIRST_REPORT_S = 1.0
REQUEST_S = 1.0
"""A picture is asked for this often at most: encoders need time to make one."""
RESTART_S = 2.0
"""The tracks of a sender that begins anew do so within this time."""
VIDEO = frozenset({Kind.KEY, Kind.P, Kind.B})


class Writer(Protocol):
    """What takes the media: the part of an ``EpochWriter`` that is used."""

    def tracks(self, tracks: Sequence[Track]) -> None:
        """Announce the tracks."""

    def put(self, packets: list[Packet], now: float) -> None:
        """Write access units in decode order."""

    def put_ts(self, data: bytes, now: float) -> None:
        """Write MPEG-TS."""

    def drop(self, count: int) -> None:
        """Count what could not be made into packets."""

    def discontinuity(self, reason: str) -> None:
        """Say that content jumps here."""


@dataclass(slots=True)
class Held:
    """A unit that waits for the time to be known."""

    channel: Channel
    unit: Unit
    arrival: float


class Receiver:
    """Receives the tracks of one source."""

    def __init__(
        self,
        formats: Sequence[RtpFormat],
        *,
        ssrc: int,
        name: str = "streamctl",
        ordered: bool = False,
        wait_s: float = DEFAULT_WAIT_S,
    ) -> None:
        """``ssrc`` is whose reports we send, and should be random; ``name`` goes with it.

        ``ordered`` = packets come over a connection, in order and each once; else ``wait_s`` is how
        long the others wait for one that is missing.

        Raises:
            RemoteProtocolError: one of the formats can't be read.
        """
        self.ssrc = ssrc
        self.name = name
        self._make_order = Arrival if ordered else partial(JitterBuffer, wait_s)
        self._patient = not ordered
        self.channels = [self._channel(index, rtp) for index, rtp in enumerate(formats)]
        self.bad_reports = 0
        """What should have been RTCP and was not."""
        self.full_intra: set[int] = set()
        """Tracks whose sender knows FIR, not PLI (``a=rtcp-fb`` of RFC 5104, section 7.1)."""
        timed = [channel for channel in self.channels if not channel.transport]
        timed.sort(key=lambda channel: not channel.video)
        self.common = CommonTime([channel.time for channel in timed])
        self._timed = timed
        self._news = bool(timed)
        self._began: float | None = None
        self._holding = bool(timed)
        self._hold_until = 0.0
        self._again = False
        """Units are held since the sender began anew: what is known may be of the time before."""
        self._fresh: set[int] = set()
        """Tracks whose clocks were put on the common time since units are held."""
        self._early: dict[int, SenderReport] = {}
        """Reports of sources whose packets have not come, by SSRC."""
        self._held: list[Held] = []
        self._held_bytes = 0
        self._batches: list[tuple[list[Packet], float]] = []
        """What is ready, by arrival; no packets = the sender began anew there."""
        self._payloads: list[memoryview] = []
        self._anew_at: float | None = None
        self._dropped = 0
        self._report_at: float | None = None
        self._requested_at = 0.0
        self._requests = 0

    @property
    def tracks(self) -> list[Track]:
        """The tracks as they are known now, numbered like the formats; without MPEG-TS."""
        return [channel.track for channel in self.channels if channel.track is not None]

    @property
    def ended(self) -> bool:
        """Whether every source that came has said farewell."""
        heard = [channel for channel in self.channels if channel.reception is not None]
        return bool(heard) and all(channel.ended for channel in heard)

    @property
    def came(self) -> int:
        """Packets of access units since their sources began; MPEG-TS counts for itself."""
        return sum(channel.order.tally.received for channel in self._timed)

    @property
    def lost(self) -> int:
        """Packets of access units that never came in time."""
        return sum(channel.order.tally.lost for channel in self._timed)

    @property
    def deadline(self) -> float | None:
        """When :meth:`poll` has something to do; None = nothing waits."""
        found = [c.order.deadline for c in self.channels if c.order.deadline is not None]
        if self._held:
            found.append(self._hold_until)
        return min(found, default=None)

    def add(self, rtp: RtpFormat) -> int:
        """The number of a track that has come late.

        Raises:
            RemoteProtocolError: its format can't be read.
        """
        channel = self._channel(len(self.channels), rtp)
        self.channels.append(channel)
        if not channel.transport:
            self._timed.append(channel)
            self.common.tracks.append(channel.time)
            self._news = True
        return channel.index

    def feed(self, track: int, data: bytes | memoryview, now: float) -> None:
        """Take an RTP packet of a track.

        Its bytes must not change until :meth:`deliver`, those of datagrams not at all.
        """
        channel = self.channels[track]
        ordered = channel.feed(data, now)
        if channel.newcomer:
            self._welcome(channel, now)
        if ordered:
            self._take(channel, ordered, now)

    def feed_rtcp(self, track: int, data: bytes | memoryview, now: float) -> None:
        """Take a datagram of RTCP that came for a track; it may speak of others as well."""
        del track
        try:
            packets = rtcp.parse(data)
        except ProtocolError:
            self.bad_reports += 1
            return
        for packet in packets:
            if isinstance(packet, SenderReport):
                self._sender_report(packet, now)
            elif isinstance(packet, Bye):
                for channel in self.channels:
                    reception = channel.reception
                    if reception is not None and reception.ssrc in packet.ssrcs:
                        channel.farewell(now)

    def poll(self, now: float) -> None:
        """Go on with what has waited long enough."""
        for channel in self.channels:
            deadline = channel.order.deadline
            if deadline is not None and deadline <= now:
                self._take(channel, channel.order.poll(now), now)
        if self._held and now >= self._hold_until:
            self._release()

    def deliver(self, out: Writer, now: float) -> None:
        """Hand over everything that is ready."""
        if self._payloads:
            payloads, self._payloads = self._payloads, []
            out.put_ts(b"".join(payloads), now)
        if self._news and self._began is not None:
            self._news = False
            out.tracks(self.tracks)
        if self._batches:
            batches, self._batches = self._batches, []
            for packets, arrival in batches:
                if packets:
                    out.put(packets, arrival)
                else:
                    out.discontinuity("the sender began anew")
        damaged = sum(channel.damaged for channel in self.channels)
        if damaged != self._dropped:
            dropped, self._dropped = damaged - self._dropped, damaged
            out.drop(dropped)

    def reports(self, now: float) -> list[tuple[int, bytes]]:
        """The RTCP datagrams that are due, each with its track."""
        heard = [channel for channel in self.channels if channel.reception is not None]
        if not heard:
            return []
        if self._report_at is None:
            self._report_at = now + FIRST_REPORT_S
        due = now >= self._report_at
        starving = [channel for channel in heard if channel.starving]
        asking = bool(starving) and now - self._requested_at >= REQUEST_S
        if due:
            self._report_at = now + REPORT_S
        if asking:
            self._requested_at = now
            self._requests += 1
        return [
            (channel.index, self._report(channel, now, asks=asking and channel.starving))
            for channel in heard
            if due or (asking and channel.starving)
        ]

    def farewells(self) -> list[tuple[int, bytes]]:
        """The datagrams that tell the sender that nobody receives any more."""
        bye = rtcp.serialise([ReceiverReport(self.ssrc), Bye((self.ssrc,))])
        return [(c.index, bye) for c in self.channels if c.reception is not None]

    def measure(self) -> list[dict[str, object]]:
        """What was counted of each track, JSON-ready."""
        return [measure(channel) for channel in self.channels]

    def _channel(self, index: int, rtp: RtpFormat) -> Channel:
        return Channel(index, rtp, self._make_order, patient=self._patient)

    def _sender_report(self, report: SenderReport, now: float) -> None:
        """Learn which moment a timestamp of a track stands for."""
        for channel in self.channels:
            if channel.reception is not None and channel.reception.ssrc == report.ssrc:
                break
        else:
            if len(self._early) >= MAX_EARLY:
                self._early.clear()
            self._early[report.ssrc] = report
            return
        channel.sender_report(report, now)
        if channel.transport or not channel.time.reported:
            return
        if not self._holding:
            self.common.align()
        elif self._known():
            self._release()

    def _welcome(self, channel: Channel, now: float) -> None:
        """A source has come; if it is another one, those of the other tracks will follow."""
        assert channel.reception is not None
        early = self._early.pop(channel.reception.ssrc, None)
        if early is not None:
            channel.sender_report(early, now)
        if channel.began_anew and (self._anew_at is None or now - self._anew_at > RESTART_S):
            self._anew_at = now
            if not self._holding:
                self._batches.append(([], now))
                # What was known of a second track is of the time before.
                self._holding = self._again = len(self._timed) > 1
                self._hold_until = now + HOLD_S
        if channel.began_anew:
            # Their clock is forgotten.
            self._held = [one for one in self._held if one.channel is not channel]
        channel.newcomer = channel.began_anew = False
        backlog, channel.backlog = channel.backlog, []
        for packet, arrival in backlog:
            self._take(channel, channel.order.push(packet, arrival), arrival)

    def _take(self, channel: Channel, ordered: list[Ordered], now: float) -> None:
        """Deal with packets that are in order."""
        if self._began is None:
            self._began = now
            self._hold_until = now + HOLD_S
        if channel.transport:
            self._payloads += [packet.payload for packet, _ in ordered]
            return
        for packet, lost in ordered:
            for unit in channel.units(packet, lost=lost):
                self._unit(channel, unit, now)

    def _unit(self, channel: Channel, unit: Unit, now: float) -> None:
        """Take an access unit."""
        if unit.config is not None:
            self._news = True
            track = channel.track
            assert track is not None
            channel.decode.configure(track)
        if unit.kind is Kind.KEY:
            channel.starving = False
        assert self._began is not None
        if channel.time.offset is None:
            channel.time.start(unit.timestamp, round((now - self._began) * TIMESCALE), now)
            self._fresh.add(channel.index)
            if not self._holding:
                self.common.align(at_once=channel.time)
        if not self._holding:
            self._emit(channel, unit, now)
            return
        self._held.append(Held(channel, unit, now))
        self._held_bytes += len(unit.data)
        full = len(self._held) >= MAX_HELD or self._held_bytes >= MAX_HELD_BYTES
        if full or now >= self._hold_until or self._known():
            self._release()

    def _known(self) -> bool:
        """Whether nothing has to be waited for any more."""
        if self._again:
            return False
        for channel in self._timed:
            if channel.decode.unsure:
                pictures = sum(held.channel is channel for held in self._held)
                if pictures < LEARNING:
                    return False
        return len(self._timed) == 1 or self.common.known

    def _release(self) -> None:
        """Let go of what was held, on the time that is known by now."""
        self._holding = self._again = False
        # What was kept of sources that began anew came to one track after the other.
        held, self._held = sorted(self._held, key=attrgetter("arrival")), []
        self._held_bytes = 0
        fresh = [channel for channel in self._timed if channel.index in self._fresh]
        self._fresh.clear()
        for channel in fresh:
            own = [one for one in held if one.channel is channel]
            times = [channel.time.peek(one.unit.timestamp) for one in own]
            if channel.decode.unsure:
                channel.decode.learn(times)
            if own and len(self._timed) > 1:
                channel.time.shift(self._lateness(channel, own, times))
        for channel in fresh:
            self.common.align(at_once=channel.time)
        for one in held:
            self._emit(one.channel, one.unit, one.arrival)

    def _lateness(self, channel: Channel, held: list[Held], times: list[int]) -> int:
        """How much later than their times the units of a track came, at least, in ticks.

        Senders are in time with the decoding of pictures, and packets of several frames of sound
        are with their last one: the first unit alone would say little.
        """
        assert self._began is not None
        depth = channel.decode.depth
        decoded = sorted(times)
        return min(
            (
                round((one.arrival - self._began) * TIMESCALE) - time
                for one, time in zip(held[depth:], decoded, strict=False)
            ),
            default=0,
        )

    def _emit(self, channel: Channel, unit: Unit, arrival: float) -> None:
        """Put a unit on the common time."""
        pts = channel.time.time(unit.timestamp, arrival)
        packet = Packet(channel.index, pts, pts, unit.kind, unit.flags, unit.data, unit.dur)
        if unit.kind in VIDEO:
            channel.decode.take(packet)
        batches = self._batches
        if batches and batches[-1][1] == arrival and batches[-1][0]:
            batches[-1][0].append(packet)
        else:
            batches.append(([packet], arrival))

    def _report(self, channel: Channel, now: float, *, asks: bool) -> bytes:
        reception = channel.reception
        assert reception is not None
        block = reception.block(channel.order.tally, now)
        packets: list[rtcp.Control] = [
            ReceiverReport(self.ssrc, (block,)),
            Description(self.ssrc, self.name),
        ]
        if asks and channel.index in self.full_intra:
            packets.append(FullIntra(self.ssrc, reception.ssrc, self._requests))
        elif asks:
            packets.append(PictureLoss(self.ssrc, reception.ssrc))
        return rtcp.serialise(packets)


def measure(channel: Channel) -> dict[str, object]:
    """What was counted of a track."""
    tally, reception = channel.order.tally, channel.reception
    return {
        "encoding": channel.format.encoding,
        "ssrc": reception.ssrc if reception is not None else None,
        "packets": tally.received,
        "gaps": tally.gaps,
        "lost": tally.lost,
        "late": tally.late,
        "restarts": tally.restarts,
        "invalid": channel.invalid,
        "other_sources": channel.other_sources,
        "other_types": channel.other_types,
        "damaged_units": channel.damaged,
        "jitter_ms": round(1000 * reception.jitter / channel.format.clock_rate, 2)
        if reception is not None
        else 0.0,
    }
