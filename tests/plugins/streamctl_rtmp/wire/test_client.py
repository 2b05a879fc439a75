"""The client's side of a connection, mostly against our own server."""

from __future__ import annotations

import random
from typing import Any

import pytest

from streamctl.errors import LocalProtocolError
from streamctl.media import amf0
from streamctl_rtmp.wire.chunk import serialize
from streamctl_rtmp.wire.client import ClientConnection, Role, Target
from streamctl_rtmp.wire.events import (
    Connected,
    DataReceived,
    Event,
    PlayRequested,
    PublishRequested,
    Refused,
    Started,
    StreamCreated,
    StreamEnded,
)
from streamctl_rtmp.wire.messages import (
    ChunkStream,
    Command,
    Message,
    MessageType,
    UserControl,
    status,
    user_control,
)
from streamctl_rtmp.wire.server import ServerConnection, State

noise = random.Random(9).randbytes
NO_STREAM = Refused("createStream", "the server gave no message stream")
TARGET = Target("live", "news", "rtmp://h:1935/live")


class Pair:
    """A client and a server that hear each other."""

    def __init__(self, role: Role, *, step: int = 100_000) -> None:
        self.client = ClientConnection(role, TARGET, noise)
        self.server = ServerConnection(noise)
        self.step = step
        self.heard: list[Event] = []
        """What the client reported."""
        self.asked: list[Event] = []
        """What the server reported."""
        self.client.open()

    def run(self) -> None:
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return
            for at in range(0, len(up), self.step):
                self.asked += self.server.receive_data(up[at : at + self.step])
            for at in range(0, len(down), self.step):
                self.heard += self.client.receive_data(down[at : at + self.step])

    def tell(self, kind: MessageType, body: bytes) -> list[Event]:
        """Put a message into the client's mouthpiece."""
        self.run()
        return self.client.receive_data(
            serialize(3, Message(kind, 0, 1, body), self.client.parser.chunk_size)
        )

    def say(self, command: Command) -> list[Event]:
        return self.tell(MessageType.COMMAND_AMF0, command.serialize())


@pytest.mark.parametrize("step", [1, 700, 100_000])
def test_a_publisher_is_let_in(step: int) -> None:
    pair = Pair(Role.PUBLISH, step=step)
    pair.run()
    connected, request = pair.asked
    assert isinstance(connected, Connected)
    assert connected.app == "live"
    assert connected.tc_url == "rtmp://h:1935/live"
    assert "FMLE" in connected.user_agent
    assert request == PublishRequested("news")
    pair.server.accept_publish()
    pair.run()
    assert [type(event) for event in pair.heard] == [Connected, StreamCreated, Started]
    pair.client.send_media(ChunkStream.VIDEO, MessageType.VIDEO, 40, b"\x17\x01frame")
    pair.asked.clear()
    pair.run()
    assert pair.asked == [Message(MessageType.VIDEO, 40, 1, b"\x17\x01frame")]


def test_a_player_is_let_in_and_hears_the_server() -> None:
    pair = Pair(Role.PLAY)
    pair.run()
    assert pair.asked[-1] == PlayRequested("news")
    pair.server.accept_play()
    pair.server.send_data(1, "onMetaData", {"width": 2})
    pair.run()
    assert pair.heard[-3:] == [
        Started("NetStream.Play.Start"),
        DataReceived("|RtmpSampleAccess", (True, True), 0),
        DataReceived("onMetaData", ({"width": 2.0},), 0),
    ]


def test_a_refusal_carries_the_sentence() -> None:
    pair = Pair(Role.PUBLISH)
    pair.run()
    pair.server.refuse("the key is wrong")
    pair.run()
    assert pair.heard[-1] == Refused("NetStream.Publish.BadName", "the key is wrong")


def test_media_waits_for_the_server() -> None:
    pair = Pair(Role.PUBLISH)
    with pytest.raises(LocalProtocolError):
        pair.client.send_media(ChunkStream.AUDIO, MessageType.AUDIO, 0, b"x")


def test_a_publisher_says_goodbye() -> None:
    pair = Pair(Role.PUBLISH)
    pair.client.close()
    pair.run()
    pair.server.accept_publish()
    pair.run()
    pair.client.close()
    pair.run()
    assert pair.asked[-1] == StreamEnded("FCUnpublish")
    assert pair.server.state is State.CONNECTED


def test_a_player_says_goodbye() -> None:
    pair = Pair(Role.PLAY)
    pair.run()
    pair.server.accept_play()
    pair.run()
    pair.client.close()
    pair.run()
    assert pair.asked[-1] == StreamEnded("deleteStream")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (status("status", "NetStream.Play.UnpublishNotify", "gone"), "UnpublishNotify"),
        (status("status", "NetStream.Play.Stop", "gone"), "Play.Stop"),
        (Command("close", 0), "the server closes"),
    ],
)
def test_the_end_of_a_stream_is_reported(command: Command, expected: str) -> None:
    pair = Pair(Role.PLAY)
    [event] = pair.say(command)
    assert isinstance(event, StreamEnded)
    assert expected in event.reason


def test_an_end_of_the_stream_counts_once_it_runs() -> None:
    pair = Pair(Role.PLAY)
    body = user_control(UserControl.STREAM_EOF, 1)
    assert pair.tell(MessageType.USER_CONTROL, body) == []
    pair.server.accept_play()
    [event] = pair.tell(MessageType.USER_CONTROL, body)
    assert isinstance(event, StreamEnded)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            Command("_error", 1, None, ({"code": "NetConnection.Connect.Rejected"},)),
            Refused("NetConnection.Connect.Rejected", ""),
        ),
        (Command("_error", 5, None, ({"code": 5.0, "description": "no"},)), Refused("", "no")),
        (Command("_result", 4, None, (0,)), NO_STREAM),
        (Command("_result", 4), NO_STREAM),
        (Command("_result", 4, None, ("1",)), NO_STREAM),
        (
            status("error", "NetStream.Play.Failed", "busy"),
            Refused("NetStream.Play.Failed", "busy"),
        ),
    ],
)
def test_refusals_come_in_many_forms(command: Command, expected: Refused) -> None:
    assert Pair(Role.PLAY).say(command) == [expected]


@pytest.mark.parametrize(
    "command",
    [
        Command("_error", 2),
        Command("_result", 3),
        Command("onBWDone", 0),
        Command("onFCPublish", 0),
        status("status", "NetStream.Play.Reset", ""),
        Command("onStatus", 0),
    ],
)
def test_what_does_not_matter_is_ignored(command: Command) -> None:
    pair = Pair(Role.PUBLISH)
    assert pair.say(command) == []
    assert pair.client.data_to_send() == b""


def test_a_result_of_connect_may_lack_properties() -> None:
    client: Any = ClientConnection(Role.PLAY, TARGET, noise)
    client.open()
    server = ServerConnection(noise)
    client.receive_data((server.receive_data(client.data_to_send()), server.data_to_send())[1])
    body = amf0.encode("_result", 1)
    [event] = client.receive_data(serialize(3, Message(20, 0, 0, body), 128))
    assert event == Connected("live", "rtmp://h:1935/live", properties={})


def test_a_publisher_may_start_with_the_stream_number_of_the_server() -> None:
    pair = Pair(Role.PUBLISH)
    pair.run()
    pair.say(Command("_result", 4, None, (7,)))
    assert pair.client.stream_id == 7
