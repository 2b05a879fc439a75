"""Pulling for a day and more by a clock of our own: memory stays flat, and the distance too."""

from __future__ import annotations

import gc
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from streamctl.media.mpegts.packet import PACKET_BYTES
from streamctl.media.packet import TIMESCALE
from streamctl.net.http_answer import Head
from streamctl.net.http_session import Answer
from streamctl.net.http_target import Target
from streamctl.testing.clock import FakeClock
from streamctl_hls.feed import Feed
from streamctl_hls.loader import Loader
from streamctl_hls.passage import Passage

if TYPE_CHECKING:
    from streamctl.net.http_session import Wish

pytestmark = pytest.mark.anyio

SEGMENT_S = 2.0
WINDOW = 6
URL = "http://origin/live.m3u8"
DAY = 50_000
"""Segments of 27.8 hours, in which the clock of MPEG-TS wraps."""
WHILE = 300
TURNS = 6
"""Of the event loop, until everybody waits for the clock."""
PACKETS = 4


def clocked(at_s: float) -> bytes:
    """A packet with a clock and no payload."""
    value = round(at_s * TIMESCALE) % (1 << 33)
    field = (value << 15 | 0x7E00).to_bytes(6, "big")
    return (b"\x47\x01\x00\x20\xb7\x10" + field).ljust(PACKET_BYTES, b"\xff")


class Origin:
    """Answers in the place of a session: a live playlist by a clock that may run wrong."""

    def __init__(self, clock: FakeClock, rate: float) -> None:
        self.clock = clock
        self.rate = rate
        self.began = clock.now() - WINDOW * SEGMENT_S
        self.asked = 0

    @property
    def edge_s(self) -> float:
        """Media time that there is by now, of whole segments."""
        return (self.clock.now() - self.began) * self.rate // SEGMENT_S * SEGMENT_S

    async def get(self, wish: Wish) -> Answer:
        self.asked += 1
        await self.clock.sleep(0.05)
        found = re.search(r"(\d+)\.ts", wish.target.path)
        body = self.segment(int(found.group(1))) if found else self.playlist()
        return Answer(wish.target, Head(200, "OK", {}, "1.1"), body)

    def segment(self, number: int) -> bytes:
        step = SEGMENT_S / PACKETS
        return b"".join(clocked(number * SEGMENT_S + step * n) for n in range(PACKETS))

    def playlist(self) -> bytes:
        end = round(self.edge_s / SEGMENT_S)
        first = max(0, end - WINDOW)
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, end):
            lines += ["#EXTINF:2.0,", f"{number}.ts?token={number * 7919}"]
        return "\n".join(lines).encode()


class Counting:
    """An epoch that counts."""

    def __init__(self) -> None:
        self.packets = 0
        self.breaks: list[str] = []

    def put_ts(self, data: bytes | memoryview, now: float) -> None:
        self.packets += len(data) // PACKET_BYTES

    def discontinuity(self, reason: str) -> None:
        self.breaks.append(reason)


def resident_kb() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


class Day:
    """One pull, and what is measured of it."""

    def __init__(self, rate: float) -> None:
        self.clock = FakeClock()
        self.origin = Origin(self.clock, rate)
        session: Any = self.origin
        self.loader = Loader(session, Target.of(URL), self.clock)
        self.feed = Feed(self.loader, URL, self.clock, logging.getLogger("test"))
        self.out = Counting()
        writer: Any = self.out
        self.passage = Passage(writer, self.clock)
        self.behind: list[float] = []
        self.memory: list[int] = []

    async def play(self) -> None:
        while True:
            loaded = self.feed.take()
            if loaded is None:
                await self.feed.changed.wait()
                continue
            self.passage.pacer.hurry = self.feed.crowded
            await self.passage.play(loaded)

    async def run(self, segments: int) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.feed.run)
            tasks.start_soon(self.play)
            step = segments // 10
            while self.feed.fetched < segments:
                for _ in range(TURNS):
                    await checkpoint()
                self.clock.advance(max(0.0, self.clock.pending[0][0] - self.clock.now()))
                if self.feed.fetched >= step * (len(self.behind) + 1):
                    began_s = (WINDOW - 3) * SEGMENT_S
                    self.behind.append(self.origin.edge_s - began_s - self.passage.position_s)
                    self.memory.append(resident_kb())
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("rate", [1.0, 1.0001, 0.9999], ids=["right", "fast", "slow"])
async def test_hours_of_segments_change_nothing(rate: float) -> None:
    await endure(WHILE, rate)


@pytest.mark.bench
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rate", [1.0, 1.0001, 0.9999], ids=["right", "fast", "slow"])
async def test_a_day_of_segments_changes_nothing(rate: float) -> None:
    await endure(DAY, rate)


async def endure(segments: int, rate: float) -> None:
    day = Day(rate)
    await day.run(segments)
    logging.getLogger("test").info("behind %s s, memory %s kB", day.behind, day.memory)
    assert day.feed.skipped == day.feed.follower.lost == 0
    assert day.out.breaks == []
    assert day.out.packets >= (segments - 8) * PACKETS
    most_s = (3 + 1.5 + 2) * SEGMENT_S  # as at the start, the slack, what is on its way
    assert all(0 <= each <= most_s for each in day.behind)
    assert day.memory[-1] - day.memory[2] < 2048
