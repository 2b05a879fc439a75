"""What every source and publisher of a stream writes to, on air or not.

An intake *holds* what comes while another input is on air, or before there is a place to begin
at; when it *goes live* it begins an epoch, writes what it holds into it, in one turn of the loop,
and passes everything on from then on. Only the one that is live has an epoch, so there is never a
second writer. One that is superseded holds again. Once it is closed it takes nothing any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.engine.epoch import CONFIG_WAIT_S
from streamctl.engine.health import Reading
from streamctl.engine.held import HeldPackets, HeldTransport
from streamctl.errors import StaleEpoch, Unsupported
from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.packet import Media

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from streamctl.engine.epoch import Epoch
    from streamctl.media.mpegts.index import TsIndex
    from streamctl.media.packet import Packet, Track
    from streamctl.sdk.context import Clock


class Intake:
    """Implements :class:`streamctl.sdk.lane.EpochWriter` for one run of one input."""

    def __init__(
        self,
        clock: Clock,
        *,
        begin: Callable[[str], Epoch],
        rap: Callable[[Intake], None],
    ) -> None:
        self.clock = clock
        self.epoch: Epoch | None = None
        """Set while it is live."""
        self.last_packet: float | None = None
        """Monotonic time of the newest packet."""
        self.begun_at = clock.now()
        self.closed = False
        self._begin = begin
        self._rap = rap
        """Called at each random-access point while it holds, if everything is known by then."""
        self._held: HeldPackets | HeldTransport | None = None
        self._selection: tuple[int | None, Collection[int]] = (None, ())
        self._tracks: dict[int, Track] = {}
        self._first_at: float | None = None
        """When something of the tracks was known first."""
        self._told = False
        self._past = Reading()
        """What was counted before what counts now began."""

    @property
    def ready(self) -> bool:
        """Whether it could go live at once."""
        return self._held is not None and self._held.ready and self._complete()

    @property
    def held_bytes(self) -> int:
        """Media that is held."""
        return self._held.size if self._held is not None else 0

    @property
    def carried(self) -> Sequence[Track]:
        """What it delivers, on air or not, as far as that is known."""
        epoch = self.epoch
        tracks = epoch.configured() if epoch is not None else self._known_tracks()
        return [track for track in tracks if track.config is not None]

    def go_live(self, reason: str) -> Epoch:
        """Begin an epoch with what is held."""
        patient = self._held is None or self._held.known()
        before = self.reading()
        epoch = self.epoch = self._begin(reason)
        held, self._held = self._held, None
        if self._selection != (None, ()):
            epoch.select(*self._selection)
        if self._tracks:
            # What is not known by now is waited for no longer.
            tracks = self._tracks.values()
            epoch.tracks([one for one in tracks if patient or one.config is not None])
        if held is not None:
            held.replay(epoch)
            epoch.settle(patient=patient)
            if epoch.last_packet is not None:
                self.last_packet = max(self.last_packet or 0.0, epoch.last_packet)
        self._past = Reading()
        self._past = minus(before, self.reading())
        return epoch

    def hold(self) -> None:
        """Another one goes live: begin to hold."""
        if self.epoch is None:
            return
        before = self.reading()
        transport = self.epoch.transport is not None
        self.epoch = None
        self._told = False
        self._held = None
        if transport:
            self._held = HeldTransport(*self._selection)
        elif self._tracks:
            self._held = HeldPackets(self._tracks.values())
        self._past = Reading()
        self._past = minus(before, self.reading())

    def close(self) -> None:
        """Take nothing any more; what is held is let go."""
        self.closed = True
        self.epoch = self._held = None

    def progress(self) -> float:
        """Something that changes when media comes: bytes that are none do not count."""
        epoch, held = self.epoch, self._held
        if epoch is not None and epoch.transport is not None:
            return units_of(epoch.transport.index)
        if isinstance(held, HeldTransport):
            return units_of(held.index)
        return self.last_packet or 0.0

    def reading(self) -> Reading:
        """What it has counted since its beginning."""
        epoch, held, past = self.epoch, self._held, self._past
        if epoch is not None:
            found = live_reading(epoch)
        elif held is not None:
            video = any(track.media is Media.VIDEO for track in self._known_tracks())
            found = Reading(0, held.frames, held.keys, held.lost, held.came, video)
        else:
            return past
        return Reading(
            past.bytes + (found.bytes if epoch is not None else 0),
            past.frames + found.frames,
            past.keys + found.keys,
            past.lost + found.lost,
            past.came + found.came,
            found.has_video,
        )

    def tracks(self, tracks: Sequence[Track]) -> None:
        """Announce the tracks; again when a configuration becomes known or changes."""
        self._check()
        self._tracks.update((track.id, track) for track in tracks)
        if self.epoch is not None:
            self.epoch.tracks(tracks)
            return
        held = self._packets()
        held.announce(tracks)
        if held.ready and not self._told:
            self._tell()

    def put(self, packets: list[Packet], now: float) -> None:
        """Write access units in decode order."""
        self.last_packet = now
        epoch = self.epoch
        if epoch is not None:
            epoch.put(packets, now)
            return
        self._check()
        held = self._packets()
        self._count(sum(len(packet.data) for packet in packets))
        point = held.put(packets, now)
        if point or (not self._told and held.ready):
            self._tell()

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        """Choose a program and PIDs of the MPEG-TS to come."""
        self._check()
        self._selection = (program, pids)
        if self.epoch is not None:
            self.epoch.select(program, pids)

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Write MPEG-TS bytes of any alignment.

        Raises:
            Unsupported: access units came before.
        """
        self.last_packet = now
        epoch = self.epoch
        if epoch is not None:
            epoch.put_ts(data, now)
            return
        self._check()
        held = self._held
        if held is None:
            held = self._held = HeldTransport(*self._selection)
        elif isinstance(held, HeldPackets):
            raise Unsupported("an input of access units can't take MPEG-TS")
        self._count(len(data))
        point = held.put(data, now)
        if point or (not self._told and held.ready):
            self._tell()

    def drop(self, count: int) -> None:
        """Count units that the source could not make into packets."""
        self._check()
        if self.epoch is not None:
            self.epoch.drop(count)

    def discontinuity(self, reason: str) -> None:
        """What comes does not go on from what came: that is not worth holding."""
        self._check()
        if self.epoch is not None:
            self.epoch.discontinuity(reason)
        elif self._held is not None:
            self._held.clear()

    def _packets(self) -> HeldPackets:
        held = self._held
        if held is None:
            held = self._held = HeldPackets()
        if isinstance(held, HeldTransport):
            raise Unsupported("tracks of MPEG-TS announce themselves")
        return held

    def _tell(self) -> None:
        """Say that there is a place to begin at, once everything is known that is waited for."""
        if self._complete():
            self._told = True
            self._rap(self)

    def _complete(self) -> bool:
        """Whether all tracks are known, or have been waited for long enough."""
        held = self._held
        if held is None:
            return False
        if held.known():
            return True
        if not any(track.config is not None for track in self._known_tracks()):
            return False
        now = self.clock.now()
        if self._first_at is None:
            self._first_at = now
        return now - self._first_at >= CONFIG_WAIT_S

    def _known_tracks(self) -> Sequence[Track]:
        held = self._held
        if isinstance(held, HeldTransport):
            return held.tracks()
        return list(self._tracks.values())

    def _count(self, size: int) -> None:
        past = self._past
        self._past = Reading(
            past.bytes + size, past.frames, past.keys, past.lost, past.came, past.has_video
        )

    def _check(self) -> None:
        if self.closed:
            raise StaleEpoch("the input has ended")


def live_reading(epoch: Epoch) -> Reading:
    """What an epoch has counted."""
    transport, init = epoch.transport, epoch.init
    joins = epoch.lane.joins
    keys = joins[-1].index if joins and epoch.on_air else 0
    video = init.first(Media.VIDEO) if init is not None else None
    if transport is not None:
        index = transport.index
        size = index.packets * PACKET_BYTES
        lost = index.continuity.lost_packets
        return Reading(size, index.units, keys, lost, index.packets, video is not None)
    meters = epoch.tracks_meter
    pictures = meters.get(video.id) if video is not None else None
    return Reading(
        bytes=sum(meter.bytes for meter in meters.values()),
        frames=pictures.items if pictures is not None else 0,
        keys=keys,
        has_video=video is not None,
    )


def units_of(index: TsIndex) -> int:
    """Packets of the program that came."""
    program = index.program
    if program is None:
        return 0
    packets = index.continuity.packets
    return sum(packets.get(stream.pid, 0) for stream in program.map.streams)


def minus(total: Reading, part: Reading) -> Reading:
    """What has to be added to ``part`` to make it the ``total``."""
    return Reading(
        total.bytes - part.bytes,
        total.frames - part.frames,
        total.keys - part.keys,
        total.lost - part.lost,
        total.came - part.came,
        total.has_video,
    )
