from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.engine.counted import CountedCursor, Counts
from streamctl.errors import NotReady
from streamctl.media.packet import Boundary, Init, Skipped
from tests.streamctl.engine.rig import SOUND, VIDEO, gop

if TYPE_CHECKING:
    from streamctl.media.packet import Item

INIT = Init(1, 1, (VIDEO, SOUND))


class Scripted:
    """A cursor that gives what it was made with."""

    def __init__(self, *batches: list[Item]) -> None:
        self.batches = list(batches)
        self.closed = False

    def join(self) -> Init:
        return INIT

    def take(self, max_bytes: int = 0) -> list[Item]:
        return self.batches.pop(0)

    def skip(self) -> Skipped:
        return Skipped(len(self.batches), 90_000)

    def at_head(self) -> bool:
        return not self.batches

    async def wait(self) -> None:
        raise NotReady("the stream ended")

    def close(self) -> None:
        self.closed = True


@pytest.mark.anyio
async def test_what_is_taken_is_counted_and_all_else_handed_on() -> None:
    counts = Counts()
    inner = Scripted([Boundary(1, INIT, "test"), *gop(0)], [Skipped(7, 90_000)], [Skipped(1)])
    cursor = CountedCursor(inner, counts)
    assert cursor.join() is INIT
    assert len(cursor.take()) == 51
    assert counts == Counts(items=50)
    cursor.take()
    cursor.take()
    assert counts == Counts(items=50, skips=2, skipped_items=8, skipped_time=90_000)
    assert cursor.at_head()
    with pytest.raises(NotReady):
        await cursor.wait()
    cursor.close()
    assert inner.closed


def test_a_skip_that_loses_something_counts() -> None:
    counts = Counts()
    CountedCursor(Scripted(), counts).skip()
    assert counts.skips == 0
    CountedCursor(Scripted([], []), counts).skip()
    assert (counts.skips, counts.skipped_items, counts.skipped_time) == (1, 2, 90_000)
