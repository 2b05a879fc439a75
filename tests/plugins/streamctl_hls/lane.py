"""Real media as the items of an ``mpegts`` lane."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import av

from streamctl.media.codecs import complete
from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.packet import TIMESCALE, Boundary, Codec, Init, Kind, Packet, Track

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamctl.media.packet import Item

CODECS = {"h264": Codec.H264, "aac": Codec.AAC}


def packets(path: Path, epoch: int, offset: int) -> tuple[Init, list[Packet]]:
    """The access units of an MP4 file in decode order, ``offset`` ticks later."""
    found: list[Packet] = []
    with av.open(str(path)) as container:
        tracks = [
            complete(Track(s.index, CODECS[s.codec_context.name], s.codec_context.extradata))
            for s in container.streams
        ]
        for unit in container.demux():
            if unit.pts is None or unit.dts is None or unit.time_base is None:
                continue
            scale = float(unit.time_base) * TIMESCALE
            video = unit.stream.type == "video"
            kind = (Kind.KEY if unit.is_keyframe else Kind.P) if video else Kind.AUDIO
            times = [round(t * scale) for t in (unit.pts, unit.dts, unit.duration or 0)]
            pts, dts = times[0] + offset, times[1] + offset
            track = unit.stream.index
            found.append(Packet(track, pts, dts, kind, 0, bytes(unit), times[2], epoch))
    return Init(epoch, epoch, tuple(tracks)), sorted(found, key=lambda packet: packet.dts)


class Lane:
    """One converter over all epochs, as a stream has it."""

    def __init__(self) -> None:
        self.converter = TsConverter()

    def epoch(self, path: Path, number: int, offset: int) -> Iterator[list[Item]]:
        """The writes of one run of a file, about ten a second."""
        init, units = packets(path, number, offset)
        yield self.converter.convert([Boundary(number, init, "test")])
        for _, group in groupby(units, key=lambda packet: packet.dts // 9000):
            yield self.converter.convert(list(group))
