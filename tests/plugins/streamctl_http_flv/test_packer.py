"""The flv lane."""

from __future__ import annotations

import pytest

from streamctl.engine.derived import GraphSettings
from streamctl.engine.graph import RESTART_S, Graph
from streamctl.engine.lane import Bounds
from streamctl.errors import LocalProtocolError
from streamctl.media.flv_packer import TagType
from streamctl.media.packet import (
    Boundary,
    Chunk,
    Codec,
    Format,
    Init,
    Item,
    Kind,
    Packet,
    Rejoin,
    Track,
)
from streamctl.sdk.plugin import ConverterSpec
from streamctl.sdk.session import Action, Session
from streamctl.testing.clock import FakeClock
from streamctl_http_flv.packer import (
    LAST_TIMESTAMP,
    MAX_BODY_BYTES,
    FlvConverter,
    FlvPacker,
    file_header,
)
from tests.plugins.streamctl_http_flv.file import FlvTag, tags
from tests.streamctl.engine.fanout_world import FakeWire

VIDEO = Track(0, Codec.H264, b"avcC", 320, 240)
AUDIO = Track(1, Codec.AAC, b"asc", sample_rate=48_000, channels=2)
DAY = 86_400 * 90_000


def picture(time: int, *, key: bool = False) -> Packet:
    return Packet(0, time, time, Kind.KEY if key else Kind.P, 0, b"picture", epoch=1)


def sound(time: int) -> Packet:
    return Packet(1, time, time, Kind.AUDIO, 0, b"sound", epoch=1)


def boundary(*tracks: Track, epoch: int = 1) -> Boundary:
    return Boundary(epoch, Init(1, epoch, tracks or (VIDEO, AUDIO)), "test")


def viewer() -> Session:
    return Session(
        "1", "http-flv", Action.PLAY, "news", "127.0.0.1", 1, "", 0.0, lambda reason: None
    )


def data(items: list[Item]) -> bytes:
    return b"".join(item.lead + item.data for item in items if isinstance(item, Chunk))


@pytest.mark.parametrize(
    ("tracks", "flags"),
    [((VIDEO, AUDIO), 5), ((VIDEO,), 1), ((AUDIO,), 4), ((), 0)],
)
def test_the_header_says_which_media_follow(tracks: tuple[Track, ...], flags: int) -> None:
    assert file_header(Init(1, 1, tracks)) == b"FLV\x01" + bytes((flags, 0, 0, 0, 9, 0, 0, 0, 0))


def test_a_tag_brings_its_size_behind_it() -> None:
    packed = FlvPacker(base=0).tag(TagType.AUDIO, 0x01020304, b"\xaf\x01", b"aac")
    assert packed == (
        b"\x08\x00\x00\x05\x02\x03\x04\x01\x00\x00\x00" + b"\xaf\x01aac" + b"\x00\x00\x00\x10"
    )


def test_an_access_unit_too_large_for_a_tag_is_refused() -> None:
    packer = FlvPacker(base=0)
    assert len(packer.tag(TagType.VIDEO, 0, b"12345", bytes(MAX_BODY_BYTES - 5)))
    with pytest.raises(LocalProtocolError, match="too large"):
        packer.tag(TagType.VIDEO, 0, b"12345", bytes(MAX_BODY_BYTES - 4))


def test_a_run_of_access_units_is_a_run_of_tags() -> None:
    items: list[Item] = [boundary(), picture(0, key=True), sound(0), picture(3600)]
    found = tags(data(FlvConverter().convert(items)))
    assert [tag.kind for tag in found] == [18, 9, 8, 9, 8, 9]
    assert [tag.timestamp for tag in found] == [0, 1000, 1000, 1000, 1000, 1040]
    assert found[-1] == FlvTag(9, 1040, b"\x27\x01\0\0\0picture")


def test_timestamps_use_their_fourth_byte() -> None:
    converter = FlvConverter()
    converter.convert([boundary(), picture(0, key=True)])
    [chunk] = converter.convert([picture(20 * DAY)])
    assert isinstance(chunk, Chunk)
    assert tags(chunk.lead + chunk.data)[0].timestamp == 20 * 86_400_000 + 1000


def test_viewers_must_come_anew_before_timestamps_turn_negative() -> None:
    converter = FlvConverter()
    converter.convert([boundary(), picture(0, key=True)])
    late = LAST_TIMESTAMP
    # In the middle of a group of pictures nothing can begin.
    out = converter.convert([picture(late), sound(late), picture(late + 3600, key=True)])
    assert [type(item) for item in out] == [Chunk, Chunk, Rejoin, Chunk]
    assert 2**31 - 700_000 < tags(data(out[:1]))[0].timestamp < 2**31
    assert tags(data(out[3:]))[0].timestamp == 1000
    later = converter.convert([sound(late + 3600), picture(late + 7200, key=True)])
    assert [type(item) for item in later] == [Chunk, Chunk]
    assert [tag.timestamp for tag in tags(data(later))] == [1000, 1040]


def test_timestamps_begin_anew_again_and_again() -> None:
    converter, start = FlvConverter(), 0
    converter.convert([boundary(), picture(0, key=True)])
    for _ in range(3):
        start += LAST_TIMESTAMP
        out = converter.convert([picture(start, key=True), picture(start + 3600)])
        assert [type(item) for item in out] == [Rejoin, Chunk, Chunk]
        assert [tag.timestamp for tag in tags(data(out))] == [1000, 1040]


def test_a_day_of_sound_begins_anew_as_well() -> None:
    converter = FlvConverter()
    converter.convert([boundary(AUDIO), sound(0)])
    out = converter.convert([sound(LAST_TIMESTAMP)])
    assert [type(item) for item in out] == [Rejoin, Chunk]


def test_viewers_must_come_anew_when_the_header_would_be_wrong() -> None:
    converter = FlvConverter()
    assert Rejoin not in map(type, converter.convert([boundary(), picture(0, key=True)]))
    same = converter.convert([boundary(epoch=2), picture(90_000, key=True)])
    assert [type(item) for item in same] == [Boundary, Chunk]
    silent = converter.convert([boundary(VIDEO, epoch=3), picture(180_000, key=True)])
    assert [type(item) for item in silent] == [Boundary, Rejoin, Chunk]
    assert silent[1] == Rejoin("the stream goes on with other tracks")
    again = converter.convert([picture(270_000, key=True)])
    assert [type(item) for item in again] == [Chunk]


def test_viewers_stay_on_one_timeline_when_a_converter_fails() -> None:
    clock, wire = FakeClock(), FakeWire()
    spec = ConverterSpec(Format.PACKETS, Format.FLV, frozenset(Codec), FlvConverter)
    settings = GraphSettings(Bounds(10.0, 100_000_000), 0.0, 20.0)
    errors: list[str] = []
    graph = Graph(
        settings,
        {Format.FLV: spec},
        clock,
        failed=lambda name, error: errors.append(f"{name}: {error}"),
        note=lambda name, text: None,
    )
    graph.base.append([boundary()])
    graph.fanout(Format.FLV).add(graph.cursor(Format.FLV), wire, viewer())
    graph.base.append([picture(DAY, key=True), sound(DAY), picture(DAY + 3600)])
    graph.base.append([Packet(0, DAY + 7200, DAY + 7200, Kind.P, 0, bytes(MAX_BODY_BYTES))])
    assert errors == ["packets to flv: an access unit is too large for FLV: 16777220 bytes"]
    clock.advance(RESTART_S)
    graph.base.append([picture(DAY + 90_000), picture(DAY + 99_000, key=True), sound(DAY + 99_000)])
    times = [tag.timestamp for tag in tags(wire.bytes) if tag.kind != TagType.SCRIPT]
    assert times == [1000, 1000, 1000, 1000, 1040, 2100, 2100, 2100, 2100]
