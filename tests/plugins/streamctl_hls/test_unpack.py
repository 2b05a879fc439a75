"""Segments taken apart."""

from __future__ import annotations

import pytest

from streamctl.errors import MediaError, RemoteProtocolError
from streamctl.media.aac import AacConfig, adts_header
from streamctl.media.packet import TIMESCALE, Codec, Packet
from streamctl.sdk.transport import TransportOptions
from streamctl_hls.feed import Loaded
from streamctl_hls.sniff import Kind
from streamctl_hls.unpack import CLOCK, Found, Unpacker, open_unpacker, split_tag
from streamctl_hls.wire.follow import Piece
from tests.plugins.streamctl_hls.upstream import ts
from tests.streamctl.media.fmp4.files import usual_movie
from tests.streamctl.media.fmp4.test_demux import segment

PIECE = Piece(None, 0, 2.0, None, None)
FRAME = adts_header(AacConfig(2, 48_000, 2), 100) + b"\x21" + bytes(99)
WRAP = 1 << 33


def tagged(clock: int, *, owner: bytes = CLOCK) -> bytes:
    body = owner + clock.to_bytes(8, "big")
    frame = b"PRIV" + len(body).to_bytes(4, "big") + b"\0\0" + body
    return b"ID3\x04\0\0" + bytes((0, 0, len(frame) >> 7, len(frame) & 127)) + frame


def items(unpacker: Unpacker, data: bytes, section: bytes = b"") -> list[Found]:
    return [item for found in unpacker.feed(Loaded(PIECE, data, section)) for item in found]


def times(found: list[Found]) -> list[int]:
    return [item.dts for item in found if isinstance(item, Packet)]


def test_sound_begins_where_its_tag_says() -> None:
    unpacker = open_unpacker(Kind.SOUND, None)
    found = items(unpacker, tagged(TIMESCALE) + FRAME * 3)
    assert isinstance(found[0], tuple)
    assert found[0][0].codec is Codec.AAC
    assert times(found) == [TIMESCALE + n * 1920 for n in range(3)]
    assert times(items(unpacker, tagged(2 * TIMESCALE) + FRAME)) == [2 * TIMESCALE]
    assert unpacker.flush() == []


def test_sound_stays_near_the_others_when_clocks_wrap() -> None:
    anchor = WRAP + 100
    assert times(items(open_unpacker(Kind.SOUND, anchor), tagged(50) + FRAME)) == [WRAP + 50]
    found = times(items(open_unpacker(Kind.TS, anchor), ts(0, video=False, at=900)))
    assert found[0] > WRAP


def test_tags_are_taken_off_and_others_tell_nothing() -> None:
    assert split_tag(tagged(7) + b"sound") == (7, b"sound")
    assert split_tag(tagged(7, owner=b"else\0") + tagged(8) + b"s") == (8, b"s")
    assert split_tag(b"sound") == (None, b"sound")
    assert split_tag(tagged(WRAP + 5))[0] == 5
    for size in (5, 20):
        with pytest.raises(RemoteProtocolError, match="cut off"):
            split_tag(tagged(7)[:size])


def test_transport_streams_hold_the_last_picture_back() -> None:
    unpacker = open_unpacker(Kind.TS, None)
    found = items(unpacker, ts(0))
    rest = unpacker.flush()
    assert len(times(found) + times(rest)) == 10 + 19
    assert len(times(rest)) >= 1


@pytest.mark.parametrize("apart", [True, False])
def test_fragments_come_behind_their_section_or_hold_it_themselves(apart: bool) -> None:
    unpacker = open_unpacker(Kind.FMP4, None)
    section = usual_movie() if apart else b""
    first = segment(0, 0) if apart else usual_movie() + segment(0, 0)
    found = items(unpacker, first, section)
    assert isinstance(found[0], tuple)
    assert len(times(found)) == 4
    found = items(unpacker, segment(1024, 2048), section)
    assert len(found) == len(times(found)) == 4
    assert unpacker.flush() == []


def test_fragments_without_any_section_are_damage() -> None:
    with pytest.raises(RemoteProtocolError, match="without `moov`"):
        items(open_unpacker(Kind.FMP4, None), segment(0, 0))


def test_scrambled_transport_streams_are_refused() -> None:
    data = bytearray(ts(0))
    for at in range(0, len(data), 188):
        if (data[at + 1] & 0x1F) << 8 | data[at + 2] in (0x100, 0x101):
            data[at + 3] |= 0xC0
    with pytest.raises(MediaError, match="scrambled"):
        items(open_unpacker(Kind.TS, None), bytes(data))


def test_program_and_streams_are_chosen_in_transport_streams_alone() -> None:
    chosen = TransportOptions(program=1, pids=(0x101,))
    found = items(open_unpacker(Kind.TS, None, chosen), ts(0))
    assert {track.codec for each in found if isinstance(each, tuple) for track in each} == {
        Codec.AAC
    }
    for kind in (Kind.FMP4, Kind.SOUND):
        with pytest.raises(MediaError, match=f"the segments are {kind.value}"):
            open_unpacker(kind, None, chosen)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (TransportOptions(program=7), "`7` is not among those on air: `1`"),
        (TransportOptions(pids=(0x999,)), "not there"),
    ],
)
def test_what_is_not_there_is_said(chosen: TransportOptions, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        items(open_unpacker(Kind.TS, None, chosen), ts(0))
