"""How the ways of the tracks are agreed on, with cameras that mean something else."""

from __future__ import annotations

import pytest

from streamctl.errors import (
    RemoteProtocolError,
)
from tests.plugins.streamctl_rtsp.client.world import failure, pulling
from tests.support.peers import HOST
from tests.support.rtsp_camera import GOP, Answer, Asked, Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

FEW = 30


async def test_another_transport_is_asked_for_when_one_is_refused() -> None:
    with CameraServer(Camera(transports=frozenset({"udp"}), audio=True)) as server:
        async with pulling(server) as pull:
            await pull.pictures(FEW)
            assert pull.source.measure()["transport"] == "udp"
        asked = [one.headers["transport"] for one in server.requests("SETUP")]
        assert ["TCP" in text for text in asked] == [True, False, False]
    assert server.connections == 1


async def test_a_chosen_transport_that_is_refused_is_said() -> None:
    with CameraServer(Camera(transports=frozenset({"tcp"}))) as server:
        error = await failure(server, transport="udp")
        assert "refuses udp" in error.message
        assert "leave out `transport`" in error.hint
        assert error.permanent


async def test_no_transport_at_all_is_said() -> None:
    with CameraServer(Camera(transports=frozenset())) as server:
        assert "refuses tcp and udp and multicast" in (await failure(server)).message


async def test_channels_that_were_not_agreed_on_are_heard_where_they_were_asked_for() -> None:
    def script(asked: Asked) -> Answer | None:
        given = {"Session": "x", "Transport": "RTP/AVP/TCP;interleaved=8-9"}
        return Answer(200, given) if asked.method in {"SETUP", "PLAY"} else None

    with CameraServer(Camera(script=script)) as server:
        async with pulling(server) as pull:
            await until(lambda: server.requests("PLAY") or pull.error)
            (talk,) = server.open
            talk.channels[0] = 0
            await pull.pictures(FEW)


async def test_a_second_track_that_is_refused_is_said() -> None:
    def script(asked: Asked) -> Answer | None:
        second = asked.method == "SETUP" and asked.uri.endswith("1")
        return Answer(461) if second else None

    with CameraServer(Camera(script=script, audio=True)) as server:
        assert "refuses tcp" in (await failure(server)).message


@pytest.mark.parametrize(
    ("transport", "given", "text"),
    [
        ("tcp", "RTP/AVP;unicast;client_port=1-2", "another transport"),
        ("tcp", "nothing", "no transport of RTP"),
        ("udp", "RTP/AVP/TCP;interleaved=0-1", "another transport"),
        ("multicast", "RTP/AVP;multicast", "no multicast group"),
        ("multicast", "RTP/AVP;multicast;destination=10.0.0.1;port=6-7", "no multicast group"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_said(transport: str, given: str, text: str) -> None:
    def script(asked: Asked) -> Answer | None:
        answer = Answer(200, {"Session": "x", "Transport": given})
        return answer if asked.method == "SETUP" else None

    with CameraServer(Camera(script=script)) as server:
        error = await failure(server, transport=transport)
        assert isinstance(error, RemoteProtocolError)
        assert text in error.message
        assert server.url() in error.message


async def test_an_answer_without_a_transport_is_taken() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(200) if asked.method in {"SETUP", "PLAY"} else None

    with CameraServer(Camera(script=script)) as server:
        async with pulling(server) as pull:
            await until(lambda: server.requests("PLAY") or pull.error)
            (talk,) = server.open
            talk.channels[0] = 0
            await pull.pictures(GOP)
        # Without a session there is none to end.
        assert server.requests("TEARDOWN") == []


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
async def test_the_sender_that_is_named_is_heard(source: str) -> None:
    with CameraServer(Camera(source=source)) as server:
        async with pulling(server, transport="udp") as pull:
            if source == HOST:
                await pull.pictures(1)
            else:
                await until(lambda: pull.source.measure() or pull.error)
                assert pull.source.session is not None
                pair = pull.source.session.carriage.pairs[0]
                await until(lambda: pair.media.refused > 3)
                assert pull.out.packets == []


async def test_a_multicast_group_is_joined() -> None:
    with CameraServer(Camera(transports=frozenset({"multicast"}), audio=True)) as server:
        async with pulling(server, interface="lo") as pull:
            await pull.pictures(FEW)
            assert pull.source.measure()["transport"] == "multicast"
