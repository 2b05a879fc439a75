"""Receiving into an epoch."""

from __future__ import annotations

import logging
import socket
from contextlib import asynccontextmanager, suppress
from struct import pack
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.errors import ConfigError, ConnectionFailed, StaleEpoch
from streamctl.net.datagrams import DatagramReader
from streamctl.sdk.endpoints import Measured
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext
from streamctl_udp import source as module
from streamctl_udp.options import UdpInputOptions
from streamctl_udp.source import UdpSource
from tests.plugins.streamctl_udp.lane import HOST, Writer
from tests.support.ports import udp_port
from tests.support.steady import SteadyClock
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

MEDIA = b"\x47\x01\x00\x10".ljust(188, b"m") * 7


def source(query: str = "", **keys: Any) -> tuple[UdpSource, int]:
    port = udp_port()
    url = StreamURL.parse(f"udp://{HOST}:{port}{query}")
    return UdpSource(url, UdpInputOptions(**keys), BareContext(SteadyClock())), port


@asynccontextmanager
async def running(found: UdpSource, writer: Writer) -> AsyncIterator[socket.socket]:
    """A sender to a source that runs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(found.run, writer)
            await until(lambda: found.receiver is not None)
            sender.connect((HOST, found.url.port))
            yield sender
            tasks.cancel_scope.cancel()


def rtp(number: int) -> bytes:
    return pack("!BBHII", 0x80, 33, number, 0, 1) + MEDIA


async def test_media_goes_into_the_epoch_at_the_time_it_came() -> None:
    found, _ = source()
    writer = Writer()
    began = found.ctx.clock.now()
    async with running(found, writer) as sender:
        for _ in range(20):
            sender.send(MEDIA)
        await until(lambda: len(writer.data) == 20 * len(MEDIA))
    assert bytes(writer.data) == MEDIA * 20
    assert began <= writer.times[0] <= writer.times[-1] <= found.ctx.clock.now()
    assert isinstance(found, Measured)
    assert found.measure()["datagrams"] == 20
    assert found.measure()["kernel_drops"] == 0
    assert "rtp" not in found.measure()


async def test_rtp_is_taken_off_and_its_losses_are_shown() -> None:
    found, _ = source()
    writer = Writer()
    async with running(found, writer) as sender:
        for number in (1, 2, 5, 4):
            sender.send(rtp(number))
        sender.send(b"\x80junk")
        await until(lambda: found.unwrapper.invalid)
        await until(lambda: len(writer.data) == 3 * len(MEDIA))
        assert found.measure()["rtp"] == {
            "packets": 4,
            "gaps": 1,
            "lost": 2,
            "late": 1,
            "restarts": 0,
            "invalid": 1,
        }


async def test_program_and_streams_are_chosen_before_the_first_byte() -> None:
    found, _ = source("?pids=256,257", program=2)
    writer = Writer()
    async with running(found, writer):
        assert writer.selected == [(2, (256, 257))]


async def test_everything_is_taken_if_nothing_is_chosen() -> None:
    found, _ = source()
    writer = Writer()
    async with running(found, writer):
        assert writer.selected == []


async def test_other_senders_are_counted() -> None:
    found, _ = source("?source=127.0.0.2")
    writer = Writer()
    async with running(found, writer) as sender:
        sender.send(MEDIA)
        await until(lambda: found.measure().get("other_senders"))
    assert writer.data == b""


async def test_an_epoch_that_has_ended_ends_the_source() -> None:
    found, _ = source()
    writer = Writer(stale=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((HOST, found.url.port))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(resend, sender)
            with pytest.raises(StaleEpoch):
                await found.run(writer)
            tasks.cancel_scope.cancel()


async def resend(sender: socket.socket) -> None:
    while True:
        with suppress(ConnectionRefusedError):
            sender.send(MEDIA)
        await anyio.sleep(0.01)


async def test_an_address_in_use_is_an_error_that_may_pass() -> None:
    found, port = source()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, port))
        with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}.*in use") as caught:
            await found.run(Writer())
    assert not caught.value.permanent
    assert found.measure() == {}


async def test_a_socket_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self: DatagramReader, fd: int) -> None:
        raise OSError(100, "network is down")

    found, _ = source()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((HOST, found.url.port))
        monkeypatch.setattr(DatagramReader, "read", down)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(resend, sender)
            with pytest.raises(ConnectionFailed, match="network is down"):
                await found.run(Writer())
            tasks.cancel_scope.cancel()


async def test_a_small_buffer_of_the_kernel_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamctl.net.udp_socket.SO_RCVBUFFORCE", 9999)
    found, _ = source(receive_buffer_bytes=1 << 30)
    with caplog.at_level(logging.WARNING):
        async with running(found, Writer()):
            pass
    assert "of 1073741824 bytes; raise `net.core.rmem_max`" in caplog.text


async def test_drops_are_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    found, _ = source(receive_buffer_bytes=65_536)
    with caplog.at_level(logging.WARNING):
        async with running(found, Writer()) as sender:
            while not found.measure()["kernel_drops"]:
                for _ in range(500):
                    sender.send(MEDIA)
                await anyio.sleep(0.001)
            await until(lambda: "dropped on this machine" in caplog.text)
            await anyio.sleep(0.05)
    told = [each for each in caplog.messages if "dropped on this machine" in each]
    assert len(set(told)) == len(told), "losses are told again"


def test_a_url_that_can_not_be_used_is_refused_at_once() -> None:
    with pytest.raises(ConfigError):
        UdpSource(StreamURL.parse("udp://h"), UdpInputOptions(), BareContext())
