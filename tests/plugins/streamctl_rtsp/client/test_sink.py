"""Pushing to servers, good and bad."""

from __future__ import annotations

import struct
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from streamctl.engine.lane import Bounds, Lane
from streamctl.errors import ConfigError, ConnectionFailed, StreamctlError, Unsupported
from streamctl.media import sdp
from streamctl.media.packet import Boundary, Codec, Format, Init, InitChange, Kind, Packet, Track
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.packet import parse
from streamctl.media.rtp.rtcp import SenderReport
from streamctl.sdk.endpoints import Measured
from streamctl.sdk.url import StreamURL
from streamctl_rtsp.client.options import PushOptions
from streamctl_rtsp.client.sink import RtspSink
from tests.plugins.push import Push
from tests.plugins.streamctl_rtsp.client.world import LOGIN, FakeContext, gone
from tests.support.rtsp_camera import PPS, SPS, Answer, Asked, Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.steady import SteadyClock
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

ASC = bytes.fromhex("1190")
"""AAC-LC, 48 kHz, stereo."""
START = 25 * 96
"""A stream that is pushed has been running for a while."""


def avcc(pps: bytes = PPS) -> bytes:
    """A decoder configuration record."""
    sets = b"\xe1" + len(SPS).to_bytes(2, "big") + SPS
    return b"\x01" + SPS[1:4] + b"\xff" + sets + b"\x01" + len(pps).to_bytes(2, "big") + pps


VIDEO = Track(0, Codec.H264, avcc(), width=64, height=64, fps=25.0)
AUDIO = Track(1, Codec.AAC, ASC, sample_rate=48_000, channels=2)
FLAC = Track(2, Codec.FLAC, bytes(34), sample_rate=48_000, channels=2)


def picture(number: int, *, key: bool = False, size: int = 20) -> Packet:
    """A picture of 25 per second."""
    data = (size - 4).to_bytes(4, "big") + (b"\x65\x88" if key else b"\x41\x9a") + bytes(size - 6)
    kind = Kind.KEY if key else Kind.P
    return Packet(0, number * 3600, number * 3600, kind, 0, data, epoch=1)


def sound(number: int) -> Packet:
    """An AAC frame of 48 kHz."""
    return Packet(1, number * 1920, number * 1920, Kind.AUDIO, 0, b"\x21\x10\x04abc", epoch=1)


def lane(*tracks: Track) -> Lane:
    """A stream that has begun."""
    made = Lane(Format.PACKETS, Bounds(10, 100_000_000), broke)
    made.append([Boundary(1, Init(1, 1, tracks), "test")])
    made.append([picture(START, key=True), sound(START * 15 // 8), picture(START + 1)])
    return made


def broke(reader: object, error: Exception) -> None:
    raise error


@asynccontextmanager
async def pushing(
    server: CameraServer, source: Lane, login: str = "", **keys: object
) -> AsyncIterator[Push[RtspSink]]:
    """Push to a server for as long as the context lasts."""
    url = StreamURL.parse(server.url("live/x", login=login)).as_destination()
    context = FakeContext(SteadyClock())
    sink = RtspSink(url, PushOptions.model_validate(keys), context.as_context)
    push = Push(sink, source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push.run)
        yield push
        tasks.cancel_scope.cancel()
    await gone(server)


async def failure(
    server: CameraServer, source: Lane | None = None, login: str = "", **keys: object
) -> StreamctlError:
    """How a push to a server ends."""
    async with pushing(server, source or lane(VIDEO, AUDIO), login, **keys) as push:
        await until(lambda: push.ended)
        assert push.error is not None
        return push.error


def reports(server: CameraServer) -> list[SenderReport]:
    found = [packet for data in server.reports for packet in rtcp.parse(data)]
    return [packet for packet in found if isinstance(packet, SenderReport)]


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_a_stream_is_pushed(transport: str) -> None:
    source = lane(VIDEO, AUDIO)
    with CameraServer() as server:
        async with pushing(server, source, transport=transport) as push:
            await until(lambda: len(server.recorded[0]) >= 4 or push.error)
            source.append([picture(START + 2, size=5000)])
            await until(lambda: len(server.recorded[0]) >= 8 and server.recorded[1])
            video = [parse(data) for data in server.recorded[0]]
            payloads = [bytes(packet.payload) for packet in video]
            assert payloads[:2] == [SPS, PPS]
            assert max(map(len, payloads)) <= 1400
            first = video[0].sequence
            assert [(p.sequence - first) % 65_536 for p in video] == list(range(len(video)))
            assert [p.marker for p in video] == [0, 0, 1, 1, 0, 0, 0, 1]
            assert (video[3].timestamp - video[2].timestamp) & 0xFFFF_FFFF == 3600
            assert len({p.ssrc for p in video}) == 1
            assert push.connections == 1
            assert push.sink.bytes_sent > 5000
        if transport == "tcp":
            # Both tracks are reported about before any media.
            told = reports(server)[:2]
            assert {one.packets for one in told} == {0}
            assert told[0].ntp == told[1].ntp
        await until(lambda: server.methods()[-1] == "TEARDOWN")
    setups = server.requests("SETUP")
    assert [one.uri.rpartition("/")[2] for one in setups] == ["trackID=0", "trackID=1"]
    assert all("mode=record" in one.headers["transport"] for one in setups)
    described = sdp.parse(server.announced)
    assert [media.rtpmap(media.payload_types[0]) is not None for media in described.media]
    assert [media.kind for media in described.media] == ["video", "audio"]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_what_a_server_reports_is_shown(transport: str) -> None:
    with CameraServer() as server:
        async with pushing(server, lane(VIDEO, AUDIO), transport=transport) as push:
            sink = push.sink
            assert isinstance(sink, Measured)
            assert sink.measure() == {}

            def told() -> dict[str, int]:
                return cast("list[dict[str, int]]", sink.measure()["tracks"])[0]

            await until(lambda: server.recorded[0] and server.recorded[1])
            assert sink.measure()["transport"] == transport
            assert "lost" not in told()
            block = rtcp.ReportBlock(told()["ssrc"], 0, 7, 0, 450)
            [talk] = server.open
            talk.send(0, True, rtcp.ReceiverReport(1, (block,)).serialise())
            await until(lambda: "lost" in told())
            assert (told()["lost"], told()["jitter_ms"]) == (7, 5.0)


async def test_a_login_is_used() -> None:
    with CameraServer(Camera(auth="digest")) as server:
        async with pushing(server, lane(VIDEO, AUDIO), LOGIN) as push:
            await until(lambda: server.recorded[0] or push.error)
            assert push.error is None


async def test_a_track_that_cannot_be_carried_is_left_out_and_named() -> None:
    with CameraServer() as server:
        async with pushing(server, lane(VIDEO, AUDIO, FLAC)) as push:
            await until(lambda: server.recorded[0] or push.error)
            assert push.sink.left_out == "FLAC"
            assert len(server.requests("SETUP")) == 2


async def test_a_stream_that_cannot_be_carried_is_refused() -> None:
    only = Track(0, Codec.MPEG2, b"")
    with CameraServer() as server:
        error = await failure(server, lane(only, AUDIO))
        assert isinstance(error, Unsupported)
        assert "MPEG-2" in error.message
        assert server.connections == 0


async def test_new_parameter_sets_go_on() -> None:
    source = lane(VIDEO, AUDIO)
    other = PPS + b"\x80"
    with CameraServer() as server:
        async with pushing(server, source) as push:
            await until(lambda: server.recorded[0] or push.error)
            changed = Track(0, Codec.H264, avcc(other), width=64, height=64)
            source.append([InitChange(Init(2, 1, (changed, AUDIO)))])
            source.append([picture(START + 2, key=True)])
            await until(lambda: any(data[12:] == other for data in server.recorded[0]))
            assert push.connections == server.connections == 1


async def test_other_tracks_are_announced_anew() -> None:
    source = lane(VIDEO, AUDIO)
    with CameraServer() as server:
        async with pushing(server, source) as push:
            await until(lambda: server.recorded[0] or push.error)
            mono = Track(1, Codec.AAC, bytes.fromhex("1188"), sample_rate=48_000, channels=1)
            source.append([Boundary(2, Init(2, 2, (VIDEO, mono)), "another input")])
            source.append([picture(START + 2, key=True)])
            await until(lambda: push.connections == 2 or push.error)
            assert push.error is None
        assert server.connections == 2
        assert server.methods().count("TEARDOWN") >= 1
        assert "config=1188" in server.announced


async def test_the_end_of_the_stream_is_the_end_of_the_push() -> None:
    source = lane(VIDEO, AUDIO)
    with CameraServer() as server:
        async with pushing(server, source) as push:
            await until(lambda: server.recorded[0] or push.error)
            source.append([picture(START + 2)])
            source.finish()
            await until(lambda: push.ended)
            assert push.error is None
            await until(lambda: len(server.recorded[0]) == 5)
        assert server.connections == 1


@pytest.mark.parametrize(
    ("status", "text", "lasting"),
    [
        (405, "takes no pushes", True),
        (501, "takes no pushes", True),
        (415, "does not take H.264 and AAC", True),
        (403, "answers 403", True),
        (404, "answers 404", False),
        (503, "answers 503", False),
    ],
)
async def test_a_refusal_is_told(status: int, text: str, lasting: bool) -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(status) if asked.method == "ANNOUNCE" else None

    with CameraServer(Camera(script=script)) as server:
        error = await failure(server)
        assert isinstance(error, ConnectionFailed)
        assert text in error.message
        assert error.permanent is lasting


async def test_a_redirect_is_followed() -> None:
    with CameraServer() as there:
        location = there.url("live/s3cret-stream-key")

        def script(asked: Asked) -> Answer | None:
            moved = Answer(302, {"Location": location})
            return moved if asked.method == "ANNOUNCE" else None

        with CameraServer(Camera(script=script)) as here:
            async with pushing(here, lane(VIDEO, AUDIO)) as push:
                await until(lambda: there.recorded[0] or push.error)
                assert push.error is None


async def test_a_circle_of_redirects_is_left() -> None:
    def script(asked: Asked) -> Answer | None:
        moved = Answer(302, {"Location": asked.uri})
        return moved if asked.method == "ANNOUNCE" else None

    with CameraServer(Camera(script=script)) as server:
        assert "in a circle" in (await failure(server)).message


async def test_the_words_of_a_server_do_not_show_a_stream_key() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(999) if asked.method == "ANNOUNCE" else None

    with CameraServer(Camera(script=script)) as server:
        error = await failure(server)
        assert "Whatever" not in error.message
        assert "/live/x`" in error.message


@pytest.mark.parametrize("method", ["SETUP", "RECORD"])
async def test_a_late_refusal_is_told(method: str) -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(500) if asked.method == method else None

    with CameraServer(Camera(script=script)) as server:
        assert f"to {method}" in (await failure(server)).message


async def test_udp_is_asked_for_when_tcp_is_refused() -> None:
    with CameraServer(Camera(transports=frozenset({"udp"}))) as server:
        async with pushing(server, lane(VIDEO, AUDIO)) as push:
            await until(lambda: len(server.recorded[0]) >= 4 or push.error)
            assert push.error is None


async def test_ports_that_are_missing_are_said() -> None:
    def script(asked: Asked) -> Answer | None:
        given = {"Session": "x", "Transport": "RTP/AVP;unicast"}
        return Answer(200, given) if asked.method == "SETUP" else None

    with CameraServer(Camera(script=script)) as server:
        assert "no ports" in (await failure(server, transport="udp")).message


async def test_a_server_that_closes_ends_the_push() -> None:
    with CameraServer() as server:
        async with pushing(server, lane(VIDEO, AUDIO)) as push:
            await until(lambda: server.recorded[0] or push.error)
            for talk in list(server.open):
                talk.close()
            await until(lambda: push.ended)
            assert isinstance(push.error, ConnectionFailed)


async def test_the_session_is_kept_alive() -> None:
    with CameraServer(Camera(timeout_s=1)) as server:
        async with pushing(server, lane(VIDEO, AUDIO)) as push:
            await until(lambda: server.recorded[0] or push.error)
            clock = push.sink.ctx.clock
            assert isinstance(clock, SteadyClock)
            before = len(server.requests("OPTIONS"))
            for more in (1, 2, 3):
                clock.advance(0.5)
                await until(partial(asked, server, "OPTIONS", before + more))


def asked(server: CameraServer, method: str, count: int) -> bool:
    return len(server.requests(method)) >= count


async def test_large_pictures_leave_evenly_over_udp() -> None:
    source = lane(VIDEO, AUDIO)
    with CameraServer() as server:
        async with pushing(server, source, transport="udp") as push:
            await until(lambda: len(server.recorded[0]) >= 4 or push.error)
            clock, before = push.sink.ctx.clock, push.sink.bytes_sent
            departures: dict[int, float] = {}

            def leave() -> bool:
                sent = push.sink.bytes_sent - before
                if sent:
                    departures.setdefault(sent, clock.now())
                return len(server.recorded[0]) >= 4 + 51

            source.append([picture(START + 2, size=70_000)])
            await until(leave)
            times = list(departures.values())
            assert len(times) > 2
            assert times[-1] - times[0] > 0.008
    numbers = [struct.unpack_from(">H", data, 2)[0] for data in server.recorded[0]]
    assert {(b - a) % 65_536 for a, b in pairwise(numbers)} == {1}


async def test_what_was_skipped_is_not_sent() -> None:
    source = Lane(Format.PACKETS, Bounds(1, 100_000_000), broke)
    source.append([Boundary(1, Init(1, 1, (VIDEO, AUDIO)), "test"), picture(START, key=True)])
    with CameraServer() as server:
        async with pushing(server, source) as push:
            await until(lambda: server.recorded[0] or push.error)
            # More than the lane holds, at once: the push finds itself off the tail.
            for number in range(1, 200):
                source.append([picture(START + number, key=number % 25 == 0)])
            clock = push.sink.ctx.clock
            assert isinstance(clock, SteadyClock)

            def hurried() -> bool:
                """Let time pass as media that is left out would have taken."""
                clock.advance(0.1)
                return len(server.recorded[0]) > 20

            await until(hurried)
            assert push.error is None
            first = parse(server.recorded[0][0]).timestamp
            shown = [(parse(data).timestamp - first) // 3600 for data in server.recorded[0]]
            assert shown == sorted(shown)
            assert shown[3] % 25 == 0


def test_an_impossible_url_is_refused_at_once() -> None:
    context = FakeContext.__new__(FakeContext).as_context
    for url, transport in (("rtsps://there/x", "udp"), ("rtsp:///x", "auto")):
        with pytest.raises(ConfigError):
            RtspSink(StreamURL.parse(url), PushOptions(transport=transport), context)
