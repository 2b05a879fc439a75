"""The converter of the rtp lane: each access unit becomes one shared run of interleaved frames.

A track has one SSRC, one numbering and one clock for the life of the lane, whatever its sources,
and whatever becomes of a converter.
Its packets are frames of the channel that is twice its number in the description, its reports of
the next one.
Whoever joins gets reports of all tracks first, which tell what their clocks showed at one moment.
In the lane their count of packets is the number of the next packet, with its cycles: what a viewer
has been sent, only who sends it knows (:mod:`streamctl_rtsp.server.reports`).

Specifications: RFC 3550 sections 5.1 and 6.4.1, RFC 2326 section 10.12.
"""

from __future__ import annotations

import secrets
from struct import Struct
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.packet import TIMESCALE, Boundary, Chunk, InitChange, Kind, Packet, Rejoin
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.announced import alike, described
from streamctl.media.rtp.payloads import packetiser
from streamctl.media.timestamps import rescale
from streamctl_rtsp.wire.frames import HEAD_BYTES, frame
from streamctl_rtsp.wire.tally import packed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.media.packet import Init, Item
    from streamctl.media.rtp.announced import Described
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packetise import Packetiser

    Random = Callable[[int], int]
    """That many random bits."""

NAME = "streamctl"
"""What binds the tracks of a stream together (CNAME)."""
AUDIO_RAP_SPACING = TIMESCALE // 2
"""Without video, players join at the first audio of each 500 ms."""
HEAD = Struct("!BBHBBHII")
"""The heads of a frame and of the packet in it."""
HEADER_BYTES = 12
OVERHEAD_BYTES = HEAD_BYTES + HEADER_BYTES
DOLLAR, VERSION, MARKER = 0x24, 0x80, 0x80
ROUNDING = 1
"""Ticks that a sound may lie beside the end of the one before, as times of the lane are rounded."""
KEY = Kind.KEY
"""Looking a member up in its enum costs as much as a call."""


class SentTrack:
    """One track of the lane, for its whole life."""

    __slots__ = (
        "base",
        "channel",
        "expected",
        "format",
        "number",
        "packetiser",
        "picture",
        "rate",
        "sequence",
        "ssrc",
    )

    def __init__(self, number: int, random: Random) -> None:
        self.number = number
        self.channel = 2 * number
        self.ssrc = random(32)
        self.sequence = random(16)
        """The next packet's, with its cycles."""
        self.base = random(32)
        self.packetiser: Packetiser
        self.format: RtpFormat
        self.rate = 0
        self.picture = False
        self.expected = 0
        """Where the next sound begins if none is missing, on the track's clock from its start."""

    def timestamp(self, time: int) -> int:
        """A time of the stream on the track's clock."""
        return (self.base + rescale(time, TIMESCALE, self.rate)) & 0xFFFF_FFFF

    def frames(self, packet: Packet) -> bytes:
        """The frames of an access unit.

        Raises:
            ProtocolError: it is not of the form that its codec has.
        """
        payloads = self.packetiser.pack(packet)
        ticks = rescale(packet.pts, TIMESCALE, self.rate)
        if not self.picture:
            if -ROUNDING <= ticks - self.expected <= ROUNDING:
                ticks = self.expected
            self.expected = ticks + rescale(packet.dur, TIMESCALE, self.rate)
        timestamp = (self.base + ticks) & 0xFFFF_FFFF
        sequence, kind, ssrc, channel = (
            self.sequence,
            self.format.payload_type,
            self.ssrc,
            self.channel,
        )
        self.sequence = sequence + len(payloads)
        last = len(payloads) - 1 if self.packetiser.marks else -1
        parts: list[bytes] = []
        for at, payload in enumerate(payloads):
            parts += (
                HEAD.pack(
                    DOLLAR,
                    channel,
                    HEADER_BYTES + len(payload),
                    VERSION,
                    kind | MARKER if at == last else kind,
                    (sequence + at) & 0xFFFF,
                    timestamp,
                    ssrc,
                ),
                payload,
            )
        return b"".join(parts)

    def report(self, time: int, ntp: int) -> bytes:
        """The frame of a report that ``time`` was ``ntp``, with the number of the next packet."""
        told = rtcp.SenderReport(self.ssrc, ntp, self.timestamp(time), self.sequence, 0)
        data = rtcp.serialise([told, rtcp.Description(self.ssrc, NAME)])
        return frame(self.channel + 1, data)


class RtpConverter:
    """Implements :class:`streamctl.sdk.plugin.Converter` and ``Heir``."""

    def __init__(self, wall: Callable[[], float], random: Random = secrets.randbits) -> None:
        """``wall`` tells the time of day, which reports hold the stream's time against."""
        self._wall = wall
        self._random = random
        self._anchor: float | None = None
        """The time of day at which the stream's clock showed 0."""
        self._told: list[Described] = []
        self._known: dict[int, SentTrack] = {}
        """Every track there ever was, by its number in the description."""
        self._sent: dict[int, SentTrack] = {}
        """The present ones, by their number in the epoch."""
        self._video = -1
        self._last_rap: int | None = None

    def convert(self, items: Sequence[Item]) -> list[Item]:
        """The chunks for these items; boundaries and changes of tracks pass through."""
        out: list[Item] = []
        for item in items:
            if isinstance(item, Packet):
                self._pack(item, out)
            elif isinstance(item, (Boundary, InitChange)):
                self._use(item.init, out)
                out.append(item)
        return out

    def flush(self) -> list[Item]:
        """Nothing: every access unit leaves at once."""
        return []

    def inherit(self, failed: RtpConverter) -> None:
        """Keep all tracks there were, their time of day, and what viewers were told of."""
        self._known, self._anchor, self._told = failed._known, failed._anchor, failed._told

    def _use(self, init: Init, out: list[Item]) -> None:
        """Go on with other tracks, or with other parameters of the same."""
        told = described(init)
        if self._told and not alike(self._told, told):
            out.append(Rejoin("the stream goes on with other tracks"))
        self._told = told
        self._last_rap = None
        self._sent = {}
        self._video = next((one.id for one in told if one.media == "video"), -1)
        for one in told:
            track = init.track(one.id)
            assert track is not None
            sent = self._known.get(one.index)
            if sent is None:
                sent = self._known[one.index] = SentTrack(one.index, self._random)
            sent.packetiser = packetiser(track)
            sent.format, sent.rate = one.format, one.format.clock_rate
            sent.picture = one.media == "video"
            self._sent[one.id] = sent

    def _pack(self, packet: Packet, out: list[Item]) -> None:
        """Add the chunk of one access unit, unless its track is left out."""
        sent = self._sent.get(packet.track)
        if sent is None:
            return
        time = packet.dts
        shown = packet.track == self._video
        rap = packet.kind is KEY and shown if self._video >= 0 else self._audio_rap(time)
        join = self._reports(packet.pts) if rap else b""
        first = sent.sequence
        try:
            data = sent.frames(packet)
        except ProtocolError:
            # A unit that its codec's packets can't carry: the next one may be better.
            return
        flush = shown or self._video < 0
        packets = sent.sequence - first
        units = packed(sent.number, packets, len(data) - packets * OVERHEAD_BYTES)
        flags = packet.flags
        out.append(Chunk(data, time, time, rap, flush, packet.epoch, join, flags, b"", units))

    def _reports(self, time: int) -> bytes:
        """What tells a joiner how the clocks of all tracks stand."""
        if self._anchor is None:
            self._anchor = self._wall() - time / TIMESCALE
        ntp = rtcp.ntp_time(self._anchor + time / TIMESCALE)
        return b"".join(sent.report(time, ntp) for sent in self._sent.values())

    def _audio_rap(self, time: int) -> bool:
        if self._last_rap is not None and time - self._last_rap < AUDIO_RAP_SPACING:
            return False
        self._last_rap = time
        return True
