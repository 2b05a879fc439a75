from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio.lowlevel
import pytest

from streamctl.media.packet import TIMESCALE, Codec, Kind, Packet, Track
from streamctl_mixer.options import MixerInputOptions
from streamctl_mixer.source import SOUND_WAIT_S, MixerSource
from tests.streamctl.engine.rig import SOUND, VIDEO, gop
from tests.support.within import Within, settled

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream
    from streamctl.sdk.lane import EpochWriter

pytestmark = pytest.mark.anyio


class World(Within):
    """A stream of pictures and one of sound."""

    def __init__(self, failure: str = "down") -> None:
        super().__init__()
        self.cam = self.rig.stream("cam")
        self.radio = self.rig.stream("radio")
        options = MixerInputOptions.model_validate({"audio_failure": failure})
        self.source = MixerSource("cam", "radio", options, self.context)
        self.port = 0

    def publish(self, stream: Stream, *tracks: Track) -> EpochWriter:
        self.port += 1
        _, writer, _ = self.rig.publisher(stream, self.port)
        writer.tracks(tracks)
        return writer

    def kinds(self) -> set[int]:
        return {packet.track for packet in self.out.packets}


def sounds(start: int) -> list[Packet]:
    return [
        Packet(0, n * 2160, n * 2160, Kind.AUDIO, 0, b"a", 2160) for n in range(start, start + 40)
    ]


RADIO = Track(0, Codec.MP2, b"a", sample_rate=48_000, channels=2)


async def test_mixes_the_pictures_of_one_with_the_sound_of_the_other() -> None:
    world = World()
    async with world.running(world.source):
        assert world.source.waiting == "stream `cam` is not on air"
        world.publish(world.cam, VIDEO, SOUND).put(gop(0), 1000.0)
        await settled()
        assert world.source.waiting == "stream `radio` is not on air"
        world.publish(world.radio, RADIO).put(sounds(5000), 1000.0)
        await settled()
        assert world.source.waiting == ""
        [picture, sound] = world.out.announced[-1]
        assert (picture.id, picture.codec) == (0, VIDEO.codec)
        assert (sound.id, sound.codec) == (1, Codec.MP2)
        assert world.kinds() == {0, 1}
        assert abs(float(str(world.source.measure()["skew_ms"]))) < 40


async def test_begins_with_the_pictures_that_there_are_when_the_sound_comes() -> None:
    world = World()
    async with world.running(world.source):
        writer = world.publish(world.cam, VIDEO)
        writer.put(gop(0, sound=False), 1000.0)
        await settled()
        world.rig.clock.advance(3)
        other = replace(VIDEO, config=b"w", width=640)
        writer = world.publish(world.cam, other)
        writer.put(gop(100, sound=False), 1003.0)
        await settled()
        world.publish(world.radio, RADIO).put(sounds(0), 1003.0)
        await settled()
        [picture, _] = world.out.announced[0]
        assert (picture.config, picture.width) == (b"w", 640)


async def test_a_stream_without_its_part_is_an_error() -> None:
    world = World()
    async with world.running(world.source):
        world.publish(world.cam, RADIO).put(sounds(0), 1000.0)
        await settled()
        assert str(world.failure) == "stream `cam` has no pictures"
    world = World()
    async with world.running(world.source):
        world.publish(world.cam, VIDEO).put(gop(0, sound=False), 1000.0)
        world.publish(world.radio, VIDEO).put(gop(0, sound=False), 1000.0)
        await settled()
        assert str(world.failure) == "stream `radio` has no sound"
    assert world.cam.demand.readers == world.radio.demand.readers == 0


@pytest.mark.parametrize("gone", ["cam", "radio"])
async def test_the_end_of_a_part_ends_the_attempt(gone: str) -> None:
    world = World()
    async with world.running(world.source):
        world.publish(world.cam, VIDEO).put(gop(0, sound=False), 1000.0)
        world.publish(world.radio, RADIO).put(sounds(0), 1000.0)
        await settled()
        world.rig.streams[gone].close("enough")
        await settled()
        assert str(world.failure) == f"stream `{gone}` was stopped"
    assert world.cam.demand.readers == world.radio.demand.readers == 0


async def test_pictures_may_go_on_without_sound_until_it_comes_back() -> None:
    world = World("continue")
    async with world.running(world.source):
        cam = world.publish(world.cam, VIDEO)
        cam.put(gop(0, sound=False), 1000.0)
        world.publish(world.radio, RADIO).put(sounds(0), 1000.0)
        await settled()
        assert world.kinds() == {0, 1}
        world.radio.close("restarted")
        await settled()
        assert world.failure is None
        assert world.source.measure() == {"sound_missing": "stream `radio` was stopped"}
        world.out.packets.clear()
        world.radio = world.rig.stream("radio")
        world.rig.clock.advance(1)
        cam.put(gop(25, sound=False), 1001.0)
        world.publish(world.radio, RADIO).put(sounds(9000), 1001.0)
        await settled()
        assert world.kinds() == {0, 1}
        assert "sound_missing" not in world.source.measure()
        times = [packet.dts for packet in world.out.packets if packet.track == 1]
        assert times == sorted(times)
    assert world.cam.demand.readers == world.radio.demand.readers == 0


async def test_pictures_wait_for_sound_that_may_be_missing_and_no_longer() -> None:
    world = World("continue")
    async with world.running(world.source):
        world.publish(world.cam, VIDEO).put(gop(0, sound=False), 1000.0)
        await settled()
        assert world.out.packets == []
        world.rig.clock.advance(SOUND_WAIT_S)
        await settled()
        assert world.kinds() == {0}
        missing = {"sound_missing": "stream `radio` is not on air"}
        assert world.source.measure() == missing
        world.publish(world.radio, RADIO).put(sounds(0), 1003.0)
        world.rig.clock.advance(1)
        await settled()
        assert world.kinds() == {0, 1}
        assert [track.codec for track in world.out.announced[-1]] == [VIDEO.codec, RADIO.codec]
        assert world.source.measure() != missing


async def test_missing_streams_are_told() -> None:
    world = World()
    source = MixerSource("cam", "nowhere", MixerInputOptions(), world.context)
    async with world.running(source):
        world.publish(world.cam, VIDEO).put(gop(0, sound=False), 1000.0)
        await settled()
        assert "no stream `nowhere`" in str(world.failure)


async def drifted(cam: float, radio: float, seconds: float) -> float:
    """The furthest apart that what was made together is written, seconds."""
    world, worst, behind = World(), 0.0, 0.0
    clock = world.rig.clock
    start = clock.now()
    async with world.running(world.source):
        writers = world.publish(world.cam, VIDEO), world.publish(world.radio, RADIO)
        lines = [Line(cam, 3600, Kind.P), Line(radio, 2160, Kind.AUDIO)]
        while clock.now() < start + seconds:
            for line, writer in zip(lines, writers, strict=True):
                writer.put(line.until(clock.now() - start), clock.now())
            for _ in range(4):
                await anyio.lowlevel.checkpoint()
            for packet in world.out.packets:
                late = packet.dts / TIMESCALE - float(packet.data)
                if packet.track == 0:
                    behind = late
                elif clock.now() > start + 10:
                    worst = max(worst, abs(late - behind))
            world.out.packets.clear()
            clock.advance(0.24)
        assert world.failure is None
        assert world.source.blend.jumps == world.source.blend.dropped == 0
    return worst


class Line:
    """What a clock makes that runs so many times as fast as ours."""

    def __init__(self, speed: float, step: int, kind: Kind) -> None:
        self.speed, self.step, self.kind = speed, step, kind
        self.number = 0

    def until(self, now: float) -> list[Packet]:
        """Packets that say when they were made."""
        made: list[Packet] = []
        while (at := self.number * self.step / TIMESCALE / self.speed) <= now:
            first = self.kind is Kind.P and self.number % 25 == 0
            time, kind = self.number * self.step, Kind.KEY if first else self.kind
            made.append(Packet(0, time, time, kind, 0, b"%f" % at, self.step))
            self.number += 1
        return made


@pytest.mark.parametrize(
    ("cam", "radio", "seconds", "limit_s"),
    [
        # As far as two hours at 200 ppm lead.
        (1.0, 1.0012, 1200, 0.1),
        (1.0, 1.16, 120, 0.2),
        (1.16, 1.0, 120, 0.2),
    ],
)
async def test_streams_of_other_clocks_stay_together(
    cam: float, radio: float, seconds: float, limit_s: float
) -> None:
    assert await drifted(cam, radio, seconds) <= limit_s
