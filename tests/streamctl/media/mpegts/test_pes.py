from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.pes import AUDIO_STREAM_ID, VIDEO_STREAM_ID, pes_header
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
