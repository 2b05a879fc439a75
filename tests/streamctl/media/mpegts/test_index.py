from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.mpegts.index import Clock, Entry, ProgramChange, TsIndex
from streamctl.media.packet import Codec, Kind, Track
from tests.streamctl.media.mpegts.world import (
    AUDIO,
    VIDEO,
    boundary,
    interleaved,
    joined,
    pictures,
    sounds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.mpegts.index import Event
    from streamctl.media.packet import Packet

GOP = 25


def stream(packets: Sequence[Packet], *tracks: Track) -> bytes:
    return joined(TsConverter().convert([boundary(*(tracks or (VIDEO, AUDIO))), *packets]))


MOVIE = stream(interleaved(pictures(100), sounds(180)))


def indexed(data: bytes, step: int = 1000, index: TsIndex | None = None) -> list[Event]:
    index = index or TsIndex()
    events = []
    for at in range(0, len(data), step * 188):
        events += index.feed(data[at : at + step * 188])
    return events


def entries(events: list[Event]) -> list[Entry]:
    return [event for event in events if isinstance(event, Entry)]


def test_pictures_and_their_random_access_points_are_told() -> None:
    found = entries(indexed(MOVIE))
    assert [entry.dts for entry in found] == [n * 3600 for n in range(100)]
    assert [n for n, entry in enumerate(found) if entry.rap] == [0, 25, 50, 75]
    for entry in found:
        packet = MOVIE[entry.packet * 188 :][:188]
        assert packet[1] & 0x5F == 0x41
        assert packet[2] == 0


@pytest.mark.parametrize("step", [1, 7, 63, 64, 65, 500])
def test_batches_of_any_size_give_the_same(step: int) -> None:
    index = TsIndex()
    found = indexed(MOVIE, step, index)
    assert sorted(map(repr, found)) == sorted(map(repr, indexed(MOVIE)))
    assert index.packets == len(MOVIE) // 188
