"""A movie of invented pictures and sound, a stream of sound alone, and damage to either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.packet import Kind, Packet
from tests.streamctl.media.h264.sets import slice_of
from tests.streamctl.media.mpegts.test_frames import MP2
from tests.streamctl.media.mpegts.world import AUDIO, VIDEO, boundary, interleaved, joined, sounds
from tests.support.ts_build import SECOND, Component, Unit, descriptor, pes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Track

ROW = 188


def written(packets: Sequence[Packet], *tracks: Track) -> bytes:
    """Access units as MPEG-TS."""
    return joined(TsConverter().convert([boundary(*tracks), *packets]))


def picture(dts: int, size: int = 300) -> Packet:
    """A picture without bytes that would need emulation prevention."""
    key = not dts % SECOND
    nal = (slice_of(7, kind=5) if key else slice_of(5)) + bytes((1 + dts // 3600,)) * size
    kind = Kind.KEY if key else Kind.P
    return Packet(0, dts + 3600, dts, kind, 0, len(nal).to_bytes(4, "big") + nal)


PICTURES = [picture(number * 3600, 300 + 40 * (number % 7)) for number in range(60)]
MOVIE = interleaved(PICTURES, sounds(110))
DATA = written(MOVIE, VIDEO, AUDIO)


def sound_pid(pid: int, count: int = 20, first: int = 0, language: str = "") -> Component:
    """A stream of MPEG audio."""
    named = descriptor(0x0A, language.encode() + b"\0") if language else b""
    units = [
        Unit(first + n * 2160, pes(0xC0, MP2, SECOND + first + n * 2160)) for n in range(count)
    ]
    return Component(pid, 0x03, units, named)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The movie with bits that were turned over, and packets that got lost."""
    data = bytearray(DATA)
    flips = st.tuples(st.integers(0, len(DATA) - 1), st.integers(1, 255))
    for at, bits in draw(st.lists(flips, max_size=60)):
        data[at] ^= bits
    rows = st.integers(0, len(DATA) // ROW - 1)
    for row in sorted(draw(st.lists(rows, max_size=10, unique=True)), reverse=True):
        del data[row * ROW : (row + 1) * ROW]
    return bytes(data)
