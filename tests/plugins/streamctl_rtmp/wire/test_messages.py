"""Bodies of messages that are not media."""

from __future__ import annotations

import pytest

from streamctl.errors import RemoteProtocolError
from streamctl.media import amf0
from streamctl_rtmp.wire.messages import (
    MAX_AGGREGATED,
    BandwidthLimit,
    Command,
    Message,
    MessageType,
    UserControl,
    parse_data,
    parse_uint32,
    peer_bandwidth,
    split_aggregate,
    status,
    user_control,
)


def message(kind: MessageType, data: bytes, timestamp: int = 0) -> Message:
    return Message(kind, timestamp, 1, data)


def test_commands_survive_a_round_trip() -> None:
    command = Command("play", 4.0, None, ("news", -2000.0, {"a": True}))
    parsed = Command.parse(message(MessageType.COMMAND_AMF0, command.serialize()))
    assert parsed == command
    assert parsed.text(0) == "news"
    assert parsed.text(1) == ""
    assert parsed.text(9) == ""
    assert parsed.info() == {"a": True}


def test_the_amf3_form_is_amf0_behind_a_byte() -> None:
    command = Command("play", 4.0, None, ("news",))
    body = command.serialize()
    assert Command.parse(message(MessageType.COMMAND_AMF3, b"\0" + body)) == command
    # Without the byte the body begins with a string's marker.
    assert Command.parse(message(MessageType.COMMAND_AMF3, body)) == command


def test_values_in_amf3_may_stand_in_either_form() -> None:
    info = bytes.fromhex("0a0b01 0b 7769647468 0485 00 01")
    behind_marker = b"\0" + amf0.encode("@setDataFrame", "onMetaData") + b"\x11" + info
    values = ["@setDataFrame", "onMetaData", {"width": 640.0}]
    assert parse_data(message(MessageType.DATA_AMF3, behind_marker)) == values
    # The number of the transaction is an integer there, the missing object null.
    play = bytes.fromhex("06 09 706c6179 0404 01 06 09 6e657773")
    assert Command.parse(message(MessageType.COMMAND_AMF3, play)) == Command(
        "play", 4.0, None, ("news",)
    )


def test_a_command_may_lack_everything_but_its_name() -> None:
    assert Command.parse(message(MessageType.COMMAND_AMF0, amf0.encode("x"))) == Command("x", 0.0)


@pytest.mark.parametrize("body", [b"", amf0.encode(1), amf0.encode("play", "4"), b"\x02\x00"])
def test_what_is_no_command_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Command.parse(message(MessageType.COMMAND_AMF0, body))


def test_a_status_names_level_code_and_description() -> None:
    info = status("error", "NetStream.Failed", "why", details="news").info()
    assert info == {
        "level": "error",
        "code": "NetStream.Failed",
        "description": "why",
        "details": "news",
    }


def test_data_comes_in_both_forms() -> None:
    body = amf0.encode("onMetaData", {"width": 640})
    expected = ["onMetaData", {"width": 640.0}]
    assert parse_data(message(MessageType.DATA_AMF0, body)) == expected
    assert parse_data(message(MessageType.DATA_AMF3, b"\0" + body)) == expected


def test_control_bodies() -> None:
    assert user_control(UserControl.SET_BUFFER_LENGTH, 1, 3000).hex() == "00030000000100000bb8"
    assert peer_bandwidth(2_500_000, BandwidthLimit.DYNAMIC).hex() == "002625a002"
    assert parse_uint32(bytes.fromhex("002625a0ff")) == 2_500_000
    with pytest.raises(RemoteProtocolError):
        parse_uint32(b"\0\0\0")


def tag(kind: int, timestamp: int, data: bytes) -> bytes:
    return (
        bytes([kind])
        + len(data).to_bytes(3, "big")
        + (timestamp & 0xFFFFFF).to_bytes(3, "big")
        + bytes([timestamp >> 24])
        + bytes(3)
        + data
        + (len(data) + 11).to_bytes(4, "big")
    )


def test_an_aggregate_holds_messages_relative_to_its_own_time() -> None:
    body = tag(9, 0x01000010, b"video") + tag(8, 0x01000020, b"audio")
    found = split_aggregate(message(MessageType.AGGREGATE, body, 5000))
    assert found == [
        Message(9, 5000, 1, b"video"),
        Message(8, 5016, 1, b"audio"),
    ]


@pytest.mark.parametrize("cut", range(31))
def test_a_cut_aggregate_keeps_what_is_whole(cut: int) -> None:
    body = tag(9, 0, b"video") + tag(8, 0, b"audio")
    found = split_aggregate(message(MessageType.AGGREGATE, body[:cut]))
    assert len(found) == (1 if cut >= 16 else 0)


def test_an_aggregate_of_countless_messages_is_refused() -> None:
    body = tag(9, 0, b"") * MAX_AGGREGATED
    assert len(split_aggregate(message(MessageType.AGGREGATE, body))) == MAX_AGGREGATED
    with pytest.raises(RemoteProtocolError, match="aggregate"):
        split_aggregate(message(MessageType.AGGREGATE, body + tag(9, 0, b"")))
