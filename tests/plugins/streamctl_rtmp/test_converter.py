"""The rtmp lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import (
    Boundary,
    Chunk,
    Init,
    InitChange,
    Item,
    Kind,
    Packet,
    Skipped,
    Track,
)
from streamctl_rtmp.converter import RtmpConverter
from tests.plugins.streamctl_rtmp.test_packer import parse
from tests.plugins.streamctl_rtmp.world import ASC, AUDIO, VIDEO, avcc, picture, sound

if TYPE_CHECKING:
    from streamctl_rtmp.wire.messages import Message

HEADERS = [18, 9, 8]


def boundary(*tracks: Track, epoch: int = 1) -> Boundary:
    return Boundary(epoch, Init(1, epoch, tracks or (VIDEO, AUDIO)), "test")


def chunks(items: list[Item]) -> list[Chunk]:
    return [item for item in items if isinstance(item, Chunk)]


def types(chunk: Chunk) -> list[int]:
    return [message.type for message in parse(chunk.data)]


def media(chunk: Chunk) -> Message:
    return parse(chunk.data)[-1]


def test_every_access_unit_is_a_chunk() -> None:
    out = chunks(RtmpConverter().convert([boundary(), picture(0, key=True), sound(0), picture(1)]))
    assert [(c.rap, c.flush, c.start, c.end, c.epoch) for c in out] == [
        (True, True, 0, 0, 1),
        (False, False, 0, 0, 1),
        (False, True, 3600, 3600, 1),
    ]
    assert types(out[0]) == [*HEADERS, 9]
    assert [types(chunk) for chunk in out[1:]] == [[8], [9]]


def test_the_lane_starts_at_one_second_whatever_the_source_says() -> None:
    converter = RtmpConverter()
    start = 500_000
    out = chunks(
        converter.convert([boundary(), picture(start, key=True), sound(start * 3600 // 1920 - 1)])
    )
    assert media(out[0]).timestamp == 1000
    # Sound that belongs before the first picture keeps its distance.
    assert media(out[1]).timestamp == 979


def test_a_joiner_gets_headers_of_its_own_time_once() -> None:
    converter = RtmpConverter()
    first, _, key = chunks(
        converter.convert([boundary(), picture(0, key=True), picture(1), picture(25, key=True)])
    )
    # The first chunk of an epoch holds its headers already.
    assert first.join == b""
    assert types(key) == [9]
    headers = parse(key.join)
    assert [message.type for message in headers] == HEADERS
    assert [message.timestamp for message in headers] == [0, *[media(key).timestamp] * 2]


def test_an_epoch_goes_on_where_the_time_is_and_repeats_the_headers() -> None:
    converter = RtmpConverter()
    converter.convert([boundary(), picture(0, key=True)])
    new = boundary(epoch=2)
    out = converter.convert([new, picture(50, key=True), picture(51)])
    assert out[0] is new
    first, second = chunks(out)
    assert types(first) == [*HEADERS, 9]
    assert media(first).timestamp == 3000
    assert types(second) == [9]


def test_a_change_of_tracks_goes_before_the_next_access_unit() -> None:
    converter = RtmpConverter()
    converter.convert([boundary(), picture(0, key=True)])
    other = Track(0, VIDEO.codec, avcc(b"\x68other"))
    change = InitChange(Init(2, 1, (other, AUDIO)))
    out = converter.convert([change])
    assert out == [change]
    [chunk] = chunks(converter.convert([sound(4)]))
    assert types(chunk) == [*HEADERS, 8]
    assert parse(chunk.data)[1].body.endswith(avcc(b"\x68other"))


def test_sound_alone_flushes_and_may_be_joined_each_half_second() -> None:
    converter = RtmpConverter()
    out = chunks(converter.convert([boundary(AUDIO), *(sound(number) for number in range(60))]))
    assert all(chunk.flush for chunk in out)
    assert [n for n, chunk in enumerate(out) if chunk.rap] == [0, 24, 48]
    assert parse(out[24].join)[-1].body == b"\xaf\x00" + ASC


def test_sound_of_a_stream_with_pictures_is_no_place_to_join() -> None:
    converter = RtmpConverter()
    out = chunks(converter.convert([boundary(), *(sound(number) for number in range(60))]))
    assert not any(chunk.rap or chunk.flush for chunk in out)


def test_what_has_no_form_is_left_out() -> None:
    converter = RtmpConverter()
    assert converter.convert([picture(0, key=True), Skipped(1)]) == []
    assert converter.convert([boundary(), Packet(7, 0, 0, Kind.DATA, 0, b"x")])[1:] == []
    assert converter.flush() == []


def test_bytes_are_shared_by_all_who_read() -> None:
    """A key frame's chunk and headers are made once, so they are immutable bytes."""
    [chunk] = chunks(RtmpConverter().convert([boundary(), picture(0, key=True)]))
    assert type(chunk.data) is bytes
    assert type(chunk.join) is bytes
