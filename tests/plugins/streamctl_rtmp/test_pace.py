"""Reads are worth making once a picture may have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl_rtmp.pace import PICTURES, SMALL_BYTES, ReadPace
from streamctl_rtmp.wire.chunk import ChunkParser, serialize
from streamctl_rtmp.wire.events import StreamEnded
from streamctl_rtmp.wire.messages import Message, MessageType

if TYPE_CHECKING:
    from streamctl_rtmp.wire.events import Event

CHUNK = 4096


@pytest.fixture
def pace() -> ReadPace:
    return ReadPace()


@pytest.fixture
def parser() -> ChunkParser:
    parser = ChunkParser()
    parser.chunk_size = CHUNK
    return parser


def pictures(*sizes: int) -> list[Event]:
    return [Message(MessageType.VIDEO, 0, 1, bytes(size)) for size in sizes]


def sound(size: int) -> Message:
    return Message(MessageType.AUDIO, 0, 1, bytes(size))


def test_nothing_is_held_back_until_pictures_are_known(pace: ReadPace, parser: ChunkParser) -> None:
    assert pace.after(pictures(*[5000] * (PICTURES - 1)), parser) == 1
    assert pace.after([sound(300), *pictures(4000)], parser) == 2000


def test_sound_and_other_events_decide_nothing(pace: ReadPace, parser: ChunkParser) -> None:
    assert pace.after([sound(5000)] * PICTURES, parser) == 1
    assert pace.after([StreamEnded("deleteStream")], parser) == 1


def test_a_picture_that_would_have_been_held_back_ends_it(
    pace: ReadPace, parser: ChunkParser
) -> None:
    pace.after(pictures(*[5000] * PICTURES), parser)
    assert pace.after(pictures(2500), parser) == 2500
    assert pace.after(pictures(2499), parser) == 1
    assert pace.after(pictures(*[5000] * (PICTURES - 2)), parser) == 2499 // 2
    assert pace.after(pictures(*[6000] * PICTURES), parser) == 3000


def test_small_pictures_are_not_held_back(pace: ReadPace, parser: ChunkParser) -> None:
    assert pace.after(pictures(*[SMALL_BYTES] * PICTURES), parser) == 1


@pytest.mark.parametrize("cut", [20, CHUNK, CHUNK + 12, CHUNK + 13, CHUNK + 14, 2 * CHUNK, 9999])
def test_the_rest_of_a_message_is_waited_for_and_no_byte_more(
    pace: ReadPace, parser: ChunkParser, cut: int
) -> None:
    raw = serialize(6, Message(MessageType.VIDEO, 0, 1, bytes(10_000)), CHUNK)
    assert parser.receive(raw[:cut]) == []
    least = pace.after([], parser)
    assert 1 <= least <= len(raw) - cut
    if (cut - 12) % (CHUNK + 1) != CHUNK:
        assert least == len(raw) - cut
    assert len(parser.receive(raw[cut : cut + least]) + parser.receive(raw[cut + least :])) == 1
    assert pace.after([], parser) == 1


def test_the_rest_of_a_header_is_waited_for(pace: ReadPace, parser: ChunkParser) -> None:
    pace.after(pictures(*[5000] * PICTURES), parser)
    parser.receive(b"\x06\0\0")
    assert pace.after([], parser) == 1
