"""Finds out the configurations of the tracks of a program that passes through.

It takes apart what passes until every track is known, and from then on nothing: who wants access
units reads the ``packets`` lane.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from streamctl.engine.strand import program_tracks
from streamctl.media.mpegts.batch import PIDS, ArrayBatch
from streamctl.media.mpegts.demux import TsDemuxer
from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.mpegts.psi import PAT_PID
from streamctl.media.packet import Media, Packet

if TYPE_CHECKING:
    from collections.abc import Collection

    from streamctl.media.mpegts.program import Program
    from streamctl.media.packet import Track

ROW = np.dtype(f"V{PACKET_BYTES}")


class Prober:
    """The tracks of an epoch of MPEG-TS."""

    def __init__(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        self.tracks: dict[int, Track] = {}
        """By PID."""
        self.news = False
        """``tracks`` has changed since it was last looked at."""
        self._selection = (program, pids)
        self._demuxer = TsDemuxer(program, pids)
        self._wanted = np.ones(PIDS, np.bool_)
        self._doubted: set[int] = set()
        """PIDs whose configuration may not be that any more."""
        self._followed = False
        """Another map was taken, under which what the demultiplexer knows was not looked at yet."""
        self.done = False
        """Nothing is left to find out."""

    def follow(self, program: Program) -> None:
        """Take another map of the program; what is known of its streams stays."""
        known = self.tracks
        self.tracks = program_tracks(program.map)
        for pid, track in self.tracks.items():
            before = known.get(pid)
            if before is not None and before.codec is track.codec and track.config is None:
                self.tracks[pid] = replace(before, id=track.id, language=track.language)
        self.news = self._followed = True
        self._count(program)

    def again(self, pid: int, program: Program) -> None:
        """Look at a stream anew, whose configuration seems to have changed."""
        if self.done:
            self._demuxer = TsDemuxer(*self._selection)
        self._doubted.add(pid)
        self._count(program)

    def feed(self, packets: bytes | bytearray | memoryview, program: Program | None) -> None:
        """Look at packets, at those with tables from the first one on: more may never come."""
        rows = self._wanted[ArrayBatch(packets).pids]
        if not rows.all():
            packets = np.frombuffer(packets, ROW).compress(rows).tobytes()
        # It may never have seen a map without a stream that is back, and tells nothing new of it.
        changed = self._followed
        for item in self._demuxer.feed(packets):
            changed = changed or not isinstance(item, Packet)
        if changed and program is not None and self._demuxer.programs.program == program:
            self._learn(program)

    def _learn(self, program: Program) -> None:
        self._followed = False
        by_number = {track.id: pid for pid, track in self.tracks.items()}
        for number, track in enumerate(self._demuxer.tracks):
            pid = by_number.get(number)
            if pid is None or track.config is None:
                continue
            self._doubted.discard(pid)
            named = replace(track, id=number)
            if self.tracks[pid] != named:
                self.tracks[pid] = named
                self.news = True
        self._count(program)

    def _count(self, program: Program) -> None:
        """Find out what is missing, and look at that alone."""
        missing = [
            pid
            for pid, track in self.tracks.items()
            if pid in self._doubted or (track.config is None and track.media is not Media.DATA)
        ]
        self._wanted[:] = False
        self._wanted[[PAT_PID, program.pmt_pid, *missing]] = True
        self.done = not missing
