from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.aac import AacConfig, adts_header
from streamctl.media.mpegts.frames import (
    FRAMINGS,
    Frame,
    Framer,
    SampleClock,
    raw_frame,
    sound_codec,
)
from streamctl.media.packet import Codec
from tests.streamctl.media.test_ac3 import STEREO as AC3_HEAD
from tests.streamctl.media.test_eac3 import BACKS
from tests.streamctl.media.test_eac3 import STEREO as EAC3
from tests.streamctl.media.test_eac3 import frame as eac3_frame

CONFIG = AacConfig(2, 48_000, 2)


def adts(size: int) -> bytes:
    return adts_header(CONFIG, size) + b"\x21" * size


MP2 = bytes.fromhex("fffdc404").ljust(768, b"\x11")
"""256 kbit/s at 48 kHz."""
MP3 = bytes.fromhex("fffb9464").ljust(384, b"\x11")
AC3 = AC3_HEAD.ljust(768, b"\x11")
"""192 kbit/s at 48 kHz."""

FRAMES = {
    Codec.AAC: [adts(300), adts(5), adts(700), adts(20)],
    Codec.MP2: [MP2] * 4,
    Codec.MP3: [MP3] * 4,
    Codec.AC3: [AC3] * 4,
    Codec.EAC3: [EAC3, EAC3 + BACKS + eac3_frame(number=1), EAC3 + BACKS, EAC3],
}


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    out = []
    for size in sizes:
        out.append(data[:size])
        data = data[size:]
    return [*out, data]


def datas(frames: list[Frame]) -> list[bytes]:
    return [frame.data for frame in frames]


@pytest.mark.parametrize("codec", FRAMES)
def test_frames_are_cut_where_they_end(codec: Codec) -> None:
    framer = Framer(FRAMINGS[codec])
    found = framer.cut(b"".join(FRAMES[codec]), 500)
    assert datas(found) == FRAMES[codec]
    assert [frame.time for frame in found] == [500, None, None, None]
    assert framer.skipped_bytes == 0


@pytest.mark.parametrize("codec", [codec for codec in FRAMES if codec is not Codec.EAC3])
def test_frames_may_lie_across_units(codec: Codec) -> None:
    data = b"".join(FRAMES[codec])
    for first in range(1, len(data), 37):
        framer = Framer(FRAMINGS[codec])
        found = framer.cut(data[:first], 100) + framer.cut(data[first:], 200)
        assert datas(found) == FRAMES[codec]
        times = [frame.time for frame in found]
        starts = [sum(map(len, FRAMES[codec][:number])) for number in range(4)]
        begun = next((n for n, start in enumerate(starts) if start >= first), None)
        assert times == [100 if n == 0 else 200 if n == begun else None for n in range(4)]


@pytest.mark.parametrize("codec", FRAMES)
def test_a_stream_is_joined_in_the_middle_of_a_frame(codec: Codec) -> None:
    framer = Framer(FRAMINGS[codec])
    whole = b"".join(FRAMES[codec])
    found = framer.cut(whole[9:], 100)
    assert datas(found) == FRAMES[codec][1:]
    assert framer.skipped_bytes == len(FRAMES[codec][0]) - 9


def test_false_beginnings_are_passed_over() -> None:
    framer = Framer(FRAMINGS[Codec.MP2])
    false = b"\xff\xfd\xc4\x04" + b"\x11" * 40
    found = framer.cut(false + MP2 + MP2, 100)
    assert datas(found) == [MP2, MP2]
    assert framer.skipped_bytes == len(false)


def test_a_unit_full_of_false_beginnings_is_dropped() -> None:
    framer = Framer(FRAMINGS[Codec.MP2])
    false = (MP2[:4] + b"\x11") * 1000
    assert framer.cut(false, 0) == []
    assert framer.skipped_bytes == len(false) - 3
    assert datas(framer.cut(MP2 + MP2, 0)) == [MP2, MP2]


def test_a_torn_unit_keeps_nothing() -> None:
    framer = Framer(FRAMINGS[Codec.MP2])
    assert datas(framer.cut(MP2 + MP2[:300], 0, torn=True)) == [MP2]
    assert framer.skipped_bytes == 300
    assert datas(framer.cut(MP2, 0)) == [MP2]


def test_a_gap_forgets_what_was_begun() -> None:
    framer = Framer(FRAMINGS[Codec.MP2])
    framer.cut(MP2[:300], 0)
    framer.reset()
    assert datas(framer.cut(MP2, 0)) == [MP2]


@pytest.mark.parametrize(
    ("announced", "data", "found"),
    [
        (Codec.MP2, adts(9), Codec.AAC),
        (Codec.MP2, MP3, Codec.MP3),
        (Codec.MP2, MP2, Codec.MP2),
        (Codec.AAC, MP2, Codec.MP2),
        (Codec.AC3, EAC3, Codec.EAC3),
        (Codec.EAC3, AC3, Codec.AC3),
        (Codec.AC3, MP2, Codec.AC3),
        (Codec.MP2, b"\xff\xff\0\0\0\0\0", Codec.MP2),
        (Codec.MP2, b"\xff\xe3\0\0\0\0\0", Codec.MP2),
        (Codec.AAC, b"\0" * 9, Codec.AAC),
        (Codec.AAC, b"", Codec.AAC),
    ],
)
def test_frames_tell_what_they_are(announced: Codec, data: bytes, found: Codec) -> None:
    assert sound_codec(announced, data) is found


def test_raw_data_stands_behind_the_header() -> None:
    assert raw_frame(adts(3)) == (CONFIG, b"!!!")
    checked = bytearray(adts(5))
    checked[1] &= 0xFE
    assert raw_frame(bytes(checked)) == (CONFIG, b"!!!")
    several = bytearray(adts(5))
    several[6] |= 1
    with pytest.raises(RemoteProtocolError, match="several"):
        raw_frame(bytes(several))


def test_frames_follow_each_other_exactly() -> None:
    clock = SampleClock()
    frame = Fraction(90_000 * 1024, 44_100)
    assert clock.place(None, frame) is None
    times = [clock.place(1000 if number == 0 else None, frame) for number in range(100_000)]
    assert times == [1000 + round(number * frame) for number in range(100_000)]
    longer = Fraction(1920)
    assert clock.place(None, longer) == 1000 + round(100_000 * frame)
    assert clock.place(None, longer) == 1000 + round(100_000 * frame) + 1920
    assert clock.place(7, longer) == 7


@pytest.mark.parametrize("codec", FRAMINGS)
@given(
    parts=st.lists(
        st.sampled_from([adts(9), MP2[:50], AC3[:40], EAC3[:50]]) | st.binary(max_size=9)
    ),
    sizes=st.lists(st.integers(0, 90), max_size=5),
)
def test_noise_is_cut_in_bounded_memory(codec: Codec, parts: list[bytes], sizes: list[int]) -> None:
    framer = Framer(FRAMINGS[codec])
    data = b"".join(parts)
    total = 0
    for piece in pieces(data, sizes):
        for frame in framer.cut(piece, 0):
            total += len(frame.data)
            with suppress(ProtocolError):
                raw_frame(frame.data)
    framer.reset()
    assert total + framer.skipped_bytes == len(data)
