"""Connections to the RTSP port: what is asked, what is answered, and what is left afterwards."""

from __future__ import annotations

import base64
import logging

import pytest

from streamctl.errors import RemoteProtocolError, StaleEpoch
from streamctl.media.rtp.packet import header
from streamctl.sdk.session import Refusal, RefusalCode
from streamctl_rtsp.server.session import MAX_REPLY_BYTES
from streamctl_rtsp.wire.frames import frame
from streamctl_rtsp.wire.message import Request
from streamctl_rtsp.wire.tunnel import opening
from tests.plugins.streamctl_rtmp.world import IDR
from tests.plugins.streamctl_rtsp.server.world import (
    TCP,
    URL,
    Client,
    RtspWorld,
    group_of_pictures,
    listening,
)

pytestmark = pytest.mark.anyio
SECURE = "rtsp://127.0.0.1:8554/region/secure"


@pytest.fixture
def world() -> RtspWorld:
    return RtspWorld()


def idr(sequence: int) -> bytes:
    return header(96, sequence, 90_000, 7, marker=True) + IDR[4:]


async def test_who_does_nothing_is_closed(
    world: RtspWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(world) as port:
        with caplog.at_level(logging.INFO):
            client = Client(port)
            world.clock.advance(10)
        assert client.wire.closed == "nothing was published or played within 10 s"
        client.session.closed("x")
        assert world.connections == []
        world.full = Refusal(RefusalCode.LIMIT, "too many connections")
        client = Client(port)
        assert client.wire.closed == "too many connections"
        client.session.closed("x")


async def test_strays_are_named_once(world: RtspWorld, caplog: pytest.LogCaptureFixture) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        with caplog.at_level(logging.INFO):
            client.session.received(frame(77, b"x") * 10)
        assert client.session.dialogue.strays == 10
        assert sum("channel 77" in record.message for record in caplog.records) == 1
        await client.watching()
        client.session.received(frame(1, b"x"))
        assert client.session.dialogue.strays == 10


async def test_a_full_wire_holds_answers_and_media(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.watching()
        client.read()
        client.session.paused()
        world.show(*group_of_pictures(5))
        client.session.received(client.say("OPTIONS"))
        assert client.wire.data == b""
        client.session.resumed()
        before = len(client.responses)
        client.read()
        assert len(client.responses) == before + 1
        client.session.paused()
        while not client.wire.aborted:
            client.session.received(client.say("OPTIONS") * 50)
            assert sum(map(len, client.session._replies)) <= MAX_REPLY_BYTES + 100_000
        assert client.wire.aborted == "the client asks but does not read"


async def test_a_player_that_joins_while_its_wire_is_full_joins_later(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.ask("DESCRIBE")
        await client.ask("SETUP", URL + "/trackID=0", Transport=TCP.format(0, 1))
        client.session.paused()
        client.session.received(client.say("PLAY"))
        assert client.wire.data == b""
        client.session.resumed()
        client.read()
        assert client.responses[-1].status == 200
        assert client.frames


def encoded(data: bytes) -> bytes:
    return base64.b64encode(data)


async def test_a_tunnel_is_two_connections(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client, feeder = Client(port, 1), Client(port, 2)
        client.session.received(opening("GET", "/live/news", "h", "cookie").serialize() + b"\0")
        post = opening("POST", "/live/news", "h", "cookie").serialize()
        feeder.session.received(post + encoded(client.say("OPTIONS")))
        client.read()
        assert [one.version for one in client.responses] == ["HTTP/1.0", "RTSP/1.0"]
        client.session.received(b"nonsense that nobody reads")
        again = Client(port, 3)
        again.session.received(post)
        assert feeder.wire.closed
        again.session.received(encoded(client.say("DESCRIBE")))
        await client.until(lambda: len(client.responses) == 3)
        transport = "RTP/AVP;unicast;client_port=5000-5001," + TCP.format(0, 1)
        again.session.received(
            encoded(client.say("SETUP", URL + "/trackID=0", Transport=transport))
        )
        await client.until(lambda: len(client.responses) == 4)
        assert "interleaved=0-1" in client.responses[-1].headers.get("Transport")
        again.session.received(b"====")
        assert client.wire.closed
        again.session.closed("gone")
        client.session.closed("gone")
        feeder.session.closed("gone")
        assert port.tunnels == {}
        assert world.connections == []


async def test_what_opens_no_tunnel_is_refused(world: RtspWorld) -> None:
    async with listening(world) as port:
        for request in (
            Request("GET", "/", version="HTTP/1.1"),
            opening("POST", "/", "h", "unknown"),
            opening("PUT", "/", "h", "unknown"),
        ):
            with pytest.raises(RemoteProtocolError) as caught:
                Client(port).session.received(request.serialize())
            assert caught.value.reply.startswith(b"HTTP/1.")
        Client(port).session.received(opening("GET", "/", "h", "mine").serialize())
        with pytest.raises(RemoteProtocolError):
            Client(port, ip="10.0.0.1").session.received(
                opening("POST", "/", "h", "mine").serialize()
            )


async def test_the_connection_of_the_answers_takes_the_other_along(world: RtspWorld) -> None:
    async with listening(world) as port:
        client, feeder = Client(port, 1), Client(port, 2)
        client.session.received(opening("GET", "/", "h", "q").serialize())
        feeder.session.received(opening("POST", "/", "h", "q").serialize())
        feeder.session.received(encoded(b"\0\0\0"))
        assert client.wire.closed.startswith("not RTSP")
        client.session.closed("gone")
        assert feeder.wire.closed == "gone"


async def test_a_kick_says_why(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.watching()
        client.session.dismiss("kicked")
        assert client.wire.closed == "kicked"
        assert world.ended == [(world.sessions[0], "kicked")]


async def test_errors_of_ours_are_answered(
    world: RtspWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        for error, status in ((StaleEpoch("over"), 503), (RuntimeError("bug"), 500)):

            async def fail(*_: object, wrong: Exception = error) -> None:
                raise wrong

            await client.ask("DESCRIBE")
            dialogue = client.session.dialogue
            assert dialogue.role is not None
            monkeypatch.setattr(dialogue.role, "setup", fail)
            answer = await client.ask("SETUP", Transport=TCP.format(0, 1))
            assert answer.status == status
