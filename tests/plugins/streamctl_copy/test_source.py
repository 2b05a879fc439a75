from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media.packet import Chunk, Codec, Flag, Init, Packet, Skipped
from streamctl_copy.source import CopySource, TransportCopy
from tests.streamctl.engine.rig import SOUND, VIDEO, gop
from tests.support.within import Kept, Within, settled

pytestmark = pytest.mark.anyio


def source(world: Within, code: str = "news") -> CopySource:
    return CopySource(code, world.context)


async def test_passes_on_what_the_other_stream_shows() -> None:
    world = Within()
    stream = world.rig.stream()
    copy = source(world)
    async with world.running(copy):
        assert copy.waiting == "stream `news` is not on air"
        _, writer, _ = world.rig.publisher(stream)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), 1000.0)
        await settled()
        assert copy.waiting == ""
        assert [[track.codec for track in one] for one in world.out.announced][-1] == [
            VIDEO.codec,
            SOUND.codec,
        ]
        base = [item for item in stream.graph.base.items if isinstance(item, Packet)]
        assert [p.dts for p in world.out.packets] == [p.dts for p in base]
        assert all(p is not q for p, q in zip(world.out.packets, base, strict=True))
        assert all(p.data is q.data for p, q in zip(world.out.packets, base, strict=True))


async def test_wants_the_other_stream_while_it_reads() -> None:
    world = Within()
    stream = world.rig.stream()
    async with world.running(source(world)):
        assert stream.demand.readers == 1
    assert stream.demand.readers == 0


async def test_a_missing_stream_is_an_error_that_is_tried_again() -> None:
    world = Within()
    async with world.running(source(world, "other")):
        pass
    assert world.failure is not None
    assert not world.failure.permanent
    assert "no stream `other`" in world.failure.message


@pytest.mark.parametrize("on_air", [True, False])
async def test_a_stream_that_is_stopped_ends_the_attempt(*, on_air: bool) -> None:
    world = Within()
    stream = world.rig.stream()
    async with world.running(source(world)):
        if on_air:
            _, writer, _ = world.rig.publisher(stream)
            writer.tracks([VIDEO])
            writer.put(gop(0, sound=False), 1000.0)
            await settled()
        stream.close("enough")
        await settled()
        assert str(world.failure) == "stream `news` was stopped"
    assert stream.demand.readers == 0


async def test_goes_on_with_the_next_publisher_of_the_same_tracks() -> None:
    world = Within()
    stream = world.rig.stream()
    async with world.running(source(world)):
        session, writer, _ = world.rig.publisher(stream)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), 1000.0)
        await settled()
        count = len(world.out.packets)
        world.rig.gate.close(session, "gone")
        world.rig.clock.advance(3)
        _, writer, _ = world.rig.publisher(stream, port=2)
        writer.tracks([replace(VIDEO, config=b"w"), SOUND])
        writer.put(gop(7), 1003.0)
        await settled()
        times = [packet.dts for packet in world.out.packets if packet.track == 0]
        assert len(world.out.packets) == 2 * count
        assert times == sorted(times)
        assert world.out.announced[-1][0].config == b"w"
        assert world.failure is None


async def test_other_tracks_begin_another_run() -> None:
    world = Within()
    stream = world.rig.stream()
    async with world.running(source(world)):
        session, writer, _ = world.rig.publisher(stream)
        writer.tracks([VIDEO, SOUND])
        writer.put(gop(0), 1000.0)
        await settled()
        world.rig.gate.close(session, "gone")
        _, writer, _ = world.rig.publisher(stream, port=2)
        writer.tracks([replace(VIDEO, codec=Codec.VP9), SOUND])
        writer.put(gop(7), 1003.0)
        await settled()
        assert str(world.failure) == "stream `news` shows other tracks now"


def chunk(data: bytes, *, rap: bool = False, flags: int = 0) -> Chunk:
    return Chunk(data, 0, 1, rap, flush=True, epoch=1, join=b"J", lead=b"L", flags=flags)


async def test_transport_begins_with_its_tables_and_again_after_a_gap() -> None:
    kept = Kept()
    copy = TransportCopy(kept)
    copy.begin(Init(1, 1, ()))
    copy.take([chunk(b"0"), chunk(b"1", rap=True), chunk(b"2", flags=Flag.LEADING)], 0.0)
    assert kept.data == b"JL1J"
    copy.take([chunk(b"3", rap=True), chunk(b"4", flags=Flag.LEADING)], 0.0)
    assert kept.data == b"JL1JL3L4"
    kept.data = b""
    copy.take([Skipped(3, 4), chunk(b"5"), chunk(b"6", rap=True)], 0.0)
    assert kept.data == b"JL6"
    copy.take([], 0.0)
