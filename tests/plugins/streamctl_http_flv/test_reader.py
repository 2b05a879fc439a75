"""From bytes to tags."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media import amf0
from streamctl_http_flv.reader import FlvReader, Tag, script

HEADER = b"FLV\x01\x05\0\0\0\x09" + bytes(4)


def tag(kind: int, timestamp: int, data: bytes, *, size: int | None = None) -> bytes:
    time = (timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes((timestamp >> 24,))
    head = bytes((kind,)) + len(data).to_bytes(3, "big") + time + bytes(3)
    return head + data + (len(head + data) if size is None else size).to_bytes(4, "big")


STREAM = HEADER + tag(9, 40, b"video") + tag(8, 0x12345678, b"") + tag(18, 0, b"script")
TAGS = [Tag(9, 40, b"video"), Tag(8, 0x12345678, b""), Tag(18, 0, b"script")]


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize("stream", [STREAM, STREAM[len(HEADER) :]], ids=["header", "none"])
def test_tags_come_whole_however_bytes_come(stream: bytes, step: int) -> None:
    reader = FlvReader()
    found = [
        tag
        for at in range(0, len(stream), step)
        for tag in reader.feed(memoryview(stream)[at : at + step])
    ]
    assert found == TAGS


def test_sizes_behind_tags_are_not_believed() -> None:
    assert len(FlvReader().feed(HEADER + tag(9, 0, b"a", size=7) + tag(9, 0, b"b", size=0))) == 2


def test_headers_may_be_longer() -> None:
    longer = b"FLV\x01\x05\0\0\0\x0b" + b"xx" + bytes(4)
    assert FlvReader().feed(longer + tag(9, 0, b"a")) == [Tag(9, 0, b"a")]


def test_tags_of_no_known_type_are_counted() -> None:
    reader = FlvReader()
    assert reader.feed(HEADER + tag(15, 0, b"x") + tag(9, 0, b"a")) == [Tag(9, 0, b"a")]
    assert reader.skipped == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x47" + bytes(187), "is no FLV"),
        (b"<html></html>", "is no FLV"),
        (b"FLV\x01\x05\0\0\0\x08" + bytes(9), "an FLV header of 8 bytes"),
        (b"FLV\x01\x05\xff\0\0\x09" + bytes(9), "an FLV header of"),
        (HEADER + tag(9 | 0x20, 0, b"a"), "are encrypted"),
        (HEADER + tag(9 | 0x40, 0, b"a"), "a damaged header"),
        (HEADER + b"\x09\0\0\1\0\0\0\0\0\0\1a", "a damaged header"),
    ],
)
def test_what_is_no_flv_is_said(data: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        FlvReader().feed(data)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (amf0.encode("onMetaData", {"width": 5.0}), ("onMetaData", [{"width": 5.0}])),
        (amf0.encode("@setDataFrame", "onMetaData", {}), ("onMetaData", [{}])),
        (amf0.encode(5.0), ("", [])),
        (b"\xff", ("", [])),
        (b"", ("", [])),
    ],
)
def test_script_data(data: bytes, found: tuple[str, list[object]]) -> None:
    assert script(data) == found


@given(st.data())
def test_damage_ends_in_an_error_of_ours(data: st.DataObject) -> None:
    damaged = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ProtocolError):
        FlvReader().feed(bytes(damaged))
