from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.pes import (
    AUDIO_STREAM_ID,
    VIDEO_STREAM_ID,
    PesHeader,
    pes_header,
    read_pes_header,
)
from tests.streamctl.media.mpegts.world import WRAP, TsPacket, read_pes

NOWHERE = TsPacket(0, True, 0, b"", b"")


def test_audio_has_one_timestamp_and_a_length() -> None:
    assert pes_header(AUDIO_STREAM_ID, 90_000, 90_000, 100).hex() == "000001c0006c848005210005bf21"


def test_reordered_video_has_two_timestamps_and_an_open_length() -> None:
    header = pes_header(VIDEO_STREAM_ID, 90_000, 86_400, None)
    assert header.hex() == "000001e0000084c00a310005bf21110005a301"


@pytest.mark.parametrize("time", [0, WRAP - 1, WRAP, WRAP + 1, -1, 5 * WRAP + 7])
def test_timestamps_wrap_at_33_bits(time: int) -> None:
    pes = read_pes(pes_header(0xE0, time + 5, time, None), NOWHERE)
    assert (pes.pts, pes.dts) == ((time + 5) % WRAP, time % WRAP)


@given(st.integers(-WRAP, 4 * WRAP), st.integers(-WRAP, 4 * WRAP), st.none() | st.integers(0, 9000))
def test_headers_are_read_back(pts: int, dts: int, length: int | None) -> None:
    pes = read_pes(pes_header(0xE0, pts, dts, length) + bytes(length or 0), NOWHERE)
    assert (pes.pts, pes.dts) == (pts % WRAP, dts % WRAP)
    assert bool(pes.length) == (length is not None)


@given(st.integers(0, WRAP - 1), st.integers(0, WRAP - 1), st.none() | st.integers(0, 9000))
def test_our_own_headers_are_read(pts: int, dts: int, length: int | None) -> None:
    data = pes_header(0xE0, pts, dts, length) + b"payload"
    size = -1 if length is None else length
    header = read_pes_header(data)
    assert header == PesHeader(0xE0, size, len(data) - 7, pts, dts)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("000001be00080000", PesHeader(0xBE, 8, 6)),
        ("000001bf0004", PesHeader(0xBF, 4, 6)),
        ("000001bd000380000000", PesHeader(0xBD, 0, 9)),
        ("000001bd000080000000", PesHeader(0xBD, -1, 9)),
        ("000001bd000390000000", PesHeader(0xBD, 0, 9, scrambled=True)),
        ("000001bd0008808005210005bf21", PesHeader(0xBD, 0, 14, 90_000, 90_000)),
        ("000001bd0008808005210005bf20", PesHeader(0xBD, 0, 14)),
        ("000001bd0007808004210005bf", PesHeader(0xBD, 0, 13)),
        ("000001bd000a80c007210005bf210000", PesHeader(0xBD, 0, 16, 90_000, 90_000)),
        ("000001bd000d80c00a310005bf211100000000", PesHeader(0xBD, 0, 19, 90_000, 90_000)),
        ("000001bd000280000500", None),
        ("000001bd000340000000", None),
        ("000001bd00038000", None),
        ("000001bd00", None),
        ("000002bd000380000000", None),
        ("", None),
    ],
)
def test_headers_of_every_kind_are_read(data: str, wanted: PesHeader | None) -> None:
    assert read_pes_header(bytes.fromhex(data)) == wanted


@given(st.binary(max_size=40))
def test_noise_is_a_header_or_none(data: bytes) -> None:
    read_pes_header(b"\0\0\1" + data)
