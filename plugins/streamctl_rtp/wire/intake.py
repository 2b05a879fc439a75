"""The packets of one stream, from whatever ports and sources they come, to its tracks.

Theory of operation: with a description every packet has its track, by its port and payload type.
Without one, packets wait until it shows what each payload type is. Sound may begin a moment after
the picture, so the first tracks are waited for a little, or not at all when MPEG-TS has come, which
holds everything; what comes later is added when it is known. What stays unknown is counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import MediaError, ProtocolError
from streamctl.media.rtp.packet import parse
from streamctl.media.rtp.payloads import depacketiser
from streamctl.media.rtp.receiver import Receiver
from streamctl_rtp.wire.detect import Detector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.receiver import Writer

GATHER_S = 0.5
"""How long tracks may begin one after the other."""
DETECT_S = 10.0
"""What nobody has described shows by then, or never: key pictures come more often."""
REST_S = 5.0
"""How long those that are known wait for the others."""
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Packets that wait for it to show; the oldest go."""
PACKET_COST_BYTES = 128
"""What a packet takes beside its bytes."""
MAX_TYPES = 16
"""Payload types that are looked at."""
TRANSPORT = "MP2T"


@dataclass(frozen=True, slots=True)
class Described:
    """A track of a description."""

    format: RtpFormat
    port: int = 0
    """Where it comes in; 0 = on the only port."""
    full_intra: bool = False
    """Its sender is asked for pictures by FIR."""


class Intake:
    """Takes the datagrams of one stream."""

    def __init__(self, ssrc: int, wait_s: float, described: Sequence[Described] = ()) -> None:
        """``ssrc`` is whose reports we send; ``wait_s`` how long packets wait for missing ones.

        Raises:
            RemoteProtocolError: one of the described formats can't be read.
        """
        self.ssrc = ssrc
        self.wait_s = wait_s
        self.receiver: Receiver | None = None
        """None while the formats are not known."""
        self.strange = 0
        """Packets of payload types that belong to no track."""
        self.unknown: set[int] = set()
        """Payload types that could not be told, or have a codec that can't be read."""
        self._described = bool(described)
        self._by_port = any(one.port for one in described)
        self._tracks: dict[tuple[int, int], int] = {}
        """Tracks by port and payload type."""
        self._lone: dict[int, int] = {}
        """The track of each port that has only one."""
        self._detectors: dict[int, Detector] = {}
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._waiting_bytes = 0
        self._reports: list[tuple[bytes, float]] = []
        self._began: float | None = None
        if described:
            self._open(described)

    @property
    def ended(self) -> bool:
        """Whether every source has said farewell."""
        return self.receiver is not None and self.receiver.ended

    @property
    def deadline(self) -> float | None:
        """When :meth:`poll` has something to do; None = nothing waits."""
        if self.receiver is not None:
            return self.receiver.deadline
        return None if self._began is None else self._began + DETECT_S

    def feed(self, data: bytes | memoryview, now: float, port: int = 0) -> int:
        """Take an RTP packet, which came in on a port; its track, or -1.

        Raises:
            MediaError: nothing that comes can be told.
        """
        receiver = self.receiver
        if receiver is None:
            self._detect(data, now)
            return -1
        if len(data) < 2:
            self.strange += 1
            return -1
        if not self._by_port:
            port = 0
        track = self._tracks.get((port, data[1] & 0x7F), -1)
        if track < 0:
            track = self._lone.get(port, -1)
        if track < 0 and not self._described:
            return self._late(receiver, data, now)
        if track < 0:
            self.strange += 1
            return -1
        receiver.feed(track, data, now)
        return track

    def feed_rtcp(self, data: bytes | memoryview, now: float) -> None:
        """Take a datagram of RTCP."""
        if self.receiver is not None:
            self.receiver.feed_rtcp(0, data, now)
        elif len(self._reports) < MAX_TYPES:
            self._reports.append((bytes(data), now))

    def poll(self, now: float) -> None:
        """Go on with what has waited long enough.

        Raises:
            MediaError: nothing that comes can be told.
        """
        if self.receiver is not None:
            self.receiver.poll(now)
        else:
            self._close(now)

    def reports(self, now: float) -> list[tuple[int, bytes]]:
        """The RTCP datagrams that are due, each with its track."""
        return self.receiver.reports(now) if self.receiver is not None else []

    def deliver(self, out: Writer, now: float) -> None:
        """Hand over everything that is ready."""
        if self.receiver is not None:
            self.receiver.deliver(out, now)

    def _look(self, data: bytes | memoryview, now: float) -> Detector | None:
        """Have a packet judged of which nothing is known; None if it can't be."""
        try:
            packet = parse(data)
        except ProtocolError:
            self.strange += 1
            return None
        detector = self._detectors.get(packet.payload_type)
        if detector is None:
            if len(self._detectors) >= MAX_TYPES:
                self.strange += 1
                return None
            detector = self._detectors[packet.payload_type] = Detector(packet.payload_type)
        detector.look(packet, now)
        return detector

    def _late(self, receiver: Receiver, data: bytes | memoryview, now: float) -> int:
        """Take a packet of a payload type that came after the tracks were known."""
        detector = self._look(data, now)
        if detector is None:
            return -1
        rtp = detector.format
        if rtp is None or not readable(rtp):
            self.strange += 1
            self.unknown.add(detector.payload_type)
            return -1
        self.unknown.discard(detector.payload_type)
        track = self._tracks[0, detector.payload_type] = receiver.add(rtp)
        receiver.feed(track, data, now)
        return track

    def _detect(self, data: bytes | memoryview, now: float) -> None:
        """Take a packet while nothing is known."""
        detector = self._look(data, now)
        if detector is None:
            return
        if self._began is None:
            self._began = now
        # A view would keep everything in memory that came with it, others' datagrams too.
        self._waiting.append((bytes(data), now))
        self._waiting_bytes += len(data) + PACKET_COST_BYTES
        while self._waiting_bytes > MAX_WAITING_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft()[0]) + PACKET_COST_BYTES
        found = detector.format
        self._close(now, at_once=found is not None and found.encoding == TRANSPORT)

    def _close(self, now: float, *, at_once: bool = False) -> None:
        """Begin with the tracks that are known, if no more are to be waited for."""
        if self._began is None:
            return
        told = [d.format for d in self._detectors.values()]
        known = [rtp for rtp in told if rtp is not None and readable(rtp)]
        waited = now - self._began
        enough = GATHER_S if None not in told else REST_S if known else DETECT_S
        if not at_once and waited < enough:
            return
        types = {rtp.payload_type for rtp in known}
        self.unknown = {kind for kind in self._detectors if kind not in types}
        if not known:
            kinds = ", ".join(f"`{kind}`" for kind in sorted(self.unknown))
            raise MediaError(
                f"can't tell the codec of RTP payload type {kinds}",
                hint="name a file with its session description: `sdp`",
            )
        self._open([Described(rtp) for rtp in known])
        waiting, self._waiting = self._waiting, deque()
        for data, arrival in waiting:
            self.feed(data, arrival)
        for data, arrival in self._reports:
            self.feed_rtcp(data, arrival)
        self._reports.clear()

    def _open(self, described: Sequence[Described]) -> None:
        """Begin with these tracks."""
        formats = [one.format for one in described]
        self.receiver = Receiver(formats, ssrc=self.ssrc, wait_s=self.wait_s)
        ports = [one.port for one in described] if self._described else []
        for index, one in enumerate(described):
            self._tracks.setdefault((one.port, one.format.payload_type), index)
            if ports.count(one.port) == 1:
                self._lone[one.port] = index
            if one.full_intra:
                self.receiver.full_intra.add(index)


def readable(rtp: RtpFormat) -> bool:
    """Whether a format can be read."""
    try:
        depacketiser(rtp)
    except ProtocolError:
        return rtp.encoding == TRANSPORT
    return True
