"""What an input keeps while another one is on air: enough to go on air in this moment.

That is the newest group of pictures, from its random-access point on, and the sound and data of
the two seconds before, which may belong to it: bytes interleave as every multiplexer likes. Both
kinds of origin are held as they come, with the times at which they came, and are written into an
epoch in one turn of the loop.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from streamctl.engine.prober import ROW, Prober
from streamctl.engine.transport import CHANGE_WORK, Unrest
from streamctl.media.mpegts.align import Aligner
from streamctl.media.mpegts.batch import ArrayBatch
from streamctl.media.mpegts.index import Entry, ProgramChange, TsIndex
from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.psi import PAT_PID
from streamctl.media.packet import Kind, Media

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from streamctl.engine.epoch import Epoch
    from streamctl.media.packet import Packet, Track

EARLY_S = 2.0
"""Sound and data that came this long before the picture may be shown with it."""
HELD_BYTES = 67_108_864
"""A group of pictures may have 10 s at 50 Mbit/s; one that has more can't be begun with."""
WHOLE_S = 0.5
"""So long after its beginning a picture is whole, even if none follows it."""
SOUND_POINT_S = 0.5
"""Places to begin at are this far apart where there is only sound."""
TABLES = 32
"""Packets with tables that are kept beyond their time: the tables of the largest programs."""


class HeldPackets:
    """Access units."""

    def __init__(self, tracks: Iterable[Track] = ()) -> None:
        self.tracks: dict[int, Track] = {track.id: track for track in tracks}
        self.frames = 0
        """Pictures that came so far."""
        self.keys = 0
        """Random-access points that came so far."""
        self.lost = self.came = 0
        """What was lost of access units can't be seen here."""
        self._early: deque[tuple[float, Packet]] = deque()
        self._run: list[tuple[float, Packet]] = []
        self._bytes = 0
        self._point_at = 0.0

    @property
    def ready(self) -> bool:
        """Whether there is a random-access point to begin at."""
        return bool(self._run)

    @property
    def size(self) -> int:
        """Payload that is held."""
        return self._bytes

    def announce(self, tracks: Iterable[Track]) -> None:
        """Take what the source says of its tracks."""
        self.tracks.update((track.id, track) for track in tracks)

    def known(self) -> bool:
        """Whether the configuration of every track is known."""
        return bool(self.tracks) and all(one.config is not None for one in self.tracks.values())

    def put(self, packets: Iterable[Packet], now: float) -> bool:
        """Hold access units; whether there was a random-access point among them."""
        found = False
        leader = self._leader()
        for packet in packets:
            self._bytes += len(packet.data)
            if packet.kind is Kind.KEY or packet.kind is Kind.P or packet.kind is Kind.B:
                self.frames += 1
            if packet.track == leader and self._begins(packet, now):
                self._begin(now)
                found = True
                self._run.append((now, packet))
            elif self._run:
                self._run.append((now, packet))
            elif packet.kind is Kind.AUDIO or packet.kind is Kind.DATA:
                self._early.append((now, packet))
            else:
                self._bytes -= len(packet.data)
        self._bound(now)
        return found

    def replay(self, epoch: Epoch) -> None:
        """Write what is held, and hold nothing any more."""
        held = [*self._early, *self._run]
        self.clear()
        for now, group in groupby(held, key=itemgetter(0)):
            epoch.put([packet for _, packet in group], now)

    def clear(self) -> None:
        """Hold nothing any more."""
        self._early.clear()
        self._run = []
        self._bytes = 0

    def _leader(self) -> int | None:
        """The track whose units are begun with; None = nothing is known yet."""
        tracks = self.tracks.values()
        video = next((one.id for one in tracks if one.media is Media.VIDEO), None)
        if video is not None:
            return video
        return next((one.id for one in tracks if one.media is Media.AUDIO), None)

    def _begins(self, packet: Packet, now: float) -> bool:
        if packet.kind is Kind.AUDIO:
            return not self._run or now - self._point_at >= SOUND_POINT_S
        return packet.kind is Kind.KEY

    def _begin(self, now: float) -> None:
        """Let go of what lies before a random-access point, but for what sounds with it."""
        self.keys += 1
        self._point_at = now
        for at, packet in self._run:
            if packet.kind is Kind.AUDIO or packet.kind is Kind.DATA:
                self._early.append((at, packet))
            else:
                self._bytes -= len(packet.data)
        self._run = []

    def _bound(self, now: float) -> None:
        oldest = (self._point_at if self._run else now) - EARLY_S
        early = self._early
        while early and early[0][0] < oldest:
            self._bytes -= len(early.popleft()[1].data)
        if self._bytes > HELD_BYTES:
            self.clear()


@dataclass(slots=True)
class Piece:
    """Whole packets that came together."""

    now: float
    start: int
    """Number of the first one."""
    data: bytes
    end: int = field(init=False)

    def __post_init__(self) -> None:
        self.end = self.start + len(self.data) // PACKET_BYTES


class HeldTransport:
    """Transport packets of one program."""

    def __init__(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.selection = (program, pids)
        self.index = TsIndex(program, pids)
        self.prober = Prober(program, pids)
        self.frames = 0
        """Pictures that came so far."""
        self.keys = 0
        """Random-access points that came so far."""
        self._aligner = Aligner()
        self._put_at = 0.0
        """When something came last, whole packets or not."""
        self._unrest = Unrest()
        self._pieces: deque[Piece] = deque()
        self._bytes = 0
        self._tables = b""
        """Tables from before what is held."""
        self._point: int | None = None
        """The packet to begin at."""
        self._point_at = 0.0
        """When it came."""
        self._coming: int | None = None
        """The packet to begin at as soon as the rest of its picture has come."""
        self._coming_at = 0.0

    @property
    def ready(self) -> bool:
        """Whether there is a random-access point to begin at."""
        return self._point is not None

    @property
    def size(self) -> int:
        """Packets that are held."""
        return self._bytes

    @property
    def lost(self) -> int:
        """Packets that were sent and did not come, by their counters."""
        return self.index.continuity.lost_packets

    @property
    def came(self) -> int:
        """Packets that came."""
        return self.index.packets

    def known(self) -> bool:
        """Whether the configuration of every track is known, or can't be read."""
        return self.index.program is not None and (self.prober.done or self.index.scrambled)

    def tracks(self) -> list[Track]:
        """What the program consists of."""
        return list(self.prober.tracks.values())

    def put(self, data: bytes | bytearray | memoryview, now: float) -> bool:
        """Hold bytes of any alignment; whether a random-access point was found."""
        self._put_at = now
        packets = bytes(self._aligner.feed(data))
        if not packets or self._unrest.too_much(now):
            return False
        self._pieces.append(Piece(now, self.index.packets, packets))
        self._bytes += len(packets)
        units = self.index.units
        events = self.index.feed(packets)
        self._unrest.note(self.index.units - units, now)
        found = self._coming is not None and now - self._coming_at >= WHOLE_S and self._mark()
        for event in events:
            if isinstance(event, ProgramChange):
                self._unrest.note(CHANGE_WORK, now)
                self.prober.follow(event.program)
            elif isinstance(event, Entry):
                self.frames += event.kind is not Kind.AUDIO
                found = self._mark() or found
                if event.rap:
                    self.keys += 1
                    self._expect(event.packet, now)
        if not self.prober.done:
            self.prober.feed(packets, self.index.program)
        self._bound(now)
        return found

    def replay(self, epoch: Epoch) -> None:
        """Write what is held, and hold nothing any more."""
        epoch.select(*self.selection)
        point, pieces = self._point, list(self._pieces)
        if self._tables and pieces:
            epoch.put_ts(self._tables, pieces[0].now)
        for piece in pieces:
            data = piece.data
            if point is not None and piece.start < point:
                cut = max(0, min(len(data), (point - piece.start) * PACKET_BYTES))
                early = self._without_pictures(data[:cut])
                if early:
                    epoch.put_ts(early, piece.now)
                data = data[cut:]
            if data:
                epoch.put_ts(data, piece.now)
            epoch.settle()
        rest = self._aligner.rest
        if rest:
            epoch.put_ts(rest, self._put_at)
        self.clear()

    def clear(self) -> None:
        """Hold nothing any more."""
        self._aligner = Aligner()
        self._pieces.clear()
        self._bytes = 0
        self._point = self._coming = None

    def _without_pictures(self, packets: bytes) -> bytes:
        """The packets of everything but the stream that is begun with."""
        lead = self.index.lead
        if lead is None or not packets:
            return packets
        rows = ArrayBatch(packets).pids != lead.pid
        return np.frombuffer(packets, ROW).compress(rows).tobytes()

    def _expect(self, point: int, now: float) -> None:
        """A random-access point has begun; it may have come in an earlier piece."""
        held = (piece.now for piece in reversed(self._pieces) if piece.start <= point)
        self._coming, self._coming_at = point, next(held, now)

    def _mark(self) -> bool:
        """Begin from now on at the point whose picture is whole, if there is one.

        Whoever went on air with a part of it would keep everybody waiting for the rest.
        """
        if self._coming is None:
            return False
        self._point, self._point_at = self._coming, self._coming_at
        self._coming = None
        return True

    def _bound(self, now: float) -> None:
        """Let go of what lies too far before the point, or too far back while there is none."""
        pieces = self._pieces
        if self._point is not None:
            oldest = self._point_at - EARLY_S
        else:
            oldest = (now if self._coming is None else self._coming_at) - EARLY_S
        while len(pieces) > 1 and pieces[0].now < oldest:
            self._drop(pieces.popleft())
        if self._bytes > HELD_BYTES:
            while pieces:
                self._drop(pieces.popleft())
            self._point = self._coming = None

    def _drop(self, piece: Piece) -> None:
        self._bytes -= len(piece.data)
        if self._point is not None and piece.end > self._point:
            self._point = None
        program = self.index.program
        if program is None:
            return
        pids = ArrayBatch(piece.data).pids
        rows = (pids == PAT_PID) | (pids == program.pmt_pid)
        found = np.frombuffer(piece.data, ROW).compress(rows).tobytes()
        if found:
            self._tables = (self._tables + found)[-TABLES * PACKET_BYTES :]
