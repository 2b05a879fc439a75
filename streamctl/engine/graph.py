"""The lanes of one stream and the converters between them, started on demand.

``packets`` and ``mpegts`` are the trunk: the running epoch writes one of them, by its origin, and
the other is made from it while somebody reads it. All other lanes are made from the packets. What
must be continuous (TS continuity counters, PIDs, message clocks) stays with the lane for the
stream's whole life, whoever writes it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from streamctl.engine import carriage
from streamctl.engine.derived import Derived, GraphSettings
from streamctl.engine.extract import TsExtractor
from streamctl.engine.lane import Lane, LaneCursor
from streamctl.errors import Unsupported
from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.mpegts.pidmap import PidMap
from streamctl.media.packet import Codec, Format
from streamctl.sdk.plugin import ConverterSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.engine.fanout import LaneFanOut
    from streamctl.media.packet import Init, Track
    from streamctl.sdk.context import Clock
    from streamctl.sdk.lane import Reader

RESTART_S = 1.0
"""Pause before a converter that failed starts afresh."""
RECOVERED_S = 5.0
"""A converter that has worked this long since it failed is sound again."""
TRUNK_FORMATS = frozenset({Format.PACKETS, Format.MPEGTS})
EXTRACTED = ConverterSpec(Format.MPEGTS, Format.PACKETS, frozenset(Codec), TsExtractor)
"""How packets are made from an epoch that came as MPEG-TS."""


class LaneAttachment:
    """Implements :class:`streamctl.sdk.lane.Attachment`."""

    def __init__(self, detach: Callable[[], None]) -> None:
        self._detach: Callable[[], None] | None = detach

    def detach(self) -> None:
        """Stop feeding the reader."""
        if self._detach is not None:
            detach, self._detach = self._detach, None
            detach()


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
        self.pids = PidMap()
        """What goes on in the ``mpegts`` lane, whoever writes it."""
        self.origin = Format.PACKETS
        """The trunk lane that the running epoch writes."""
        self.off_air = False
        """The last epoch has ended, and no other has begun."""
        self.sealed = False
        """What it writes is scrambled."""
        self.closed = False
        self.derived: dict[Format, Derived] = {}
        """The lanes beside the packets, made on first use."""
        self.broken: dict[str, float] = {}
        """Readers and converters that failed, with the monotonic time; gone once recovered."""
        self._failed = failed
        self.packets = Derived(self, EXTRACTED)
        self.packets.direct = True
        self.packets.lane.bounds = settings.bounds

    @property
    def base(self) -> Lane:
        """The lane that the running epoch writes."""
        return self.entry(self.origin).lane

    @property
    def version(self) -> int:
        """A version for the next track set, above those of both trunk lanes."""
        inits = [lane.init for lane in self.lanes() if lane.format in TRUNK_FORMATS]
        return 1 + max((init.version for init in inits if init is not None), default=0)

    def adjust(self, settings: GraphSettings) -> None:
        """Go on with other settings; readers stay, and viewers that are there already."""
        self.settings = settings
        for entry in self.entries():
            entry.adjust(settings)

    def rewire(self, origin: Format, *, sealed: bool = False) -> None:
        """Let the epoch that begins now write the lane of its origin.

        Raises:
            Unsupported: there is no such lane.
        """
        self.sealed = sealed
        if origin is self.origin:
            return
        new, old = self.entry(origin), self.entry(self.origin)
        new.take_over()
        self.origin = origin
        old.hand_over()

    def lane(self, fmt: Format) -> Lane:
        """The lane of that format.

        Raises:
            Unsupported: no installed converter makes it.
        """
        return self.entry(fmt).lane

    def init(self, fmt: Format) -> Init | None:
        """The current track set of a lane, of a trunk lane also while nobody makes it.

        Raises:
            Unsupported: no installed converter makes the lane.
        """
        entry = self.entry(fmt)
        rests = fmt in TRUNK_FORMATS and not entry.working
        return self.base.init if rests else entry.lane.init

    def entry(self, fmt: Format) -> Derived:
        """The lane of that format with its converter, made on first use.

        Raises:
            Unsupported: no installed converter makes it.
        """
        if fmt is Format.PACKETS:
            return self.packets
        entry = self.derived.get(fmt)
        if entry is None:
            spec = self.specs.get(fmt)
            if spec is None:
                made = ", ".join(sorted(self.specs)) or "nothing"
                raise Unsupported(f"no installed plugin makes `{fmt}`", hint=f"available: {made}")
            if spec.factory is TsConverter:
                spec = replace(spec, factory=partial(TsConverter, self.pids))
            entry = self.derived[fmt] = Derived(self, spec)
        return entry

    def refusal(self, fmt: Format, tracks: Sequence[Track] | None = None) -> str:
        """Why viewers of that format are refused, given these tracks or the present ones.

        Empty = they are not.
        """
        if tracks is None:
            tracks = self.base.init.tracks if self.base.init is not None else ()
        passing = Format.MPEGTS if self.origin is Format.MPEGTS else None
        return carriage.refusal(
            tracks,
            fmt,
            self.specs,
            self.settings.outputs,
            passing=passing,
            sealed=self.sealed,
        )

    def cursor(self, fmt: Format) -> LaneCursor:
        """A new cursor; the lane works until it is closed."""
        entry = self.entry(fmt)
        entry.use()
        return LaneCursor(entry.lane, entry.leave)

    def left_out(self, fmt: Format) -> str:
        """Names of the tracks that the lane of that format goes without."""
        entry = self.derived.get(fmt)
        return entry.left_out if entry is not None else ""

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
        entry = self.entry(fmt)
        lane = entry.lane
        if not entry.working:
            # Before the converter starts: its whole pre-roll passes by the reader, of which
            # the derived lane itself keeps only the end.
            lane.add_reader(reader)
            entry.use(whole=True)
        else:
            entry.use()
            history = lane.history()
            lane.add_reader(reader)
            lane.feed(reader, history)

        def detach() -> None:
            lane.remove_reader(reader)
            entry.leave()

        return LaneAttachment(detach)

    def pause(self) -> None:
        """The epoch has ended: viewers stay, who comes waits for the next one."""
        self.off_air = True
        for entry in self.entries():
            entry.fanout.pause()

    def forget(self) -> None:
        """Let all media go; what is read goes on with the next epoch."""
        for entry in self.entries():
            entry.lane.clear()
            entry.fanout.reset()

    def lanes(self) -> list[Lane]:
        """Every lane there is, the base first."""
        entries = sorted(self.entries(), key=lambda entry: not entry.direct)
        return [entry.lane for entry in entries]

    def entries(self) -> list[Derived]:
        """Every lane there is with its converter."""
        return [self.packets, *self.derived.values()]

    def tick(self, now: float) -> None:
        """Look after slow viewers and broken converters; called about once a second."""
        working = set()
        for entry in self.entries():
            entry.fanout.tick(now)
            working.add(entry.name)
        for lane in self.lanes():
            working.update(type(reader).__name__ for reader in lane.readers)
        for name, at in list(self.broken.items()):
            if name in working and now - at > RECOVERED_S:
                del self.broken[name]

    def finish(self) -> None:
        """The stream came to its end: cursors may take the rest, then their waiting ends."""
        self.closed = True
        for entry in self.entries():
            entry.finish()

    def close(self) -> None:
        """Stop every converter and wake every waiting cursor."""
        self.closed = True
        for entry in reversed(self.entries()):
            entry.stop()
            entry.lane.close()

    def reader_failed(self, reader: Reader, error: Exception) -> None:
        """A reader raised and was detached: contain it, and restart converters."""
        name = type(reader).__name__
        if isinstance(reader, Derived):
            name = reader.name
            reader.failed()
            if reader.users and not self.closed:
                self.clock.call_later(RESTART_S, reader.restart)
        self.broken[name] = self.clock.now()
        self._failed(name, error)
