"""Keeps the promise of a sound track where MPEG-TS passes through: see :mod:`.silence`.

Frames of silence are written between what passes, on the PID of the sound that stays away, whose
counters go on. A stream that the program lacks is added to its map. When sound comes, it passes
from the first frame on that is behind the silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine.handover import sound_end
from streamctl.engine.silence import BURST, SILENT_S
from streamctl.engine.strand import Cargo
from streamctl.media.mpegts.elementary import elementary
from streamctl.media.mpegts.pidmap import Wanted, essence
from streamctl.media.mpegts.psi import PmtStream, language_descriptor
from streamctl.media.mpegts.streams import LATM
from streamctl.media.packet import TIMESCALE, Chunk, Flag, Kind, Packet
from streamctl.media.silence import silent_unit

if TYPE_CHECKING:
    from streamctl.engine.lane import Lane
    from streamctl.engine.passage import Passage
    from streamctl.engine.strand import Strand
    from streamctl.engine.timeline import Timeline
    from streamctl.engine.transport import Transport
    from streamctl.media.mpegts.elementary import Elementary
    from streamctl.media.mpegts.pidmap import Slot
    from streamctl.media.packet import Item, Track
    from streamctl.media.silence import SilentUnit


class StrandSilence:
    """Stands in for one stream of sound."""

    def __init__(
        self,
        stream: Elementary,
        unit: SilentUnit,
        slot: Slot,
        now: float,
        strand: Strand | None = None,
    ) -> None:
        self.strand = strand
        """The source's own stream; None if it has none."""
        self.filling = False
        self.unit = unit
        self._stream = stream
        self._slot = slot
        self._came = -1
        self._heard_at = now if strand is not None else now - SILENT_S
        self._waits = strand is not None
        """Sound may only be late: where everything was held up, pictures come first."""
        self._anchor = 0
        self._made = 0

    @property
    def end(self) -> int:
        """Where the silence made so far ends."""
        return self._anchor + round(self._made * self.unit.length)

    def miss(self, came: int) -> None:
        """Begin at once, unless the strand passes, until more packets come than these."""
        self._came = came
        self._heard_at -= SILENT_S
        self._waits = False

    def tend(self, transport: Transport, lane: Lane, timeline: Timeline, now: float) -> list[Item]:
        """The chunk that is missing, up to where the pictures are."""
        if self.strand is not None:
            came = transport.index.continuity.came(self.strand.pid)
            if came != self._came or (self.strand.open and not self._waits):
                self._came, self._heard_at, self.filling = came, now, False
                self._waits = True
        if now - self._heard_at < SILENT_S:
            return []
        if not self.filling:
            late = timeline.video_end - self._heard_until(transport, timeline)
            if self._waits and late < SILENT_S * TIMESCALE:
                return []
            self._begin(transport, lane, timeline)
        return self._make(transport, timeline)

    def _heard_until(self, transport: Transport, timeline: Timeline) -> int:
        """Where the sound of the strand ends, nearly."""
        passage, strand = transport.passage, self.strand
        line = passage.clock.lines.get(strand.pid) if passage and strand else None
        return timeline.audio_end if line is None else line.source + line.offset + line.longest

    def _begin(self, transport: Transport, lane: Lane, timeline: Timeline) -> None:
        """Go on behind the last frame; nothing of the strand passes before another one begins."""
        self.filling = True
        passage, strand = transport.passage, self.strand
        assert passage is not None
        self._made = 0
        late = timeline.video_end - round(2 * SILENT_S * TIMESCALE)
        if strand is None or not strand.open:
            self._anchor = passage.sounds.wanted(self._slot.writer.pid)
            if passage.sounds.heard:
                self._anchor = max(self._anchor, timeline.audio_end, late)
            return
        heard = sound_end(lane, passage.chunker.epoch, strand, timeline.audio_end)
        self._anchor = max(timeline.audio_end if heard is None else heard, late)
        passage.cease(strand)

    def _make(self, transport: Transport, timeline: Timeline) -> list[Item]:
        passage, slot, unit = transport.passage, self._slot, self.unit
        assert passage is not None
        begin = at = self.end
        data = bytearray()
        first, counter = not self._made, slot.writer.continuity
        for _ in range(BURST):
            at = self.end
            if at + unit.length > timeline.video_end:
                break
            self._made += 1
            packet = Packet(0, at, at, Kind.AUDIO, int(Flag.SYNTHETIC), unit.data)
            data += slot.writer.unit(self._stream.pes(packet))
        if not data:
            return []
        if first and self.strand is None:
            # The map has only just got it, and who skipped since it had gone knows no counters.
            data[:0] = passage.plan.pids.tables() + slot.writer.discontinuity(counter)
        slot.fresh = False
        end = self.end
        timeline.passed(end, at, video=False)
        timeline.sound_ends[slot.writer.pid] = end
        passage.sounds.heard_until(slot.writer.pid, end)
        return [Chunk(bytes(data), begin, end, False, False, passage.chunker.epoch)]


def own_silence(
    track: Track, transport: Transport, now: float, former: StrandSilence | None
) -> StrandSilence | None:
    """What can stand in for a track of the program; None if nothing can, or nobody would notice.

    ``former`` is what could before, and goes on if the strand is the same.
    """
    passage = transport.passage
    pid = next((pid for pid, one in transport.prober.tracks.items() if one.id == track.id), None)
    if passage is None or pid is None or not has_pictures(passage):
        return None
    strand = passage.plan.by_pid.get(pid)
    stream, unit = elementary(track), silent_unit(track)
    if strand is None or strand.stream is None or stream is None or unit is None:
        return None
    if strand.stream.stream_type == LATM:
        return None
    if former is not None and former.strand is strand and former.unit == unit:
        return former
    return StrandSilence(stream, unit, strand.slot, now, strand)


def has_pictures(passage: Passage) -> bool:
    """Whether there are pictures that silence could go along with."""
    leader = passage.plan.leader
    return leader is not None and leader.cargo is Cargo.PICTURE


def promised_silence(track: Track, transport: Transport, now: float) -> StrandSilence | None:
    """What stands in for a track that the program lacks, which is added; None if nothing can."""
    stream, unit, passage = elementary(track), silent_unit(track), transport.passage
    if stream is None or unit is None or passage is None:
        return None
    plan = passage.plan
    announced = next((one for one in plan.by_pid.values() if one.cargo is Cargo.SOUND), None)
    if announced is not None:
        # It is in the map, and has not shown what it is.
        if announced.codec is not track.codec:
            return None
        silence = StrandSilence(stream, unit, announced.slot, now, announced)
        if not passage.sounds.heard:
            # Else it has only moved, and is not missed yet.
            silence.miss(transport.index.continuity.came(announced.pid))
        return silence
    wanted = Wanted(essence(stream.stream_type, stream.descriptors), track.language)
    (slot,) = plan.pids.assign([wanted], [strand.slot for strand in plan.by_pid.values()])
    descriptors = stream.descriptors + language_descriptor(track.language)
    promised = PmtStream(stream.stream_type, slot.writer.pid, descriptors)
    plan.promise(promised, slot, passage.program)
    return StrandSilence(stream, unit, slot, now)
