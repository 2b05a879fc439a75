"""How much media a recording holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recorded import Length
from tests.support.ts import PACKET
from tests.support.ts_build import SECOND, WRAP, Writer, pes

if TYPE_CHECKING:
    from collections.abc import Iterable

PICTURES, SOUND = 0x100, 0x101


def recording(times: Iterable[float], *, pid: int = PICTURES, start: int = 0) -> bytes:
    """Units of some packets each, which are shown half a second after they are decoded."""
    out = Writer()
    stream_id = 0xE0 if pid == PICTURES else 0xC0
    for time in times:
        dts = start + round(time * SECOND)
        out.unit(pid, pes(stream_id, bytes(500), dts + SECOND // 2, dts), with_pcr=True)
    return b"".join(out.packets)


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([], 0.0),
        ([3], 0.0),
        ([3, 4, 5.5], 2.5),
        ([3, 4, 90, 91], 2.0),
        ([3, 4, 0, 1], 2.0),
    ],
    ids=["nothing", "one", "some", "a hole", "a new clock"],
)
@pytest.mark.parametrize("start", [0, WRAP - 4 * SECOND])
def test_decode_times_tell_how_much_there_is(
    times: list[float], seconds: float, start: int
) -> None:
    assert Length(recording(times, start=start)).seconds == pytest.approx(seconds)


def test_sound_counts_where_there_are_no_pictures() -> None:
    data = recording([0, 1, 2, 3], pid=SOUND)
    assert Length(data).seconds == 3
    assert Length(data + recording([1, 2])).seconds == 1
    assert Length(data + recording([1])).seconds == 0


def test_each_look_takes_what_is_new() -> None:
    data = recording([0, 1, 2, 3])
    half = len(data) // PACKET // 2 * PACKET
    growing = bytearray()
    length = Length(growing)
    for cut in (half, half + 100, len(data)):
        growing += data[len(growing) : cut]
        assert length.seconds == Length(data[:cut]).seconds
        assert length.at == cut // PACKET * PACKET
    assert length.seconds == 3


def test_what_came_before_does_not_count() -> None:
    data = recording([0, 1, 2, 3])
    assert Length(data, since=len(data) // 2 - 1).seconds == 1
