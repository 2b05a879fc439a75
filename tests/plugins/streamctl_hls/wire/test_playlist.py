"""Playlists of others as values, and what is no playlist."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl_hls.wire import playlist as module
from streamctl_hls.wire.playlist import (
    Key,
    Map,
    MediaPlaylist,
    Multivariant,
    Rendition,
    Resource,
    Span,
    Variant,
    parse,
)

URL = "https://host/live/index.m3u8?key=1"


def text(*lines: str) -> bytes:
    return "\n".join(["#EXTM3U", *lines, ""]).encode()


def media(*lines: str) -> MediaPlaylist:
    found = parse(text("#EXT-X-TARGETDURATION:6", *lines), URL)
    assert isinstance(found, MediaPlaylist)
    return found


def variants(*lines: str) -> Multivariant:
    found = parse(text(*lines), URL)
    assert isinstance(found, Multivariant)
    return found


def test_segments_have_numbers_addresses_and_durations() -> None:
    found = media(
        "#EXT-X-MEDIA-SEQUENCE:7", "#EXTINF:5.96,", "a.ts", "#EXTINF:6,title, with comma", "/b.ts"
    )
    assert found.target_s == 6
    assert [each.sequence for each in found.segments] == [7, 8]
    assert [each.duration_s for each in found.segments] == [5.96, 6]
    assert [each.at for each in found.segments] == [
        Resource("https://host/live/a.ts"),
        Resource("https://host/b.ts"),
    ]
    assert found.end == 9
    assert not found.ended


def test_lines_may_end_in_any_way_and_begin_with_a_mark() -> None:
    data = b"\xef\xbb\xbf#EXTM3U\r\n#EXT-X-TARGETDURATION:2\r\n#EXTINF:2,\r\na.ts\r\n"
    found = parse(data, URL)
    assert isinstance(found, MediaPlaylist)
    assert found.segments[0].at == Resource("https://host/live/a.ts")


def test_what_says_nothing_about_fetching_can_spoil_nothing() -> None:
    found = media(
        "#EXT-X-PROGRAM-DATE-TIME:yesterday",
        "#EXT-X-DATERANGE:ID=,DURATION=long",
        "#EXT-X-CUE-OUT:?",
        "#EXT-X-BITRATE:much",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=now",
        "# a remark",
        "",
        "#EXTINF:6,",
        "a.ts",
        "#EXT-X-ENDLIST",
    )
    assert len(found.segments) == 1
    assert found.ended


def test_byte_ranges_go_on_where_the_last_one_of_the_file_ended() -> None:
    found = media(
        *("#EXTINF:6,", "#EXT-X-BYTERANGE:100@20", "all.ts"),
        *("#EXTINF:6,", "#EXT-X-BYTERANGE:50", "all.ts"),
        *("#EXTINF:6,", "#EXT-X-BYTERANGE:9", "other.ts"),
    )
    spans = [each.at.span for each in found.segments if each.at]
    assert spans == [Span(20, 100), Span(120, 50), Span(0, 9)]


def test_keys_hold_until_the_next_one() -> None:
    found = media(
        *("#EXTINF:6,", "plain.ts"),
        '#EXT-X-KEY:METHOD=AES-128,URI="k1?a=b,c",IV=0x1F',
        *("#EXTINF:6,", "a.ts", "#EXTINF:6,", "b.ts"),
        '#EXT-X-KEY:METHOD=AES-128,URI="k2"',
        *("#EXTINF:6,", "c.ts"),
        "#EXT-X-KEY:METHOD=NONE",
        *("#EXTINF:6,", "d.ts"),
    )
    first = Key("AES-128", "https://host/live/k1?a=b,c", bytes(15) + b"\x1f")
    second = Key("AES-128", "https://host/live/k2", None)
    assert [each.key for each in found.segments] == [None, first, first, second, None]


def test_a_key_of_another_kind_is_named() -> None:
    found = media(
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"',
        *("#EXTINF:6,", "a.ts"),
    )
    key = found.segments[0].key
    assert key is not None
    assert key.method == "SAMPLE-AES of com.apple.streamingkeydelivery"


def test_initialization_sections_hold_until_the_next_one() -> None:
    found = media(
        '#EXT-X-MAP:URI="init.mp4"',
        *("#EXTINF:6,", "a.m4s", "#EXTINF:6,", "b.m4s"),
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="700"',
        *("#EXTINF:6,", "#EXT-X-BYTERANGE:10@700", "all.mp4"),
    )
    first = Map(Resource("https://host/live/init.mp4"), None)
    second = Map(Resource("https://host/live/all.mp4", Span(0, 700)), None)
    assert [each.map for each in found.segments] == [first, first, second]


def test_a_section_is_encrypted_with_the_key_in_front_of_it() -> None:
    found = media(
        *('#EXT-X-MAP:URI="plain.mp4"', '#EXT-X-KEY:METHOD=AES-128,URI="k1",IV=0x1'),
        *("#EXTINF:6,", "a.m4s", '#EXT-X-MAP:URI="sealed.mp4"', "#EXTINF:6,", "b.m4s"),
        *('#EXT-X-KEY:METHOD=AES-128,URI="k2",IV=0x2', "#EXTINF:6,", "c.m4s"),
    )
    maps = [each.map for each in found.segments]
    assert all(maps)
    assert [(each.at.url[-10:], each.key and each.key.url[-2:]) for each in maps if each] == [
        ("/plain.mp4", None),
        ("sealed.mp4", "k1"),
        ("sealed.mp4", "k1"),
    ]
    assert [each.key.url[-2:] for each in found.segments if each.key] == ["k1", "k1", "k2"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_several_formats_of_a_key_the_one_that_can_be_read_holds(order: tuple[int, int]) -> None:
    tags = (
        '#EXT-X-KEY:METHOD=AES-128,URI="k"',
        '#EXT-X-KEY:METHOD=AES-128,URI="drm://x",KEYFORMAT="com.example",KEYFORMATVERSIONS="1"',
    )
    found = media(*(tags[place] for place in order), "#EXTINF:6,", "a.ts")
    assert found.segments[0].key == Key("AES-128", "https://host/live/k", None)


def test_a_day_of_keys_is_read_in_no_time() -> None:
    lines: list[str] = []
    for number in range(6000):
        lines += [f'#EXT-X-KEY:METHOD=AES-128,URI="{number}"', "#EXTINF:2,", f"{number}.ts"]
    began = time.process_time()
    assert len(media(*lines).segments) == 6000
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("line", "start_s"),
    [
        ("#EXT-X-START:TIME-OFFSET=-12.5,PRECISE=YES", -12.5),
        ("#EXT-X-START:PRECISE=NO,TIME-OFFSET=30", 30.0),
        ("#EXT-X-START:TIME-OFFSET=soon", None),
        ("#EXT-X-START:TIME-OFFSET=1.2.3", None),
        ("#EXT-X-START:", None),
    ],
)
def test_where_to_begin(line: str, start_s: float | None) -> None:
    assert media(line, "#EXTINF:6,", "a.ts").start_s == start_s
    assert variants(line, "#EXT-X-STREAM-INF:BANDWIDTH=1", "a.m3u8").start_s == start_s


def test_discontinuities_and_gaps_belong_to_the_segment_behind_them() -> None:
    found = media(
        *("#EXTINF:6,", "a.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:6,", "b.ts"),
        *("#EXT-X-GAP", "#EXTINF:6,", "c.ts", "#EXTINF:6,", "d.ts"),
    )
    assert [each.discontinuity for each in found.segments] == [False, True, False, False]
    assert [each.gap for each in found.segments] == [False, False, True, False]


LOW = (
    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5,HOLD-BACK=12",
    "#EXT-X-PART-INF:PART-TARGET=0.5",
    '#EXT-X-MAP:URI="init.mp4"',
    '#EXT-X-PART:DURATION=0.5,URI="a.0.m4s",INDEPENDENT=YES',
    '#EXT-X-PART:DURATION=0.5,URI="a.1.m4s"',
    *("#EXTINF:1,", "a.m4s"),
)


def test_parts_belong_to_their_segment_and_to_the_one_that_grows() -> None:
    found = media(
        *LOW,
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-PART:DURATION=0.5,URI="b.m4s",BYTERANGE="100@0",INDEPENDENT=YES',
        '#EXT-X-PART:DURATION=0.25,URI="b.m4s",BYTERANGE="50",GAP=YES',
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="b.m4s",BYTERANGE-START=150',
    )
    assert found.blocking
    assert (found.part_target_s, found.part_hold_back_s, found.hold_back_s) == (0.5, 1.5, 12)
    whole, growing = found.segments
    assert [part.independent for part in whole.parts] == [True, False]
    assert growing.at is None
    assert growing.discontinuity
    assert growing.map == whole.map
    assert [part.at.span for part in growing.parts] == [Span(0, 100), Span(100, 50)]
    assert [part.gap for part in growing.parts] == [False, True]
    assert found.end == 1
    assert found.hint is None, "a range of unknown length"


def test_a_part_that_is_to_come_is_known() -> None:
    assert media(*LOW).hint is None
    found = media(*LOW, '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="b.0.m4s"')
    assert found.hint == Resource("https://host/live/b.0.m4s")
    assert media(*LOW, '#EXT-X-PRELOAD-HINT:TYPE=MAP,URI="new.mp4"').hint is None


def test_skipped_segments_count() -> None:
    found = media(
        "#EXT-X-MEDIA-SEQUENCE:10", "#EXT-X-SKIP:SKIPPED-SEGMENTS=5", "#EXTINF:6,", "p.ts"
    )
    assert found.segments[0].sequence == 15


def test_tags_at_the_end_that_announce_a_segment_are_none() -> None:
    assert media("#EXT-X-KEY:METHOD=NONE", "#EXTINF:6,", "a.ts", "#EXT-X-GAP").end == 1
    assert media("#EXTINF:6,", "a.ts", "#EXTINF:6,").end == 1


def test_variants_and_their_sound() -> None:
    found = variants(
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="e.m3u8"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="inside"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="t",NAME="text",URI="t.m3u8"',
        '#EXT-X-STREAM-INF:BANDWIDTH=1280000,RESOLUTION=640x360,CODECS="avc1.4d401f,mp4a.40.2",'
        'AUDIO="s"',
        "low.m3u8",
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1",
        "#EXT-X-STREAM-INF:BANDWIDTH=2560000.5",
        "http://other/high.m3u8",
    )
    assert found.variants == (
        Variant("https://host/live/low.m3u8", 1_280_000, 640, 360, "avc1.4d401f,mp4a.40.2", "s"),
        Variant("http://other/high.m3u8", 2_560_000),
    )
    assert found.variants[0].shown == "640x360, 1280 kbps"
    assert found.audio == (
        Rendition("https://host/live/e.m3u8", "s", "English", "en", True),
        Rendition("", "s", "inside", "", False),
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin with"),
        (b"<html>", "does not begin with"),
        (b"\xff\xfe#\0E\0X\0", "does not begin with"),
        (text(), "neither variants nor a target duration"),
        (text("#EXTINF:6,", "a.ts"), "neither variants nor a target duration"),
        (text("#EXT-X-TARGETDURATION:soon"), "damaged playlist"),
        (text("#EXT-X-TARGETDURATION:-1"), "a duration of -1"),
        (text("#EXT-X-TARGETDURATION:9", "#EXTINF:nan,", "a.ts"), "a duration of nan"),
        (text("#EXT-X-TARGETDURATION:9", "#EXTINF:1e9,", "a.ts"), "a duration of"),
        (text("#EXT-X-TARGETDURATION:9", "#EXTINF:,", "a.ts"), "damaged playlist"),
        (text("#EXT-X-TARGETDURATION:9", "#EXT-X-MEDIA-SEQUENCE:-4"), "out of bounds"),
        (text("#EXT-X-TARGETDURATION:9", "#EXT-X-MEDIA-SEQUENCE:99999999999999999999"), "bounds"),
        (
            text("#EXT-X-TARGETDURATION:9", "#EXT-X-BYTERANGE:x@y", "#EXTINF:1,", "a"),
            "a byte range that is none",
        ),
        (
            text("#EXT-X-TARGETDURATION:9", "#EXT-X-KEY:METHOD=AES-128,IV=5", "#EXTINF:1,", "a"),
            "an initialization vector that is none",
        ),
        (text("#EXT-X-TARGETDURATION:9", "#EXT-X-KEY:METHOD", "#EXTINF:1,", "a"), "damaged"),
        (text("#EXT-X-TARGETDURATION:9", "#EXT-X-MAP:X=1", "#EXTINF:1,", "a"), "damaged"),
        (text("#EXT-X-STREAM-INF:BANDWIDTH=1"), "it names no variant"),
        (text("#EXT-X-STREAM-INF:BANDWIDTH=lots", "a.m3u8"), "damaged playlist"),
        (text("#EXT-X-TARGETDURATION:9", "#" + "x" * 20_000), "a line that is too long"),
    ],
)
def test_what_is_no_playlist_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        parse(data, URL)


@pytest.mark.parametrize("end", ["\n", "\r", "\f", "\u2028"])
def test_playlists_have_a_limit_of_lines(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 10)
    with pytest.raises(RemoteProtocolError, match="lines is too large"):
        parse(text(end.join(["#"] * 20)), URL)


def test_playlists_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 5)
    with pytest.raises(RemoteProtocolError, match="too large"):
        parse(text("#"), URL)


SAMPLE = text(
    *("#EXT-X-TARGETDURATION:4", *LOW, '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1'),
    *("#EXT-X-DISCONTINUITY", "#EXT-X-BYTERANGE:5@6", "#EXTINF:4,", "x.ts"),
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="English",URI="e.m3u8"',
    '#EXT-X-PART:DURATION=0.5,URI="b.m4s",BYTERANGE="100@0",INDEPENDENT=YES',
)
MASTER = text("#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=2x3", "a.m3u8")


@given(st.data())
def test_damage_ends_in_a_protocol_error_or_a_playlist(data: st.DataObject) -> None:
    sample = bytearray(data.draw(st.sampled_from([SAMPLE, MASTER])))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(sample) - 1))
        piece = data.draw(st.binary(max_size=4) | st.sampled_from([b",", b'"', b"=", b"\n", b":"]))
        sample[at : at + data.draw(st.integers(0, 6))] = piece
        if not sample:
            break
    with suppress(ProtocolError):
        parse(bytes(sample), URL)
