"""Variables of playlists: where their values come from, and where they stand."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError
from streamctl_hls.wire.playlist import MediaPlaylist, Multivariant, parse
from streamctl_hls.wire.variables import Variables

URL = "https://host/live/x.m3u8?token=a%2Fb+c%3D&empty=&token=second"
IMPORTED = {"base": "https://cdn/path"}


def expanded(*lines: str, imported: dict[str, str] | None = None, **limits: int) -> list[str]:
    kept = {"longest": 100, "most": 1000} | limits
    return Variables(URL, imported).expanded("\n".join(lines), **kept).split("\n")


def test_text_without_definitions_stays_as_it_is() -> None:
    assert expanded("#EXTM3U", " a{$x}.ts ") == ["#EXTM3U", " a{$x}.ts "]


@pytest.mark.parametrize(
    ("definition", "name", "value"),
    [
        ('#EXT-X-DEFINE:NAME="x",VALUE="one/two"', "x", "one/two"),
        ('#EXT-X-DEFINE:VALUE="",NAME="x"', "x", ""),
        ('#EXT-X-DEFINE:IMPORT="base"', "base", "https://cdn/path"),
        ('#EXT-X-DEFINE:QUERYPARAM="token"', "token", "a/b+c="),
    ],
)
def test_values_come_from_three_places(definition: str, name: str, value: str) -> None:
    found = expanded(definition, f"{{${name}}}/0.ts", imported=IMPORTED)
    assert found == [f"{value}/0.ts"]


def test_references_stand_in_addresses_and_attributes_alone() -> None:
    found = expanded(
        '#EXT-X-DEFINE:NAME="k",VALUE="1f"',
        '#EXT-X-KEY:METHOD=AES-128,URI="{$k}?{$k}",IV=0x{$k}',
        "#EXTINF:2,{$k} {$nothing}",
        "#{$nothing}",
        "a{$k}{$ k}.ts",
    )
    assert found == [
        '#EXT-X-KEY:METHOD=AES-128,URI="1f?1f",IV=0x1f',
        "#EXTINF:2,{$k} {$nothing}",
        "#{$nothing}",
        "a1f{$ k}.ts",
    ]


def test_values_are_filled_once_where_they_are_defined() -> None:
    found = expanded(
        '#EXT-X-DEFINE:NAME="a",VALUE="1"', '#EXT-X-DEFINE:NAME="b",VALUE="{$a}2"', "{$b}"
    )
    assert found == ["12"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["{$x}", '#EXT-X-DEFINE:NAME="x",VALUE="1"'], "`x` is not defined"),
        (['#EXT-X-DEFINE:NAME="x"'], "`x` has no value"),
        (['#EXT-X-DEFINE:NAME="x",QUERYPARAM="token",VALUE="1"'], "without one name"),
        (['#EXT-X-DEFINE:VALUE="1"'], "without one name"),
        (['#EXT-X-DEFINE:NAME="x",VALUE="1"'] * 2, "defined twice"),
        (['#EXT-X-DEFINE:IMPORT="base"'], "`base` has no value"),
        (['#EXT-X-DEFINE:QUERYPARAM="empty"'], "`empty` has no value"),
        (['#EXT-X-DEFINE:QUERYPARAM="other"'], "`other` has no value"),
        (['#EXT-X-DEFINE:NAME="x",VALUE="a\0b"'], "`x` has no value"),
    ],
)
def test_what_leads_to_nothing_is_said(lines: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        expanded(*lines)


def test_what_is_imported_has_to_be_there() -> None:
    with pytest.raises(ValueError, match="`other` has no value"):
        expanded('#EXT-X-DEFINE:IMPORT="other"', imported=IMPORTED)


def test_values_can_not_make_much_of_little() -> None:
    lines = ['#EXT-X-DEFINE:NAME="a0",VALUE="0123456789"']
    lines += [f'#EXT-X-DEFINE:NAME="a{n}",VALUE="{{$a{n - 1}}}{{$a{n - 1}}}"' for n in range(1, 99)]
    with pytest.raises(ValueError, match="a line too long"):
        expanded(*lines)
    with pytest.raises(ValueError, match="more than 50 characters"):
        expanded(lines[0], *["{$a0}"] * 9, most=50)


def media(*lines: str, imported: dict[str, str] | None = None) -> MediaPlaylist:
    text = "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:2", *lines])
    found = parse(text.encode(), URL, imported)
    assert isinstance(found, MediaPlaylist)
    return found


def test_a_multivariant_playlist_hands_its_variables_on() -> None:
    lines = [
        "#EXTM3U",
        '#EXT-X-DEFINE:NAME="base",VALUE="https://cdn"',
        "#EXT-X-STREAM-INF:BANDWIDTH=1",
        "{$base}/v.m3u8",
    ]
    found = parse("\n".join(lines).encode(), URL)
    assert isinstance(found, Multivariant)
    assert found.variants[0].url == "https://cdn/v.m3u8"
    segments = media(
        '#EXT-X-DEFINE:IMPORT="base"', "#EXTINF:2,", "{$base}/0.ts", imported=dict(found.variables)
    ).segments
    assert segments[0].at is not None
    assert segments[0].at.url == "https://cdn/0.ts"


def test_a_playlist_with_a_broken_reference_is_damaged() -> None:
    with pytest.raises(ProtocolError, match="damaged playlist: the variable `y` is not defined"):
        media('#EXT-X-DEFINE:NAME="x",VALUE="1"', "#EXTINF:2,", "{$y}.ts")


@given(st.lists(st.text('#EXT-X-DEFINE:NAMVLUIPORQY="{$a}\n', max_size=60), max_size=9))
def test_damage_ends_in_a_value_error_or_a_text(lines: list[str]) -> None:
    text = "\n".join(['#EXT-X-DEFINE:NAME="a",VALUE="{"', *lines])
    try:
        found = Variables(URL, None).expanded(text, longest=100, most=300)
    except ValueError:
        return
    assert len(found) <= 300


def test_a_long_name_without_a_value_is_read_in_no_time() -> None:
    began = time.thread_time()
    Variables(URL, None).define('#EXT-X-DEFINE:NAME="x",VALUE="",' + "A" * 60_000)
    assert time.thread_time() - began < 1
