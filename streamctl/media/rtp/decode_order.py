"""Decoding times of pictures, of which RTP tells the presentation times alone.

Theory of operation: pictures come in decoding order. Where up to *depth* of them are shown after
one that follows them, the decoding time of a picture is the presentation time that stands that
many places before it among all in order; so decoding times rise, and none is later than its
presentation. The depth is what the parameter sets tell. Where they leave it to the standard's
inference, which is the most that a decoder could hold, the order of the first pictures shows the
depth; a deeper one that comes later is learned then.
Specifications: ITU-T H.264 §E.2.1 (``max_num_reorder_frames``), §8.2.1 (type 2 of the order
count), H.265 §7.4.3.2 (``sps_max_num_reorder_pics``).
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.h264 import AvcConfig
from streamctl.media.h264.sps import dpb_frames
from streamctl.media.h264.sps import parse_sps as parse_avc_sps
from streamctl.media.hevc import HevcConfig
from streamctl.media.hevc.sps import parse_sps as parse_hevc_sps
from streamctl.media.packet import TIMESCALE, Codec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.h264.sps import Sps
    from streamctl.media.packet import Packet, Track

MAX_DEPTH = 16
"""Of any level of H.264 and HEVC."""
LEARNING = 8
"""Pictures that show their order: a pyramid of three levels is as long."""
USUAL_STEP = TIMESCALE // 30
"""Distance of two pictures as long as nothing tells it."""
JUMP = 2 * TIMESCALE
"""A step that is no frame's: the source's clock was set."""
MACROBLOCK = 16
BASELINE = 66
"""The profile that has no pictures between others."""
ORDERED_TYPE = 2
"""The type of the order count whose pictures are shown in decoding order."""


class DecodeOrder:
    """Gives the pictures of one track their decoding times."""

    def __init__(self) -> None:
        self.depth = 0
        self.limit = 0
        """The depth that parameter sets allow."""
        self.unsure = False
        """Only the pictures themselves can tell the depth, and have not yet."""
        self._recent: list[int] = []
        """Presentation times of the last pictures, in decoding order."""
        self._sorted: list[int] = []
        """Presentation times that are decoding times of pictures to come, in order."""
        self._last: int | None = None
        """The newest decoding time."""
        self._step = USUAL_STEP

    def configure(self, track: Track) -> None:
        """Take what a track's parameter sets tell."""
        if track.fps:
            self._step = max(round(TIMESCALE / track.fps), 1)
        limit, told = reorder(track)
        if limit == self.limit:
            return
        self.limit = limit
        self.unsure = not told and self._last is None
        if told:
            self._deepen(limit)

    def learn(self, times: Iterable[int]) -> None:
        """Learn the depth of pictures with these presentation times, before they are taken."""
        self.unsure = False
        if self.limit:
            for pts in times:
                self._watch(pts)
        self._recent.clear()

    def take(self, packet: Packet) -> None:
        """Give a picture its decoding time."""
        if self.limit:
            self._watch(packet.pts)
            self._time(packet)
        else:
            packet.dts = packet.pts
        self._last = packet.dts

    def reset(self) -> None:
        """Forget the times of a source that begins anew."""
        self._recent.clear()
        self._sorted.clear()
        self._last = None

    def _watch(self, pts: int) -> None:
        """Learn the depth of a picture's reordering."""
        recent = self._recent
        if recent:
            step = pts - recent[-1]
            if abs(step) > JUMP:
                recent.clear()
            elif 0 < step < self._step:
                self._step = step
        depth = min(sum(other > pts for other in recent), self.limit)
        recent.append(pts)
        del recent[:-MAX_DEPTH]
        if depth > self.depth:
            self._deepen(depth)

    def _deepen(self, depth: int) -> None:
        """Reorder by another depth from now on."""
        if self._sorted:
            first = self._sorted[0]
            self._sorted[:0] = [
                first - place * self._step for place in range(depth - self.depth, 0, -1)
            ]
            del self._sorted[: max(len(self._sorted) - depth, 0)]
        self.depth = depth

    def _time(self, packet: Packet) -> None:
        pts, times, last = packet.pts, self._sorted, self._last
        if last is None or abs(pts - last) > JUMP:
            times[:] = [pts - place * self._step for place in range(self.depth, 0, -1)]
            last = None
        elif len(times) < self.depth:
            missing = range(self.depth - len(times), 0, -1)
            times[:0] = [(times[0] if times else pts) - place * self._step for place in missing]
        insort(times, pts)
        dts = times.pop(0)
        if last is not None and dts <= last:
            dts = last + 1
        packet.dts = min(dts, pts) if last is None or pts > last else dts


def reorder(track: Track) -> tuple[int, bool]:
    """How deep a track's pictures may be reordered, and whether its parameter sets tell so."""
    if track.codec not in {Codec.H264, Codec.HEVC}:
        return 0, True
    if not track.config:
        return MAX_DEPTH, False
    try:
        if track.codec is Codec.HEVC:
            sps = HevcConfig.parse(track.config).sps
            depths = [parse_hevc_sps(nal).max_num_reorder for nal in sps]
            return (min(max(depths), MAX_DEPTH), True) if depths else (MAX_DEPTH, False)
        found = [parse_avc_sps(nal) for nal in AvcConfig.parse(track.config).sps]
    except ProtocolError:
        return MAX_DEPTH, False
    return max(reorder_of(sps) for sps in found) if found else (MAX_DEPTH, False)


def reorder_of(sps: Sps) -> tuple[int, bool]:
    """The depth that one parameter set of H.264 allows, and whether it tells so."""
    if sps.poc_type == ORDERED_TYPE or sps.profile == BASELINE:
        return 0, True
    width, height = (-(-side // MACROBLOCK) for side in (sps.width, sps.height))
    inferred = dpb_frames(sps.level, max(width * height, 1))
    depth = min(sps.max_num_reorder_frames, MAX_DEPTH)
    return depth, depth < inferred
