"""Renditions that are played together."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from streamctl.media.packet import TIMESCALE
from streamctl.testing.clock import FakeClock
from streamctl.testing.gate import BareContext
from streamctl_hls import mixer as module
from streamctl_hls.feed import Feed, Loaded
from streamctl_hls.mixer import STEP_S, Mixer
from streamctl_hls.wire.follow import TAGGED, Piece
from streamctl_hls.wire.playlist import Rendition
from tests.plugins.streamctl_hls.upstream import Writer, ts

if TYPE_CHECKING:
    from typing import Any

pytestmark = pytest.mark.anyio

SOUND = Rendition("http://h/s", "s", "English", "en", True)
FAR = 900 * TIMESCALE


class Shelf(Feed):
    """A feed that has everything already, or gets it from the test."""

    def __init__(self, *loaded: Loaded, over: bool = True) -> None:
        nobody: Any = None
        super().__init__(nobody, "http://h/x", FakeClock(), logging.getLogger("test"))
        self._waiting = deque(loaded)
        self.over = over

    def add(self, *loaded: Loaded) -> None:
        self._waiting.extend(loaded)


def part(number: int, *, sound: bool = False, broken: str = "", at: int = TIMESCALE) -> Loaded:
    piece = Piece(None, number, 0.4, None, None, broken=broken)
    return Loaded(piece, ts(number, video=not sound, audio=sound, at=at), b"")


async def mixed(main: Shelf, *sounds: Shelf, clock: FakeClock | None = None) -> Writer:
    """What is played, in as little time as it takes to work it out."""
    writer, clock = Writer(), clock or FakeClock()
    renditions = [SOUND] * len(sounds)
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await Mixer([main, *sounds], renditions, writer, BareContext(clock)).run()
            tasks.cancel_scope.cancel()

        tasks.start_soon(run)
        while True:
            await checkpoint()
            if clock.pending:
                clock.advance(STEP_S)
    return writer


def times(writer: Writer, track: int) -> list[int]:
    return [packet.dts for packet in writer.packets if packet.track == track]


async def test_a_discontinuity_is_one_for_all() -> None:
    writer = await mixed(
        Shelf(part(0), part(0, broken=TAGGED, at=FAR)),
        Shelf(part(0, sound=True), part(0, sound=True, broken=TAGGED, at=FAR)),
    )
    assert writer.breaks == [TAGGED]
    order = [packet.dts >= FAR for packet in writer.packets]
    assert order == sorted(order), "nothing old behind the break"
    assert len(times(writer, 0)) == 20
    sounds = [time for time in times(writer, 1) if time >= FAR]
    assert sounds == list(range(FAR, sounds[-1] + 1, 1920)), "nothing is lost behind it"
    assert sounds[-1] + 1920 > times(writer, 0)[-1]
    assert writer.times[-1] - writer.times[0] < 8


async def test_times_that_go_back_are_played_no_faster() -> None:
    shelf = Shelf(part(0), part(1), part(0, broken=TAGGED), part(1), part(0, broken=TAGGED))
    writer = await mixed(shelf)
    assert writer.breaks == [TAGGED] * 2
    assert writer.times[-1] - writer.times[0] > 4.5 * 0.4


async def test_sound_that_knows_of_no_discontinuity_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    writer = await mixed(
        Shelf(part(0), part(0, broken=TAGGED, at=FAR)),
        Shelf(*(part(number, sound=True) for number in range(3))),
    )
    assert writer.breaks == [TAGGED]
    assert len(times(writer, 0)) == 20


async def test_sound_that_breaks_alone_goes_on_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONE_S", 0.1)
    writer = await mixed(
        Shelf(part(0), part(1), part(2)),
        Shelf(part(0, sound=True), part(1, sound=True, broken=TAGGED)),
    )
    assert writer.breaks == []
    assert len(times(writer, 0)) == 30
    assert len(times(writer, 1)) >= 36


async def test_sound_that_is_late_is_played_when_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    late = Shelf(part(0, sound=True), over=False)
    clock = FakeClock()

    def arrive() -> None:
        late.add(part(1, sound=True), part(2, sound=True))
        late.over = True

    clock.call_later(0.8, arrive)
    writer = await mixed(Shelf(*(part(number) for number in range(4))), late, clock=clock)
    assert len(times(writer, 0)) == 40
    assert len(times(writer, 1)) >= 55
    assert times(writer, 1) == sorted(times(writer, 1))
