"""The reports of one player: what its clocks show, and what it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.media.packet import Init, InitChange
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.packet import parse
from tests.plugins.streamctl_rtmp.world import AUDIO, VIDEO
from tests.plugins.streamctl_rtsp.server.world import (
    TCP,
    URL,
    Client,
    RtspWorld,
    group_of_pictures,
    listening,
    sound,
)

if TYPE_CHECKING:
    from streamctl_rtsp.wire.reader import Frame

pytestmark = pytest.mark.anyio


@pytest.fixture
def world() -> RtspWorld:
    return RtspWorld()


class Received:
    """What a player can know of its tracks: it counts what comes."""

    def __init__(self) -> None:
        self.packets = {0: 0, 1: 0}
        self.octets = {0: 0, 1: 0}
        self.numbers: dict[int, list[int]] = {0: [], 1: []}
        self.reports: list[tuple[int, rtcp.SenderReport]] = []

    def take(self, frames: list[Frame]) -> None:
        """Count, and hold each report against what came before it."""
        for one in frames:
            track = one.channel // 2
            if one.channel & 1:
                [report, _] = rtcp.parse(one.data)
                assert isinstance(report, rtcp.SenderReport)
                assert (report.packets, report.octets) == (self.packets[track], self.octets[track])
                self.reports.append((track, report))
            else:
                packet = parse(one.data)
                self.packets[track] += 1
                self.octets[track] += len(packet.payload)
                self.numbers[track].append(packet.sequence)
        frames.clear()


async def test_reports_count_what_the_player_was_sent(world: RtspWorld) -> None:
    world.on_air()
    world.show(*group_of_pictures(5))
    async with listening(world) as port:
        client, got = Client(port), Received()
        await client.watching()
        client.read()
        got.take(client.frames)
        assert [(track, one.packets) for track, one in got.reports] == [(0, 0), (1, 0)]
        for number in range(3):
            world.clock.advance(0.5)
            world.show(*group_of_pictures(10 + 5 * number))
            client.read()
            got.take(client.frames)
        assert len(got.reports) > 4
        assert got.reports[-1][1].packets >= 20


async def test_counts_go_on_after_a_pause_and_a_skip(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client, got = Client(port), Received()
        await client.watching(8, 9, 6, 7)
        client.read()
        moved = {8: 0, 9: 1, 6: 2, 7: 3}

        def take() -> None:
            client.read()
            for one in client.frames:
                one.channel = moved[one.channel]
            got.take(client.frames)

        take()
        await client.ask("PAUSE")
        world.show(*group_of_pictures(5))
        assert (await client.ask("PLAY")).status == 200
        take()
        assert got.reports[-1][1].packets == 10
        assert got.packets == {0: 14, 1: 20}
        client.session.paused()
        world.show(*(item for first in range(10, 400, 5) for item in group_of_pictures(first)))
        world.fanout.tick(world.clock.now())
        client.session.resumed()
        take()
        assert world.sessions[0].skips == 1
        world.clock.advance(2)
        take()
        assert got.reports[-1][1].packets > 20


async def test_who_joins_later_is_told_later(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client, got = Client(port), Received()
        await client.ask("DESCRIBE")
        await client.ask("SETUP", f"{URL}/trackID=0", Transport=TCP.format(0, 1))
        world.lane.clear()
        assert (await client.ask("PLAY")).headers.get("RTP-Info") == ""
        world.clock.advance(1)
        client.read()
        assert client.frames == []
        world.show(*group_of_pictures(5))
        client.read()
        got.take(client.frames)
        assert [one.packets for _, one in got.reports] == [0]
        world.clock.advance(5)
        client.read()
        got.take(client.frames)
        assert got.reports[-1][1].packets == got.packets[0] > 0


async def test_an_answer_to_play_tells_the_next_packet_of_each_track(world: RtspWorld) -> None:
    world.on_air()
    world.show(*group_of_pictures(5))
    async with listening(world) as port:
        client, got = Client(port), Received()
        await client.ask("DESCRIBE")
        for track in (0, 1):
            transport = TCP.format(2 * track, 2 * track + 1)
            await client.ask("SETUP", f"{URL}/trackID={track}", Transport=transport)
        answer = await client.ask("PLAY")
        client.read()
        got.take(client.frames)
        for track in (0, 1):
            assert f"trackID={track};seq={got.numbers[track][0]};rtptime=" in answer.headers.get(
                "RTP-Info"
            )


async def test_a_large_gap_is_led_by_an_empty_packet(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client, got = Client(port), Received()
        await client.watching()
        client.read()
        got.take(client.frames)
        await client.ask("PAUSE")
        for number in range(5, 5_000, 100):
            world.show(*group_of_pictures(number, 100))
        await client.ask("PLAY")
        client.read()
        frames = list(client.frames)
        got.take(client.frames)
        assert [one.channel for one in frames[:4]] == [1, 3, 0, 2]
        empty = parse(frames[2].data)
        assert bytes(empty.payload) == b""
        first = parse(frames[4].data)
        assert (empty.sequence + 1) & 0xFFFF == first.sequence
        assert (empty.ssrc, empty.payload_type) == (first.ssrc, first.payload_type)
        numbers = got.numbers[0]
        before = numbers.index(empty.sequence)
        assert accepted(numbers) == numbers[:before] + numbers[before + 1 :]
        world.clock.advance(1)
        client.read()
        got.take(client.frames)


def accepted(numbers: list[int]) -> list[int]:
    """What a receiver takes that does as RFC 3550 appendix A.1 says."""
    highest, bad, taken = numbers[0] - 1, -1, []
    for number in numbers:
        ahead = (number - highest) & 0xFFFF
        if ahead < 3000 or number == bad:
            highest, bad = number, -1
            taken.append(number)
        elif ahead <= 0x10000 - 100:
            bad = (number + 1) & 0xFFFF
    return taken


async def test_who_comes_for_tracks_that_have_just_come_gets_them_from_the_next_picture_on(
    world: RtspWorld,
) -> None:
    world.on_air(VIDEO)
    async with listening(world) as port:
        early, late = Client(port, 1), Client(port, 2)
        await early.ask("DESCRIBE")
        await early.ask("SETUP", URL + "/trackID=0", Transport=TCP.format(0, 1))
        world.show(InitChange(Init(2, 1, (VIDEO, AUDIO))))
        assert (await early.ask("PLAY")).status == 406
        await late.ask("DESCRIBE")
        await late.ask("SETUP", URL + "/trackID=0", Transport=TCP.format(0, 1))
        await late.ask("SETUP", URL + "/trackID=1", Transport=TCP.format(2, 3))
        answer = await late.ask("PLAY")
        assert answer.status == 200
        assert "seq=" not in answer.headers.get("RTP-Info")
        world.show(sound(10))
        late.read()
        assert late.frames == []
        world.show(*group_of_pictures(6))
        late.read()
        assert [one.channel for one in late.frames][:3] == [1, 3, 0]
        assert {one.channel for one in late.frames} == {0, 1, 2, 3}
