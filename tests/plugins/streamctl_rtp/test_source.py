"""Receiving into an epoch: on ports of an input's own, and at the listener."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.errors import ConfigError, ConnectionFailed, MediaError, StaleEpoch
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.rtcp import Bye, ReceiverReport, SenderReport, ntp_time
from streamctl.sdk.endpoints import Measured, Numbered, Patient
from streamctl.sdk.session import Transit
from streamctl.sdk.url import StreamURL
from streamctl_rtp.options import RtpInputOptions
from streamctl_rtp.plugin import RtpPlugin
from streamctl_rtp.source import RtpSource
from streamctl_rtp.switchboard import Switchboard
from tests.plugins.streamctl_rtp.test_description import Files
from tests.plugins.streamctl_rtp.world import HOST, TS, Writer, rtp
from tests.support.ports import udp_port
from tests.support.steady import SteadyClock
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


class Context(Files):
    """Files below one folder, and time that passes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock = SteadyClock()


@asynccontextmanager
async def running(source: RtpSource, writer: Writer) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.run, writer)
        await until(lambda: source.losses.receivers)
        yield
        tasks.cancel_scope.cancel()


def own(folder: Path, **keys: Any) -> tuple[RtpSource, int]:
    port = udp_port(2)
    options = RtpInputOptions.model_validate(keys)
    url = StreamURL.parse(f"rtp://{HOST}:{port}")
    return RtpSource(url, options, Context(folder), Switchboard()), port


async def test_a_port_of_its_own_answers_its_sender(tmp_path: Path) -> None:
    source, port = own(tmp_path)
    writer = Writer()
    assert isinstance(source, Measured)
    assert isinstance(source, Patient)
    assert isinstance(source, Numbered)
    assert source.measure() == {}
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reports,
    ):
        reports.bind((HOST, 0))
        reports.settimeout(0)
        async with running(source, writer):
            assert source.waiting == ""
            report = SenderReport(7, ntp_time(5), 0, 1, 1).serialise()
            for number in (1, 2, 4, 3, 5):
                media.sendto(rtp(number), (HOST, port))
            reports.sendto(report, (HOST, port + 1))
            await until(lambda: len(writer.data) == 5 * len(TS))
            found: list[bytes] = []

            def answered() -> bool:
                try:
                    found.append(reports.recv(1500))
                except BlockingIOError:
                    return False
                return True

            await until(answered)
            found_tracks: Any = source.measure()["tracks"]
            track = found_tracks[0]
            assert (track["encoding"], track["packets"], track["lost"]) == ("MP2T", 5, 0)
            assert source.measure()["datagrams"] == 6
            assert source.transit() == Transit(), "MPEG-TS counts for itself"
        await until(answered)
    first = rtcp.parse(found[0])[0]
    assert isinstance(first, ReceiverReport)
    assert first.reports[0].ssrc == 7
    assert isinstance(rtcp.parse(found[-1])[1], Bye)


@pytest.mark.parametrize(
    ("keys", "selected"), [({}, []), ({"program": 2, "pids": [256]}, [(2, (256,))])]
)
async def test_program_and_streams_are_chosen_before_the_first_byte(
    tmp_path: Path, keys: dict[str, object], selected: list[object]
) -> None:
    source, _ = own(tmp_path, **keys)
    writer = Writer()
    async with running(source, writer):
        assert writer.selected == selected


async def test_reports_may_share_the_port(tmp_path: Path) -> None:
    source, port = own(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((HOST, 0))
        async with running(source, Writer()):
            media.sendto(rtp(1), (HOST, port))
            media.sendto(SenderReport(7, ntp_time(5), 0, 1, 1).serialise(), (HOST, port))
            with anyio.fail_after(PATIENCE_S):
                data = await anyio.to_thread.run_sync(media.recv, 1500)
    assert isinstance(rtcp.parse(data)[0], ReceiverReport)


async def test_a_next_port_that_is_taken_costs_the_reports_alone(tmp_path: Path) -> None:
    source, port = own(tmp_path)
    writer = Writer()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
    ):
        other.bind((HOST, port + 1))
        async with running(source, writer):
            media.sendto(rtp(1), (HOST, port))
            await until(lambda: writer.data)


async def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    source, port = own(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, port))
        with pytest.raises(ConnectionFailed, match="in use"):
            await source.run(Writer())


async def test_a_description_tells_the_ports(tmp_path: Path) -> None:
    first = udp_port(2)
    (tmp_path / "x.sdp").write_text(f"v=0\nm=video {first} RTP/AVP 33\nm=audio 0 RTP/AVP 0\n")
    source, second = own(tmp_path, sdp="file:x.sdp")
    writer = Writer()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        async with running(source, writer):
            media.sendto(rtp(1), (HOST, first))
            await until(lambda: writer.data)
            media.sendto(rtp(1, kind=0, payload=bytes(160)), (HOST, second))
            await until(lambda: writer.announced)


async def test_an_epoch_that_has_ended_ends_the_source(tmp_path: Path) -> None:
    source, port = own(tmp_path)
    writer = Writer()
    writer.stale = True
    errors: list[StaleEpoch] = []

    async def run() -> None:
        try:
            await source.run(writer)
        except StaleEpoch as error:
            errors.append(error)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await until(lambda: source.losses.receivers)
            media.sendto(rtp(1), (HOST, port))
            await until(lambda: errors)


async def test_an_input_at_the_listener_waits_there(tmp_path: Path) -> None:
    plugin = RtpPlugin()
    options = RtpInputOptions.model_validate({"ssrc": "0x7"})
    source = plugin.source(StreamURL.parse("rtp://"), options, Context(tmp_path))
    assert isinstance(source, RtpSource)
    assert isinstance(source, Patient)
    board = plugin.switchboard
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.run, Writer())
        await until(lambda: board.inlets)
        assert "no `[listeners.rtp]`" in source.waiting
        board.listeners += 1
        assert source.waiting == "waiting for a sender at the RTP listener"
        board.inlets[0].came = True
        assert source.waiting == ""
        tasks.cancel_scope.cancel()
    assert board.inlets == []


async def test_what_ends_an_input_at_the_listener_is_its_error(tmp_path: Path) -> None:
    board = Switchboard()
    options = RtpInputOptions.model_validate({"ssrc": "0x7"})
    source = RtpSource(StreamURL.parse("rtp://"), options, Context(tmp_path), board)
    for error, expected in ((MediaError("no codec"), MediaError), (None, ConnectionFailed)):
        async with anyio.create_task_group() as tasks:

            async def end(error: Exception | None = error) -> None:
                await until(lambda: board.inlets)
                board.inlets[0].end(error)
                board.inlets[0].end(ConnectionFailed("too late"))

            tasks.start_soon(end)
            with pytest.raises(expected):
                await source.run(Writer())


def test_the_plugin_judges_inputs() -> None:
    plugin = RtpPlugin()
    plugin.check_input(StreamURL.parse("rtp://:5004"), RtpInputOptions())
    with pytest.raises(ConfigError):
        plugin.check_input(StreamURL.parse("rtp://"), RtpInputOptions())
