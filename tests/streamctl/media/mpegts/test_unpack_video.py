from __future__ import annotations

import time
from itertools import pairwise

import pytest

from streamctl.media.mpegts.assemble import MAX_PICTURE_BYTES
from streamctl.media.mpegts.unpack import MAX_FAULTS, ProgramTime
from streamctl.media.mpegts.unpack_video import DEFAULT_STEP, PictureUnpacker
from streamctl.media.nal import START_CODE, split_length_prefixed
from streamctl.media.packet import Codec, Flag, Kind, Packet, Track
from tests.streamctl.media.h264.sets import PPS, SPS_720P, SPS_FIELDS, bits_of, payload, slice_of
from tests.streamctl.media.mpegts.unpacking import found_by, pes, units
from tests.streamctl.media.test_mpeg2video import EXTENSION, OPEN, SEQUENCE, B, I, P

IDR, DELTA = slice_of(7, kind=5), slice_of(5)
SETS = START_CODE + SPS_720P + START_CODE + PPS
KEY, NEXT = SETS + START_CODE + IDR, START_CODE + DELTA


def video(codec: Codec = Codec.H264) -> PictureUnpacker:
    return PictureUnpacker(Track(0, codec), ProgramTime())


def test_pictures_come_with_their_track() -> None:
    track, first, second = found_by(video(), pes(KEY, 7200, 3600), pes(NEXT, 10_800))
    assert isinstance(track, Track)
    assert (track.width, track.height, track.config is None) == (1280, 720, False)
    assert isinstance(first, Packet)
    assert isinstance(second, Packet)
    assert (first.pts, first.dts, first.kind) == (7200, 3600, Kind.KEY)
    assert first.data == len(IDR).to_bytes(4, "big") + IDR
    assert (second.pts, second.dts, second.kind) == (10_800, 10_800, Kind.P)


def test_pictures_before_the_first_parameter_sets_are_dropped() -> None:
    assert [one.kind for one in units(video(), pes(NEXT, 0), pes(KEY, 1), pes(NEXT, 2))] == [
        Kind.KEY,
        Kind.P,
    ]


def test_what_cant_be_read_is_counted_by_its_fault() -> None:
    unpacker = video()
    broken = START_CODE + SPS_720P[:4] + START_CODE + PPS + START_CODE + IDR
    assert units(unpacker, pes(broken, 0), pes(KEY, None)) == []
    assert list(unpacker.time.faults.values()) == [1, 1]
    for number in range(2 * MAX_FAULTS):
        unpacker.time.fault(str(number))
    assert len(unpacker.time.faults) == MAX_FAULTS


def test_several_pictures_of_a_unit_follow_by_the_frame_rate() -> None:
    unpacker = video()
    found = units(unpacker, pes(KEY + NEXT + NEXT, 9000, 5400))
    step = round(90_000 / unpacker.track.fps)
    assert step != DEFAULT_STEP
    assert [(one.pts, one.dts) for one in found] == [
        (9000 + number * step, 5400 + number * step) for number in range(3)
    ]


def test_without_a_frame_rate_pictures_follow_as_the_last_ones_did() -> None:
    key = START_CODE + SPS_FIELDS + KEY.replace(SETS, START_CODE + PPS)
    found = units(video(), pes(key + NEXT, 0), pes(NEXT * 2, 6000), pes(NEXT * 3, 15_000))
    assert [one.dts for one in found] == [
        *(0, DEFAULT_STEP),
        *(6000, 9000),
        *(15_000, 19_500, 24_000),
    ]


AUD = START_CODE + b"\x09\xf0"
SECOND_SLICE = START_CODE + slice_of(5, first_mb=40)


@pytest.mark.parametrize("cut", [1, 2, 7, len(DELTA)])
def test_a_picture_may_end_where_the_next_ones_begin(cut: int) -> None:
    whole = [AUD + KEY, *[AUD + NEXT] * 5]
    data = b"".join(whole)
    places = [0, *(len(AUD + KEY) + len(AUD + NEXT) * n - cut for n in (0, 2, 4)), len(data)]
    taken = [
        pes(data[start:end], 3000 * n, continued=end < len(data))
        for n, (start, end) in enumerate(pairwise(places))
    ]
    found = units(video(), *taken)
    assert [len(one.data) for one in found] == [len(IDR) + 4, *[len(DELTA) + 4] * 5]
    step = round(90_000 / 29.97)
    assert [one.dts for one in found] == [0, 3000, 3000 + step, 6000, 6000 + step, 9000]


def test_slices_may_have_units_of_their_own() -> None:
    taken = [pes(KEY, 0, continued=True), pes(SECOND_SLICE, 0, continued=True)]
    taken += [pes(SECOND_SLICE, 0), pes(NEXT, 3600, continued=True), pes(SECOND_SLICE, 3600)]
    found = units(video(), *taken)
    assert [one.dts for one in found] == [0, 3600]
    assert [len(split_length_prefixed(one.data)) for one in found] == [3, 2]


def test_the_rest_of_an_unknown_picture_is_left() -> None:
    rest = pes(SECOND_SLICE, 0, continued=True)
    found = units(video(), rest, pes(SECOND_SLICE + AUD + KEY, 3600), pes(NEXT, 7200))
    assert [(one.dts, one.kind) for one in found] == [(3600, Kind.KEY), (7200, Kind.P)]
    assert len(split_length_prefixed(found[0].data)) == 1


def test_a_picture_whose_rest_does_not_come_is_given_at_the_end() -> None:
    assert len(units(video(), pes(KEY, 0, continued=True))) == 1


def test_a_picture_does_not_grow_without_end() -> None:
    unpacker = video()
    out: list[Packet | Track] = []
    piece = START_CODE + slice_of(5, first_mb=40) + b"\x5a" * (MAX_PICTURE_BYTES // 2)
    for number in range(4):
        unpacker.take(pes(KEY if not number else piece, number, continued=True), out)
    assert len([item for item in out if isinstance(item, Packet)]) == 1


@pytest.mark.parametrize("more", [b"\x5a" * 160, b"\x5a" + START_CODE + PPS[:1] + b"\x5a" * 150])
def test_a_picture_that_goes_on_and_on_is_put_together_in_no_time(more: bytes) -> None:
    unpacker = video()
    large = KEY + b"\x5a" * (MAX_PICTURE_BYTES // 2)
    began = time.thread_time()
    found = units(
        unpacker,
        pes(large, 0, continued=True),
        *[pes(more, 3600 * number, continued=True) for number in range(1, 2000)],
        pes(b"\x5a", 3600 * 2000),
    )
    assert time.thread_time() - began < 2
    assert found[0].kind is Kind.KEY
    if more == b"\x5a" * 160:
        (one,) = found
        assert len(one.data) == 4 + len(IDR) + MAX_PICTURE_BYTES // 2 + 1999 * 160 + 1


@pytest.mark.parametrize("cut", range(1, 12))
def test_what_begins_between_two_payloads_is_found(cut: int) -> None:
    """Wherever the start code of the next picture is cut apart."""
    ends = START_CODE + slice_of(5, first_mb=40) + b"\x5a" * 50
    data = ends + AUD + NEXT + SECOND_SLICE
    at = len(ends) + cut
    taken = [pes(KEY, 0, continued=True), pes(data[:at], 3600, continued=True)]
    found = units(video(), *taken, pes(data[at:], 3600), pes(AUD + NEXT, 7200))
    assert [len(split_length_prefixed(one.data)) for one in found] == [2, 2, 1]


def test_a_torn_picture_is_marked() -> None:
    first, second = units(video(), pes(KEY, 0, torn=True), pes(NEXT, 1))
    assert (first.flags, second.flags) == (Flag.CORRUPT, 0)


def test_pictures_shown_before_an_open_point_lead_it() -> None:
    unpacker = video(Codec.MPEG2)
    key = SEQUENCE + EXTENSION + OPEN + I
    found = units(unpacker, pes(key, 9, 1), pes(B, 3, 3), pes(B, 6, 6), pes(P, 18, 9), pes(B, 8, 8))
    assert [one.flags for one in found] == [Flag.OPEN_GOP, Flag.LEADING, Flag.LEADING, 0, 0]
    assert [one.kind for one in found] == [Kind.KEY, Kind.B, Kind.B, Kind.P, Kind.B]
    assert unpacker.track.height == 576


def field(number: int, parity: str, kind: int = 1) -> bytes:
    head = bits_of(0) + bits_of(5) + bits_of(0) + f"{number:04b}" + parity + "0" * 20
    return START_CODE + b"\x09\xf0" + START_CODE + bytes((0x60 | kind,)) + payload(head)


FIELD_SETS = START_CODE + SPS_FIELDS + START_CODE + PPS
TOP, BOTTOM = FIELD_SETS + field(0, "10"), field(0, "11")
OTHERS = [field(1, "10"), field(1, "11"), field(2, "0")]


@pytest.mark.parametrize("together", [True, False])
def test_both_fields_of_a_frame_are_one_packet(together: bool) -> None:
    unpacker = video()
    fields = [TOP, BOTTOM, *OTHERS]
    taken = [pes(one, number * 1800) for number, one in enumerate(fields)]
    if together:
        taken = [pes(TOP + BOTTOM, 0), pes(OTHERS[0] + OTHERS[1], 3600), pes(OTHERS[2], 7200)]
    found = units(unpacker, *taken)
    assert [one.dts for one in found] == [0, 3600, 7200]
    assert [one.data.count(b"\x61") for one in found] == [2, 2, 1]


def test_a_field_without_its_other_one_is_given_alone() -> None:
    found = units(video(), pes(TOP, 0), pes(OTHERS[0], 3600), pes(OTHERS[0], 7200))
    assert [one.dts for one in found] == [0, 3600, 7200]
