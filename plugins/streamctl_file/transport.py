"""Reads a transport stream file as segments of packets, once or for ever.

Every call may block on the disk, so they are made in a thread. Each pass opens the file anew, so
one that was replaced is picked up at the seam. When a segment is due is left to others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from streamctl.errors import MediaError
from streamctl.media.mpegts.align import Aligner
from streamctl.media.mpegts.clocked import CLOCK_HZ, CLOCK_WRAP, Segmenter, clocks
from streamctl_file.repetition import Repetition

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

    from streamctl.media.mpegts.clocked import Segment

BLOCK_BYTES = 1 << 20
"""Read at once: some 150 ms at 50 Mbit/s."""
PROBE_BYTES = 1 << 21
"""At each end of the file: 100 ms, within which a clock must come, are 2 MiB at 160 Mbit/s."""
MIN_WHOLE = 0.5
"""The least part of the first bytes that must be packets, for a file to be a transport stream."""
MIN_BYTES_PER_S = 1000
"""A clock that takes longer for the file has jumped; the length of the file is not known then."""


class TransportFile:
    """A file that is being read."""

    def __init__(self, path: Path, *, loop: bool) -> None:
        self.path = path
        self.loop = loop
        self.duration_s = 0.0
        """Length of one pass by its clock; 0 = unknown."""
        self._file: BufferedReader | None = None
        self._aligner = Aligner()
        self._segmenter = Segmenter()
        self._repetition = Repetition()
        self._head: bytes | None = b""
        """The packets of a pass up to its first clock reference, which is found as far from its
        beginning as it was when the file was opened."""
        self._searched = 0
        """Bytes that were read in this pass."""
        self._over = False

    @classmethod
    def open(cls, path: Path, *, loop: bool) -> Self | None:
        """The file, if it can be read and is a transport stream that has a clock."""
        found = cls(path, loop=loop)
        try:
            with path.open("rb") as file:
                first = clock_of(file.read(PROBE_BYTES))
                size = path.stat().st_size
                file.seek(max(0, size - PROBE_BYTES))
                last = None if first is None else clock_of(file.read(), first[0], newest=True)
        except OSError:
            return None
        if first is None:
            return None
        if last is not None:
            length_s = (last[1] - first[1]) % CLOCK_WRAP / CLOCK_HZ
            found.duration_s = length_s if length_s * MIN_BYTES_PER_S < size else 0.0
        return found

    def read(self) -> list[Segment] | None:
        """The next segments; None = there are no more.

        Raises:
            MediaError: unreadable, or nothing of a transport stream any more.
        """
        while not self._over:
            try:
                if self._file is None:
                    self._file = self.path.open("rb")
                data = self._file.read(BLOCK_BYTES)
            except OSError as error:
                said = (error.strerror or str(error)).lower()
                raise MediaError(f"can't read `{self.path}`: {said}") from None
            packets = bytes(self._aligner.feed(data)) if data else self._aligner.finish()
            self._searched += len(data)
            segments = self._take(packets, last=not data)
            if not data:
                segments += self._end_pass()
            if segments:
                return segments
        return None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self, packets: bytes, *, last: bool) -> list[Segment]:
        if self._head is not None:
            self._head += packets
            first = next(clocks(self._head), None)
            if first is None and not last and self._searched < PROBE_BYTES:
                return []
            if first is None:
                raise MediaError(f"`{self.path}` is no transport stream with a clock any more")
            _, pid, value = first
            self._repetition.begin(pid, value // 300)
            packets, self._head = self._head, None
        if not self.loop:
            return self._segmenter.feed(packets)
        return self._segmenter.feed(bytes(self._repetition.take(packets, last=last)))

    def _end_pass(self) -> list[Segment]:
        self.close()
        self._aligner = Aligner()
        self._head, self._searched = b"", 0
        if self.loop:
            return []
        self._over = True
        return self._segmenter.finish()


def clock_of(
    data: bytes, wanted: int | None = None, *, newest: bool = False
) -> tuple[int, int] | None:
    """PID and value of the first or newest clock reference; None if these are no packets."""
    aligner = Aligner()
    packets = bytes(aligner.feed(data)) + aligner.finish()
    if not aligner.stride or len(packets) < len(data) * MIN_WHOLE:
        return None
    found = None
    for _, pid, value in clocks(packets):
        if wanted in (None, pid):
            found = pid, value
            if not newest:
                break
    return found
