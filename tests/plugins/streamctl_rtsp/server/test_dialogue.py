"""What requests mean: the session that they build, and its answers."""

from __future__ import annotations

import pytest

from streamctl.errors import NotCarried, RemoteProtocolError, StreamctlError
from streamctl.media.packet import Codec, Kind, Track
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.packet import header, parse
from streamctl_rtsp.server.session import MAX_PIPELINED
from streamctl_rtsp.server.viewer import WAIT_S
from streamctl_rtsp.wire.frames import frame
from tests.plugins.streamctl_rtmp.world import AUDIO, IDR, VIDEO
from tests.plugins.streamctl_rtsp.server.world import (
    SDP,
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


async def test_a_player_gets_what_it_was_told_of(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        described = await client.ask("DESCRIBE", URL + "?vlc=1", Accept="application/sdp")
        assert described.headers.get("Content-Base") == URL + "?vlc=1/"
        assert b"m=video 0 RTP/AVP 96\r\n" in described.body
        assert b"m=audio 0 RTP/AVP 97\r\n" in described.body
        assert b"sprop-parameter-sets=" in described.body
        for track in (0, 1):
            answer = await client.ask(
                "SETUP",
                f"{URL}?vlc=1/trackID={track}",
                Transport=TCP.format(2 * track, 2 * track + 1),
            )
            assert answer.headers.get("Session") == f"{client.id};timeout=60"
        answer = await client.ask("PLAY", URL + "?vlc=1/")
        assert answer.headers.get("RTP-Info").count("rtptime=") == 2
        client.read()
        channels = [one.channel for one in client.frames]
        assert channels[:2] == [1, 3], "reports stand before media"
        media = [parse(one.data) for one in client.frames if one.channel == 0]
        assert f"seq={media[0].sequence};" in answer.headers.get("RTP-Info")
        assert [one.sequence - media[0].sequence for one in media] == list(range(len(media)))
        before = len(client.frames)
        world.show(*group_of_pictures(5))
        client.read()
        assert len(client.frames) > before
        [report, _] = rtcp.parse(client.frames[0].data)
        assert isinstance(report, rtcp.SenderReport)
        assert report.timestamp == media[0].timestamp


async def test_players_share_the_lanes_bytes_unless_they_want_others(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        plain, moved, half = Client(port, 1), Client(port, 2), Client(port, 3)
        await plain.watching()
        await moved.watching(8, 9, 6, 7)
        await half.watching(0, 1)
        for client in (plain, moved, half):
            client.read()
            client.frames.clear()
        world.show(*group_of_pictures(5))
        for client in (plain, moved, half):
            client.read()
        assert [one.channel for one in plain.frames].count(2) == 10
        assert [one.channel for one in moved.frames] == [
            {0: 8, 1: 9, 2: 6, 3: 7}[one.channel] for one in plain.frames
        ]
        assert [bytes(one.data) for one in moved.frames] == [
            bytes(one.data) for one in plain.frames
        ]
        assert {one.channel for one in half.frames} == {0}


async def test_a_pause_ends_at_the_live_edge(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.watching()
        assert (await client.ask("PAUSE")).status == 200
        client.frames.clear()
        world.show(*group_of_pictures(5))
        client.read()
        assert client.frames == []
        assert (await client.ask("PAUSE")).status == 200
        assert (await client.ask("PLAY")).status == 200
        client.read()
        assert client.frames
        assert (await client.ask("PLAY")).status == 200


async def test_reports_follow_while_a_player_plays(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.watching()
        client.read()
        client.frames.clear()
        world.clock.advance(0.5)
        client.read()
        reports = [rtcp.parse(one.data)[0] for one in client.frames]
        assert [one.channel for one in client.frames] == [1, 3]
        first, second = reports
        assert isinstance(first, rtcp.SenderReport)
        assert isinstance(second, rtcp.SenderReport)
        assert first.ntp == second.ntp
        world.clock.advance(100)
        assert not client.wire.closed, "a connection that takes media needs no sign of life"
        await client.ask("PAUSE")
        world.clock.advance(70)
        assert "no sign of the client" in client.wire.closed


@pytest.mark.parametrize("method", ["OPTIONS", "GET_PARAMETER", "SET_PARAMETER"])
async def test_any_request_is_a_sign_of_life(world: RtspWorld, method: str) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.watching()
        await client.ask("PAUSE")
        for _ in range(4):
            world.clock.advance(50)
            assert (await client.ask(method)).status == 200
        assert not client.wire.closed
        world.clock.advance(66)
        assert "no sign of the client" in client.wire.closed


async def test_a_player_that_is_too_slow_skips_and_is_closed_by_name(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.watching()
        client.session.paused()
        for second in range(1, 25):
            world.show(*group_of_pictures(25 * second, 25))
            world.clock.advance(1)
            world.fanout.tick(world.clock.now())
        assert world.sessions[0].skips > 0
        assert client.wire.closed.startswith("too slow: behind for 21 s, ")
        assert world.ended == [(world.sessions[0], client.wire.closed)]


async def test_streams_within_the_path_of_others_are_others(world: RtspWorld) -> None:
    """``region/secure`` is no track of ``region``, and nothing below ``news`` is ``news``."""
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        assert (await client.ask("DESCRIBE", f"{URL}/more")).status == 404
        assert (await client.ask("DESCRIBE", URL)).status == 200
        answer = await client.ask("SETUP", f"{URL}/more/trackID=0", Transport=TCP.format(0, 1))
        assert answer.status == 404
        assert (await client.ask("DESCRIBE", f"{SECURE}?key=change-me")).status == 200


async def test_a_publisher_records_into_an_epoch(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        await client.recording()
        writer = world.writer
        assert writer is not None
        client.session.received(frame(0, idr(1)) + frame(1, b"\x80\xc8") + frame(0, idr(2)))
        for number in range(3, 60):
            client.session.received(frame(0, idr(number)))
            client.session.received(
                frame(2, header(97, number, 1024 * number, 8) + b"\0\x10\0\x08a")
            )
            world.clock.advance(0.04)
        assert [track.codec for track in writer.announced[0]] == [VIDEO.codec, AUDIO.codec]
        assert writer.packets[0].kind is Kind.KEY
        assert world.sessions[0].bytes_in > 1000
        assert "tracks" in world.sessions[0].measure()
        assert world.sessions[0].transit().came == 59 + 57, "both tracks"
        world.clock.advance(5)
        client.read()
        assert {one.channel for one in client.frames} == {1, 3}, "reports about what came"
        answer = await client.ask("TEARDOWN")
        assert answer.status == 200
        assert world.writer is None
        assert world.ended[0][1] == "the client said TEARDOWN"


async def test_tracks_may_be_set_up_in_any_order_and_some_ignored(world: RtspWorld) -> None:
    sdp = (
        SDP
        + b"m=application 0 RTP/AVP 98\r\na=rtpmap:98 smpte336m/90000\r\na=control:streamid=2\r\n"
    )
    async with listening(world) as port:
        client = Client(port)
        answer = await client.ask("ANNOUNCE", URL + "/", sdp)
        assert answer.status == 200
        for track in (2, 1, 0):
            url = f"rtsp://localhost/live/news/streamid={track}?x"
            answer = await client.ask("SETUP", url, Transport="RTP/AVP/TCP;unicast;mode=record")
            assert answer.status == 200
        assert 'interleaved=4-5;mode="RECORD"' in answer.headers.get("Transport")
        assert (await client.ask("RECORD")).status == 200
        for channel in (0, 1):
            client.session.received(frame(channel, idr(1)))
        client.session.received(frame(4, idr(1)))
        assert client.session.dialogue.strays == 0


@pytest.mark.parametrize(
    ("sdp", "status"),
    [
        (b"", 400),
        (b"not SDP", 400),
        (b"v=0\r\ns=x\r\n", 415),
        (b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 JPEG2000/90000\r\n", 415),
    ],
)
async def test_what_can_not_be_taken_is_not_announced(
    world: RtspWorld, sdp: bytes, status: int
) -> None:
    async with listening(world) as port:
        assert (await Client(port).ask("ANNOUNCE", body=sdp)).status == status
    assert world.requests == []


async def test_a_second_publisher_is_refused(world: RtspWorld) -> None:
    async with listening(world) as port:
        first, second = Client(port, 1), Client(port, 2)
        await second.ask("ANNOUNCE", body=SDP)
        await second.ask("SETUP", URL + "/streamid=0", Transport=TCP.format(0, 1))
        await first.recording()
        answer = await second.ask("RECORD")
        assert (answer.status, answer.reason) == (
            403,
            "Forbidden: the stream already has a publisher",
        )
        third = Client(port, 3)
        assert (await third.ask("ANNOUNCE", body=SDP)).status == 403
        world.publish_error = StreamctlError("somebody was faster")
        world.writer = None
        assert (await second.ask("RECORD")).reason == "Forbidden: somebody was faster"
        assert world.ended[-1][1] == "somebody was faster"


async def test_an_epoch_that_is_over_ends_the_publisher(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        await client.recording()
        assert world.writer is not None
        world.writer.stale = True
        for number in range(30):
            client.session.received(frame(0, idr(number)))
            world.clock.advance(0.1)
        assert client.wire.closed == "another publisher has taken over"


async def asked(client: Client, method: str, url: str = URL, **fields: str) -> int:
    return (await client.ask(method, url, b"", **fields)).status


async def test_what_comes_out_of_order_is_answered(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        for method in ("PLAY", "PAUSE", "RECORD"):
            assert await asked(client, method) == 455
        assert await asked(client, "FLY") == 501
        assert await asked(client, "OPTIONS", Require="implicit-play") == 551
        assert await asked(client, "OPTIONS", Session="other") == 454
        assert await asked(client, "SETUP", Transport=TCP.format(0, 1) + ";mode=record") == 455
        assert await asked(client, "SETUP", Transport="nonsense") == 400
        assert await asked(client, "SETUP") == 400
        assert await asked(client, "DESCRIBE", "rtsp://h/nowhere") == 404
        assert await asked(client, "DESCRIBE", "*") == 400
        assert await asked(client, "DESCRIBE", Accept="text/plain") == 406
        assert await asked(client, "ANNOUNCE", Content_Type="text/plain") == 415
        assert (await client.ask("SET_PARAMETER", body=b"volume: 11\r\n")).status == 451
        assert await asked(client, "TEARDOWN") == 200
        # Without a description first: the client knows the stream from elsewhere.
        assert await asked(client, "SETUP", Transport=TCP.format(0, 1)) == 459
        assert await asked(client, "SETUP", URL + "/trackID=7", Transport=TCP.format(0, 1)) == 404
        other = "rtsp://127.0.0.1:8554/region/secure/trackID=0"
        assert await asked(client, "SETUP", other, Transport=TCP.format(0, 1)) == 404
        assert await asked(client, "SETUP", URL + "/trackID=0", Transport=TCP.format(0, 1)) == 200
        url = URL + "/trackID=1"
        assert await asked(client, "SETUP", url, Transport=TCP.format(1, 2)) == 400
        assert await asked(client, "SETUP", url, Transport="RTP/SAVP/TCP;interleaved=2-3") == 461
        assert await asked(client, "SETUP", url, Transport="RTP/AVP;multicast") == 461
        assert await asked(client, "SETUP", url, Transport="RTP/AVP;client_port=5000-5001") == 461
        assert await asked(client, "SETUP", url, Transport=TCP.format(2, 3)) == 200
        assert await asked(client, "PLAY", url) == 460
        assert await asked(client, "RECORD") == 455
        assert await asked(client, "GET_PARAMETER") == 200
        assert await asked(client, "PLAY") == 200
        assert await asked(client, "SETUP", url, Transport=TCP.format(2, 3)) == 455
        assert await asked(client, "DESCRIBE") == 200
        assert await asked(client, "DESCRIBE", SECURE) == 455
        assert await asked(client, "TEARDOWN") == 200
        client.id = ""
        assert await asked(client, "PLAY") == 455


async def test_requests_without_a_number_or_of_another_version(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        client.session.received(b"OPTIONS * RTSP/1.0\r\n\r\nOPTIONS * RTSP/2.0\r\nCSeq: 7\r\n\r\n")
        client.read()
        first, second = client.responses
        assert (first.status, first.reason, first.cseq) == (400, "Bad Request: no CSeq", None)
        assert (second.status, second.cseq) == (505, 7)
        with pytest.raises(RemoteProtocolError) as caught:
            client.session.received(b"OPTIONS * RTSP/1.0\r\nX: " + b"x" * 20_000)
        assert caught.value.reply.startswith(b"RTSP/1.0 400")


async def test_requests_may_come_all_at_once(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        client.session.received(
            client.say("OPTIONS", "*")
            + client.say("DESCRIBE")
            + client.say("SETUP", URL + "/trackID=0", Transport=TCP.format(0, 1))
            + client.say("SETUP", URL + "/trackID=1", Transport=TCP.format(2, 3))
            + client.say("PLAY")
        )
        await client.until(lambda: len(client.responses) == 5)
        assert [(one.status, one.cseq) for one in client.responses] == [
            (200, number) for number in range(1, 6)
        ]
        await client.until(lambda: client.frames)


async def test_too_many_requests_at_once_are_too_many(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        rush = client.say("DESCRIBE") + client.say("OPTIONS") * (MAX_PIPELINED + 1)
        with pytest.raises(RemoteProtocolError):
            client.session.received(rush)
        quick = Client(port)
        with pytest.raises(RemoteProtocolError, match="requests at once"):
            quick.session.received(quick.say("OPTIONS", "*") * 5000)
        await quick.until(lambda: len(quick.responses) == MAX_PIPELINED)


async def test_a_player_waits_for_what_has_just_begun(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        client.session.received(client.say("DESCRIBE"))
        await client.until(lambda: world.lane.waiters)
        world.on_air()
        await client.until(lambda: client.responses)
        assert client.responses[0].status == 200


async def test_a_player_waits_for_sound_that_comes_late(world: RtspWorld) -> None:
    world.on_air(VIDEO, Track(1, Codec.AAC))
    async with listening(world) as port:
        client = Client(port)
        client.session.received(client.say("DESCRIBE"))
        await client.until(lambda: world.lane.waiters)
        world.on_air(VIDEO, AUDIO)
        await client.until(lambda: client.responses)
        assert b"m=audio" in client.responses[0].body


async def test_a_player_goes_without_sound_that_does_not_come(world: RtspWorld) -> None:
    world.on_air(VIDEO, Track(1, Codec.AAC))
    async with listening(world) as port:
        client = Client(port)
        client.session.received(client.say("DESCRIBE"))
        await client.until(lambda: world.lane.waiters)
        world.clock.advance(2)
        await client.until(lambda: client.responses)
        assert client.responses[0].status == 200
        assert b"m=audio" not in client.responses[0].body


async def test_what_does_not_begin_is_not_found(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        client.session.received(client.say("DESCRIBE") + client.say("OPTIONS"))
        await client.until(lambda: world.lane.waiters)
        world.clock.advance(WAIT_S)
        await client.until(lambda: len(client.responses) == 2)
        first, second = client.responses
        assert (first.status, first.reason) == (404, "Not Found: nothing is on air")
        assert second.status == 200
        assert world.ended[0][1] == "nothing is on air"


async def test_who_asks_late_is_answered_all_the_same(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        world.clock.advance(9)
        client.session.received(client.say("DESCRIBE"))
        await client.until(lambda: world.lane.waiters)
        world.clock.advance(WAIT_S)
        await client.until(lambda: client.responses)
        assert client.responses[0].status == 404
        assert world.ended[0][1] == "nothing is on air"
        world.clock.advance(10)
        assert client.wire.closed == "nothing was published or played within 10 s"


async def test_what_nobody_publishes_is_not_found_at_once(world: RtspWorld) -> None:
    world.absent = "nobody publishes it"
    async with listening(world) as port:
        client = Client(port)
        answer = await client.ask("DESCRIBE")
        assert (answer.status, answer.reason) == (
            404,
            "Not Found: nothing is on air: nobody publishes it",
        )
        assert world.ended[0][1] == "nothing is on air: nobody publishes it"
        assert not world.lane.waiters
        world.absent = ""
        world.on_air()
        assert (await client.ask("DESCRIBE")).status == 200


async def test_who_leaves_while_waiting_leaves_nothing(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        client.session.received(client.say("DESCRIBE"))
        await client.until(lambda: world.lane.waiters)
        client.session.closed("gone")
        world.on_air()
    assert world.connections == []
    assert len(world.ended) == 1


async def test_other_tracks_are_not_played_to_who_knows_the_old_ones(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client, late = Client(port, 1), Client(port, 2)
        await client.watching()
        await late.ask("DESCRIBE")
        await late.ask("SETUP", URL + "/trackID=0", Transport=TCP.format(0, 1))
        world.sessions[0].close = client.session.dismiss
        world.on_air(VIDEO)
        assert client.wire.closed == "the stream goes on with other tracks"
        assert (await late.ask("PLAY")).status == 406


async def test_what_can_not_be_carried_is_said(world: RtspWorld) -> None:
    world.play_error = NotCarried("RTP can't carry MPEG-2 video: use hls")
    async with listening(world) as port:
        answer = await Client(port).ask("DESCRIBE")
        assert answer.status == 406
        assert "use hls" in answer.reason
        assert len(world.ended) == 1
