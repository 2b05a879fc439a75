"""The demux job: a file as batches of access units, once or for ever.

Each pass opens the file anew, so a file that was replaced on disk is picked up at the seam and
no state of the reader survives it. Tracks whose configuration does not show up are left out.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from streamctl.avworker import wire
from streamctl.avworker.container import codec_name, open_file, quiet
from streamctl.avworker.continuity import Continuity
from streamctl.avworker.entry import Entry
from streamctl.avworker.interleave import Interleaver
from streamctl.avworker.source import Source, carried
from streamctl.avworker.wire import MAX_PACKETS, DemuxJob, Opened, Record, RecordType
from streamctl.errors import MediaError
from streamctl.media.packet import Media
from streamctl.media.reader import CODECS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.container import InputContainer

    from streamctl.avworker.elementary import Reader
    from streamctl.media.packet import Packet, Track

PRIME_PACKETS = 1000
"""About ten seconds of one picture and one sound: by then every live-capable track has shown
its configuration, which repeats at each random-access point."""
BATCH_BYTES = 1 << 20
"""A batch is sent at this size even if it holds few packets."""


def demux(job: DemuxJob, send: Callable[[Record], None]) -> None:
    """Run the job.

    Raises:
        MediaError: unreadable, or no track that streamctl can carry.
    """
    quiet()
    Demux(job, send).run()


class Demux:
    """One job: passes over the file on one timeline."""

    def __init__(self, job: DemuxJob, send: Callable[[Record], None]) -> None:
        self.job = job
        self.send = send
        self.continuity = Continuity()
        self.announced: tuple[Track, ...] = ()
        self.notes: list[str] = []
        self.excluded: set[int] = set()
        """Streams without a configuration, by index."""
        self.batch: list[Packet] = []
        self.batch_bytes = 0

    def run(self) -> None:
        """Play every pass, then say that it is over."""
        self._play(self.job.start_s)
        elsewhere = self.job.start_s > 0
        while self.job.loop:
            self.continuity.rewind(elsewhere=elsewhere)
            self._play(0.0)
            elsewhere = False
        self._flush()
        self.send(Record(RecordType.END))

    def _play(self, start_s: float) -> None:
        container = open_file(self.job.path)
        try:
            source, packets = self._prime(container, start_s)
            if source is not None:
                self._announce(source)
                self._deliver(source, packets)
        finally:
            container.close()
        if source is None:
            self._play(start_s)

    def _prime(
        self, container: InputContainer, start_s: float
    ) -> tuple[Source | None, Iterator[tuple[Reader, Packet]]]:
        """Read until every track is configured; None = begin anew without those that are not.

        The first picture is part of it: its parameter sets may correct those of the container.
        """
        if start_s > 0:
            container.seek(int(start_s * 1_000_000))
        source = self._select(container)
        packets = source.packets()
        held = []
        unseen = {track.id for track in source.tracks if track.media is Media.VIDEO}
        for reader, packet in packets:
            held.append((reader, packet))
            unseen.discard(packet.track)
            known = all(track.config is not None for track in source.tracks)
            if (known and not unseen) or len(held) >= PRIME_PACKETS:
                break
        missing = [reader for reader in source.readers.values() if reader.track.config is None]
        for reader in missing:
            self.excluded.add(reader.stream.index)
            self.notes.append(
                f"left out: track {reader.stream.index} (`{codec_name(reader.stream)}`) "
                "has no decoder configuration"
            )
        return (None if missing else source), chain(held, packets)

    def _select(self, container: InputContainer) -> Source:
        chosen, notes = carried(container)
        source = Source(container)
        for stream in chosen:
            if stream.index not in self.excluded:
                source.add(stream)
        if not source.readers:
            raise self._nothing(container)
        self.notes = [*notes, *(note for note in self.notes if note not in notes)]
        return source

    def _nothing(self, container: InputContainer) -> MediaError:
        if self.excluded:
            return MediaError(f"no track of `{self.job.path}` has a decoder configuration")
        found = ", ".join(sorted({codec_name(stream) for stream in container.streams}))
        supported = ", ".join(sorted(CODECS))
        return MediaError(
            f"no track of `{self.job.path}` can be put on air: found {found or 'none'}",
            hint=f"supported are {supported}",
        )

    def _announce(self, source: Source) -> None:
        tracks = source.tracks
        if not self.announced:
            notes = tuple(self.notes)
            opened = Opened(tracks, source.duration_s, source.format, notes)
            self.send(wire.opened_record(opened))
        elif tracks != self.announced:
            self._flush()
            self.send(wire.tracks_record(tracks))
        self.announced = tracks

    def _deliver(self, source: Source, packets: Iterator[tuple[Reader, Packet]]) -> None:
        interleaver = Interleaver(track.id for track in source.tracks)
        entries = {t.id: Entry() for t in source.tracks if t.media is Media.VIDEO}
        heard: set[int] = set()
        for reader, packet in packets:
            entry = entries.get(packet.track)
            if entry is not None and not entry.admits(packet):
                continue
            self.continuity.place(packet)
            heard.add(packet.track)
            if reader.track is not self.announced[packet.track]:
                self._emit(interleaver.flush())
                self._announce(source)
            self._emit(interleaver.push(packet))
        self._emit(interleaver.flush())
        if not heard or not heard.issuperset(entries):
            what = "no keyframe" if heard or entries else "nothing to read"
            raise MediaError(f"{what} in `{self.job.path}`")

    def _emit(self, packets: list[Packet]) -> None:
        for packet in packets:
            self.batch.append(packet)
            self.batch_bytes += len(packet.data)
            if len(self.batch) >= MAX_PACKETS or self.batch_bytes >= BATCH_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self.batch:
            self.send(wire.packets_record(self.batch))
            self.batch = []
            self.batch_bytes = 0
