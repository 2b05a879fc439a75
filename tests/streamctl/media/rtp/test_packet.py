"""RTP packets: what is read of them, what is written, and what is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError
from streamctl.media.rtp.packet import RtpPacket, header, is_control, parse, serialise

HEAD = bytes.fromhex("80e0 0102 03040506 0708090a".replace(" ", ""))


def test_reads_the_fixed_header() -> None:
    packet = parse(HEAD + b"media")
    assert packet.payload_type == 96
    assert packet.marker
    assert packet.sequence == 0x0102
    assert packet.timestamp == 0x03040506
    assert packet.ssrc == 0x0708090A
    assert bytes(packet.payload) == b"media"


@pytest.mark.parametrize(
    ("first", "rest", "payload"),
    [
        (0x80, b"", b""),
        (0x82, b"\1" * 8 + b"media", b"media"),
        (0x90, bytes.fromhex("bede0001") + b"extnmedia", b"media"),
        (0x90, bytes.fromhex("bede0000") + b"media", b"media"),
        (0xA0, b"media\0\0\3", b"media"),
        (0xA0, b"\0\0\0\4", b""),
        (0xB1, b"\1" * 4 + bytes.fromhex("bede0001") + b"extnmedia\1", b"media"),
    ],
)
def test_skips_what_may_stand_around_the_payload(first: int, rest: bytes, payload: bytes) -> None:
    assert bytes(parse(memoryview(bytes([first]) + HEAD[1:] + rest)).payload) == payload


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD[:11],
        b"\x40" + HEAD[1:],
        b"\xc0" + HEAD[1:] + b"media",
        b"\x81" + HEAD[1:] + b"\0\0\0",
        b"\x90" + HEAD[1:] + b"\xbe\xde\0",
        b"\x90" + HEAD[1:] + b"\xbe\xde\0\2ext1",
        b"\xa0" + HEAD[1:] + b"media\0",
        b"\xa0" + HEAD[1:] + b"media\7",
    ],
)
def test_refuses_what_is_no_packet(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(data)


def test_numbers_are_cut_to_their_bits() -> None:
    packet = parse(header(0x1FF, 0x1_0001, 0x1_0000_0002, 0x1_0000_0003, marker=True))
    assert (packet.payload_type, packet.sequence) == (0x7F, 1)
    assert (packet.timestamp, packet.ssrc) == (2, 3)


@given(
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=40),
)
def test_what_is_written_is_read(
    payload_type: int, marker: bool, sequence: int, number: int, payload: bytes
) -> None:
    packet = RtpPacket(payload_type, marker, sequence, number, number ^ 5, memoryview(payload))
    assert parse(serialise(packet)) == packet


@given(st.binary(max_size=64))
def test_only_protocol_errors_escape(data: bytes) -> None:
    for candidate in (data, b"\xbf" + data, b"\x90" + data):
        with suppress(ProtocolError):
            assert len(parse(candidate).payload) <= len(candidate) - 12


def test_control_packets_are_told_from_media() -> None:
    assert is_control(bytes.fromhex("80c80006"))
    assert is_control(bytes.fromhex("81ce0002"))
    assert not is_control(HEAD)
    assert not is_control(b"\x80")
