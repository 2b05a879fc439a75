"""The server's side of a connection: what it answers, reports and refuses."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import LocalProtocolError, RemoteProtocolError
from streamctl.media import amf0
from streamctl_rtmp.wire.chunk import serialize
from streamctl_rtmp.wire.connection import MAX_COMMAND_BYTES, OUT_CHUNK_SIZE
from streamctl_rtmp.wire.events import (
    Connected,
    ConnectRefused,
    PauseRequested,
    PlayRequested,
    PublishRequested,
    StreamEnded,
)
from streamctl_rtmp.wire.messages import (
    Command,
    Message,
    MessageType,
    UserControl,
    user_control,
)
from streamctl_rtmp.wire.server import ALLOWED, ServerConnection, State
from tests.plugins.streamctl_rtmp.wire.peer import HELLO, Peer, noise

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture
def peer() -> Peer:
    return Peer().connect()


@pytest.mark.usefixtures("uncollected")
def test_a_connection_that_is_gone_needs_no_collector() -> None:
    connection = ServerConnection(bytes)
    gone = weakref.ref(connection)
    del connection
    assert gone() is None


def test_connect_is_answered_as_players_and_encoders_expect() -> None:
    peer = Peer()
    properties = {"app": "live", "tcUrl": "rtmp://h/live", "flashVer": "FMLE/3.0"}
    [event] = peer.command("connect", 1, obj=properties)
    assert event == Connected("live", "rtmp://h/live", "FMLE/3.0", properties)
    answers = peer.answers()
    assert [answer.type for answer in answers] == [
        MessageType.WINDOW_ACK_SIZE,
        MessageType.SET_PEER_BANDWIDTH,
        MessageType.USER_CONTROL,
        MessageType.COMMAND_AMF0,
    ]
    assert answers[2].data == user_control(UserControl.STREAM_BEGIN, 0)
    result = Command.parse(answers[3])
    assert (result.name, result.transaction) == ("_result", 1)
    assert result.object == {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31}
    assert result.info()["code"] == "NetConnection.Connect.Success"
    assert result.info()["objectEncoding"] == 0
    assert "fourCcList" not in result.info()
    assert peer.parser.chunk_size == OUT_CHUNK_SIZE


def test_a_peer_that_speaks_of_enhanced_rtmp_learns_what_the_server_knows() -> None:
    peer = Peer()
    peer.command("connect", 1, obj={"app": "live", "fourCcList": ["hvc1"], "objectEncoding": 3})
    [result] = peer.commands()
    info = result.info()
    assert {"hvc1", "av01", "vp09", "Opus", "fLaC", "ac-3", "ec-3"} <= set(info["fourCcList"])
    assert info["videoFourCcInfoMap"]["hvc1"] == info["audioFourCcInfoMap"]["Opus"] == 4
    assert "Opus" not in info["videoFourCcInfoMap"]
    assert (info["capsEx"], info["objectEncoding"]) == (14, 3)


def test_a_connect_without_properties_is_a_connect() -> None:
    peer = Peer()
    [event] = peer.command("connect", 1, obj={"app": 5.0})
    assert event == Connected("", "", "", {"app": 5.0})
    assert Peer().command("connect", 1) == [Connected("")]


def test_a_peer_may_be_asked_who_it_is() -> None:
    peer = Peer()
    seen: list[object] = []

    def ask(properties: Mapping[str, object]) -> str:
        seen.append(properties)
        return "who are you"

    peer.server.ask = ask
    assert peer.command("connect", 1, obj={"app": "live"}) == [ConnectRefused()]
    assert seen == [{"app": "live"}]
    [error] = peer.commands()
    assert (error.name, error.transaction) == ("_error", 1)
    assert error.info()["code"] == "NetConnection.Connect.Rejected"
    assert error.info()["description"] == "who are you"
    assert peer.command("createStream", 2) == []
    assert peer.answers() == []


def test_every_stream_is_number_one(peer: Peer) -> None:
    for number in (4, 5):
        assert peer.command("createStream", number) == []
        assert peer.commands() == [Command("_result", number, None, (1.0,))]


def test_the_courtesies_of_encoders_are_answered(peer: Peer) -> None:
    peer.command("releaseStream", 2, "news")
    peer.command("FCPublish", 3, "news")
    assert peer.commands() == [
        Command("_result", 2),
        Command("_result", 3),
        Command(
            "onFCPublish", 0, None, ({"code": "NetStream.Publish.Start", "description": "news"},)
        ),
    ]
    peer.command("_checkbw", 4)
    peer.command("getStreamLength", 5, "news")
    peer.command("FCSubscribe", 6, "news")
    assert [command.name for command in peer.commands()] == [
        "_result",
        "_result",
        "_result",
        "onFCSubscribe",
    ]
    peer.command("receiveAudio", 0, False)
    peer.command("releaseStream", 0, "news")
    assert peer.answers() == []


def test_unknown_commands_get_an_answer_if_they_wait_for_one(peer: Peer) -> None:
    assert peer.command("somethingNew", 7) == []
    assert peer.commands() == [Command("_result", 7, None, (None,))]
    for name, number in (("somethingNew", 0), ("_result", 7), ("_error", 7), ("onStatus", 7)):
        peer.command(name, number)
    assert peer.answers() == []


def test_publishing_begins_when_it_is_accepted(peer: Peer) -> None:
    assert peer.command("publish", 5, "news?key=k", "live") == [PublishRequested("news?key=k")]
    assert peer.answers() == []
    peer.server.accept_publish()
    begin, status = peer.answers()
    assert begin.data == user_control(UserControl.STREAM_BEGIN, 1)
    assert status.stream_id == 1
    assert Command.parse(status).info() == {
        "level": "status",
        "code": "NetStream.Publish.Start",
        "description": "publishing",
        "details": "news?key=k",
        "clientid": 1.0,
    }


def test_playing_begins_when_it_is_accepted(peer: Peer) -> None:
    assert peer.command("play", 5, "news", -2000) == [PlayRequested("news")]
    peer.server.accept_play()
    begin, reset, start, access = peer.answers()
    assert begin.data == user_control(UserControl.STREAM_BEGIN, 1)
    assert Command.parse(reset).info()["code"] == "NetStream.Play.Reset"
    assert Command.parse(start).info()["code"] == "NetStream.Play.Start"
    assert amf0.decode(access.data) == ["|RtmpSampleAccess", True, True]


def test_play2_names_its_stream_in_an_object(peer: Peer) -> None:
    assert peer.command("play2", 5, {"streamName": "news"}) == [PlayRequested("news")]
    assert Peer().connect().command("play2", 5, {"streamName": 1}) == [PlayRequested("")]


@pytest.mark.parametrize(
    ("prepare", "level", "code"),
    [
        (lambda p: p.command("publish", 5, "news"), "error", "NetStream.Publish.BadName"),
        (lambda p: p.command("play", 5, "news"), "error", "NetStream.Play.StreamNotFound"),
        (lambda p: p.publish(), "error", "NetStream.Failed"),
        (lambda p: p.play(), "status", "NetStream.Play.UnpublishNotify"),
        (lambda p: None, "error", "NetConnection.Connect.Closed"),
    ],
)
def test_a_refusal_says_why(peer: Peer, prepare: Any, level: str, code: str) -> None:
    prepare(peer)
    peer.server.refuse("the reason")
    [status] = peer.commands()
    assert status.info()["level"] == level
    assert status.info()["code"] == code
    assert status.info()["description"] == "the reason"
    assert peer.server.state is State.ENDED
    assert peer.server.pending is None
    # Whatever still comes is ignored, and a second refusal says nothing.
    assert peer.command("play", 6, "news") == []
    peer.server.refuse("again")
    assert peer.answers() == []


def test_nothing_is_said_to_a_peer_that_has_not_connected() -> None:
    peer = Peer()
    peer.server.refuse("too late")
    assert peer.answers() == []


def test_a_second_play_ends_the_first(peer: Peer) -> None:
    peer.play()
    assert peer.command("play", 6, "other") == [StreamEnded("play"), PlayRequested("other")]


def test_a_publisher_ends_once(peer: Peer) -> None:
    peer.publish()
    assert peer.command("FCUnpublish", 0, "news") == [StreamEnded("FCUnpublish")]
    assert peer.codes() == ["NetStream.Unpublish.Success", "NetStream.Unpublish.Success"]
    assert peer.command("deleteStream", 0, 1) == []
    assert peer.command("FCUnpublish", 0, "news") == []
    assert peer.server.parser.max_message_bytes == MAX_COMMAND_BYTES
    assert peer.command("publish", 7, "news") == [PublishRequested("news")]


@pytest.mark.parametrize("name", ["closeStream", "deleteStream"])
def test_players_leave_and_may_come_again(peer: Peer, name: str) -> None:
    peer.play()
    assert peer.command(name, 0, 1) == [StreamEnded(name)]
    assert peer.command("play", 8, "news") == [PlayRequested("news")]


def test_a_request_that_was_taken_back_is_not_pending(peer: Peer) -> None:
    [request] = peer.command("play", 5, "news")
    assert peer.server.pending is request
    assert peer.command("closeStream", 0) == [StreamEnded("closeStream")]
    assert peer.server.pending is None
    with pytest.raises(LocalProtocolError):
        peer.server.accept_play()


def test_accepting_what_nobody_asked_is_our_error(peer: Peer) -> None:
    peer.command("play", 5, "news")
    with pytest.raises(LocalProtocolError, match="play pending, not publish pending"):
        peer.server.accept_publish()


def test_pause_and_seek_are_confirmed_to_players(peer: Peer) -> None:
    for name in ("pause", "seek"):
        assert peer.command(name, 0, True, 0) == []
        assert peer.answers() == []
    peer.play()
    assert peer.command("pause", 0, True, 0) == [PauseRequested(True)]
    assert peer.command("pause", 0, False, 0) == [PauseRequested(False)]
    assert peer.command("pause", 0) == [PauseRequested(False)]
    assert peer.command("seek", 0, 5000) == []
    assert peer.codes() == [
        "NetStream.Pause.Notify",
        "NetStream.Unpause.Notify",
        "NetStream.Unpause.Notify",
        "NetStream.Seek.Notify",
    ]


STATES: dict[State, Any] = {
    State.OPENED: Peer,
    State.CONNECTED: lambda: Peer().connect(),
    State.PUBLISHING: lambda: Peer().connect().publish(),
    State.PLAYING: lambda: Peer().connect().play(),
}


@pytest.mark.parametrize("name", sorted(ALLOWED))
@pytest.mark.parametrize("state", STATES)
def test_every_command_in_every_state(name: str, state: State) -> None:
    peer = STATES[state]()
    assert peer.server.state is state
    if state in ALLOWED[name]:
        peer.command(name, 9, "news")
    else:
        with pytest.raises(RemoteProtocolError, match=f"`{name}` while the peer is"):
            peer.command(name, 9, "news")


def test_large_messages_are_for_publishers(peer: Peer) -> None:
    big = bytes(MAX_COMMAND_BYTES + 1)
    peer.publish()
    assert len(peer.send(MessageType.VIDEO, big)) == 1
    with pytest.raises(RemoteProtocolError, match="longer than 65536"):
        Peer().connect().play().send(MessageType.VIDEO, big)


@pytest.mark.parametrize("step", [1, 100, 1537, 10_000])
def test_a_conversation_may_come_in_any_pieces(step: int) -> None:
    data = HELLO + b"".join(
        serialize(3, Message(MessageType.COMMAND_AMF0, 0, 0, command.serialize()), 128)
        for command in (
            Command("connect", 1, {"app": "live"}),
            Command("createStream", 2),
            Command("play", 3, None, ("news",)),
        )
    )
    server = ServerConnection(noise)
    events = []
    for at in range(0, len(data), step):
        events += server.receive_data(data[at : at + step])
    assert events == [Connected("live", properties={"app": "live"}), PlayRequested("news")]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=6)), max_size=5),
    st.integers(1, 300),
)
def test_mutations_raise_nothing_but_protocol_errors(
    mutations: list[tuple[int, bytes]], step: int
) -> None:
    data = bytearray(
        b"".join(
            serialize(3, Message(kind, 0, 1, body), 128)
            for kind, body in (
                (20, Command("connect", 1, {"app": "live"}).serialize()),
                (20, Command("publish", 3, None, ("news",)).serialize()),
                (18, amf0.encode("@setDataFrame", "onMetaData", {"width": 1})),
                (4, user_control(UserControl.PING_REQUEST, 1)),
                (22, bytes(40)),
            )
        )
    )
    for at, octets in mutations:
        data[at % len(data) : at % len(data) + len(octets)] = octets
    server = ServerConnection(noise)
    server.receive_data(HELLO)
    try:
        for at in range(0, len(data), step):
            for event in server.receive_data(bytes(data[at : at + step])):
                if event is server.pending and isinstance(event, PublishRequested):
                    server.accept_publish()
    except RemoteProtocolError:
        return
