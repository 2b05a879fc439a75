"""Lanes of tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.flv_converter import TagConverter
from streamctl.media.packet import (
    Boundary,
    Chunk,
    Codec,
    Flag,
    Init,
    InitChange,
    Item,
    Kind,
    Packet,
    Rejoin,
    Skipped,
    Track,
)
from tests.streamctl.media.tags import PlainPacker, read

if TYPE_CHECKING:
    from tests.streamctl.media.tags import Plain

HEADERS = [18, 9, 8]
VIDEO = Track(0, Codec.H264, b"avcC", 320, 240)
AUDIO = Track(1, Codec.AAC, b"asc", sample_rate=48_000, channels=2)


def converter() -> TagConverter:
    return TagConverter(lambda base: PlainPacker(base=base))


def strict() -> TagConverter:
    """One whose viewers expect the media that they were told of."""
    return TagConverter(lambda base: PlainPacker(base=base), last_timestamp=1 << 40)


def picture(number: int, *, key: bool = False) -> Packet:
    time = number * 3600
    return Packet(0, time, time, Kind.KEY if key else Kind.P, 0, b"picture", epoch=1)


def sound(number: int) -> Packet:
    time = number * 1920
    return Packet(1, time, time, Kind.AUDIO, 0, b"sound", epoch=1)


def boundary(*tracks: Track, epoch: int = 1) -> Boundary:
    return Boundary(epoch, Init(1, epoch, tracks or (VIDEO, AUDIO)), "test")


def chunks(items: list[Item]) -> list[Chunk]:
    return [item for item in items if isinstance(item, Chunk)]


def types(chunk: Chunk) -> list[int]:
    return [tag.kind for tag in read(chunk.lead + chunk.data)]


def media(chunk: Chunk) -> Plain:
    return read(chunk.lead + chunk.data)[-1]


def test_every_access_unit_is_a_chunk() -> None:
    out = chunks(converter().convert([boundary(), picture(0, key=True), sound(0), picture(1)]))
    assert [(c.rap, c.flush, c.start, c.end, c.epoch) for c in out] == [
        (True, True, 0, 0, 1),
        (False, False, 0, 0, 1),
        (False, True, 3600, 3600, 1),
    ]
    assert types(out[0]) == [*HEADERS, 9]
    assert [types(chunk) for chunk in out[1:]] == [[8], [9]]


def test_the_lane_starts_at_one_second_whatever_the_source_says() -> None:
    made = converter()
    start = 500_000
    out = chunks(
        made.convert([boundary(), picture(start, key=True), sound(start * 3600 // 1920 - 1)])
    )
    assert media(out[0]).timestamp == 1000
    # Sound that belongs before the first picture keeps its distance.
    assert media(out[1]).timestamp == 979


def test_a_joiner_gets_headers_of_its_own_time_once() -> None:
    made = converter()
    first, _, key = chunks(
        made.convert([boundary(), picture(0, key=True), picture(1), picture(25, key=True)])
    )
    # The first chunk of an epoch holds its headers already.
    assert first.join == b""
    assert types(key) == [9]
    headers = read(key.join)
    assert [tag.kind for tag in headers] == HEADERS
    assert [tag.timestamp for tag in headers] == [0, *[media(key).timestamp] * 2]


def test_an_epoch_goes_on_where_the_time_is_and_repeats_the_headers() -> None:
    made = converter()
    made.convert([boundary(), picture(0, key=True)])
    new = boundary(epoch=2)
    out = made.convert([new, picture(50, key=True), picture(51)])
    assert out[0] is new
    first, second = chunks(out)
    assert types(first) == [*HEADERS, 9]
    assert media(first).timestamp == 3000
    assert types(second) == [9]


def test_a_change_of_tracks_goes_before_the_next_access_unit() -> None:
    made = converter()
    made.convert([boundary(), picture(0, key=True)])
    other = Track(0, VIDEO.codec, b"other")
    change = InitChange(Init(2, 1, (other, AUDIO)))
    out = made.convert([change])
    assert out == [change]
    [chunk] = chunks(made.convert([sound(4)]))
    assert types(chunk) == [*HEADERS, 8]
    assert read(chunk.lead + chunk.data)[1].body.endswith(b"other")


def test_a_change_of_tracks_reaches_those_who_go_without_a_leading_picture() -> None:
    made = converter()
    made.convert([boundary(), picture(0, key=True)])
    leading = picture(1)
    leading.flags = Flag.LEADING
    change = InitChange(Init(2, 1, (Track(0, VIDEO.codec, b"other"), AUDIO)))
    headers, chunk = chunks(made.convert([change, leading]))
    assert types(headers) == HEADERS
    assert (headers.flags, headers.flush, headers.join) == (0, False, b"")
    assert types(chunk) == [9]
    assert (chunk.flags, chunk.join) == (Flag.LEADING, b"")


def test_sound_alone_flushes_and_may_be_joined_each_half_second() -> None:
    made = converter()
    out = chunks(made.convert([boundary(AUDIO), *(sound(number) for number in range(60))]))
    assert all(chunk.flush for chunk in out)
    assert [n for n, chunk in enumerate(out) if chunk.rap] == [0, 24, 48]
    assert read(out[24].join)[-1].body == b"\xaf\x00asc"


def test_sound_of_a_stream_with_pictures_is_no_place_to_join() -> None:
    made = converter()
    out = chunks(made.convert([boundary(), *(sound(number) for number in range(60))]))
    assert not any(chunk.rap or chunk.flush for chunk in out)


def test_what_has_no_form_is_left_out() -> None:
    made = converter()
    assert made.convert([picture(0, key=True), Skipped(1)]) == []
    assert made.convert([boundary(), Packet(7, 0, 0, Kind.DATA, 0, b"x")])[1:] == []
    assert made.flush() == []


def test_bytes_are_shared_by_all_who_read() -> None:
    """A key frame's chunk and headers are made once, so they are immutable bytes."""
    [chunk] = chunks(converter().convert([boundary(), picture(0, key=True)]))
    assert type(chunk.data) is bytes
    assert type(chunk.join) is bytes


def test_only_those_who_ask_are_told_to_come_anew() -> None:
    """RTMP players follow a timestamp that wraps, and tracks that come and go."""
    made = converter()
    made.convert([boundary(), picture(0, key=True)])
    out = made.convert([boundary(VIDEO), picture(1 << 32, key=True)])
    assert [type(item) for item in out] == [Boundary, Chunk]


def test_an_heir_keeps_the_time_and_what_viewers_were_told() -> None:
    failed = converter()
    failed.convert([boundary(), picture(0, key=True)])
    heir = converter()
    heir.inherit(failed)
    first, *rest = chunks(heir.convert([boundary(), picture(50, key=True), picture(51)]))
    assert types(first) == [*HEADERS, 9]
    assert [media(chunk).timestamp for chunk in (first, *rest)] == [3000, 3040]


def test_an_heir_sends_those_away_who_were_told_of_other_media() -> None:
    failed, heirs = strict(), [strict(), strict()]
    failed.convert([boundary(), picture(0, key=True)])
    heirs[0].inherit(failed)
    heirs[1].inherit(heirs[0])
    out = heirs[1].convert([boundary(VIDEO), picture(50, key=True)])
    assert [type(item) for item in out] == [Boundary, Rejoin, Chunk]


def test_an_heir_of_one_that_never_began_begins() -> None:
    heir = strict()
    heir.inherit(strict())
    out = heir.convert([boundary(), picture(50, key=True), picture(75, key=True)])
    assert [type(item) for item in out] == [Boundary, Chunk, Chunk]
    assert [media(chunk).timestamp for chunk in chunks(out)] == [1000, 2000]
