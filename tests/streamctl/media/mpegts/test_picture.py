from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.h264.unit import normalize
from streamctl.media.mpegts.picture import PROBES, H264Probe
from streamctl.media.nal import START_CODE, split_annexb
from streamctl.media.packet import Codec, Flag, Kind
from tests.streamctl.media.h264.sets import (
    PPS,
    SPS_720P,
    SPS_FIELDS,
    bits_of,
    payload,
    recovery_point,
    sei,
    slice_of,
)
from tests.streamctl.media.hevc.sets import slice_of as hevc_slice
from tests.streamctl.media.test_mpeg2video import CLOSED, SEQUENCE, B, I

AUD = b"\x09\xf0"
SETS = (SPS_720P, PPS)
NOW, LATER = sei(recovery_point(0)), sei(recovery_point(5))
IDR, INTRA, ALIKE, P, B_SLICE = (
    slice_of(7, kind=5),
    slice_of(2),
    slice_of(7),
    slice_of(5),
    slice_of(6),
)
REST = slice_of(0, first_mb=40)


def stream(*nals: bytes) -> bytes:
    return b"".join(START_CODE + nal for nal in nals)


@pytest.mark.parametrize(
    ("nals", "kind", "flags"),
    [
        ((AUD, *SETS, IDR), Kind.KEY, 0),
        ((AUD, IDR), Kind.KEY, 0),
        ((AUD, NOW, INTRA), Kind.KEY, Flag.OPEN_GOP),
        ((AUD, *SETS, ALIKE), Kind.KEY, Flag.OPEN_GOP),
        ((AUD, SPS_720P, ALIKE), Kind.P, 0),
        ((AUD, LATER, INTRA), Kind.P, 0),
        ((AUD, INTRA), Kind.P, 0),
        ((AUD, P), Kind.P, 0),
        ((AUD, B_SLICE), Kind.B, 0),
    ],
)
def test_the_first_slice_tells_what_a_picture_is(
    nals: tuple[bytes, ...], kind: Kind, flags: int
) -> None:
    assert H264Probe().look(stream(*nals), False) == (kind, flags)


@pytest.mark.parametrize(("rest", "kind"), [(slice_of(2, first_mb=40), Kind.KEY), (REST, Kind.P)])
def test_a_slice_that_speaks_for_itself_alone_needs_the_others(rest: bytes, kind: Kind) -> None:
    data = stream(AUD, *SETS, INTRA, rest)
    probe = H264Probe()
    assert probe.look(data, False) is None
    seen = probe.look(data, True)
    assert seen is not None
    assert seen[0] is kind


def test_a_picture_without_a_slice_is_told_when_it_ends() -> None:
    probe = H264Probe()
    assert probe.look(stream(AUD, *SETS), False) is None
    assert probe.look(stream(AUD, *SETS), True) == (Kind.P, 0)


def test_a_short_slice_is_enough_where_its_first_byte_tells() -> None:
    probe = H264Probe()
    assert probe.look(stream(AUD, P[:3]), False) == (Kind.P, 0)
    assert probe.look(stream(AUD, ALIKE[:2]), False) is None
    assert probe.look(stream(AUD, P[:1]), False) is None
    probe.second_field(stream(SPS_FIELDS))
    assert probe.look(stream(AUD, P[:3]), False) is None
    assert probe.look(stream(AUD, *SETS, b"\x61\x80"), True) == (Kind.P, 0)


def test_the_start_tells_what_the_whole_would() -> None:
    for nals in ((AUD, *SETS, IDR), (AUD, NOW, INTRA), (AUD, P), (AUD, B_SLICE)):
        data = stream(*nals, *([REST] if nals[-1] is P else []))
        whole = normalize(split_annexb(data))
        for size in range(len(data) + 1):
            seen = H264Probe().look(data[:size], False)
            assert seen in (None, (whole.kind, whole.flags))


def test_fields_are_told_apart() -> None:
    def field(parity: str) -> bytes:
        head = bits_of(0) + bits_of(7) + bits_of(0) + "0000" + parity
        return stream(AUD, b"\x61" + payload(head))

    probe = H264Probe()
    assert not probe.second_field(stream(SPS_FIELDS))
    assert [probe.second_field(field(parity)) for parity in ("10", "11")] == [False, True]


@pytest.mark.parametrize(
    ("kind", "wanted", "flags"),
    [
        (19, Kind.KEY, 0),
        (21, Kind.KEY, Flag.OPEN_GOP),
        (9, Kind.B, Flag.LEADING),
        (1, Kind.P, 0),
    ],
)
def test_hevc_is_told_by_types_alone(kind: int, wanted: Kind, flags: int) -> None:
    probe = PROBES[Codec.HEVC]()
    head = stream(b"\x46\x01\x50")
    assert probe.look(head, False) is None
    assert probe.look(head, True) == (Kind.P, 0)
    assert probe.look(head + stream(hevc_slice(kind)[:3]), False) == (wanted, flags)
    assert not probe.second_field(head)


def test_mpeg_2_is_told_by_its_headers() -> None:
    probe = PROBES[Codec.MPEG2]()
    assert probe.look(SEQUENCE + CLOSED + I, False) == (Kind.KEY, 0)
    assert probe.look(B, False) == (Kind.B, 0)
    assert probe.look(SEQUENCE, False) is None
    assert probe.look(SEQUENCE, True) == (Kind.P, 0)
    assert not probe.second_field(B)


@given(st.lists(st.sampled_from([START_CODE, IDR, NOW, *SETS]) | st.binary(max_size=12)))
def test_noise_raises_nothing(parts: list[bytes]) -> None:
    data = b"".join(parts)
    for make in PROBES.values():
        probe = make()
        probe.look(data, False)
        assert probe.look(data, True) is not None
        probe.second_field(data)
