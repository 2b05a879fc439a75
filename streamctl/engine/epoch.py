"""One epoch: the writer that a source holds, from its first track to its end.

The writer is the token of the stream: once the epoch has ended every call raises
``StaleEpoch``, so a late source can never write behind a new one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from streamctl.engine.gather import Gatherer
from streamctl.engine.handover import note_sound_ends
from streamctl.engine.interlude import Interlude
from streamctl.engine.meter import Meter
from streamctl.engine.queued import Queued
from streamctl.engine.silence import missing_sound, stand_in
from streamctl.engine.splice import Splice
from streamctl.engine.strandsilence import own_silence, promised_silence
from streamctl.engine.transport import Transport
from streamctl.errors import StaleEpoch, Unsupported
from streamctl.media.codecs import complete
from streamctl.media.packet import Boundary, Format, Init, InitChange, Media

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from streamctl.engine.graph import Graph
    from streamctl.engine.silence import Silence
    from streamctl.engine.strandsilence import StrandSilence
    from streamctl.engine.timeline import EpochClock, Timeline
    from streamctl.media.packet import Packet, Track
    from streamctl.sdk.context import Clock, Timer

CONFIG_WAIT_S = 3.0
"""Announced tracks without a configuration are waited for this long after the first one."""
DATA_WAIT_S = 10.0
"""Sound and pictures that a program promises are waited for this long while only data comes."""

BACKLOG_BYTES = 1_048_576
"""MPEG-TS that may wait for turns of the loop. Beyond it a source has to wait until as much is
dealt with as it brings, which holds a fast one up."""
LAST_TURNS = 16
"""Turns' work that is done at once where an epoch ends: enough for the backlog of any real one."""

RESTLESS = "more pictures or changes of the program a second than any has: they are left out"


class Phase(enum.Enum):
    """The life of an epoch."""

    COLLECTING = enum.auto()
    """Tracks or their configurations are missing."""
    OPEN = enum.auto()
    ENDED = enum.auto()


@dataclass(frozen=True, slots=True)
class EpochHost:
    """What an epoch needs of its stream."""

    graph: Graph
    timeline: Timeline
    clock: Clock
    number: Callable[[], int]
    """Hands out the next epoch number."""
    begun: Callable[[Init], None]
    """Called when the first packet of the epoch is about to be written."""


class Epoch:
    """Implements :class:`streamctl.sdk.lane.EpochWriter`; the first bytes decide the origin."""

    def __init__(self, host: EpochHost, reason: str) -> None:
        self.host = host
        self.reason = reason
        self.phase = Phase.COLLECTING
        self.number = host.number()
        self.init: Init | None = None
        self.meter = Meter()
        self.tracks_meter: dict[int, Meter] = {}
        self.dropped = 0
        """Packets of unannounced tracks, or dropped while configurations were missing, and units
        that the source could not make into packets."""
        self.last_packet: float | None = None
        """Monotonic time of the newest packet."""
        self.opened_at = host.clock.now()
        self.past_jumps = 0
        self._announced: dict[int, Track] = {}
        self._queued = Queued()
        self._timer: Timer | None = None
        self._due = 0.0
        """When the timer goes off."""
        self._splice: Splice | None = None
        self._clock: EpochClock | None = None
        """Set once every track has started: packets need nothing but the clock then."""
        self.lane = host.graph.packets.lane
        """What is written: the packets, unless transport packets come."""
        self.transport: Transport | None = None
        """Set when the epoch's origin is MPEG-TS."""
        self._silence: Silence | None = None
        """What stands in for missing sound, if anything can."""
        self._strand_silence: StrandSilence | None = None
        """The same for an origin of MPEG-TS."""
        self._interlude = Interlude(host.clock)
        self._gatherer = Gatherer(host.clock, self._pass)
        self._selection: tuple[int | None, Collection[int]] = (None, ())

    def tracks(self, tracks: Sequence[Track]) -> None:
        """Announce the tracks; again when a configuration becomes known or changes."""
        self._check()
        if self.transport is not None:
            raise Unsupported("tracks of MPEG-TS announce themselves")
        self._announce(tracks)

    def _announce(self, tracks: Sequence[Track]) -> None:
        for track in tracks:
            known = self._announced.get(track.id)
            if known is None or known != track:
                self._announced[track.id] = complete(track) if track.config is not None else track
        if self.phase is Phase.OPEN:
            self._change()
        elif self._announced and all(t.config is not None for t in self._announced.values()):
            self._open()
        else:
            self._hurry()

    def _hurry(self) -> None:
        """Limit the wait for tracks that are not known yet."""
        shown = [t for t in self._announced.values() if t.media is not Media.DATA]
        known = any(track.config is not None for track in shown)
        if self.transport is None and not known:
            return
        wait_s = CONFIG_WAIT_S if known or not shown else DATA_WAIT_S
        due = self.host.clock.now() + wait_s
        if self._timer is not None:
            if due >= self._due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self.host.clock.call_later(wait_s, self._open)

    def put(self, packets: list[Packet], now: float) -> None:
        """Write access units in decode order."""
        meters = self.tracks_meter
        number = self.number
        for packet in packets:
            meter = meters.get(packet.track)
            if meter is None:
                meter = meters[packet.track] = Meter()
                self._clock = None
            meter.items += 1
            meter.bytes += len(packet.data)
            packet.epoch = number
        self.last_packet = now
        clock = self._clock
        if clock is not None:
            clock.map(packets, now)
            self.host.timeline.emitted(packets)
            if self._silence is not None:
                packets = self._silence.tend(packets, now, self.host.timeline, meters)
            self.lane.append(packets)
            return
        self._check()
        if self.transport is not None:
            raise Unsupported("an epoch of MPEG-TS takes no access units")
        if self.phase is Phase.OPEN:
            self._write(packets, now)
            return
        self.dropped += self._queued.put(packets, now)

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        """Choose a program and PIDs of the MPEG-TS to come."""
        self._check()
        self._selection = (program, pids)

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Write MPEG-TS bytes of any alignment.

        Raises:
            Unsupported: this epoch takes access units.
        """
        if self.phase is Phase.ENDED or self.transport is None:
            self._begin_transport()
        self.last_packet = now
        self._gatherer.put(data, now)

    def _pass(self, data: bytes | bytearray | memoryview) -> None:
        """Deal with transport packets."""
        transport = self.transport
        assert transport is not None
        enough = max(transport.waiting_bytes, BACKLOG_BYTES)
        transport.feed(data, self.last_packet or 0.0)
        self._work(transport)
        while transport.waiting_bytes > enough:
            self._work(transport)
        if transport.waiting_bytes:
            self._gatherer.call_again()

    def _work(self, transport: Transport) -> None:
        """Deal with what one turn of the loop may take."""
        items = transport.work()
        if items:
            self.lane.append(items)
        if transport.news:
            self._announced.clear()
            self._announce(transport.tracks())
        if transport.turned:
            self._turn(transport)
        elif transport.sealed and self.phase is Phase.COLLECTING:
            self._open()
        if self._strand_silence is not None and transport.begun and not transport.sealed:
            timeline, now = self.host.timeline, self.last_packet or 0.0
            self.lane.append(self._strand_silence.tend(transport, self.lane, timeline, now))
        if transport.halted:
            self._interrupt(transport)

    def _turn(self, transport: Transport) -> None:
        """Begin other epochs wherever scrambling begins or ends in what waits."""
        while transport.turned:
            self._start_over(transport.turned)
            items = transport.go_on(self.last_packet or 0.0)
            if items:
                self.lane.append(items)

    def between_pictures(self, call: Callable[[], None]) -> None:
        """Call as soon as the picture that is being written is whole, or no more of it comes.

        Who ends the epoch then leaves no torn picture behind.
        """
        transport = self.transport
        if transport is None or not transport.begun or self.phase is Phase.ENDED:
            call()
            return
        transport.halt()
        self._interlude.ask(call, partial(self._interrupt, transport))

    def _interrupt(self, transport: Transport) -> None:
        """Call those who wait for the end of a picture, and go on."""
        self._interlude.run()
        if self.phase is not Phase.ENDED:
            items = transport.resume(self.last_packet or 0.0)
            if items:
                self.lane.append(items)

    def drop(self, count: int) -> None:
        """Count units that the source could not make into packets."""
        self._check()
        self.dropped += count

    def discontinuity(self, reason: str) -> None:
        """Start over as a new epoch of the same source."""
        self._check()
        self._settle()
        self._start_over(reason)

    def _start_over(self, reason: str) -> None:
        if self.phase is Phase.OPEN and self.init is not None:
            self.past_jumps = self.jumps
            self.dropped = self.lost + (self._splice.held if self._splice else 0)
            self.number = self.host.number()
            self.reason = reason
            self.init = replace(self.init, epoch=self.number)
            self._clock = None
            if self.transport is None:
                self._splice = self._new_splice(self.init)
            else:
                self._note_sound(self.transport)
                self.transport.restart(self.number)
                self._strand_silence = None
                self._promise_strand(self.transport)

    def _note_sound(self, transport: Transport) -> None:
        """Find out where the sound ends that was written."""
        if transport.passage is not None:
            note_sound_ends(self.lane, transport.passage, self.host.timeline)

    def end(self) -> None:
        """Revoke the token; may be called twice."""
        if self.phase is Phase.ENDED:
            return
        self.host.timeline.whole = self._interlude.running and bool(
            self.transport and self.transport.halted
        )
        if not self._interlude.running:
            self._settle()
        self.phase = Phase.ENDED
        self._interlude.close()
        self.dropped += self._queued.packets + (self._splice.held if self._splice else 0)
        self._clock = None
        self._queued.take()
        if self.transport is not None:
            self._gatherer.close()
            self._note_sound(self.transport)
            self.transport.finish()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def jumps(self) -> int:
        """Timestamp jumps of the source so far."""
        if self.transport is not None:
            return self.past_jumps + self.transport.jumps
        clock = self._splice.clock if self._splice else None
        return self.past_jumps + (clock.jumps if clock else 0)

    @property
    def missing(self) -> int:
        """Packets of MPEG-TS that were sent and did not come, by their counters."""
        return self.transport.index.continuity.lost_packets if self.transport is not None else 0

    @property
    def lost(self) -> int:
        """Packets that never reached the lane."""
        if self.transport is not None:
            return self.dropped + self.transport.dropped
        return self.dropped + (self._splice.dropped if self._splice else 0)

    @property
    def on_air(self) -> bool:
        """Whether packets are being written."""
        if self.transport is not None:
            return self.phase is Phase.OPEN and self.transport.begun
        return self.phase is Phase.OPEN and self._splice is not None and bool(self._splice.clock)

    @property
    def waiting(self) -> str:
        """Why nothing is on air although something came; empty = it is, or nothing came."""
        if self.on_air or self.last_packet is None:
            return ""
        reason = self.transport.index.programs.reason if self.transport is not None else ""
        return reason or "no random-access point or no codec yet"

    def sample(self, now: float) -> None:
        """Move the rate windows on; called about once a second."""
        if self.transport is not None:
            self.transport.measure(self.tracks_meter, now)
            restless = self.transport.unrest.too_much(now)
            self.host.graph.note("input", RESTLESS if restless else "")
        total = 0
        items = 0
        for meter in self.tracks_meter.values():
            meter.sample(now)
            total += meter.bytes
            items += meter.items
        self.meter.bytes, self.meter.items = total, items
        self.meter.sample(now)

    def settle(self, *, patient: bool = True) -> None:
        """Deal at once with what waits; without patience also for tracks that are not known."""
        self._settle()
        if not patient and self.phase is Phase.COLLECTING and self._announced:
            self._open()
        self._settle()

    def _settle(self) -> None:
        """Deal with what waits, before something else begins."""
        self._gatherer.flush()
        transport = self.transport
        if transport is not None:
            for _ in range(LAST_TURNS):
                if not transport.waiting_bytes:
                    break
                self._work(transport)

    def _check(self) -> None:
        if self.phase is Phase.ENDED:
            raise StaleEpoch("the epoch has ended")

    def _open(self) -> None:
        """Open the init with every track whose configuration is known."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.phase is not Phase.COLLECTING:
            return
        self.phase = Phase.OPEN
        tracks = self.configured()
        if self.transport is not None:
            self.transport.open(self.number)
            tracks = self._promise_strand(self.transport)
            self.init = Init(self.host.graph.version, self.number, tracks)
            self._gatherer.call_again()
            return
        self.init = Init(self.host.graph.version, self.number, self._promise(tracks))
        self._splice = self._new_splice(self.init)
        for packets, now in self._queued.take():
            self._write(packets, now)

    def _change(self) -> None:
        """Tracks changed while open: a new init version, no boundary."""
        if self.transport is None:
            tracks = self._promise(self.configured())
        else:
            tracks = self._promise_strand(self.transport)
        if self.init is None or tracks == self.init.tracks:
            return
        self.init = Init(self.host.graph.version, self.number, tracks)
        self._clock = None
        if self.on_air:
            self.lane.append([InitChange(self.init)])

    def configured(self) -> tuple[Track, ...]:
        """The tracks of the source whose configuration is known."""
        return tuple(t for t in self._announced.values() if t.config is not None)

    def _promise(self, tracks: tuple[Track, ...]) -> tuple[Track, ...]:
        """The tracks with the sound that viewers were told of, if silence can stand in for it."""
        host, now = self.host, self.host.clock.now()
        sound = next((track for track in tracks if track.media is Media.AUDIO), None)
        if sound is not None:
            self._silence = stand_in(sound, now, own=True, before=self._silence)
            return tracks
        missing = missing_sound(host.graph, tracks, host.timeline.outage_s(now))
        if missing is None:
            return tracks
        if self._silence is None:
            self._silence = stand_in(missing, now, own=False)
        return tracks if self._silence is None else (*tracks, self._silence.track)

    def _promise_strand(self, transport: Transport) -> tuple[Track, ...]:
        """The same where transport packets pass through."""
        host, now, tracks = self.host, self.host.clock.now(), self.configured()
        sound = next((track for track in tracks if track.media is Media.AUDIO), None)
        if sound is not None:
            self._strand_silence = own_silence(sound, transport, now, self._strand_silence)
            return tracks
        self._strand_silence = None
        missing = missing_sound(host.graph, tracks, host.timeline.outage_s(now))
        if missing is None or transport.sealed:
            return tracks
        self._strand_silence = promised_silence(missing, transport, now)
        return tracks if self._strand_silence is None else (*tracks, missing)

    def _new_splice(self, init: Init) -> Splice:
        has_video = init.first(Media.VIDEO) is not None
        return Splice(self.host.timeline, has_video=has_video, tracks=init.tracks)

    def _write(self, packets: list[Packet], now: float) -> None:
        """Write while tracks are still starting, or unannounced ones come along."""
        splice = self._splice
        assert splice is not None
        assert self.init is not None
        known = {track.id for track in self.init.tracks}
        kept = [packet for packet in packets if packet.track in known]
        self.dropped += len(packets) - len(kept)
        out = splice.feed(kept, now, self._begin)
        if out:
            if self._silence is not None:
                out = self._silence.tend(out, now, self.host.timeline, self.tracks_meter)
            self.lane.append(out)
        if known.issuperset(self.tracks_meter) and splice.settled(self.configured()):
            self._clock = splice.clock

    def _begin_transport(self) -> None:
        """Make MPEG-TS the origin of this epoch."""
        self._check()
        if self._announced or self._queued.packets:
            raise Unsupported("an epoch of access units can't take MPEG-TS")
        host = self.host
        self.lane = host.graph.lane(Format.MPEGTS)
        self.transport = Transport(host.graph.pids, host.timeline, self._begin, self._selection)

    def _begin(self) -> None:
        """Take over the lane, and tell everybody what begins."""
        assert self.init is not None
        sealed = self.transport is not None and self.transport.sealed
        if self.transport is None:
            self.host.timeline.sound_ends.clear()
        else:
            # Maps that were held may have come and gone since it was opened.
            self._promise_strand(self.transport)
        self.host.graph.rewire(self.lane.format, sealed=sealed)
        self.host.begun(self.init)
        whole = self.host.timeline.whole
        self.lane.append([Boundary(self.number, self.init, self.reason, whole)])
