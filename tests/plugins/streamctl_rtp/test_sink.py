"""Sending RTP to a host."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from streamctl.engine.lane import Bounds, Lane
from streamctl.errors import ConfigError, Unsupported
from streamctl.media import sdp
from streamctl.media.packet import Boundary, Codec, Format, Init, Kind, Packet, Track
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.packet import parse
from streamctl.net import paced_rtp
from streamctl.sdk.endpoints import Measured
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext
from streamctl_rtp.options import RtpPushOptions
from streamctl_rtp.plugin import RtpPlugin
from streamctl_rtp.sink import RtpSink
from tests.plugins.push import Push
from tests.plugins.streamctl_rtmp.world import AUDIO, VIDEO
from tests.plugins.streamctl_rtp.world import HOST
from tests.support.ports import udp_port
from tests.support.steady import SteadyClock
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

FLAC = Track(2, Codec.FLAC, bytes(34), sample_rate=48_000, channels=2)
MPEG2 = Track(0, Codec.MPEG2, b"")
START = 90_000


def picture(number: int, *, key: bool = False, size: int = 20) -> Packet:
    """A picture of 25 per second."""
    data = (size - 4).to_bytes(4, "big") + (b"\x65\x88" if key else b"\x41\x9a") + bytes(size - 6)
    time = START + number * 3600
    return Packet(0, time, time, Kind.KEY if key else Kind.P, 0, data, epoch=1)


def sound(number: int) -> Packet:
    time = START + number * 1920
    return Packet(1, time, time, Kind.AUDIO, 0, b"\x21\x10\x04abc", epoch=1)


def broke(reader: object, error: Exception) -> None:
    raise error


def lane(*tracks: Track) -> Lane:
    """A stream that has begun."""
    made = Lane(Format.PACKETS, Bounds(10, 100_000_000), broke)
    made.append([Boundary(1, Init(1, 1, tracks or (VIDEO, AUDIO)), "test")])
    made.append([picture(0, key=True), sound(0), picture(1)])
    return made


class Context(BareContext):
    """A context whose files lie in one folder."""

    def __init__(self, folder: Path, clock: SteadyClock) -> None:
        super().__init__(clock)
        self.folder = folder

    def place_file(self, url: str) -> Path:
        return self.folder / url.removeprefix("file:")


class Ports:
    """Sockets on the ports that two tracks go to."""

    def __init__(self) -> None:
        self.clock = SteadyClock()
        self.first = 0
        self.sockets: list[socket.socket] = []
        self.found: list[list[bytes]] = [[] for _ in range(4)]
        self.reporter = ("", 0)
        """Where the first track's reports come from."""

    def open(self) -> None:
        """Four ports in a row."""
        while len(self.sockets) < 4:
            self.close()
            self.first = udp_port(2)
            try:
                for port in range(self.first, self.first + 4):
                    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    self.sockets.append(found)
                    found.setblocking(False)
                    found.bind((HOST, port))
            except OSError:
                self.close()

    def close(self) -> None:
        for one in self.sockets:
            one.close()
        self.sockets.clear()

    def look(self) -> None:
        """Take what has come."""
        for one, kept in zip(self.sockets, self.found, strict=True):
            try:
                while True:
                    data, sender = one.recvfrom(65_536)
                    kept.append(data)
                    if kept is self.found[1]:
                        self.reporter = sender
            except BlockingIOError:
                pass

    async def until(self, condition: Callable[[], object]) -> None:
        with anyio.fail_after(PATIENCE_S):
            while not condition():
                await anyio.sleep(0.005)
                self.look()


@asynccontextmanager
async def pushing(
    source: Lane, folder: Path, **keys: object
) -> AsyncIterator[tuple[Push[RtpSink], Ports]]:
    ports = Ports()
    ports.open()
    url = StreamURL.parse(f"rtp://{HOST}:{ports.first}")
    options = RtpPushOptions.model_validate(keys)
    push = Push(RtpSink(url, options, Context(folder, ports.clock)), source)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(push.run)
            yield push, ports
            tasks.cancel_scope.cancel()
    finally:
        ports.close()


def hurried(clock: SteadyClock) -> bool:
    """Let time pass as media that is left out would have taken."""
    clock.advance(0.1)
    return True


def kinds(data: bytes) -> list[type]:
    return [type(packet) for packet in rtcp.parse(data)]


async def test_each_track_has_its_ports(tmp_path: Path) -> None:
    source = lane()
    async with pushing(source, tmp_path) as (push, ports):
        await ports.until(lambda: len(ports.found[0]) >= 4 and all(ports.found))
        video, video_reports, audio, audio_reports = ports.found
        assert [parse(data).payload_type for data in (video[0], audio[0])] == [96, 97]
        assert parse(video[2]).timestamp != parse(video[3]).timestamp
        assert kinds(video_reports[0]) == kinds(audio_reports[0])
        assert kinds(video_reports[0])[0] is rtcp.SenderReport
        assert push.connections == 1
        assert push.sink.bytes_sent > 50
        assert isinstance(push.sink, Measured)
        facts = push.sink.measure()
        assert (facts["dropped"], facts["refused"]) == (0, 0)
        told = sdp.parse(str(facts["sdp"]))
        assert told.connection == HOST
        assert [media.port for media in told.media] == [ports.first, ports.first + 2]
        source.finish()
        await ports.until(lambda: push.ended)
        assert push.error is None
        await ports.until(lambda: kinds(video_reports[-1])[-1] is rtcp.Bye)
        await ports.until(lambda: kinds(audio_reports[-1])[-1] is rtcp.Bye)


async def test_what_a_receiver_reports_is_shown(tmp_path: Path) -> None:
    async with pushing(lane(), tmp_path) as (push, ports):

        def told() -> dict[str, int]:
            return cast("list[dict[str, int]]", push.sink.measure()["tracks"])[0]

        await ports.until(lambda: ports.found[1])
        assert told()["packets"] > 1
        assert "lost" not in told()
        block = rtcp.ReportBlock(told()["ssrc"], 0, 7, 0, 450)
        report = rtcp.ReceiverReport(1, (replace(block, ssrc=0, lost=9), block)).serialise()
        for data in (report, b"no report", rtcp.ReceiverReport(1).serialise()):
            ports.sockets[1].sendto(data, ports.reporter)
        await ports.until(lambda: "lost" in told())
        assert (told()["lost"], told()["jitter_ms"]) == (7, 5.0)


async def test_who_is_cancelled_says_farewell(tmp_path: Path) -> None:
    async with pushing(lane(), tmp_path) as (_, ports):
        await ports.until(lambda: ports.found[2])
        reports = ports.sockets[1].dup()
    with reports:
        reports.settimeout(PATIENCE_S)
        while kinds(reports.recv(65_536))[-1] is not rtcp.Bye:
            pass


async def test_the_description_is_written(tmp_path: Path) -> None:
    async with pushing(lane(), tmp_path, sdp="file:x.sdp") as (push, ports):
        await ports.until(lambda: push.connections)
        text = (tmp_path / "x.sdp").read_bytes()
        assert text == push.sink.description
        assert [one.name for one in tmp_path.iterdir()] == ["x.sdp"]
        video, audio = sdp.parse(text).media
        assert video.port == ports.first
        assert "sprop-parameter-sets" in video.fmtp(96)
        assert audio.fmtp(97)["config"] == "1190"


async def test_a_description_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    async with pushing(lane(), tmp_path, sdp="file:no/x.sdp") as (push, ports):
        await ports.until(lambda: push.ended)
        assert isinstance(push.error, ConfigError)
        assert "can't write" in push.error.message


async def test_other_tracks_are_described_anew(tmp_path: Path) -> None:
    source = lane()
    async with pushing(source, tmp_path, sdp="file:x.sdp") as (push, ports):
        await ports.until(lambda: ports.found[2])
        mono = replace(AUDIO, config=bytes.fromhex("1188"), channels=1)
        source.append([Boundary(2, Init(2, 2, (VIDEO, mono)), "another input")])
        source.append([picture(2, key=True)])
        await ports.until(lambda: push.connections == 2)
        assert b"config=1188" in (tmp_path / "x.sdp").read_bytes()
        assert push.error is None


async def test_a_push_waits_for_a_new_picture(tmp_path: Path) -> None:
    source = lane()
    source.append([picture(number) for number in range(2, 60)])
    async with pushing(source, tmp_path) as (push, ports):
        await anyio.wait_all_tasks_blocked()
        source.append([picture(60)])
        await anyio.wait_all_tasks_blocked()
        assert push.connections == 0
        source.append([picture(61, key=True, size=40), picture(62)])
        await ports.until(lambda: len(ports.found[0]) >= 4)
        assert len(parse(ports.found[0][2]).payload) == 36


async def test_an_old_picture_is_better_than_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced_rtp, "PATIENCE_S", 0.05)
    source = lane()
    source.append([picture(number, size=30) for number in range(2, 60)])
    async with pushing(source, tmp_path) as (push, ports):
        await ports.until(lambda: len(ports.found[0]) >= 6)
        assert [len(parse(data).payload) for data in ports.found[0][2:6]] == [16, 16, 26, 26]
        assert push.connections == 1


async def test_a_stream_that_ends_before_its_first_picture_is_the_end(tmp_path: Path) -> None:
    source = Lane(Format.PACKETS, Bounds(10, 100_000_000), broke)
    async with pushing(source, tmp_path) as (push, ports):
        await anyio.wait_all_tasks_blocked()
        source.finish()
        await ports.until(lambda: push.ended)
        assert (push.error, push.connections) == (None, 0)


async def test_what_was_skipped_is_not_sent(tmp_path: Path) -> None:
    source = lane()
    source.bounds = Bounds(1, 100_000_000)
    async with pushing(source, tmp_path) as (push, ports):
        await ports.until(lambda: ports.found[2])
        # More than the lane holds, at once: the push finds itself off the tail.
        for number in range(2, 200):
            source.append([picture(number, key=number % 25 == 0)])
        await ports.until(lambda: hurried(ports.clock) and len(ports.found[0]) > 20)
        assert push.error is None
        first = parse(ports.found[0][2]).timestamp
        shown = [(parse(data).timestamp - first) // 3600 for data in ports.found[0][2:]]
        assert shown == sorted(shown)
        assert shown[2] % 25 == 0


async def test_tracks_that_can_not_be_carried_are_named(tmp_path: Path) -> None:
    async with pushing(lane(VIDEO, AUDIO, FLAC), tmp_path) as (push, ports):
        await ports.until(lambda: push.connections)
        assert push.sink.left_out == "FLAC"
    async with pushing(lane(MPEG2, AUDIO), tmp_path) as (push, ports):
        await ports.until(lambda: push.ended)
        assert isinstance(push.error, Unsupported)


@pytest.mark.parametrize(
    "url", ["rtp://", "rtp://h", "rtp://:5004", "rtp://h:5004/x", "rtp://u@h:5004", "rtp://h:65535"]
)
def test_what_is_not_one_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RtpPlugin().check_push(StreamURL.parse(url), RtpPushOptions())
    assert caught.value.hint


def test_the_query_has_keys_too() -> None:
    context = BareContext()
    url = StreamURL.parse("rtp://239.0.0.1:5004?ttl=3&miface=lo&sdp=file:x.sdp&pkt_size=1200")
    sink = RtpPlugin().sink(url, RtpPushOptions(), context)
    assert isinstance(sink, RtpSink)
    assert (sink.options.ttl, sink.options.interface) == (3, "lo")
    assert sink.options.sdp == "file:x.sdp"
    with pytest.raises(ConfigError):
        RtpPlugin().check_push(StreamURL.parse("rtp://h:5004?sdp=x.sdp"), RtpPushOptions())


async def test_more_tracks_than_ports_are_refused(tmp_path: Path) -> None:
    url = StreamURL.parse(f"rtp://{HOST}:65534")
    push = Push(RtpSink(url, RtpPushOptions(), Context(tmp_path, SteadyClock())), lane())
    await push.run()
    assert isinstance(push.error, ConfigError)
    assert "no ports for 2 tracks" in push.error.message
