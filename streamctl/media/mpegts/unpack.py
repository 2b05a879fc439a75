"""Access units out of PES packets and sections, one unpacker per track.

Here are the parts that all have in common, and the unpackers of data. Times are those of the wire,
unwrapped by the program's one clock. Specifications: ISO/IEC 13818-1 §2.4.3.7; SCTE 35 §9.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING

from streamctl.media.mpegts.assemble import Pes, PesAssembler
from streamctl.media.mpegts.crc import crc32
from streamctl.media.mpegts.tables import SectionAssembler
from streamctl.media.packet import Kind, Packet, Track
from streamctl.media.timestamps import Unwrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streamctl.media.mpegts.batch import Run
    from streamctl.media.unit import TrackReader, Unit

CUE_TABLE_ID = 0xFC
"""``splice_info_section``."""

MAX_FAULTS = 32
"""Kinds of faults that are told apart."""

HALF_WRAP = 1 << 32


class ProgramTime:
    """What the tracks of a program share: one clock, and a count of faults by their names."""

    def __init__(self) -> None:
        self.unwrapper = Unwrapper(33)
        self.faults: Counter[str] = Counter()
        self._newest: int | None = None
        """Decoding time of the unit that came last; None before the first one."""
        self._untimed: set[int] = set()
        """Units that belong where they came, by identity."""

    def anchor(self, time: int) -> None:
        """Put the next time next to this one, unwrapped, instead of next to the last one."""
        self.unwrapper.last = self._newest = time

    def untimed(self, track: int, data: bytes, now: int) -> Packet:
        """A unit of data that says no time, until it is placed."""
        packet = Packet(track, now, now, Kind.DATA, 0, data)
        self._untimed.add(id(packet))
        return packet

    def placed(self, found: Iterable[Found]) -> Iterator[Found]:
        """What was found, in the order in which it came; units without a time at the last one's.

        Those before the first time are left out.
        """
        for item in found:
            if isinstance(item, Packet):
                if id(item) not in self._untimed:
                    self._newest = item.dts
                elif self._newest is None:
                    continue
                else:
                    item.pts = item.dts = self._newest
            yield item
        self._untimed.clear()

    @property
    def now(self) -> int | None:
        """The newest time of the program; None before the first one."""
        return self.unwrapper.last

    def stamps(self, pes: Pes) -> tuple[int, int] | None:
        """Presentation and decoding time of a PES packet, unwrapped."""
        pts, dts = pes.header.pts, pes.header.dts
        if pts is None or dts is None:
            return None
        time = self.unwrapper.unwrap(dts)
        return time + ((pts - dts + HALF_WRAP) & (2 * HALF_WRAP - 1)) - HALF_WRAP, time

    def fault(self, text: str) -> None:
        """Count a fault of the stream."""
        if text in self.faults or len(self.faults) < MAX_FAULTS:
            self.faults[text] += 1


Found = Packet | Track
"""An access unit, or the track anew because its configuration became known or changed."""


class Unpacker(ABC):
    """Takes the packets of one PID."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        self.track = track
        """As far as it is known."""
        self.time = time

    @abstractmethod
    def packet(self, packet: bytes, out: list[Found]) -> None:
        """Take one packet; what it completes is appended."""

    @abstractmethod
    def run(self, run: Run, out: list[Found]) -> None:
        """Take several packets that have nothing but payload."""

    def give(self, unit: Unit, pts: int, dts: int, flags: int, out: list[Found]) -> None:
        """Append an access unit, behind the track if it has changed."""
        if unit.data and self.track.config is not None:
            out.append(
                Packet(self.track.id, pts, dts, unit.kind, unit.flags | flags, unit.data, unit.dur)
            )


class PesUnpacker(Unpacker):
    """Takes PES packets."""

    def __init__(
        self, track: Track, time: ProgramTime, begins: Callable[[bytes], bool] | None = None
    ) -> None:
        super().__init__(track, time)
        self.assembler = PesAssembler(begins)

    def packet(self, packet: bytes, out: list[Found]) -> None:
        """Take one packet; what it completes is appended."""
        done: list[Pes] = []
        self.assembler.packet(packet, done)
        for pes in done:
            self.take(pes, out)

    def run(self, run: Run, out: list[Found]) -> None:
        """Take several packets that have nothing but payload."""
        done: list[Pes] = []
        self.assembler.run(run.payload, run.first, run.last, done)
        for pes in done:
            self.take(pes, out)

    @property
    def scrambled(self) -> bool:
        """The newest packet could not be read for its scrambling."""
        return self.assembler.scrambled

    def flush(self, out: list[Found]) -> None:
        """Give what was held back, since nothing comes behind it."""
        done: list[Pes] = []
        self.assembler.flush(done)
        for pes in done:
            self.take(pes, out)

    @abstractmethod
    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take a whole PES packet."""

    def announce(self, reader: TrackReader, out: list[Found]) -> None:
        """Append the track if its reader knows more of it than was announced."""
        track = reader.track(self.track)
        if track != self.track:
            self.track = track
            out.append(track)


class DataUnpacker(PesUnpacker):
    """Data in PES packets, each of which is one unit."""

    def take(self, pes: Pes, out: list[Found]) -> None:
        """Take a PES packet; one without a time belongs to the newest time of the program."""
        stamps = self.time.stamps(pes)
        pts = stamps[0] if stamps else self.time.now
        if pes.torn or pts is None or not pes.payload:
            return
        if stamps is None:
            out.append(self.time.untimed(self.track.id, pes.payload, pts))
        else:
            out.append(Packet(self.track.id, pts, pts, Kind.DATA, 0, pes.payload))


class CueUnpacker(Unpacker):
    """Splice information sections, which belong to the time at which they come."""

    def __init__(self, track: Track, time: ProgramTime) -> None:
        super().__init__(track, time)
        self.sections = SectionAssembler()

    def packet(self, packet: bytes, out: list[Found]) -> None:
        """Take one packet; what it completes is appended."""
        self._take(self.sections.feed(packet), out)

    def run(self, run: Run, out: list[Found]) -> None:
        """Take several packets that have nothing but payload."""
        self._take(self.sections.run(run.payload, run.first, run.last), out)

    def _take(self, sections: list[bytes], out: list[Found]) -> None:
        for section in sections:
            if section[0] != CUE_TABLE_ID or crc32(section):
                self.time.fault("a damaged splice information section")
            elif (now := self.time.now) is not None:
                out.append(self.time.untimed(self.track.id, section, now))
