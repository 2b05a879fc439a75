"""The load tools measure what they claim to."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.bench.rtmp_load import Players, is_header, read_flv, stamp_nal
from tests.bench.rtmp_wire import CHUNK, STAMP_TAG, VIDEO, amf, message, prepare
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_amf_values_have_their_wire_form() -> None:
    assert amf("a", 1, True, None) == b"\x02\0\x01a" + b"\0\x3f\xf0" + bytes(6) + b"\x01\x01\x05"
    assert amf({"x": 0}) == b"\x03\0\x01x" + bytes(9) + b"\0\0\x09"


def test_a_message_is_cut_into_chunks() -> None:
    raw = message(VIDEO, bytes(CHUNK * 2 + 1), timestamp=7, stream=1)
    assert raw[:12] == b"\x06\0\0\x07\0\x20\x01\x09\x01\0\0\0"
    assert raw[12 + CHUNK] == raw[12 + CHUNK + 1 + CHUNK] == 0xC6
    assert len(raw) == 12 + CHUNK * 2 + 1 + 2


def test_only_timestamp_and_stamp_change_from_send_to_send() -> None:
    item = prepare(0, VIDEO, b"\x17\x01" + bytes(100) + stamp_nal())
    assert item.stamped
    raw = item.render(0x010203, 0xABC)
    assert raw[1:4] == b"\x01\x02\x03"
    assert STAMP_TAG + b"0000000000000abc" in raw
    assert len(raw) == len(item.render(0, 0))


def test_a_stamp_that_a_chunk_header_would_cut_is_given_up() -> None:
    padding = CHUNK - len(stamp_nal()) + 10
    assert not prepare(0, VIDEO, bytes(padding) + stamp_nal()).stamped


def test_a_file_gives_headers_and_frames_in_order(media: MediaCache) -> None:
    made = media(Recipe(seconds=2, container="flv"))
    messages = read_flv(made.path)
    assert sum(map(is_header, messages)) == 2
    assert sum(item.stamped for item in messages) == made.recipe.frames
    times = [item.at_ms for item in messages]
    assert times == sorted(times)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Players]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    players = Players()
    with ours, theirs, closing(players.epoll):
        players.add(ours, probe=True)
        yield theirs, players


def take(players: Players) -> None:
    """Receive what was sent."""
    [(number, _)] = players.epoll.poll(10)
    players.take(number)


def test_a_probe_reads_stamps_also_when_they_come_in_pieces(
    pair: tuple[socket.socket, Players],
) -> None:
    peer, players = pair
    stamped = prepare(0, VIDEO, bytes(50) + stamp_nal()).render(0, time.monotonic_ns() - 10**9)
    empty = prepare(0, VIDEO, bytes(50) + stamp_nal()).render(0, 0)
    data = stamped + empty + stamped

    for start in range(0, len(data), 7):
        peer.sendall(data[start : start + 7])
        take(players)
    assert sum(players.received.values()) == len(data)
    assert len(players.late_ms) == 2
    assert all(1000 <= late < 60_000 for late in players.late_ms)


def test_a_closed_connection_is_counted(pair: tuple[socket.socket, Players]) -> None:
    peer, players = pair
    peer.close()
    while not players.closed:
        players.run(0.05)
    assert players.closed == 1
