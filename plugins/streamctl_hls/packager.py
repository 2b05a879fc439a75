"""Makes the segments of one stream: lane to segmenter to window, and to the disk if wanted.

When the segmenter fails, the engine detaches this reader. It comes back after a pause that grows
while it keeps failing: with a fresh segmenter, under a new generation of names, and with a
discontinuity; what was listed stays.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from streamctl.errors import Unsupported
from streamctl.media.packet import TIMESCALE, Format
from streamctl.net.worker import Worker
from streamctl_hls.disk import READS_MAX, WRITES_MAX, DiskStore
from streamctl_hls.folder import Folder
from streamctl_hls.segmenter import Segmenter
from streamctl_hls.window import Bounds, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamctl.media.packet import Item
    from streamctl.sdk.context import Clock, StreamView, Timer
    from streamctl.sdk.lane import Attachment
    from streamctl_hls.options import HlsOptions
    from streamctl_hls.segment import Segment

SEQUENCE_EPOCH = 1_700_000_000
"""Unix time from which sequence numbers count."""
SEQUENCE_PER_S = 4
"""Media sequences start at this many a second since then, which is more than segments are made:
so they never go back over a restart, and they fit in 32 bits until 2057."""
DISCONTINUITY_STEP_S = 600
"""Discontinuity sequences start at this coarser age, for the same reason. They have to stay
small: hls.js uses them as indices of arrays that it copies, and stands still at 10^8."""
RESTART_S = 1.0
"""Pause before a packager that failed begins afresh."""
RESTART_MAX_S = 30.0
STORAGE_CAUSE = "hls_storage"


class Packager:
    """A reader of the ``mpegts`` lane; ``changed`` is called when there are new segments."""

    def __init__(
        self, view: StreamView, options: HlsOptions, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self.view = view
        self.clock = clock
        self.generation = view.generation
        age = max(0, int(clock.wall()) - SEQUENCE_EPOCH)
        self.segmenter = Segmenter(options.segment_s, age * SEQUENCE_PER_S, view.generation)
        self.window = Window(bounds(options), age // DISCONTINUITY_STEP_S)
        self.store = self._disk(options) if options.storage == "disk" else None
        self.failures = 0
        """Failures since the last segment."""
        self._changed = changed
        self._attachment: Attachment | None = None
        self._restart: Timer | None = None

    @property
    def running(self) -> bool:
        """Whether the lane is being read, or will be again."""
        return self._attachment is not None

    @property
    def target_s(self) -> int:
        """EXT-X-TARGETDURATION; 0 until it is known."""
        return self.segmenter.target_s

    @property
    def longest_s(self) -> float:
        """What the open segment can't outgrow, in seconds."""
        return self.segmenter.limit / TIMESCALE

    @property
    def memory_bytes(self) -> int:
        """What is held in memory."""
        grown = self.segmenter.open
        cached = self.store.cache_bytes if self.store is not None else 0
        return self.window.memory_bytes + cached + (grown.size if grown is not None else 0)

    def attach(self) -> None:
        """Begin to read the lane."""
        try:
            self._attachment = self.view.attach(Format.MPEGTS, self)
        except Unsupported as error:
            self.view.note("hls", error.message)

    def detach(self) -> None:
        """Stop reading, and let all segments go."""
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._attachment is not None:
            self._attachment.detach()
            self._attachment = None
        self.segmenter.discard()
        self._gone(self.window.clear())

    def close(self) -> None:
        """Let everything go, the files too."""
        self.detach()
        if self.store is not None:
            self.store.close()

    def feed(self, items: Sequence[Item]) -> None:
        """Take the items of one write of the lane."""
        try:
            segments = self.segmenter.feed(items, self.clock.wall())
        except Exception:
            self.failures += 1
            pause = min(RESTART_S * 2 ** (self.failures - 1), RESTART_MAX_S)
            self._restart = self.clock.call_later(pause, self._begin_afresh)
            raise
        if segments:
            self.failures = 0
            gone = self.window.add(segments, self.target_s)
            if self.store is not None:
                for segment in segments:
                    self.store.write(segment)
            self._gone(gone)
            self._changed()

    def adjust(self, options: HlsOptions) -> None:
        """Take other bounds; what is listed and fits stays."""
        self.window.bounds = bounds(options)
        self._gone(self.window.trim(self.target_s))
        if self.window.listed:
            self._changed()

    def shrink(self, wanted: int) -> int:
        """Free memory by letting the oldest segments go; the bytes gained."""
        before = self.window.memory_bytes
        self._gone(self.window.shrink(wanted, self.target_s))
        freed = before - self.window.memory_bytes
        if freed:
            self._changed()
        return freed

    def status(self) -> Mapping[str, object]:
        """Measured facts."""
        window, grown = self.window, self.segmenter.open
        last = window.listed[-1].duration if window.listed else 0.0
        return {
            "segments": len(window.listed),
            "window_s": round(window.duration, 3),
            "history_s": round(window.late_s, 3),
            "target_duration": self.target_s,
            "discontinuities": window.discontinuities,
            "bytes": window.bytes + (grown.size if grown is not None else 0),
            "memory_bytes": self.memory_bytes,
            "disk_bytes": self.store.bytes if self.store is not None else 0,
            "last_segment_s": round(last, 3),
            "forced_cuts": self.segmenter.forced_cuts,
        }

    def _begin_afresh(self) -> None:
        self._restart = None
        if self._attachment is not None:
            self._attachment.detach()
        # Later than any time that a failure before this one can have left.
        self.generation = max(self.generation + 1, int(self.clock.wall() * 1000))
        last = self.window.listed[-1] if self.window.listed else None
        self.segmenter = self.segmenter.successor(self.generation, last)
        self.attach()

    def _gone(self, segments: list[Segment]) -> None:
        if segments and self.store is not None:
            self.store.remove(segments)

    def _disk(self, options: HlsOptions) -> DiskStore:
        code = self.view.code
        # "~" is in no code, so that two streams never share a folder.
        path = Path(options.directory).expanduser() / code.replace("/", "~")
        return DiskStore(
            Folder(path),
            Worker(f"hls-write {code}", WRITES_MAX),
            Worker(f"hls-read {code}", READS_MAX),
            release=self.window.release,
            degrade=partial(self.view.degrade, STORAGE_CAUSE),
        )


def bounds(options: HlsOptions) -> Bounds:
    """What the options let the window keep."""
    return Bounds(options.window, options.history_s, options.memory_bytes)
