"""What both ends share, tried on the server's: messages, acknowledgements, pings."""

from __future__ import annotations

import pytest

from streamctl.media import amf0
from streamctl_rtmp.wire.connection import MIN_WINDOW_BYTES, WINDOW_BYTES
from streamctl_rtmp.wire.events import DataReceived, PlayRequested
from streamctl_rtmp.wire.messages import (
    Command,
    Message,
    MessageType,
    UserControl,
    user_control,
)
from streamctl_rtmp.wire.server import ServerConnection
from tests.plugins.streamctl_rtmp.wire.peer import HELLO, Peer, noise


@pytest.fixture
def peer() -> Peer:
    return Peer().connect()


def test_nothing_is_reported_before_the_handshake_is_complete() -> None:
    server = ServerConnection(noise)
    assert server.receive_data(HELLO[:-1]) == []
    assert len(server.data_to_send()) == 3073
    assert server.data_to_send() == b""
    assert server.handshake is not None
    server.receive_data(HELLO[-1:])
    assert server.handshake is None


def test_media_is_reported_as_it_is(peer: Peer) -> None:
    peer.publish()
    [message] = peer.send(MessageType.VIDEO, b"\x17\x01\0\0\0abc", csid=6, timestamp=40)
    assert message == Message(MessageType.VIDEO, 40, 1, b"\x17\x01\0\0\0abc")


def test_metadata_is_reported_with_and_without_its_wrapper(peer: Peer) -> None:
    peer.publish()
    expected = DataReceived("onMetaData", ({"width": 640.0},), 5)
    plain = amf0.encode("onMetaData", {"width": 640})
    wrapped = amf0.encode("@setDataFrame", "onMetaData", {"width": 640})
    assert peer.send(MessageType.DATA_AMF0, plain, timestamp=5) == [expected]
    assert peer.send(MessageType.DATA_AMF0, wrapped, timestamp=5) == [expected]
    assert peer.send(MessageType.DATA_AMF3, b"\0" + wrapped, timestamp=5) == [expected]


@pytest.mark.parametrize("body", [b"", amf0.encode(5), amf0.encode("@setDataFrame"), b"\x04\0"])
def test_odd_data_is_passed_over(peer: Peer, body: bytes) -> None:
    peer.publish()
    assert peer.send(MessageType.DATA_AMF0, body) == []
    assert peer.server.ignored == (body == b"\x04\0")


def test_an_aggregate_is_taken_apart(peer: Peer) -> None:
    peer.publish()

    def tag(kind: int, data: bytes) -> bytes:
        return bytes([kind]) + len(data).to_bytes(3, "big") + bytes(7) + data + bytes(4)

    data = amf0.encode("onCuePoint", 1)
    body = tag(9, b"v") + tag(8, b"a") + tag(18, data) + tag(15, b"\0" + data) + tag(99, b"?")
    assert peer.send(MessageType.AGGREGATE, body, timestamp=9) == [
        Message(9, 9, 1, b"v"),
        Message(8, 9, 1, b"a"),
        DataReceived("onCuePoint", (1.0,), 9),
        DataReceived("onCuePoint", (1.0,), 9),
    ]


def test_pings_are_answered(peer: Peer) -> None:
    peer.send(MessageType.USER_CONTROL, user_control(UserControl.PING_REQUEST, 77))
    [answer] = peer.answers()
    assert answer.data == user_control(UserControl.PING_RESPONSE, 77)
    for body in (b"", b"\0\x06\0", user_control(UserControl.SET_BUFFER_LENGTH, 1, 3000)):
        assert peer.send(MessageType.USER_CONTROL, body) == []
    assert peer.answers() == []


def test_received_bytes_are_acknowledged_by_the_window_of_the_peer(peer: Peer) -> None:
    peer.send(MessageType.WINDOW_ACK_SIZE, (100_000).to_bytes(4, "big"))
    peer.publish()
    assert peer.send(MessageType.AUDIO, bytes(90_000)) != []
    assert peer.answers() == []
    peer.send(MessageType.AUDIO, bytes(20_000))
    [ack] = peer.answers()
    assert ack.type == MessageType.ACKNOWLEDGEMENT
    assert int.from_bytes(ack.data, "big") == peer.server.bytes_received
    # A tiny window would cost an answer per message.
    peer.send(MessageType.WINDOW_ACK_SIZE, (1).to_bytes(4, "big"))
    assert peer.server.window == MIN_WINDOW_BYTES


def test_acknowledgements_count_on_past_32_bits(peer: Peer) -> None:
    peer.publish()
    peer.server.bytes_received = peer.server.acknowledged = 2**32 - WINDOW_BYTES
    peer.send(MessageType.AUDIO, bytes(WINDOW_BYTES))
    [ack] = peer.answers()
    assert int.from_bytes(ack.data, "big") == peer.server.bytes_received - 2**32
    assert peer.send(MessageType.AUDIO, bytes(90_000)) != []
    assert peer.answers() == []


def test_a_limit_of_our_output_is_answered_by_a_window(peer: Peer) -> None:
    peer.send(MessageType.SET_PEER_BANDWIDTH, (9).to_bytes(4, "big") + b"\x02")
    [answer] = peer.answers()
    assert answer.type == MessageType.WINDOW_ACK_SIZE


def test_other_messages_are_ignored(peer: Peer) -> None:
    for kind in (
        MessageType.ACKNOWLEDGEMENT,
        MessageType.SHARED_OBJECT_AMF0,
        MessageType.SHARED_OBJECT_AMF3,
    ):
        assert peer.send(kind, bytes(8)) == []
    assert peer.answers() == []


def test_the_amf3_form_of_commands_is_understood(peer: Peer) -> None:
    body = b"\0" + Command("play", 5, None, ("news",)).serialize()
    assert peer.send(MessageType.COMMAND_AMF3, body) == [PlayRequested("news")]
