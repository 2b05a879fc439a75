"""A lane of one stream, with the converter that fills it while somebody reads it.

A lane works while it has readers, and for ``GRACE_S`` longer. It starts with what the lane that it
is made from holds: for viewers, who begin at the newest random-access point, little more than that;
for readers that want history, all of it. What is too much for one turn of the loop is converted in
pieces, with what comes meanwhile behind it; nobody joins then, for he would be late. The converter
object stays with its lane for the stream's whole life. The lane that the running epoch writes
itself needs no converter; when the next epoch has the other origin, the two trunk lanes change
their parts under the eyes of their readers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamctl.engine import carriage
from streamctl.engine.fanout import LaneFanOut
from streamctl.engine.lane import Bounds, Lane
from streamctl.media.packet import Boundary, Chunk, Format, InitChange, Item, Packet
from streamctl.sdk.plugin import Heir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.engine.graph import Graph
    from streamctl.sdk.context import Timer
    from streamctl.sdk.plugin import Converter, ConverterSpec

GRACE_S = 5.0
"""How long a converter goes on after its last reader left."""
DERIVED_S = 4.0
"""Media time that derived lanes hold beside the newest two groups of pictures."""
PIECE_BYTES = 2_097_152
"""What is converted of the past in one turn of the loop: some 10 ms."""
CHUNK_BYTES = 16_384
PACKET_BYTES = 1024
"""What a chunk or a packet costs beside its bytes, as so many more of them."""


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """What a graph takes from the stream's configuration."""

    bounds: Bounds
    merge_s: float
    slow_viewer_timeout_s: float
    outputs: Mapping[str, Format] = field(default_factory=dict)
    """The kinds that serve the stream, with the format that their viewers read."""


class Derived:
    """A lane, its converter, and the readers that keep it working."""

    def __init__(self, graph: Graph, spec: ConverterSpec) -> None:
        self.graph = graph
        self.spec = spec
        settings = graph.settings
        bounds = Bounds(DERIVED_S, settings.bounds.max_bytes)
        self.lane = Lane(spec.target, bounds, graph.reader_failed)
        self.fanout = LaneFanOut(
            self.lane,
            graph.clock,
            merge_s=settings.merge_s,
            slow_viewer_timeout_s=settings.slow_viewer_timeout_s,
        )
        if spec.target is not Format.PACKETS:
            self.lane.add_reader(self.fanout)
        self.converter: Converter = spec.factory()
        self.users = 0
        self.running = False
        """The converter is at work."""
        self.direct = False
        """The epoch writes this lane itself."""
        self.refusal = ""
        """Why the present tracks can't be watched in this format; empty = they can."""
        self.left_out = ""
        """Names of the tracks that the lane goes without."""
        self._left_out: frozenset[int] = frozenset()
        self._past: deque[Item] = deque()
        """What is still to be converted before what comes now."""
        self._turn: Timer | None = None
        self._grace: Timer | None = None
        if graph.closed:
            self.lane.finish()

    @property
    def name(self) -> str:
        """The conversion in words."""
        return f"{self.spec.source} to {self.spec.target}"

    @property
    def source(self) -> Derived:
        """Where the converter's input comes from."""
        return self.graph.entry(self.spec.source)

    @property
    def working(self) -> bool:
        """Whether the lane is being filled."""
        return self.direct or self.running

    def use(self, *, whole: bool = False) -> None:
        """One more reader: start if it is the first, perhaps with the whole past."""
        self.users += 1
        self._cancel_grace()
        if not self.working and self.users > 1:
            # It has failed. Those who stay have seen the past.
            self.restart()
        elif not self.working:
            self.source.settle()
            self._start(whole=whole)
            lane = self.source.lane
            past = lane.history() if whole else lane.history(DERIVED_S, PIECE_BYTES)
            self._past.extend(past)
            self._catch_up()
            self._follow()

    def settle(self) -> None:
        """Convert the rest of the past at once: who begins here has to find what is newest."""
        if self._past:
            self._contained(self._drop_past())
            self._caught_up()

    def leave(self) -> None:
        """One reader less: stop after the grace if it was the last."""
        self.users -= 1
        if self.users == 0 and self.running:
            self._grace = self.graph.clock.call_later(GRACE_S, self.stop)

    def stop(self) -> None:
        """Stop converting and let the memory go."""
        self._cancel_grace()
        self._halt()
        self.lane.clear()
        self.fanout.reset()

    def adjust(self, settings: GraphSettings) -> None:
        """Go on with other settings; what a lane holds too much leaves with the next item."""
        own = Bounds(DERIVED_S, settings.bounds.max_bytes)
        self.lane.bounds = settings.bounds if self.direct else own
        self.fanout.merge_s = settings.merge_s
        self.fanout.slow_viewer_timeout_s = settings.slow_viewer_timeout_s

    def take_over(self) -> None:
        """The epoch to come writes this lane itself: convert what is left, and no more."""
        self._cancel_grace()
        if self.running:
            self._flush()
            self._halt()
        self.direct = True
        self.lane.bounds = self.graph.settings.bounds
        self.refusal = ""
        self.left_out, self._left_out = "", frozenset()
        self.graph.note(f"{self.lane.format}", "")

    def hand_over(self) -> None:
        """The epoch to come writes the other trunk lane: go on from that, if anybody reads."""
        self.direct = False
        self.lane.bounds = Bounds(DERIVED_S, self.graph.settings.bounds.max_bytes)
        if self.users:
            # What came before is in the lane already.
            self._start()
            self._follow()
        else:
            self.stop()

    def restart(self) -> None:
        """Begin afresh after a failure, if the lane is still wanted."""
        if not self.users or self.working or self.graph.closed:
            return
        self._start()
        init = self.source.lane.init
        if init is not None:
            boundary = Boundary(init.epoch, init, "converter restarted")
            self.source.lane.feed(self, [boundary])
        self._follow()

    def feed(self, items: Sequence[Item]) -> None:
        """Convert items of the source lane, behind those of the past."""
        if self._past:
            self._past.extend(items)
        else:
            self._convert(items)

    def _catch_up(self) -> None:
        """Convert a piece of the past, and the rest in turns to come."""
        self._turn = None
        piece: list[Item] = []
        size = 0
        while self._past and size < PIECE_BYTES:
            item = self._past.popleft()
            if isinstance(item, Packet):
                size += len(item.data) + PACKET_BYTES
            elif isinstance(item, Chunk):
                size += len(item.data) + CHUNK_BYTES
            piece.append(item)
        if self._past:
            self.fanout.hold()
            self._turn = self.graph.clock.call_later(0.0, self._catch_up)
        self._contained(piece)
        if not self._past:
            self._caught_up()

    def _caught_up(self) -> None:
        if self.graph.off_air:
            self.fanout.pause()
        self.fanout.release()

    def _contained(self, items: Sequence[Item]) -> None:
        """Convert items out of turn, with the consequences of a failure that a reader has."""
        try:
            if items:
                self._convert(items)
        except Exception as error:
            self.source.lane.remove_reader(self)
            self.graph.reader_failed(self, error)

    def _convert(self, items: Sequence[Item]) -> None:
        """Convert items; tracks that the format can't carry are left out."""
        for item in items:
            if self._left_out or type(item) is not Packet:
                items = [kept for kept in map(self._carry, items) if kept is not None]
                break
        out = self.converter.convert(items)
        if out:
            self.lane.append(out)

    def finish(self) -> None:
        """There will be no more items: hand out the rest and let the lane's readers know."""
        if self.running:
            self._flush()
            self.fanout.flush()
        self.lane.finish()

    def failed(self) -> None:
        """The converter raised: start afresh with the next reader or boundary."""
        self._halt()
        failed, self.converter = self.converter, self.spec.factory()
        if isinstance(self.converter, Heir):
            self.converter.inherit(failed)
        self.lane.clear()
        self.fanout.reset()

    def _start(self, *, whole: bool = False) -> None:
        self.running = True
        self.source.use(whole=whole)

    def _follow(self) -> None:
        """Read the source from now on, unless what it held was too much for the converter."""
        if self.running:
            self.source.lane.add_reader(self)

    def _halt(self) -> None:
        self._drop_past()
        if self.running:
            self.running = False
            source = self.source
            source.lane.remove_reader(self)
            source.leave()

    def _flush(self) -> None:
        past = self._drop_past()
        try:
            if past:
                self._convert(past)
            rest = self.converter.flush()
        except Exception as error:
            self.graph.reader_failed(self, error)
        else:
            if rest:
                self.lane.append(rest)
            self.fanout.release()

    def _drop_past(self) -> list[Item]:
        """Leave the past; what of it was still to be converted."""
        past = list(self._past)
        self._past.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        return past

    def _cancel_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _carry(self, item: Item) -> Item | None:
        if isinstance(item, Packet):
            return None if item.track in self._left_out else item
        if not isinstance(item, (Boundary, InitChange)):
            return item
        tracks = item.init.tracks
        self.refusal = self.graph.refusal(self.lane.format, tracks)
        # Sound alone is no substitute: a lane that refuses its viewers stays empty.
        codecs = frozenset() if self.refusal else self.spec.codecs
        left_out = [track for track in tracks if track.codec not in codecs]
        self._left_out = frozenset(track.id for track in left_out)
        self.left_out = ", ".join(map(carriage.named, left_out))
        remark = self.refusal or carriage.left_out(left_out, self.lane.format)
        self.graph.note(f"{self.lane.format}", remark)
        if self.refusal:
            self.fanout.dismiss(self.refusal)
        if not left_out:
            return item
        kept = tuple(track for track in tracks if track.codec in codecs)
        return replace(item, init=replace(item.init, tracks=kept))
