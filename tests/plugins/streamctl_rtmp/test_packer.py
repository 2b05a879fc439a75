"""Messages made of access units."""

from __future__ import annotations

import pytest

from streamctl.media import amf0, flv_head
from streamctl.media.packet import Codec, Init, Kind, Packet, Track
from streamctl_rtmp.packer import Packer
from streamctl_rtmp.wire.chunk import ChunkParser
from streamctl_rtmp.wire.connection import OUT_CHUNK_SIZE
from streamctl_rtmp.wire.messages import Message, MessageType
from tests.plugins.streamctl_rtmp.world import ASC, AUDIO, IDR, VIDEO, avcc, picture, sound


def packer(*tracks: Track, base: int = 0, publishing: bool = False) -> Packer:
    made = Packer(base=base, publishing=publishing)
    made.use(Init(1, 1, tracks or (VIDEO, AUDIO)))
    return made


def parse(data: bytes) -> list[Message]:
    parser = ChunkParser()
    parser.chunk_size = OUT_CHUNK_SIZE
    messages = parser.receive(data)
    assert not parser.rest
    assert parser.current is None
    return messages


def test_headers_come_before_media() -> None:
    metadata, video, audio = parse(packer().headers(90 * 1234))
    assert [message.timestamp for message in (metadata, video, audio)] == [0, 1234, 1234]
    name, values = amf0.decode(metadata.body)
    assert name == "onMetaData"
    assert (values["width"], values["audiosamplerate"]) == (320.0, 48_000.0)
    assert video.body == flv_head.AVC_CONFIG + avcc()
    assert audio.body == flv_head.AAC_CONFIG + ASC


def test_a_server_is_asked_to_keep_the_metadata() -> None:
    [metadata, *_] = parse(packer(publishing=True).headers(0))
    assert amf0.decode(metadata.body)[:2] == ["@setDataFrame", "onMetaData"]


def test_tracks_without_a_configuration_have_no_header() -> None:
    bare = (Track(0, Codec.H264, None), Track(1, Codec.AAC, b""))
    assert [message.type for message in parse(packer(*bare).headers(0))] == [MessageType.DATA_AMF0]


def test_pictures_carry_decode_time_and_offset() -> None:
    [message] = parse(packer().message(picture(10, key=True, cts=7200)))
    assert message == Message(9, 400, 1, b"\x17\x01\x00\x00\x50" + IDR)
    [message] = parse(packer().message(picture(10, cts=-3600)))
    assert message.body[:5] == b"\x27\x01\xff\xff\xd8"


def test_milliseconds_are_rounded_from_the_whole() -> None:
    """At 29.97 pictures a second neither time nor offset may drift from the ticks."""
    made = packer()
    for number in (0, 1, 2, 1000, 107_892):
        dts = number * 3003
        packet = Packet(0, dts + 6006, dts, Kind.P, 0, b"x")
        [message] = parse(made.message(packet))
        cts = int.from_bytes(message.body[2:5], "big")
        assert abs(message.timestamp - dts / 90) <= 0.5
        assert abs(message.timestamp + cts - (dts + 6006) / 90) <= 0.5


def test_sound_carries_its_time() -> None:
    [message] = parse(packer(base=-9000).message(sound(3)))
    assert message == Message(8, 164, 1, b"\xaf\x01" + sound(3).data)


def test_the_base_is_zero_and_nothing_is_before_it() -> None:
    made = packer(base=36_000)
    assert made.timestamp(36_090) == 1
    assert made.timestamp(0) == 0
    assert made.timestamp(36_000 + 90 * (2**32 + 7)) == 7


@pytest.mark.parametrize("size", [60_000, 65_531, 65_532, 200_000])
@pytest.mark.parametrize("base", [0, -90 * 0xFFFFFE, -90 * 0xFFFFFF, -90 * 0x1000000])
def test_large_pictures_are_cut_and_put_together(size: int, base: int) -> None:
    packet = picture(0, key=True, size=size)
    [message] = parse(packer(base=base).message(packet))
    assert message.timestamp == -base // 90
    assert message.body[5:] == packet.data


def test_extended_timestamps_stand_in_every_chunk() -> None:
    data = packer(base=-90 * 0x1000000).message(picture(0, key=True, size=150_000))
    extended = b"\x01\0\0\0"
    first = 12 + 4
    assert data[12:16] == extended
    assert data[first + OUT_CHUNK_SIZE :][:5] == b"\xc6" + extended
    assert data[first + 2 * OUT_CHUNK_SIZE + 5 :][:5] == b"\xc6" + extended


def test_other_tracks_are_left_out() -> None:
    made = packer(Track(4, Codec.VP8, b""), Track(5, Codec.H264, avcc()), Track(6, Codec.MP2))
    assert made.audio is None
    for number in (4, 6, 9):
        assert made.message(Packet(number, 0, 0, Kind.P, 0, b"x")) == b""
    assert made.message(Packet(5, 0, 0, Kind.P, 0, b"x"))


@pytest.mark.parametrize(
    ("base", "size", "shared"), [(0, 20_000, True), (0, 70_000, False), (-90 << 24, 20_000, False)]
)
def test_a_message_of_one_chunk_shares_the_packets_own_bytes(
    base: int, size: int, shared: bool
) -> None:
    packet = picture(3, size=size)
    made = packer(base=base)
    lead, data = made.parts(packet)
    assert (data is packet.data) is shared
    assert lead + data == made.message(packet)
    [message] = parse(lead + data)
    assert message.body == b"\x27\x01\0\0\0" + packet.data
