"""The lanes of one stream and the converters between them, started on demand.

Every lane but the base is derived from the base lane by a converter. A derived lane works while
somebody reads it, and for ``GRACE_S`` longer; it starts at the oldest random-access point that
the base ring holds, so that the first viewer has history. The converter object stays with its
lane for the stream's whole life: what must be continuous (TS continuity counters, PIDs, message
clocks) lives there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamctl.engine import carriage
from streamctl.engine.fanout import LaneFanOut
from streamctl.engine.lane import Bounds, Lane, LaneCursor
from streamctl.errors import Unsupported
from streamctl.media.packet import Boundary, Format, InitChange, Item, Packet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.media.packet import Track
    from streamctl.sdk.context import Clock, Timer
    from streamctl.sdk.lane import Reader
    from streamctl.sdk.plugin import Converter, ConverterSpec

RESTART_S = 1.0
"""Pause before a converter that failed starts afresh."""
RECOVERED_S = 5.0
"""A converter that has worked this long since it failed is sound again."""
GRACE_S = 5.0
"""How long a converter goes on after its last reader left."""
DERIVED_S = 4.0
"""Media time that derived lanes hold beside the newest two groups of pictures."""


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """What a graph takes from the stream's configuration."""

    bounds: Bounds
    merge_s: float
    slow_viewer_timeout_s: float
    outputs: Mapping[str, Format] = field(default_factory=dict)
    """The kinds that serve the stream, with the format that their viewers read."""


class LaneAttachment:
    """Implements :class:`streamctl.sdk.lane.Attachment`."""

    def __init__(self, detach: Callable[[], None]) -> None:
        self._detach: Callable[[], None] | None = detach

    def detach(self) -> None:
        """Stop feeding the reader."""
        if self._detach is not None:
            detach, self._detach = self._detach, None
            detach()


class Derived:
    """A derived lane, its converter, and the readers that keep it working."""

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
        self.lane.add_reader(self.fanout)
        self.converter: Converter = spec.factory()
        self.users = 0
        self.running = False
        self.refusal = ""
        """Why the present tracks can't be watched in this format; empty = they can."""
        self._left_out: frozenset[int] = frozenset()
        self._grace: Timer | None = None
        if graph.base.closed:
            self.lane.finish()

    @property
    def name(self) -> str:
        """The conversion in words."""
        return f"{self.spec.source} to {self.spec.target}"

    def use(self) -> None:
        """One more reader: start if it is the first."""
        self.users += 1
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if not self.running:
            self.running = True
            base = self.graph.base
            history = base.since_oldest_join()
            if history:
                base.feed(self, history)
            if self.graph.off_air:
                self.fanout.pause()
            if self.running:
                base.add_reader(self)

    def leave(self) -> None:
        """One reader less: stop after the grace if it was the last."""
        self.users -= 1
        if self.users == 0 and self.running:
            self._grace = self.graph.clock.call_later(GRACE_S, self.stop)

    def stop(self) -> None:
        """Stop converting and let the memory go."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        self.running = False
        self.graph.base.remove_reader(self)
        self.lane.clear()
        self.fanout.reset()

    def feed(self, items: Sequence[Item]) -> None:
        """Convert items of the base lane; tracks that the format can't carry are left out."""
        for item in items:
            if self._left_out or type(item) is not Packet:
                items = [kept for kept in map(self._carry, items) if kept is not None]
                break
        out = self.converter.convert(items)
        if out:
            self.lane.append(out)

    def finish(self) -> None:
        """The base lane gets no more: hand out the rest and let the lane's readers know."""
        if self.running:
            try:
                rest = self.converter.flush()
            except Exception as error:
                self.graph.reader_failed(self, error)
            else:
                if rest:
                    self.lane.append(rest)
                self.fanout.flush()
        self.lane.finish()

    def failed(self) -> None:
        """The converter raised: start afresh with the next reader or boundary."""
        self.running = False
        self.converter = self.spec.factory()
        self.lane.clear()
        self.fanout.reset()

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
        remark = self.refusal or carriage.left_out(left_out, self.lane.format)
        self.graph.note(f"{self.lane.format}", remark)
        if self.refusal:
            self.fanout.dismiss(self.refusal)
        if not left_out:
            return item
        kept = tuple(track for track in tracks if track.codec in codecs)
        return replace(item, init=replace(item.init, tracks=kept))


class Graph:
    """All lanes of one stream."""

    def __init__(
        self,
        settings: GraphSettings,
        specs: Mapping[Format, ConverterSpec],
        clock: Clock,
        *,
        failed: Callable[[str, Exception], None],
        note: Callable[[str, str], None],
    ) -> None:
        self.settings = settings
        self.specs = specs
        self.clock = clock
        self.note = note
        self.base = Lane(Format.PACKETS, settings.bounds, self.reader_failed)
        self.off_air = False
        """The last epoch has ended, and no other has begun."""
        self.derived: dict[Format, Derived] = {}
        self.broken: dict[str, float] = {}
        """Readers and converters that failed, with the monotonic time; gone once recovered."""
        self._failed = failed

    def lane(self, fmt: Format) -> Lane:
        """The lane of that format.

        Raises:
            Unsupported: no installed converter makes it.
        """
        return self.base if fmt is Format.PACKETS else self.entry(fmt).lane

    def entry(self, fmt: Format) -> Derived:
        """The derived lane of that format, made on first use.

        Raises:
            Unsupported: no installed converter makes it.
        """
        entry = self.derived.get(fmt)
        if entry is None:
            spec = self.specs.get(fmt)
            if spec is None:
                made = ", ".join(sorted(self.specs)) or "nothing"
                raise Unsupported(f"no installed plugin makes `{fmt}`", hint=f"available: {made}")
            entry = self.derived[fmt] = Derived(self, spec)
        return entry

    def refusal(self, fmt: Format, tracks: Sequence[Track] | None = None) -> str:
        """Why viewers of that format are refused, given these tracks or the present ones.

        Empty = they are not.
        """
        if tracks is None:
            tracks = self.base.init.tracks if self.base.init is not None else ()
        return carriage.refusal(tracks, fmt, self.specs, self.settings.outputs)

    def cursor(self, fmt: Format) -> LaneCursor:
        """A new cursor; the lane works until it is closed."""
        if fmt is Format.PACKETS:
            return LaneCursor(self.base, lambda: None)
        entry = self.entry(fmt)
        entry.use()
        return LaneCursor(entry.lane, entry.leave)

    def fanout(self, fmt: Format) -> LaneFanOut:
        """The fan-out of a byte lane.

        Raises:
            Unsupported: packets are not bytes.
        """
        if fmt is Format.PACKETS:
            raise Unsupported("the packets lane has no fan-out")
        return self.entry(fmt).fanout

    def attach(self, fmt: Format, reader: Reader) -> LaneAttachment:
        """Feed ``reader`` from the oldest random-access point that the base lane holds."""
        lane = self.lane(fmt)
        entry = None if fmt is Format.PACKETS else self.entry(fmt)
        if entry is not None and not entry.running:
            # Before the converter starts: its whole pre-roll passes by the reader, of which
            # the derived lane itself keeps only the end.
            lane.add_reader(reader)
            entry.use()
        else:
            if entry is not None:
                entry.use()
            history = lane.since_oldest_join()
            lane.add_reader(reader)
            lane.feed(reader, history)

        def detach() -> None:
            lane.remove_reader(reader)
            if entry is not None:
                entry.leave()

        return LaneAttachment(detach)

    def pause(self) -> None:
        """The epoch has ended: viewers stay, who comes waits for the next one."""
        self.off_air = True
        for entry in self.derived.values():
            entry.fanout.pause()

    def lanes(self) -> list[Lane]:
        """Every lane there is, the base first."""
        return [self.base, *(entry.lane for entry in self.derived.values())]

    def tick(self, now: float) -> None:
        """Look after slow viewers and broken converters; called about once a second."""
        working = set()
        for entry in self.derived.values():
            entry.fanout.tick(now)
            working.add(entry.name)
        for lane in self.lanes():
            working.update(type(reader).__name__ for reader in lane.readers)
        for name, at in list(self.broken.items()):
            if name in working and now - at > RECOVERED_S:
                del self.broken[name]

    def finish(self) -> None:
        """The stream came to its end: cursors may take the rest, then their waiting ends."""
        self.base.finish()
        for entry in self.derived.values():
            entry.finish()

    def close(self) -> None:
        """Stop every converter and wake every waiting cursor."""
        for entry in self.derived.values():
            entry.stop()
            entry.lane.close()
        self.base.close()

    def reader_failed(self, reader: Reader, error: Exception) -> None:
        """A reader raised and was detached: contain it, and restart converters."""
        name = type(reader).__name__
        if isinstance(reader, Derived):
            name = reader.name
            reader.failed()
            if reader.users and not self.base.closed:
                self.clock.call_later(RESTART_S, lambda: self._restart(reader))
        self.broken[name] = self.clock.now()
        self._failed(name, error)

    def _restart(self, entry: Derived) -> None:
        if entry.users and not entry.running and not self.base.closed:
            entry.running = True
            if self.base.init is not None:
                boundary = Boundary(self.base.init.epoch, self.base.init, "converter restarted")
                self.base.feed(entry, [boundary])
            if entry.running:
                self.base.add_reader(entry)
