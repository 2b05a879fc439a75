"""What the depacketisers of all codecs have in common: access units out of RTP packets.

A depacketiser takes the packets of one track in order. What is damaged costs the access unit that
it belongs to, which is counted: live media goes on. Order, jitter and clocks are the receiver's
business; what a codec's bytes mean is asked of its ``TrackReader``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from streamctl.errors import ProtocolError
from streamctl.media.packet import TIMESCALE
from streamctl.media.timestamps import Unwrapper

if TYPE_CHECKING:
    from streamctl.media.packet import Kind, Track
    from streamctl.media.rtp.formats import RtpFormat
    from streamctl.media.rtp.packet import RtpPacket
    from streamctl.media.unit import TrackReader

TIMESTAMP_BITS = 32

MAX_PICTURE_BYTES = 8 << 20
"""Of an access unit of video: an intra picture of 8K at high quality."""
MAX_FRAME_BYTES = 1 << 16
"""Of a frame of sound: the largest that any of the codecs has, and more."""


@dataclass(slots=True)
class Unit:
    """One access unit in the form of ``Packet.data``."""

    data: bytes
    timestamp: int
    """RTP timestamp on the clock of the format, unwrapped; the first one stands for itself."""
    kind: Kind
    flags: int = 0
    config: bytes | None = None
    """A new ``Track.config`` that is valid from this unit on: announce the track again."""
    dur: int = 0
    """In 90 kHz ticks, as far as the unit itself tells; 0 = unknown."""


class Depacketiser(ABC):
    """Takes the packets of one track, in order; keeps at most one access unit."""

    def __init__(self, rtp: RtpFormat, track: Track, reader: TrackReader) -> None:
        self.format = rtp
        self.track = track
        """As it is known now: it changes before a unit that has a ``config`` is given."""
        self.damaged_units = 0
        """Access units that were left out since something of them was missing or malformed."""
        self.fault = ""
        """What was wrong with the last one."""
        self._reader = reader
        self._clock = Unwrapper(TIMESTAMP_BITS)
        self._place = 0
        """The last timestamp that was told, and not made up."""
        self._following = 0
        """Frames of sound since then."""
        self._news: bytes | None = None
        """A configuration that no unit has told yet."""
        if track.config:
            reader.configure(track.config)

    @abstractmethod
    def feed(self, packet: RtpPacket, *, lost: bool = False) -> list[Unit]:
        """The units that are whole with this packet; ``lost`` = some before it didn't come."""

    def damage(self, fault: str) -> None:
        """Count an access unit that is left out."""
        self.damaged_units += 1
        self.fault = fault

    def give(
        self, data: bytes, timestamp: int | None, out: list[Unit], *, shown: bool = True
    ) -> None:
        """Add the unit with this raw data, as far as the codec's reader can read it.

        Without a timestamp it begins where the one before ends. What is not ``shown`` only tells
        configurations.
        """
        reader = self._reader
        if timestamp is None:
            self._following += 1
            timestamp = self._place + self._passed()
        else:
            self._following = 0
            self._place = timestamp
        try:
            found = reader.unit(data)
        except ProtocolError as error:
            self.damage(str(error))
            return
        if found.config is not None:
            self.track = reader.track(self.track)
            self._news = found.config
        if not found.data or not shown:
            return
        news, self._news = self._news, None
        out.append(Unit(found.data, timestamp, found.kind, found.flags, news, found.dur))

    def _passed(self) -> int:
        """Ticks of the frames of sound that follow the last timestamp."""
        facts = self._reader.facts
        if facts is None or facts.frame is None:
            return 0
        return round(self._following * facts.frame * self.format.clock_rate / TIMESCALE)

    def retrack(self, config: bytes) -> None:
        """Take a configuration that stood aside of the units.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        news = self._reader.configure(config)
        if news is not None:
            self.track = self._reader.track(replace(self.track, sample_rate=0, channels=0))
            self._news = news


class FrameDepacketiser(Depacketiser):
    """Frames that are a run of packets of one timestamp, the last of them marked."""

    most: ClassVar[int] = MAX_PICTURE_BYTES
    """Bytes of a frame."""

    def __init__(self, rtp: RtpFormat, track: Track, reader: TrackReader) -> None:
        super().__init__(rtp, track, reader)
        self._raw = -1
        """Timestamp of the open frame, as on the wire."""
        self._timestamp = 0
        self._data = bytearray()
        self._open = False
        """A packet of the frame has come, and its last one has not."""
        self._torn = False
        """Something of the frame is missing or malformed: it is left out."""
        self._gap = False
        """Packets were lost right before the frame's first one, which may be its own."""
        self._ended = False
        """The frame of the last timestamp was ended by its marker."""
        self._picture = True
        """There is a picture in the open frame."""

    def feed(self, packet: RtpPacket, *, lost: bool = False) -> list[Unit]:
        out: list[Unit] = []
        if packet.timestamp != self._raw:
            if self._open:
                if lost:
                    self.tear("the end of an access unit was lost")
                self.finish(out)
            self._raw = packet.timestamp
            self._timestamp = self._clock.unwrap(packet.timestamp)
            self._gap = lost
            self._ended = False
        elif lost:
            self._gap = True
            if self._open:
                self.tear("a part of an access unit was lost")
        self._open = True
        if not self._torn and packet.payload:
            self.take(packet.payload)
        if packet.marker and self.complete():
            self.finish(out)
            self._ended = True
        return out

    @abstractmethod
    def take(self, payload: memoryview) -> None:
        """Take a payload of the open frame, or call :meth:`tear`; never raises."""

    def complete(self) -> bool:
        """Whether a marker ends the frame here."""
        return True

    def whole(self) -> bytes:
        """The raw data of the frame at its end, or call :meth:`tear`."""
        return bytes(self._data)

    def tear(self, fault: str) -> None:
        """Leave the open frame out, and free what was kept of it."""
        if not self._torn:
            self._torn = True
            self.damage(fault)
            self._data = bytearray()

    def room(self, size: int) -> bool:
        """Whether that many bytes may be added to the frame; else it is torn."""
        if len(self._data) + size <= self.most:
            return True
        self.tear(f"an access unit of more than {self.most} bytes")
        return False

    def finish(self, out: list[Unit]) -> None:
        """Give the frame, unless it is torn, and begin anew."""
        data = b"" if self._torn else self.whole()
        if data and not self._torn:
            self.give(data, self._timestamp, out, shown=self._picture)
        self.begin()

    def begin(self) -> None:
        """Forget the frame."""
        self._data = bytearray()
        self._open = self._torn = self._gap = False
