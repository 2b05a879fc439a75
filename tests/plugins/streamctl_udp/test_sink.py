"""Sending a lane, at its own pace."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.sdk.endpoints import Measured
from streamctl.sdk.url import StreamURL
from streamctl.testing.gate import BareContext
from streamctl_udp.options import UdpPushOptions
from streamctl_udp.sink import UdpSink
from streamctl_udp.wire.constant import NULL_PACKET
from streamctl_udp.wire.rtp import HEADER
from tests.plugins.streamctl_udp.lane import HOST, JOIN, chunk, new_cursor, new_lane
from tests.support.steady import SteadyClock
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamctl.engine.lane import Lane

pytestmark = pytest.mark.anyio


class Receiver:
    """A socket that keeps datagrams with the time at which they came."""

    def __init__(self) -> None:
        self.clock = SteadyClock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self.datagrams: list[tuple[float, bytes]] = []
        self.closed = False

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.datagrams)

    def close(self) -> None:
        self.closed = True
        self.socket.close()

    async def run(self) -> None:
        while not self.closed:
            try:
                while True:
                    data = self.socket.recv(65536)
                    self.datagrams.append((self.clock.now(), data))
            except BlockingIOError:
                await anyio.sleep(0.001)


def sink(receiver: Receiver, query: str = "?delay_ms=120") -> UdpSink:
    url = StreamURL.parse(f"udp://{HOST}:{receiver.port}{query}")
    return UdpSink(url, UdpPushOptions(), BareContext(receiver.clock))


@asynccontextmanager
async def pushed(found: UdpSink, receiver: Receiver, lane: Lane) -> AsyncIterator[list[str]]:
    said: list[str] = []

    async def push() -> None:
        await found.run(new_cursor(lane), connected=lambda: said.append("connected"))
        said.append("done")

    with receiver.socket:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receiver.run)
            tasks.start_soon(push)
            yield said
            tasks.cancel_scope.cancel()


async def play(lane: Lane, clock: SteadyClock, first: int, last: int) -> None:
    """Pictures as time passes, twenty-five a second."""
    began = clock.now() - first * 0.04
    for number in range(first, last):
        lane.append([chunk(number, rap=number % 10 == 0)])
        await clock.sleep(began + (number + 1) * 0.04 - clock.now())


async def test_a_lane_is_sent_at_its_pace_to_its_end() -> None:
    receiver = Receiver()
    found = sink(receiver)
    lane = new_lane(chunk(0, rap=True))
    async with pushed(found, receiver, lane) as said:
        await play(lane, receiver.clock, 1, 20)
        lane.finish()
        await until(lambda: "done" in said)
        expected = JOIN + b"".join(chunk(number).data for number in range(20))
        await until(lambda: len(receiver.data) >= len(expected))
    assert said == ["connected", "done"]
    assert receiver.data == expected
    assert all(len(data) % 188 == 0 for _, data in receiver.datagrams)
    assert max(len(data) for _, data in receiver.datagrams) == 1316
    times = [at for at, _ in receiver.datagrams]
    assert times[-1] - times[0] > 0.7
    assert found.bytes_sent == len(receiver.data)
    assert isinstance(found, Measured)
    assert found.measure() == {
        "datagrams": len(receiver.datagrams),
        "dropped": 0,
        "refused": 0,
        "clock_jumps": 0,
    }


async def test_rtp_may_be_wanted() -> None:
    receiver = Receiver()
    found = sink(receiver, "?rtp=1&delay_ms=120")
    lane = new_lane(chunk(0, rap=True))
    async with pushed(found, receiver, lane) as said:
        await play(lane, receiver.clock, 1, 10)
        lane.finish()
        await until(lambda: "done" in said)
        await until(lambda: len(receiver.datagrams) == found.measure()["datagrams"])
    headers = [HEADER.unpack_from(data) for _, data in receiver.datagrams]
    assert {(first, kind & 0x7F) for first, kind, *_ in headers} == {(0x80, 33)}
    assert len({source for *_, source in headers}) == 1
    for earlier, later in pairwise(headers):
        assert (later[2] - earlier[2]) & 0xFFFF == 1
        assert 0 <= (later[3] - earlier[3]) & 0xFFFFFFFF <= 11_000
    body = b"".join(data[HEADER.size :] for _, data in receiver.datagrams)
    assert body == JOIN + b"".join(chunk(number).data for number in range(10))


async def test_a_constant_rate_is_kept_while_the_lane_is_silent() -> None:
    receiver = Receiver()
    found = sink(receiver, "?bitrate_kbps=2000&delay_ms=120")
    lane = new_lane(chunk(0, rap=True))
    async with pushed(found, receiver, lane):
        await play(lane, receiver.clock, 1, 5)
        await until(lambda: receiver.data.count(NULL_PACKET) > 600)
        measured = found.measure()
    data = receiver.data
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    seconds = receiver.datagrams[-1][0] - receiver.datagrams[0][0]
    assert len(data) * 8 / seconds == pytest.approx(2_000_000, rel=0.1)
    assert packets.count(NULL_PACKET) > 400
    assert {len(one) for _, one in receiver.datagrams} == {1316}
    assert measured["null_packets"] == pytest.approx(packets.count(NULL_PACKET), abs=30)
    assert measured["packets_without_room"] == 0


async def test_history_is_not_sent() -> None:
    receiver = Receiver()
    lane = new_lane(*(chunk(number, rap=number == 0) for number in range(100)))
    async with pushed(sink(receiver), receiver, lane) as said:
        await until(lambda: "connected" in said)
        await receiver.clock.sleep(0.05)
        lane.append([chunk(100), chunk(101, rap=True), chunk(102)])
        await until(lambda: len(receiver.data) >= 188 * 21)
    assert receiver.data == JOIN + chunk(101).data + chunk(102).data


async def test_what_would_be_sent_much_later_stays_in_the_lane() -> None:
    receiver = Receiver()
    found = sink(receiver)
    lane = new_lane(chunk(0, rap=True))
    async with pushed(found, receiver, lane):
        await until(lambda: receiver.data)
        for number in range(1, 200):
            lane.append([chunk(number, rap=number % 10 == 0)])
            await anyio.sleep(0)
        await receiver.clock.sleep(0.1)
        assert found.pacer.ahead(receiver.clock.now()) < 1.5
        assert found.pacer.jumps == 0


async def test_nobody_listening_is_shown() -> None:
    receiver = Receiver()
    found = sink(receiver)
    lane = new_lane(chunk(0, rap=True))
    async with pushed(found, receiver, lane):
        receiver.close()
        number = 1
        with anyio.fail_after(PATIENCE_S):
            while not found.measure().get("refused"):
                lane.append([chunk(number)])
                number += 1
                await receiver.clock.sleep(0.04)


async def test_a_network_that_is_gone_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: object, datagrams: list[bytes]) -> None:
        raise ConnectionFailed("can't send to `h:1`: network unreachable")

    monkeypatch.setattr("streamctl.net.udp_send.UdpSender.send", gone)
    receiver = Receiver()
    with receiver.socket, pytest.raises(ConnectionFailed, match="network unreachable"):
        await sink(receiver).run(new_cursor(new_lane(chunk(0, rap=True))), connected=lambda: None)


def test_a_url_that_can_not_be_used_is_refused_at_once() -> None:
    with pytest.raises(ConfigError):
        UdpSink(StreamURL.parse("udp://:5000"), UdpPushOptions(), BareContext())
    found = UdpSink(StreamURL.parse("udp://h:5000"), UdpPushOptions(), BareContext())
    assert (found.bytes_sent, found.measure()) == (0, {})
