"""The frames of one PES packet of sound: where they stand, so that it can be begun with inside.

A multiplexer may put a third of a second of sound into one PES packet, of which only the first
frame that begins in it has a time. Specification: ISO/IEC 13818-1 §2.4.3.7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media import aac
from streamctl.media.mpegts.frames import FRAMINGS, Framer, raw_frame, sound_codec
from streamctl.media.mpegts.pes import MAX_AUDIO_BYTES, pes_header
from streamctl.media.mpegts.unpack_sound import SOUND_READERS
from streamctl.media.packet import Codec

if TYPE_CHECKING:
    from streamctl.media.mpegts.assemble import Pes

SLACK = 45
"""Half a millisecond: what times may differ by that were rounded on their way, 90 kHz."""


@dataclass(frozen=True, slots=True)
class SoundFrames:
    """Of one PES packet."""

    payload: bytes
    """Up to the end of the last frame if more of it should have come."""
    starts: tuple[int, ...]
    """Where frames begin in it, and where the last whole one ends."""
    length: Fraction
    """Of each, 90 kHz."""

    def end(self, pts: int) -> int:
        """Where the last whole frame ends; ``pts`` is the time of the PES packet."""
        return pts + round((len(self.starts) - 1) * self.length)

    def since(self, pts: int, wanted: int) -> tuple[int, bytes] | None:
        """The time of the first frame that is wanted, and the payload from there on."""
        first = max(0, math.ceil((wanted - SLACK - pts) / self.length))
        if first >= len(self.starts) or self.starts[first] == len(self.payload):
            return None
        return pts + round(first * self.length), self.payload[self.starts[first] :]


def sound_frames(codec: Codec, pes: Pes) -> SoundFrames | None:
    """The frames of a PES packet; None where they can't be told apart."""
    if codec not in FRAMINGS:
        return None
    payload = pes.payload
    codec = sound_codec(codec, payload)
    framer = Framer(FRAMINGS[codec])
    frames = [frame.data for frame in framer.cut(payload, None)]
    starts = [framer.skipped_bytes]
    for frame in frames:
        if not payload.startswith(frame, starts[-1]):
            return None
        starts.append(starts[-1] + len(frame))
    length = frame_length(codec, frames[0]) if frames else None
    if length is None:
        return None
    return SoundFrames(payload[: starts[-1]] if pes.torn else payload, tuple(starts), length)


def frame_length(codec: Codec, frame: bytes) -> Fraction | None:
    """How long a frame sounds, 90 kHz; None if it can't be read."""
    try:
        if codec is Codec.AAC:
            return aac.facts(raw_frame(frame)[0].serialize()).frame
        reader = SOUND_READERS[codec]()
        unit = reader.unit(frame)
    except ProtocolError:
        return None
    facts = reader.facts
    return facts.frame if facts is not None and facts.frame else Fraction(unit.dur) or None


def sound_pes(stream_id: int, pts: int, payload: bytes) -> bytes:
    """A PES packet of frames, of which the first one has this time."""
    payload = payload[:MAX_AUDIO_BYTES]
    return pes_header(stream_id, pts, pts, len(payload)) + payload
