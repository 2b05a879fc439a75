"""Pushing to our own server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from streamctl.engine.lane import LaneCursor
from streamctl.errors import ConnectionFailed, Unsupported
from streamctl.media.packet import (
    Boundary,
    Codec,
    Flag,
    Format,
    Init,
    InitChange,
    Packet,
    Skipped,
    Track,
)
from streamctl.net.tls import ServerTls
from streamctl.sdk.url import StreamURL
from streamctl_rtmp.options import ClientOptions
from streamctl_rtmp.packer import Packer
from streamctl_rtmp.sink import Publication, RtmpSink
from tests.plugins.streamctl_rtmp.running import HOST, serving
from tests.plugins.streamctl_rtmp.test_packer import parse
from tests.plugins.streamctl_rtmp.world import (
    AUDIO,
    VIDEO,
    FakeContext,
    World,
    avcc,
    picture,
    sound,
)
from tests.support.certificates import self_signed
from tests.support.steady import SteadyClock
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN = ClientOptions()
START = 25 * 96
"""A stream that is pushed has been running for a while."""


def world() -> World:
    """A stream whose packets lane holds a little over a group of pictures."""
    made = World()
    made.append([Boundary(1, Init(1, 1, (VIDEO, AUDIO)), "test")])
    made.append([picture(START - 1, key=True), sound(START * 15 // 8 - 1)])
    made.append([picture(START, key=True), sound(START * 15 // 8), picture(START + 1)])
    return made


def cursor(source: World) -> LaneCursor:
    made = LaneCursor(source.packets, lambda: None)
    made.join()
    return made


def sink(
    port: int, path: str = "live/news", *, scheme: str = "rtmp", options: ClientOptions = PLAIN
) -> RtmpSink:
    context = FakeContext(SteadyClock(), PATIENCE_S)
    url = StreamURL.parse(f"{scheme}://{HOST}:{port}/{path}")
    return RtmpSink(url, options, context.as_context)


def count(world: World) -> Callable[[], int]:
    return lambda: len(world.writer.packets) if world.writer else 0


@pytest.mark.anyio
async def test_a_stream_is_pushed_from_zero() -> None:
    here = world()
    took: list[bool] = []
    async with serving() as (there, port), anyio.create_task_group() as tasks:
        pushing = sink(port)

        async def push() -> None:
            await pushing.run(cursor(here), connected=lambda: took.append(True))

        tasks.start_soon(push)
        received = count(there)
        await until(lambda: received() == 3)
        here.append([picture(START + 2), sound(START * 15 // 8 + 3)])
        await until(lambda: received() == 5)
        writer = there.writer
        assert writer is not None
        assert [packet.dts for packet in writer.packets] == [0, 0, 3600, 7200, 5760]
        assert writer.announced[-1][0].config == avcc()
        assert took == [True]
        assert pushing.bytes_sent > 0
        here.packets.close()
    assert [reason for _, reason in there.ended] == ["the client said FCUnpublish"]


@pytest.mark.anyio
async def test_a_push_tells_what_it_leaves_out() -> None:
    here = World()
    mp2 = Track(2, Codec.MP2, b"", sample_rate=48_000)
    here.append([Boundary(1, Init(1, 1, (VIDEO, mp2)), "test"), picture(START, key=True)])
    async with serving() as (there, port), anyio.create_task_group() as tasks:
        pushing = sink(port)

        async def push() -> None:
            await pushing.run(cursor(here), connected=lambda: None)

        tasks.start_soon(push)
        received = count(there)
        await until(lambda: received() == 1)
        assert pushing.left_out == "MP2"
        here.append([InitChange(Init(2, 1, (VIDEO, AUDIO))), picture(START + 1)])
        await until(lambda: received() == 2)
        assert pushing.left_out == ""
        here.packets.close()


@pytest.mark.anyio
async def test_a_server_over_tls_must_be_trusted(tmp_path: Path) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)
    async with serving(tls=ServerTls(pair.cert, pair.key)) as (_, port):
        with pytest.raises(ConnectionFailed, match="certificate not trusted"):
            await sink(port, scheme="rtmps").run(cursor(world()), connected=lambda: None)
        for options in (ClientOptions(tls_ca=pair.cert), ClientOptions(tls_insecure=True)):
            with anyio.CancelScope() as taken:
                pushing = sink(port, scheme="rtmps", options=options)
                await pushing.run(cursor(world()), connected=taken.cancel)
            assert taken.cancelled_caught


@pytest.mark.anyio
async def test_a_refusal_is_the_error() -> None:
    async with serving() as (_, port):
        with pytest.raises(ConnectionFailed, match="the key is wrong"):
            await sink(port, "region/secure?key=no").run(cursor(world()), connected=lambda: None)


@pytest.mark.anyio
async def test_a_server_that_closes_ends_the_push() -> None:
    async with serving() as (there, port):

        async def kick() -> None:
            await until(lambda: there.writer and there.writer.packets)
            there.sessions[0].close("kicked")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kick)
            with pytest.raises(ConnectionFailed, match="kicked"):
                await sink(port).run(cursor(world()), connected=lambda: None)


@pytest.mark.anyio
async def test_a_stream_that_has_ended_already_ends_the_push() -> None:
    here = world()
    reading = cursor(here)
    here.packets.close()
    async with serving() as (_, port):
        await sink(port).run(reading, connected=lambda: None)


@pytest.mark.anyio
async def test_a_server_that_reads_slowly_is_waited_for() -> None:
    here = world()
    async with serving() as (there, port), anyio.create_task_group() as tasks:
        pushing = sink(port)
        tasks.start_soon(lambda: pushing.run(cursor(here), connected=lambda: None))
        received = count(there)
        await until(lambda: received() == 3)
        assert pushing.client is not None
        pushing.client.paused()
        here.append([picture(START + 2)])
        await until(lambda: received() == 4)
        sent = pushing.bytes_sent
        here.append([picture(START + 3)])
        await anyio.wait_all_tasks_blocked()
        assert pushing.bytes_sent == sent
        pushing.client.resumed()
        await until(lambda: received() == 5)
        tasks.cancel_scope.cancel()


def test_a_sink_reads_access_units() -> None:
    assert RtmpSink.wants is Format.PACKETS


def publication(reading: LaneCursor, told: list[str] | None = None) -> Publication:
    packer = Packer(base=0, stream_id=1, publishing=True)
    ignored: list[str] = []
    return Publication(reading, packer, (ignored if told is None else told).append)


def types(data: bytes) -> list[int]:
    return [message.type for message in parse(data)]


def test_headers_go_out_first_and_when_tracks_change() -> None:
    messages = publication(cursor(world()))
    assert types(messages.pack([picture(START, key=True)])) == [18, 9, 8, 9]
    assert types(messages.pack([picture(START + 1)])) == [9]
    other = Init(2, 1, (Track(0, VIDEO.codec, avcc(b"\x68other")),))
    assert types(messages.pack([InitChange(other), picture(START + 2)])) == [18, 9, 9]
    assert messages.pack([sound(1), Boundary(2, other, "new")]) == b""
    assert types(messages.pack([picture(START + 3, key=True)])) == [18, 9, 9]


def test_what_belongs_before_the_start_is_left_out() -> None:
    messages = publication(cursor(world()))
    early = sound(START * 15 // 8 - 4)
    assert types(messages.pack([picture(START, key=True), early])) == [18, 9, 8, 9]


def test_other_tracks_are_left_out() -> None:
    messages = publication(cursor(world()))
    unknown = picture(START)
    unknown.track = 9
    assert messages.pack([unknown]) == b""


def test_a_push_that_fell_behind_goes_on_at_the_newest_picture() -> None:
    here = world()
    reading = cursor(here)
    messages = publication(reading)
    messages.pack(reading.take())
    data = messages.pack([picture(START + 2), Skipped(5), picture(START + 9)])
    assert types(data) == [9]
    again = reading.take()
    assert isinstance(again[0], Packet)
    assert types(messages.pack(again))[:4] == [18, 9, 8, 9]


def test_a_push_begins_without_the_pictures_that_lead_its_first() -> None:
    here = World()
    here.append([Boundary(1, Init(1, 1, (VIDEO, AUDIO)), "test")])
    group = [picture(START + number, key=number == 0) for number in range(4)]
    group[0].flags, group[1].flags, group[2].flags = Flag.OPEN_GOP, Flag.LEADING, Flag.LEADING
    here.append([*group])
    reading = cursor(here)
    messages = publication(reading)
    assert types(messages.pack(reading.take())) == [18, 9, 8, 9, 9]
    assert types(messages.pack([*group])) == [9, 9, 9, 9]


def test_a_push_waits_where_there_is_nothing_to_begin_with() -> None:
    here = World()
    reading = LaneCursor(here.packets, lambda: None)
    messages = publication(reading)
    here.append([Boundary(1, Init(1, 1, (VIDEO, AUDIO)), "test"), picture(START)])
    assert messages.pack(reading.take()) == b""
    here.append([picture(START + 1), picture(START + 2, key=True), picture(START + 3)])
    assert messages.pack(reading.take()) == b""
    assert types(messages.pack(reading.take())) == [18, 9, 8, 9, 9]


def test_a_push_outlives_a_group_that_the_lane_could_not_hold() -> None:
    here = world()
    reading = cursor(here)
    messages = publication(reading)
    messages.pack(reading.take())
    here.append([picture(START + 2)])
    here.packets.clear()
    here.append([picture(START + 3)])
    assert messages.pack(reading.take()) == b""
    here.append([picture(START + 9, key=True)])
    assert messages.pack(reading.take()) == b""
    assert types(messages.pack(reading.take())) == [18, 9, 8, 9]


def test_tracks_that_rtmp_can_not_carry_are_named_once_and_left_out() -> None:
    told: list[str] = []
    here = World()
    mp2 = Track(2, Codec.MP2, b"", sample_rate=48_000)
    here.append([Boundary(1, Init(1, 1, (VIDEO, mp2)), "test"), picture(START, key=True)])
    messages = publication(cursor(here), told)
    assert types(messages.pack([picture(START, key=True)])) == [18, 9, 9]
    messages.pack([InitChange(Init(2, 1, (VIDEO, mp2)))])
    assert told == ["MP2"]
    messages.pack([InitChange(Init(3, 1, (VIDEO, AUDIO)))])
    assert told == ["MP2", ""]


def test_a_picture_that_rtmp_can_not_carry_ends_the_push() -> None:
    mpeg2 = Track(0, Codec.MPEG2, b"")
    messages = publication(cursor(world()))
    with pytest.raises(Unsupported, match="RTMP can't carry"):
        messages.pack([Boundary(2, Init(2, 2, (mpeg2, AUDIO)), "new")])
