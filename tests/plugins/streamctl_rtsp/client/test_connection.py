"""What a connection answers and notices, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import ConnectionFailed, RemoteProtocolError
from streamctl.sdk.url import StreamURL
from streamctl.testing.clock import FakeClock
from streamctl_rtsp.client.connection import STRAY_BYTES, RtspClient
from streamctl_rtsp.client.route import TunnelWire
from streamctl_rtsp.client.upstream import Upstream

if TYPE_CHECKING:
    from streamctl_rtsp.wire.message import Response

pytestmark = pytest.mark.anyio

URL = "rtsp://cam/1"
REMOTE = ("192.0.2.1", 554)


class FakeWire:
    """A wire that keeps what was written, and what it was asked for."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.calls: list[str] = []

    def write(self, data: bytes | memoryview) -> None:
        self.data += data

    def unsent(self) -> int:
        return len(self.data)

    def set_send_buffer(self, size: int) -> None:
        self.calls.append(f"buffer {size}")

    def read_least(self, size: int) -> None:
        self.calls.append(f"least {size}")

    def call_again(self) -> None:
        self.calls.append("again")

    def close(self, reason: str) -> None:
        self.calls.append(f"close {reason}")

    def abort(self, reason: str) -> None:
        self.calls.append(f"abort {reason}")


def connected(clock: FakeClock | None = None) -> tuple[RtspClient, FakeWire]:
    upstream = Upstream.of(StreamURL.parse(URL))
    client, wire = RtspClient(upstream, clock or FakeClock(), 5.0), FakeWire()
    client.connected(wire, REMOTE)
    return client, wire


@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("GET_PARAMETER", 200), ("SET_PARAMETER", 200), ("ANNOUNCE", 501)],
)
async def test_a_server_that_asks_is_answered(method: str, status: int) -> None:
    client, wire = connected()
    client.received(f"{method} * RTSP/1.0\r\nCSeq: 7\r\n\r\n".encode())
    assert wire.data.startswith(f"RTSP/1.0 {status} ".encode())
    assert b"CSeq: 7\r\n" in wire.data
    assert client.failure is None


async def test_a_request_without_a_number_is_answered_without_one() -> None:
    client, wire = connected()
    client.received(b"OPTIONS * RTSP/1.0\r\n\r\n")
    assert b"CSeq" not in wire.data


@pytest.mark.parametrize(
    ("method", "text"), [("TEARDOWN", "ended the session"), ("REDIRECT", "sends us elsewhere")]
)
async def test_a_server_that_says_goodbye_is_heard(method: str, text: str) -> None:
    client, _ = connected()
    client.received(f"{method} {URL} RTSP/1.0\r\nCSeq: 7\r\n\r\n".encode())
    assert isinstance(client.failure, ConnectionFailed)
    assert text in client.failure.message


async def answered(reply: bytes) -> Response:
    """The response that a request gets."""
    client, wire = connected()
    found: list[Response] = []
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            found.append(await client.ask("OPTIONS", URL))

        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert b"CSeq: 1\r\n" in wire.data
        client.received(reply)
    return found[0]


async def test_an_answer_without_a_number_is_that_to_the_request() -> None:
    assert (await answered(b"RTSP/1.0 200 OK\r\n\r\n")).status == 200


async def test_answers_to_nothing_are_left_out() -> None:
    late = b"RTSP/1.0 404 No\r\nCSeq: 9\r\n\r\n"
    assert (await answered(late + b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")).status == 200
    client, _ = connected()
    client.received(b"RTSP/1.0 200 OK\r\n\r\n")
    assert client.failure is None


async def test_a_request_waits_for_so_long_only() -> None:
    clock = FakeClock()
    client, _ = connected(clock)
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            with pytest.raises(ConnectionFailed, match="no answer to OPTIONS within 5 s"):
                await client.ask("OPTIONS", URL)

        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        clock.advance(5.1)
    assert client.failure is None


async def test_nothing_is_asked_or_sent_after_a_failure() -> None:
    client, wire = connected()
    client.closed("reset")
    with pytest.raises(ConnectionFailed, match="reset"):
        await client.ask("OPTIONS", URL)
    client.say("TEARDOWN", URL)
    client.write_frame(0, b"x")
    assert not wire.data
    await client.writable()
    client.closed("again")
    assert client.failure is not None
    assert "reset" in client.failure.message


async def test_writing_waits_while_the_server_takes_less_than_there_is() -> None:
    client, wire = connected()
    client.paused()
    with anyio.move_on_after(0.01) as waiting:
        await client.writable()
    assert waiting.cancelled_caught
    client.resumed()
    await client.writable()
    client.write_frame(3, b"abc")
    assert wire.data == b"$\x03\x00\x03abc"
    assert client.bytes_sent == 7


async def test_frames_on_unknown_channels_are_bounded() -> None:
    client, _ = connected()
    frame = b"$\x09\xff\xff" + bytes(0xFFFF)
    for _ in range(STRAY_BYTES // len(frame)):
        client.received(frame)
    assert client.failure is None
    client.received(frame)
    assert isinstance(client.failure, RemoteProtocolError)
    assert URL in client.failure.message


async def test_one_known_frame_makes_up_for_strays() -> None:
    client, _ = connected()
    client.take = lambda channel, _: channel == 0
    for _ in range(40):
        client.received(b"$\x09\xff\xff" + bytes(0xFFFF) + b"$\x00\x00\x01x")
    assert client.failure is None


async def test_a_tunnel_is_a_wire_of_two() -> None:
    inward, outward = FakeWire(), FakeWire()
    wire = TunnelWire(inward, outward)
    wire.write(b"OPTIONS")
    assert outward.data == b"T1BUSU9OUw=="
    assert wire.unsent() == len(outward.data)
    wire.set_send_buffer(1)
    wire.read_least(2)
    wire.call_again()
    wire.close("x")
    wire.abort("y")
    assert inward.calls == ["least 2", "again", "close x", "abort y"]
    assert outward.calls == ["buffer 1", "close x", "abort y"]
