"""Sound frames out of PES packets, which may hold several and cut through them.

A framer finds where frames begin and end and what time each has: the first one that begins in a
PES packet has its time, the others follow by their samples. Specifications: ISO/IEC 13818-1
§2.4.3.7 (semantics of PTS); the headers are those of the codecs' modules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media import ac3, eac3, latm, mpegaudio
from streamctl.media.aac import (
    ADTS_CRC_BYTES,
    ADTS_HEADER_BYTES,
    ADTS_MAX_BYTES,
    AacConfig,
    adts_config,
)
from streamctl.media.packet import Codec

if TYPE_CHECKING:
    from collections.abc import Callable

ADTS_SYNC = 0xFFF
LAYER_BITS = 0x06
"""Of the second byte: never zero in MPEG audio, always in ADTS."""
BSID_AT = 5
"""Byte of AC-3 and E-AC-3 frames with ``bsid`` in its upper five bits."""

MAX_SEARCHES = 64
"""Places that are tried in one payload; what is so full of false beginnings is dropped."""


@dataclass(slots=True)
class Frame:
    """One frame of sound."""

    data: bytes
    time: int | None
    """Of the PES packet, if this is the first frame that begins in it."""


def adts_size(data: bytes, at: int) -> int:
    """The length of the ADTS frame at a place."""
    header = int.from_bytes(data[at : at + ADTS_HEADER_BYTES], "big")
    if header >> 44 != ADTS_SYNC or header >> 41 & 3:
        raise RemoteProtocolError("an ADTS frame does not begin with its sync word")
    size = header >> 13 & ADTS_MAX_BYTES
    if size <= ADTS_HEADER_BYTES:
        raise RemoteProtocolError("an ADTS frame is cut off")
    return size


def mpeg_size(data: bytes, at: int) -> int:
    """The length of the MPEG audio frame at a place."""
    return mpegaudio.frame_bytes(data[at : at + mpegaudio.HEADER_BYTES])


def ac3_size(data: bytes, at: int) -> int:
    """The length of the AC-3 frame at a place."""
    if data[at : at + 2] != ac3.SYNC:
        raise RemoteProtocolError("an AC-3 frame does not begin with its sync word")
    return ac3.frame_bytes(data[at + 4])


def eac3_size(data: bytes, at: int) -> int:
    """The length of an E-AC-3 access unit: an independent frame, and those that depend on it."""
    size = eac3.parse_frame(data, at).size
    for _ in range(eac3.MAX_FRAMES):
        if at + size + eac3.HEAD_BYTES > len(data):
            break
        try:
            following = eac3.parse_frame(data, at + size)
        except ProtocolError:
            break
        if following.kind != eac3.DEPENDENT and not following.number:
            break
        size += following.size
    return size


@dataclass(frozen=True, slots=True)
class Framing:
    """How frames are told apart."""

    size: Callable[[bytes, int], int]
    """Length of the frame at a place; raises ``RemoteProtocolError`` where none is."""
    least: int
    """Bytes that tell the length; no frame is shorter."""
    head: re.Pattern[bytes]
    """What to search for when frames are lost."""


MPEG_AUDIO = Framing(
    mpeg_size, mpegaudio.HEADER_BYTES, re.compile(rb"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd]")
)
LOAS = Framing(latm.loas_size, latm.HEADER_BYTES, re.compile(rb"\x56[\xe0-\xff]"))
"""AAC in LATM."""

FRAMINGS = {
    Codec.AAC: Framing(adts_size, ADTS_HEADER_BYTES, re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")),
    Codec.MP2: MPEG_AUDIO,
    Codec.MP3: MPEG_AUDIO,
    Codec.AC3: Framing(ac3_size, ac3.HEAD_BYTES, re.compile(re.escape(ac3.SYNC))),
    Codec.EAC3: Framing(eac3_size, eac3.HEAD_BYTES, re.compile(re.escape(ac3.SYNC))),
}


def sound_codec(codec: Codec, data: bytes) -> Codec:
    """The codec of frames by their start, since program maps may be wrong about it."""
    if len(data) <= BSID_AT:
        return codec
    if data[:2] == ac3.SYNC and codec in {Codec.AC3, Codec.EAC3}:
        return Codec.AC3 if data[BSID_AT] >> 3 <= ac3.MAX_BSID else Codec.EAC3
    if data[0] == 0xFF and data[1] >> 4 == 0xF and codec in {Codec.AAC, Codec.MP2, Codec.MP3}:
        if not data[1] & LAYER_BITS:
            return Codec.AAC
        layer = mpegaudio.LAYERS.get(data[1] >> 1 & 3)
        return layer or codec
    return codec


class Framer:
    """Cuts the frames of one track; keeps less than one frame."""

    def __init__(self, framing: Framing) -> None:
        self.skipped_bytes = 0
        """Bytes that belonged to no frame."""
        self._rest = b""
        self._time: int | None = None
        """Of the frame that begins in the rest."""
        self._framing = framing
        self._locked = False
        """The last frame ended where this one has to begin."""

    @property
    def waits(self) -> bool:
        """Whether the end of a frame is still to come."""
        return bool(self._rest)

    def cut(self, payload: bytes, time: int | None, *, torn: bool = False) -> list[Frame]:
        """The frames that are whole with this payload; ``torn`` says that it lacks its end."""
        data = self._rest + payload
        border = len(self._rest)
        frames = []
        at = searches = 0
        while at + self._framing.least <= len(data):
            end = self._end(data, at)
            if end < 0:
                searches += 1
                at = self._search(data, at, searches)
                continue
            if end > len(data):
                break
            if at < border:
                frames.append(Frame(data[at:end], self._time))
                self._time = None
            else:
                frames.append(Frame(data[at:end], time))
                time = None
            self._locked = True
            at = end
        self._rest = data[at:]
        if at >= border:
            self._time = time
        if torn:
            self.reset()
        return frames

    def reset(self) -> None:
        """Forget the start of a frame whose end won't come."""
        self.skipped_bytes += len(self._rest)
        self._rest = b""
        self._locked = False

    def _end(self, data: bytes, at: int) -> int:
        """Where the frame at a place ends; -1 if none begins there.

        After a search another one has to follow it, if its place is within ``data``.
        """
        try:
            end = at + self._framing.size(data, at)
            if not self._locked and end + self._framing.least <= len(data):
                self._framing.size(data, end)
        except ProtocolError:
            return -1
        return end

    def _search(self, data: bytes, at: int, searches: int) -> int:
        """The next place where a frame may begin."""
        self._locked = False
        found = self._framing.head.search(data, at + 1) if searches < MAX_SEARCHES else None
        start = found.start() if found else max(at + 1, len(data) - self._framing.least + 1)
        self.skipped_bytes += start - at
        return start


def raw_frame(frame: bytes) -> tuple[AacConfig, bytes]:
    """Configuration and raw data of an ADTS frame.

    Raises:
        RemoteProtocolError: of several raw data blocks, or of channels told elsewhere.
    """
    header = int.from_bytes(frame[:ADTS_HEADER_BYTES], "big")
    if header & 3:
        raise RemoteProtocolError("ADTS frames with several raw data blocks are not supported")
    start = ADTS_HEADER_BYTES + (0 if header >> 40 & 1 else ADTS_CRC_BYTES)
    return adts_config(header >> 30), frame[start:]


class SampleClock:
    """Times of frames that follow each other, exact however long the run is."""

    def __init__(self) -> None:
        self._anchor: int | None = None
        self._frame = Fraction(0)
        self._count = 0
        """Frames since the anchor."""

    def place(self, time: int | None, frame: Fraction) -> int | None:
        """The time of the next frame, which lasts ``frame`` ticks; None before the first time."""
        if time is None and self._anchor is not None:
            time = self._anchor + self._passed()
            if frame == self._frame:
                self._count += 1
                return time
        self._anchor = time
        self._frame = frame
        self._count = 1
        return time

    def _passed(self) -> int:
        """Ticks since the anchor, rounded."""
        span, unit = 2 * self._count * self._frame.numerator, self._frame.denominator
        return (span + unit) // (2 * unit)
