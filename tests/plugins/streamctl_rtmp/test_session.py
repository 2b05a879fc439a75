"""Accepted connections: from bytes to the gate and back."""

from __future__ import annotations

import logging

import pytest

from streamctl.errors import NotCarried, RemoteProtocolError, StreamctlError
from streamctl.media import amf0
from streamctl.media.packet import Format
from streamctl.sdk.session import Action, Refusal, RefusalCode
from streamctl.testing.clock import FakeClock
from streamctl_rtmp.pace import PICTURES
from streamctl_rtmp.session import MAX_REPLY_BYTES, RtmpSession
from streamctl_rtmp.wire.asking import Asker
from streamctl_rtmp.wire.auth import Login, next_query
from streamctl_rtmp.wire.chunk import MAX_WORK, serialize
from streamctl_rtmp.wire.client import Role
from streamctl_rtmp.wire.enhanced import Capability
from streamctl_rtmp.wire.events import DataReceived, Refused
from streamctl_rtmp.wire.messages import (
    Command,
    Message,
    MessageType,
    UserControl,
    user_control,
)
from tests.plugins.streamctl_rtmp.dialogue import Client, noise, publisher
from tests.plugins.streamctl_rtmp.world import SLICE, FakeWire, World, remote


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock(world: World) -> FakeClock:
    assert isinstance(world.ctx.clock, FakeClock)
    return world.ctx.clock


def test_a_publisher_is_asked_for_and_let_in(world: World) -> None:
    client = Client(world, Role.PUBLISH).run()
    assert client.started()
    [request] = world.requests
    assert (request.protocol, request.action, request.path) == ("rtmp", "publish", "live/news")
    assert (request.ip, request.port, request.key) == ("127.0.0.1", 5000, "")
    assert "FMLE" in request.user_agent
    assert world.connections == ["127.0.0.1"]


def test_a_publisher_is_asked_for_its_user_and_known_by_it(world: World) -> None:
    asker = Asker(noise)
    login = Login("ann", "ann-in")
    app = "live"
    for _ in range(2):
        client = Client(world, Role.PUBLISH, app=app, asker=asker).run()
        assert client.wire.closed == "asked for its user"
        app = f"live?{next_query(client.refusal(), 'live', login, noise)}"
        client.leave()
    assert world.requests == []
    assert Client(world, Role.PUBLISH, app=app, asker=asker).run().started()
    [request] = world.requests
    assert (request.path, request.user, request.password) == ("live/news", "ann", "")
    assert request.proof is not None
    assert request.proof("ann-in")
    assert not request.proof("ann-out")


def test_players_are_not_asked_for_a_user(world: World) -> None:
    assert Client(world, Role.PLAY, asker=Asker(noise)).run().started()
    assert world.requests[0].proof is None


def test_sound_waits_for_pictures_on_the_way_in(world: World) -> None:
    client = publisher(world)
    assert client.wire.least == 1
    for number in range(2, PICTURES):
        client.send(MessageType.VIDEO, 40 * number, b"\x27\x01\0\0\0" + SLICE + bytes(4) * 500)
    client.send(MessageType.VIDEO, 0, b"\x27\x01\0\0\0" + bytes(4) * 500)
    client.run()
    assert client.wire.least == 1
    for number in range(2 * PICTURES):
        client.send(MessageType.VIDEO, 40 * number, b"\x27\x01\0\0\0" + SLICE + bytes(4) * 500)
    client.run()
    assert client.wire.least == (len(SLICE) + 2000) // 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotCarried("RTMP can't carry MPEG-2 video: use hls"), "NetStream.Play.Failed"),
        (StreamctlError("stream `news` was stopped"), "NetStream.Play.StreamNotFound"),
    ],
)
def test_a_player_learns_why_it_gets_nothing(
    world: World, error: StreamctlError, code: str
) -> None:
    world.play_error = error
    client = Client(world, Role.PLAY).run()
    assert client.events[-1] == Refused(code, error.message)
    assert client.wire.closed == error.message


@pytest.mark.parametrize(
    ("known", "fmt"),
    [
        (Capability.MULTITRACK | Capability.MOD_EX, Format.RTMP_MULTITRACK),
        (Capability.MOD_EX, Format.RTMP),
        (Capability(0), Format.RTMP),
    ],
)
def test_players_that_know_numbered_tracks_get_all(
    world: World, known: Capability, fmt: Format
) -> None:
    client = Client(world, Role.PLAY)
    client.connection.capabilities = known
    assert client.run().started()
    assert world.formats == [fmt]


def test_media_reaches_the_epoch_and_is_counted(world: World) -> None:
    client = publisher(world)
    writer = world.writer
    assert writer is not None
    assert [packet.dts for packet in writer.packets] == [0, 3600]
    assert [len(tracks) for tracks in writer.announced] == [1, 1, 2]
    counted = world.sessions[0].bytes_in
    client.picture(80)
    data = client.connection.data_to_send()
    client.session.received(data)
    assert world.sessions[0].bytes_in == counted + len(data)


def test_one_read_is_one_batch(world: World) -> None:
    publisher(world)
    assert world.writer is not None
    assert [len(batch) for batch in world.writer.batches] == [2]


def test_the_pictures_before_a_good_bye_are_kept(world: World) -> None:
    client = publisher(world)
    writer = world.writer
    assert writer is not None
    client.picture(80)
    client.connection.send_command(Command("deleteStream", 4, None, (1,)), 1)
    client.run()
    assert [packet.dts for packet in writer.packets] == [0, 3600, 7200]
    assert world.writer is None


def test_a_player_gets_headers_then_the_newest_group(world: World) -> None:
    publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()
    assert player.started()
    assert [message.body[:2] for message in player.media()] == [
        b"\x17\x00",
        b"\xaf\x00",
        b"\x17\x01",
        b"\x27\x01",
    ]
    names = [event.name for event in player.events if isinstance(event, DataReceived)]
    assert names == ["|RtmpSampleAccess", "onMetaData"]


def test_a_player_may_come_before_the_publisher(world: World) -> None:
    player = Client(world, Role.PLAY, port=5001).run()
    assert player.started()
    assert player.media() == []
    publisher(world)
    assert len(player.media()) == 4


def test_players_follow_live(world: World) -> None:
    client = publisher(world)
    players = [Client(world, Role.PLAY, port=port).run() for port in (5001, 5002)]
    client.picture(80)
    client.run()
    assert [player.media()[-1].timestamp for player in players] == [1080, 1080]


@pytest.mark.parametrize(
    ("role", "app", "name", "path", "reason"),
    [
        (Role.PUBLISH, "live", "other", "live/other", "no stream `live/other`"),
        (Role.PLAY, "live", "other?x=1", "live/other", "no stream `live/other`"),
        (Role.PUBLISH, "region", "secure", "region/secure", "the key is wrong"),
        (Role.PUBLISH, "region", "secure?key=nope", "region/secure", "the key is wrong"),
    ],
)
def test_a_refusal_is_said_and_closes(
    world: World, role: Role, app: str, name: str, path: str, reason: str
) -> None:
    client = Client(world, role, name, app=app).run()
    assert client.refusal() == reason
    assert client.wire.closed == reason
    assert world.requests[0].path == path
    assert world.sessions == []
    client.leave()
    assert world.connections == []


@pytest.mark.parametrize(
    ("app", "name"),
    [
        ("region", "secure?key=change-me"),
        ("region?key=change-me", "secure"),
        ("region/secure?key=change-me", ""),
        ("live/region", "secure?key=change-me"),
    ],
)
def test_the_key_may_stand_in_either_half(world: World, app: str, name: str) -> None:
    assert Client(world, Role.PUBLISH, name, app=app).run().started()


def test_a_second_publisher_is_told_so(world: World) -> None:
    first = publisher(world)
    second = Client(world, Role.PUBLISH, port=5001).run()
    assert second.refusal() == "the stream already has a publisher"
    first.picture(80)
    first.run()
    assert world.writer is not None
    assert len(world.writer.packets) == 3


def test_losing_the_race_for_the_epoch_is_a_refusal(world: World) -> None:
    world.publish_error = StreamctlError("another publisher came first")
    client = Client(world, Role.PUBLISH).run()
    assert client.refusal() == "another publisher came first"
    assert [reason for _, reason in world.ended] == ["another publisher came first"]


def test_a_stream_that_can_not_be_made_is_a_refusal(world: World) -> None:
    world.open_error = StreamctlError("100 streams were made of templates already")
    client = Client(world, Role.PUBLISH).run()
    assert client.refusal() == "100 streams were made of templates already"
    assert world.sessions == []


def test_a_codec_that_can_not_be_carried_is_named(world: World) -> None:
    client = Client(world, Role.PUBLISH).run()
    client.send(MessageType.VIDEO, 0, b"\x90vp08\x01")
    client.run()
    assert "VP8" in client.refusal()
    assert "VP8" in client.wire.closed
    assert client.events[-1].code == "NetStream.Publish.Denied"
    assert len(world.ended) == 1


def test_a_publisher_that_was_replaced_is_told_so(world: World) -> None:
    client = publisher(world)
    assert world.writer is not None
    world.writer.stale = True
    client.picture(80)
    client.run()
    assert client.refusal() == "another publisher has taken over"


def test_media_of_players_is_ignored(world: World) -> None:
    publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()
    player.picture(0, key=True)
    player.run()
    assert player.wire.closed == ""


def test_a_kick_is_said(world: World) -> None:
    client = publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()
    for session in list(world.sessions):
        session.close("kicked by the operator")
    client.run()
    player.run()
    assert client.refusal() == "kicked by the operator"
    assert (client.wire.closed, player.wire.closed) == ("kicked by the operator",) * 2
    assert len(world.ended) == 2
    assert world.fanout.viewers == {}


def test_a_full_house_is_closed_at_the_door(world: World) -> None:
    world.full = Refusal(RefusalCode.LIMIT, "too many connections")
    session = RtmpSession(world, world.ctx.as_context)
    wire = FakeWire(session)
    session.connected(wire, remote())
    assert wire.closed == "too many connections"
    session.closed("too many connections")
    assert world.connections == []


@pytest.mark.parametrize("sent", [b"", b"\x03" + bytes(700), b"\x03" + bytes(3072)])
def test_a_client_that_does_nothing_is_closed(world: World, clock: FakeClock, sent: bytes) -> None:
    session = RtmpSession(world, world.ctx.as_context)
    wire = FakeWire(session)
    session.connected(wire, remote())
    if sent:
        session.received(sent)
    clock.advance(9.9)
    assert wire.closed == ""
    clock.advance(0.2)
    assert "within 10 s" in wire.closed
    session.closed(wire.closed)
    assert world.connections == []


def test_who_publishes_or_plays_has_no_deadline(world: World, clock: FakeClock) -> None:
    clients = [publisher(world), Client(world, Role.PLAY, port=5001).run()]
    clock.advance(100)
    assert [client.wire.closed for client in clients] == ["", ""]


def test_who_ends_a_stream_gets_the_time_anew(world: World, clock: FakeClock) -> None:
    client = publisher(world)
    clock.advance(100)
    client.connection.close()
    client.run()
    assert [reason for _, reason in world.ended] == ["the client said FCUnpublish"]
    clock.advance(9)
    assert client.wire.closed == ""
    clock.advance(2)
    assert client.wire.closed


def test_a_client_that_vanishes_gives_everything_back(world: World, clock: FakeClock) -> None:
    client = publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()
    client.leave()
    player.leave()
    assert [session.action for session, _ in world.ended] == [Action.PUBLISH, Action.PLAY]
    assert world.connections == []
    assert world.fanout.viewers == {}
    clock.advance(100)
    assert client.wire.closed == ""


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\x06" + bytes(1536), b"\x03" + noise(5000)],
)
def test_garbage_is_the_error_of_the_client(world: World, data: bytes) -> None:
    session = RtmpSession(world, world.ctx.as_context)
    session.connected(FakeWire(session), remote())
    with pytest.raises(RemoteProtocolError):
        session.received(data)
    session.closed("not RTMP")
    assert world.connections == []


def test_an_oversized_message_is_the_error_of_the_client(world: World) -> None:
    client = Client(world, Role.PLAY).run()
    with pytest.raises(RemoteProtocolError, match="longer than"):
        client.session.received(bytes.fromhex("03 000000 ffffff 14 00000000"))


def test_a_slow_player_is_parked_and_served(world: World) -> None:
    client = publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()
    player.wire.full_after = 0
    client.picture(80)
    client.run()
    got = len(player.wire.data)
    assert got
    client.picture(120)
    client.run()
    assert len(player.wire.data) == got
    player.wire.full_after = None
    player.session.resumed()
    assert [message.timestamp for message in player.media()[-2:]] == [1080, 1120]


def test_answers_wait_for_a_full_wire_and_do_not_pile_up(world: World) -> None:
    player = Client(world, Role.PLAY).run()
    ping = serialize(
        2,
        Message(MessageType.USER_CONTROL, 0, 0, user_control(UserControl.PING_REQUEST, 1)),
        player.session.connection.parser.chunk_size,
    )
    player.session.paused()
    player.session.received(ping)
    assert player.wire.taken() == b""
    player.session.resumed()
    assert len(player.wire.taken()) == len(ping)
    player.session.paused()
    player.session.received(ping * (MAX_REPLY_BYTES // len(ping) + 1))
    player.wire.turns()
    assert player.wire.aborted == "the client asks but does not read"


def test_a_wire_that_is_full_again_at_once_is_not_served(world: World) -> None:
    publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()
    player.session.paused()
    player.connection.send_command(Command("createStream", 9))
    player.session.received(player.connection.data_to_send())
    player.wire.full_after = 0
    player.session.resumed()
    assert player.session.full


def test_pausing_stops_the_stream_and_resuming_joins_anew(world: World) -> None:
    client = publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()

    def pause(flag: bool) -> None:
        player.connection.send_command(Command("pause", 0, None, (flag, 0)), 1)
        player.run()

    pause(True)
    before = len(player.media())
    client.picture(80)
    client.run()
    assert len(player.media()) == before
    pause(False)
    client.picture(120)
    client.run()
    assert player.media()[-1].timestamp == 1120


def test_a_second_play_leaves_the_first(world: World) -> None:
    publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()
    player.connection.send_command(Command("play", 9, None, ("news",)), 1)
    player.run()
    assert [reason for _, reason in world.ended] == ["the client said play"]
    assert len(world.fanout.viewers) == 1
    assert len(world.sessions) == 3


def test_a_request_that_was_taken_back_is_not_answered(world: World) -> None:
    client = Client(world, Role.PLAY)
    client.connection.receive_data(b"")
    client.session.received(client.connection.data_to_send())
    client.connection.receive_data(client.wire.taken())
    commands = (
        Command("play", 5, None, ("news",)),
        Command("closeStream", 0),
    )
    client.connection.send_command(Command("createStream", 3))
    for command in commands:
        client.connection.send_command(command, 1)
    client.session.received(client.connection.data_to_send())
    assert world.requests == []
    assert client.wire.closed == ""


def test_pausing_without_a_stream_is_nothing(world: World) -> None:
    client = Client(world, Role.PUBLISH).run()
    client.connection.send_command(Command("pause", 0, None, (True, 0)), 1)
    client.connection.send_data(1, "onMetaData", {})
    client.run()
    assert client.wire.closed == ""


def test_metadata_of_players_is_ignored(world: World) -> None:
    player = Client(world, Role.PLAY).run()
    player.connection.send_message(
        5, Message(MessageType.DATA_AMF0, 0, 1, amf0.encode("onMetaData", {"videocodecid": 7}))
    )
    player.run()
    assert player.wire.closed == ""


def test_refusals_are_logged_once_with_the_address(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamctl.rtmp")
    client = publisher(world)
    client.send(MessageType.AUDIO, 0, b"\xb2\xff\xfb")
    client.run()
    [record] = caplog.records
    assert record.getMessage().startswith("rtmp 127.0.0.1:5000: Speex audio")


def test_a_player_whose_wire_is_full_joins_when_it_drains(world: World) -> None:
    client = publisher(world)
    player = Client(world, Role.PLAY, port=5001).run()
    player.session.paused()
    player.connection.send_command(Command("play", 9, None, ("news",)), 1)
    player.session.received(player.connection.data_to_send())
    client.picture(80)
    client.run()
    assert player.wire.taken() == b""
    player.events.clear()
    player.session.resumed()
    assert player.started() is False
    assert [message.timestamp for message in player.media()[-3:]] == [1000, 1040, 1080]
    assert player.started()


def test_a_flood_of_messages_is_worked_off_in_turns(world: World) -> None:
    client = publisher(world)
    assert world.writer is not None
    before = len(world.writer.packets)
    for number in range(2 * MAX_WORK):
        client.picture(80 + number)
    client.session.received(client.connection.data_to_send())
    assert before < len(world.writer.packets) < before + 2 * MAX_WORK
    assert client.wire.turns()
    assert len(world.writer.packets) == before + 2 * MAX_WORK
