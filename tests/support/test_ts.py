from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.ts import PACKET, inspect, whole_units

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def good(media: MediaCache) -> bytes:
    return media(Recipe(seconds=3, container="ts", video_kbps=500)).path.read_bytes()


def test_a_stream_of_libav_is_clean(good: bytes) -> None:
    report = inspect(good)
    assert report.packets == len(good) // PACKET
    assert report.continuity_errors == []
    assert report.sync_errors == report.trailing == 0
    assert 0 < report.worst_pcr_s < 0.1
    assert report.worst_psi_s < 0.6
    assert {0, 0x100, 0x101} <= report.pids.keys()


def cut_one(data: bytes) -> bytes:
    middle = next(
        start
        for start in range(len(data) // PACKET // 2 * PACKET, len(data), PACKET)
        if data[start + 1] & 0x1F == 1 and data[start + 2] == 0
    )
    return data[:middle] + data[middle + PACKET :]


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        pytest.param(cut_one, "continuity_errors", id="lost packet"),
        pytest.param(lambda data: data[:-5], "trailing", id="cut tail"),
        pytest.param(lambda data: b"\0" + data[1:], "sync_errors", id="no sync byte"),
    ],
)
def test_each_planted_fault_is_found(
    good: bytes, spoil: Callable[[bytes], bytes], fault: str
) -> None:
    assert getattr(inspect(spoil(good)), fault)


def test_a_repeated_packet_is_legal(good: bytes) -> None:
    start = len(good) // PACKET // 2 * PACKET
    doubled = good[: start + PACKET] + good[start : start + PACKET] + good[start + PACKET :]
    assert inspect(doubled).continuity_errors == []


def test_a_recording_is_cut_before_an_unfinished_unit(good: bytes) -> None:
    cut = good[: len(good) // 2]
    assert judge(cut).decode_errors
    whole = judge(whole_units(cut))
    assert whole.decode_errors == []
    assert whole.frames > 20
