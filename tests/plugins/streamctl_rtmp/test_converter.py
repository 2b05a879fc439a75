"""The rtmp lane; time, headers and joins are tested with ``streamctl.media.flv_converter``."""

from __future__ import annotations

from dataclasses import replace

from streamctl.media.packet import Boundary, Chunk, Init, Item
from streamctl_rtmp.converter import RtmpConverter
from tests.plugins.streamctl_rtmp.test_packer import parse
from tests.plugins.streamctl_rtmp.world import AUDIO, IDR, VIDEO, picture, sound


def test_access_units_become_messages_behind_their_headers() -> None:
    boundary = Boundary(1, Init(1, 1, (VIDEO, AUDIO)), "test")
    items: list[Item] = [boundary, picture(0, key=True), sound(0), picture(1)]
    first, *rest = RtmpConverter().convert(items)
    assert first is boundary
    chunks = [chunk for chunk in rest if isinstance(chunk, Chunk)]
    types = [[message.type for message in parse(chunk.lead + chunk.data)] for chunk in chunks]
    assert types == [[18, 9, 8, 9], [8], [9]]


def test_the_lane_starts_where_it_is_told() -> None:
    boundary = Boundary(1, Init(1, 1, (VIDEO, AUDIO)), "test")
    [_, chunk] = RtmpConverter(0xFFFFFF * 90).convert([boundary, picture(0, key=True)])
    assert isinstance(chunk, Chunk)
    assert parse(chunk.lead + chunk.data)[-1].timestamp == 0xFFFFFF


def test_further_tracks_are_sent_but_nobody_joins_at_them() -> None:
    boundary = Boundary(1, Init(1, 1, (VIDEO, AUDIO, replace(VIDEO, id=2))), "test")
    items: list[Item] = [boundary, picture(0, key=True), replace(picture(0, key=True), track=2)]
    assert len(RtmpConverter().convert(items)) == 2
    _, first, second = RtmpConverter(multitrack=True).convert(items)
    assert isinstance(first, Chunk)
    assert isinstance(second, Chunk)
    assert (first.rap, first.flush, second.rap, second.flush) == (True, True, False, False)
    [message] = parse(second.lead + second.data)
    assert message.body == b"\x96\x01avc1\x01\0\0\0" + IDR


def test_timestamps_begin_anew_after_49_days_and_again_after_99() -> None:
    converter = RtmpConverter()
    converter.convert([Boundary(1, Init(1, 1, (VIDEO, AUDIO)), "test"), picture(0, key=True)])
    for lap in (1, 2):
        zero = 90 * ((lap << 32) - 1000)
        units = [
            replace(picture(0, key=not at, cts=7200), dts=zero + at, pts=zero + at + 7200)
            for at in (-3600, 0, 3600)
        ]
        units.insert(1, replace(sound(0), dts=zero - 90, pts=zero - 90))
        made = [one for one in converter.convert(units) if isinstance(one, Chunk)]
        found = [parse(chunk.lead + chunk.data)[-1] for chunk in made]
        assert [one.timestamp for one in found] == [2**32 - 40, 2**32 - 1, 0, 40]
        offsets = {one.body[2:5] for one in found if one.type == 9}
        assert offsets == {(80).to_bytes(3, "big")}, "of pictures shown behind the place, too"
        assert [message.timestamp for message in parse(made[2].join)] == [0, 0, 0]
