"""The multiplexer: access units of one program in, transport stream packets out.

What must go on across epochs, the PIDs, their continuity counters and the version of the program
map, is kept by :class:`~streamctl.media.mpegts.pidmap.PidMap`. When tables are due, where viewers
may join and what separates epochs is left to ``convert``. Specification: ISO/IEC 13818-1 §2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.errors import StreamctlError
from streamctl.media.mpegts.elementary import Elementary, elementary
from streamctl.media.mpegts.packet import DISCONTINUITY, RANDOM_ACCESS, PacketWriter, pcr_field
from streamctl.media.mpegts.pidmap import PidMap, Wanted, essence
from streamctl.media.mpegts.psi import NULL_PID, PmtStream, language_descriptor
from streamctl.media.packet import TIMESCALE, Media

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.packet import Packet, Track

MAX_STREAMS = 32
"""Keeps the program map within one section, whatever a source announces."""

PCR_LEAD = TIMESCALE // 2
"""How far the clock runs behind the decoding times, so that audio which the source interleaves
late still arrives before it is due."""

PCR_STEP = TIMESCALE * 70 // 1000
"""Distance of extra clock references while video frames are far apart: with
one more audio frame it stays below the maximum."""
PCR_MAX_DISTANCE = TIMESCALE // 10
"""Largest distance that the standard allows (§2.7.2)."""
PCR_MAX_EXTRA = 128
"""Extra references at once, 9 s of them; a longer gap is a discontinuity of the clock."""


@dataclass(slots=True)
class Carried:
    """A track on air."""

    stream: Elementary
    writer: PacketWriter
    video: bool


class TsMuxer:
    """Multiplexes one program; its packets come in decode order and with rising times."""

    def __init__(self, pids: PidMap | None = None) -> None:
        self.pids = pids or PidMap()
        self.carried: dict[int, Carried] = {}
        self.clock: Carried | None = None
        self.pcr: int | None = None
        """The last program clock reference, unwrapped."""
        self.progress: int | None = None
        """Where another track stood at the last clock reference, once one has come since."""
        self._anew = False
        """The next clock reference has to say that the clock begins anew."""

    @property
    def has_video(self) -> bool:
        """Whether the program has a video stream."""
        return self.clock is not None and self.clock.video

    def leads(self, track: int) -> bool:
        """Whether the track carries the clock: the video, or the first sound without one."""
        return self.clock is not None and self.carried.get(track) is self.clock

    def announce(self, tracks: Iterable[Track]) -> None:
        """Take these tracks on air instead of the former ones.

        A track keeps the PID of a former one of its type and language, else of its type, else
        gets a new one. Tracks that can't be carried are left out.
        """
        found = [(track, stream) for track in tracks if (stream := elementary(track))]
        found = found[:MAX_STREAMS]
        wanted = [
            Wanted(essence(stream.stream_type, stream.descriptors), track.language)
            for track, stream in found
        ]
        self.carried = {}
        streams = []
        for (track, stream), slot in zip(found, self.pids.assign(wanted), strict=True):
            slot.fresh = False
            video = track.media is Media.VIDEO
            self.carried[track.id] = Carried(stream, slot.writer, video)
            descriptors = stream.descriptors + language_descriptor(track.language)
            streams.append(PmtStream(stream.stream_type, slot.writer.pid, descriptors))
        self.choose_clock()
        self.pids.publish(self.clock.writer.pid if self.clock else NULL_PID, tuple(streams))

    def choose_clock(self) -> None:
        """Give the clock to the first video stream, else to the first stream."""
        former = self.clock and self.clock.writer
        candidates = list(self.carried.values())
        self.clock = next((one for one in candidates if one.video), None)
        if self.clock is None and candidates:
            self.clock = candidates[0]
        if self.clock is None or self.clock.writer is not former:
            self.pcr = None

    def tables(self) -> bytes:
        """The packets of PAT and PMT."""
        return self.pids.tables()

    def discontinuities(self) -> bytes:
        """A packet per PID in use that prepares a receiver for the counters to come."""
        return self.pids.discontinuities(one.writer for one in self.carried.values())

    def restart_clock(self, *, told: bool) -> None:
        """Forget the last clock reference: times jump here, and receivers may have to be told."""
        self.pcr = None
        self._anew = told

    def time(self) -> bytes:
        """The last clock reference once more, alone, for those who go without its packet."""
        if self.clock is None or self.pcr is None:
            return b""
        return self.clock.writer.signal(pcr_field(0, self.pcr))

    def unit(self, packet: Packet, rap: bool) -> bytes:
        """The packets of one access unit; none when its track is not on air or it is damaged."""
        carried = self.carried.get(packet.track)
        if carried is None:
            return b""
        try:
            pes = carried.stream.pes(packet)
        except StreamctlError:
            return b""
        flags = RANDOM_ACCESS if rap else 0
        if carried is self.clock:
            extra = self.catch_up(packet.dts)
            self.progress = None
            return extra + carried.writer.unit(pes, self.reference(packet.dts - PCR_LEAD, flags))
        fields = bytes((flags,)) if flags else b""
        return self.keep_time(packet.dts) + carried.writer.unit(pes, fields)

    def catch_up(self, dts: int) -> bytes:
        """The clock references that are due before a unit of the leading stream."""
        pcr = dts - PCR_LEAD
        last = self.pcr
        if last is None or self.clock is None:
            return b""
        if not PCR_MAX_DISTANCE < pcr - last <= PCR_MAX_EXTRA * PCR_STEP:
            return b""
        steps = range(last + PCR_STEP, pcr, PCR_STEP)
        self.pcr = steps[-1]
        signal = self.clock.writer.signal
        return b"".join([signal(pcr_field(0, step)) for step in steps])

    def reference(self, pcr: int, flags: int) -> bytes:
        """Move the clock; the fields that say so."""
        last = self.pcr
        if last is not None:
            if pcr <= last:
                # Another track had to move the clock on while this one was silent.
                pcr = last + 1
            elif pcr - last > PCR_MAX_DISTANCE:
                flags |= DISCONTINUITY
        elif self._anew:
            self._anew = False
            flags |= DISCONTINUITY
        self.pcr = pcr
        return pcr_field(flags, pcr)

    def keep_time(self, dts: int) -> bytes:
        """Clock references while the clock's own stream is silent, driven by another one."""
        if self.clock is None:
            return b""
        if self.pcr is None:
            pcr = dts - PCR_LEAD
        elif self.progress is None:
            self.progress = dts
            return b""
        elif dts - self.progress < PCR_STEP:
            return b""
        else:
            pcr = self.pcr + dts - self.progress
        self.progress = dts
        extra = self.catch_up(pcr + PCR_LEAD)
        return extra + self.clock.writer.signal(self.reference(pcr, 0))
