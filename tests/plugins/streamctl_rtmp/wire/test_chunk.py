"""Chunks: every form of header, in every cutting, against every limit."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import LocalProtocolError, RemoteProtocolError
from streamctl_rtmp.wire import chunk
from streamctl_rtmp.wire.chunk import ChunkParser, basic_header, serialize
from streamctl_rtmp.wire.messages import Message

noise = random.Random(3).randbytes


def header(form: int, csid: int, *fields: str) -> bytes:
    return basic_header(form, csid) + bytes.fromhex("".join(fields))


A = b"a" * 100
B = b"b" * 28
CHUNKS: list[tuple[str, bytes, list[Message]]] = [
    (
        "one chunk",
        header(0, 4, "000010 00001c 08 01000000") + B,
        [Message(8, 16, 1, B)],
    ),
    (
        "an empty message",
        header(0, 4, "000010 000000 08 01000000"),
        [Message(8, 16, 1, b"")],
    ),
    (
        "two chunks",
        header(0, 6, "000010 0000c8 09 01000000") + A + B + header(3, 6) + A[:72],
        [Message(9, 16, 1, A + B + A[:72])],
    ),
    (
        "exactly two chunks",
        header(0, 6, "000010 000100 09 01000000") + A + B + header(3, 6) + A + B,
        [Message(9, 16, 1, (A + B) * 2)],
    ),
    (
        "deltas add up, and a header that is left out repeats the last",
        header(0, 4, "000010 00001c 08 01000000")
        + B
        + header(1, 4, "000005 000001 09")
        + b"x"
        + header(2, 4, "000007")
        + b"y"
        + header(3, 4)
        + b"z",
        [
            Message(8, 16, 1, B),
            Message(9, 21, 1, b"x"),
            Message(9, 28, 1, b"y"),
            Message(9, 35, 1, b"z"),
        ],
    ),
    (
        "after a full header the delta is its timestamp",
        header(0, 4, "000010 000001 08 01000000") + b"x" + header(3, 4) + b"y",
        [Message(8, 16, 1, b"x"), Message(8, 32, 1, b"y")],
    ),
    (
        "wide chunk stream ids",
        header(0, 64, "000001 000001 08 01000000")
        + b"x"
        + header(0, 319, "000002 000001 08 01000000")
        + b"y"
        + header(0, 65599, "000003 000001 08 01000000")
        + b"z",
        [Message(8, 1, 1, b"x"), Message(8, 2, 1, b"y"), Message(8, 3, 1, b"z")],
    ),
    (
        "a wide id over two chunks",
        header(0, 70, "000001 000082 08 01000000") + A + B + header(3, 70) + b"xy",
        [Message(8, 1, 1, A + B + b"xy")],
    ),
    (
        "interleaved streams",
        header(0, 6, "000010 0000c8 09 01000000")
        + A
        + B
        + header(0, 4, "000011 00001c 08 01000000")
        + B
        + header(3, 6)
        + A[:72],
        [Message(8, 17, 1, B), Message(9, 16, 1, A + B + A[:72])],
    ),
    (
        "an extended timestamp",
        header(0, 4, "ffffff 000001 08 01000000 01000000") + b"x",
        [Message(8, 0x01000000, 1, b"x")],
    ),
    (
        "an extended timestamp that later chunks repeat",
        header(0, 6, "ffffff 0000c8 09 01000000 01000000")
        + A
        + B
        + header(3, 6, "01000000")
        + A[:72],
        [Message(9, 0x01000000, 1, A + B + A[:72])],
    ),
    (
        "an extended timestamp that later chunks leave out",
        header(0, 6, "ffffff 0000c8 09 01000000 01000000") + A + B + header(3, 6) + A[:72],
        [Message(9, 0x01000000, 1, A + B + A[:72])],
    ),
    (
        "an extended delta, repeated by a message without a header",
        header(0, 4, "000010 000001 08 01000000")
        + b"x"
        + header(2, 4, "ffffff 01000000")
        + b"y"
        + header(3, 4, "01000000")
        + b"z",
        [
            Message(8, 16, 1, b"x"),
            Message(8, 0x01000010, 1, b"y"),
            Message(8, 0x02000010, 1, b"z"),
        ],
    ),
    (
        "timestamps wrap at 32 bits",
        header(0, 4, "ffffff 000001 08 01000000 fffffff0") + b"x" + header(2, 4, "000020") + b"y",
        [Message(8, 0xFFFFFFF0, 1, b"x"), Message(8, 0x10, 1, b"y")],
    ),
    (
        "a new chunk size counts from the next chunk on",
        header(0, 2, "000000 000004 01 00000000")
        + b"\0\0\0\x02"
        + header(0, 4, "000010 000003 08 01000000")
        + b"xy"
        + header(3, 4)
        + b"z",
        [Message(8, 16, 1, b"xyz")],
    ),
    (
        "a chunk size that grows in mid-message",
        header(0, 6, "000010 0000c8 09 01000000")
        + A
        + B
        + header(0, 2, "000000 000004 01 00000000")
        + b"\0\0\x10\0"
        + header(3, 6)
        + A[:72],
        [Message(9, 16, 1, A + B + A[:72])],
    ),
    (
        "an aborted message, and one for a stream that nobody knows",
        header(0, 6, "000010 0000c8 09 01000000")
        + A
        + B
        + header(0, 2, "000000 000004 02 00000000")
        + b"\0\0\0\x06"
        + header(0, 2, "000000 000004 02 00000000")
        + b"\0\0\0\x63"
        + header(0, 6, "000011 000001 09 01000000")
        + b"x",
        [Message(9, 17, 1, b"x")],
    ),
    (
        "a message that begins before the last has ended",
        header(0, 6, "000010 0000c8 09 01000000")
        + A
        + B
        + header(0, 6, "000011 000001 09 01000000")
        + b"x",
        [Message(9, 17, 1, b"x")],
    ),
    (
        "a stream that begins with a short header",
        header(1, 4, "000010 000001 08") + b"x",
        [Message(8, 16, 0, b"x")],
    ),
    (
        "many small chunks in a row",
        header(0, 6, "000010 000500 09 01000000") + header(3, 6).join([A + B] * 10),
        [Message(9, 16, 1, (A + B) * 10)],
    ),
    (
        "a row that another stream interrupts",
        header(0, 6, "000010 000500 09 01000000")
        + header(3, 6).join([A + B] * 5)
        + header(0, 4, "000011 000001 08 01000000")
        + b"x"
        + header(3, 6)
        + header(3, 6).join([A + B] * 5),
        [Message(8, 17, 1, b"x"), Message(9, 16, 1, (A + B) * 10)],
    ),
]


@pytest.mark.parametrize("step", [1, 2, 13, 131, 10_000])
@pytest.mark.parametrize(("name", "data", "expected"), CHUNKS, ids=[row[0] for row in CHUNKS])
def test_chunks_become_messages(name: str, data: bytes, expected: list[Message], step: int) -> None:
    parser = ChunkParser()
    found = []
    for at in range(0, len(data), step):
        found += parser.receive(data[at : at + step])
    assert found == expected
    assert parser.partial == 0
    assert not parser.rest


@pytest.mark.parametrize(("name", "data", "expected"), CHUNKS, ids=[row[0] for row in CHUNKS])
def test_what_follows_is_kept(name: str, data: bytes, expected: list[Message]) -> None:
    parser = ChunkParser()
    size_change = parser.receive(data + b"\x05\0")
    assert size_change == expected
    tail = bytes.fromhex("0020 000001 08 01000000")
    assert parser.receive(tail + b"x") == [Message(8, 32, 1, b"x")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (header(2, 4, "000010"), "without a message header"),
        (header(3, 4), "without a message header"),
        (header(0, 2, "000000 000004 01 00000000") + bytes(4), "chunk size"),
        (header(0, 2, "000000 000004 01 00000000") + b"\x80\0\0\1", "chunk size"),
        (header(0, 2, "000000 000002 01 00000000") + b"\0\1", "too short"),
        (header(0, 2, "000000 000001 02 00000000") + b"\0", "too short"),
        (header(0, 3, "000000 010001 14 00000000"), "longer than 65536"),
        (
            b"".join(header(0, csid, "000000 000001 08 01000000") + b"x" for csid in range(3, 68)),
            "chunk streams",
        ),
    ],
)
def test_hostile_chunks_are_refused(data: bytes, text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=text):
        ChunkParser(max_message_bytes=65_536).receive(data)


def test_a_repeated_header_obeys_a_limit_that_has_shrunk() -> None:
    parser = ChunkParser()
    parser.receive(header(0, 4, "000000 000002 08 01000000") + b"xx")
    parser.max_message_bytes = 1
    with pytest.raises(RemoteProtocolError, match="longer than 1 bytes"):
        parser.receive(header(3, 4))


def test_unfinished_messages_are_bounded_together() -> None:
    parser = ChunkParser()
    parser.receive(header(0, 2, "000000 000004 01 00000000") + b"\0\xff\xff\xf0")
    block = bytes(0xFFFFF0)
    for csid in (3, 4):
        parser.receive(header(0, csid, "000000 ffffff 09 01000000") + block)
    with pytest.raises(RemoteProtocolError, match="unfinished messages"):
        parser.receive(header(0, 5, "000000 ffffff 09 01000000") + block)


def test_types_below_the_first_are_ignored() -> None:
    assert ChunkParser().receive(header(0, 4, "000000 000001 00 00000000") + b"x") == []


@pytest.mark.parametrize("csid", [2, 3, 63, 64, 319, 320, 65599])
@pytest.mark.parametrize("timestamp", [0, 1, 0xFFFFFE, 0xFFFFFF, 0x1000000, 0xFFFFFFFF])
@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 256, 1000])
def test_messages_survive_a_round_trip(csid: int, timestamp: int, size: int) -> None:
    message = Message(9, timestamp, 1, noise(size))
    data = serialize(csid, message, 128)
    assert ChunkParser().receive(data + data) == [message, message]


@pytest.mark.parametrize("csid", [0, 1, 65600])
def test_impossible_ids_are_our_error(csid: int) -> None:
    with pytest.raises(LocalProtocolError):
        basic_header(0, csid)


def test_a_message_too_long_is_our_error() -> None:
    with pytest.raises(LocalProtocolError):
        serialize(4, Message(9, 0, 1, bytes(chunk.MAX_MESSAGE_BYTES)), 65_536)


messages = st.builds(
    Message,
    st.sampled_from([8, 9, 18, 20]),
    st.integers(0, 2**32 - 1),
    st.just(1),
    st.binary(max_size=700),
)


@given(st.lists(messages, max_size=6), st.integers(1, 900), st.integers(1, 400))
def test_any_cutting_gives_the_same_messages(
    sent: list[Message], step: int, chunk_size: int
) -> None:
    parser = ChunkParser()
    data = header(0, 2, "000000 000004 01 00000000") + chunk_size.to_bytes(4, "big")
    data += b"".join(serialize(3 + n % 70, one, chunk_size) for n, one in enumerate(sent))
    found = []
    for at in range(0, len(data), step):
        found += parser.receive(data[at : at + step])
    assert found == sent
    assert parser.partial == 0


@given(
    st.lists(messages, min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), max_size=4),
)
def test_mutations_raise_nothing_but_protocol_errors(
    sent: list[Message], mutations: list[tuple[int, bytes]]
) -> None:
    data = bytearray(b"".join(serialize(4, one, 128) for one in sent))
    for at, octets in mutations:
        data[at % len(data) : at % len(data) + len(octets)] = octets
    parser = ChunkParser()
    try:
        for at in range(0, len(data), 100):
            parser.receive(bytes(data[at : at + 100]))
    except RemoteProtocolError:
        return
    held = sum(sum(map(len, stream.pieces)) for stream in parser.streams.values())
    assert parser.partial == held


@pytest.mark.parametrize("fitting", [0, 1, 31, 32, 33, 95, 96, 97, 200])
@pytest.mark.parametrize("count", [0, 1, 32, 33, 200])
def test_a_run_of_headers_ends_with_the_first_other_byte(fitting: int, count: int) -> None:
    data = b"?" + b"\xc4xx" * fitting + b"\xc5xx" * (200 - fitting)
    assert chunk.alike(data, 1, count, 3, 0xC4) == min(fitting, count)


class Seen(bytes):
    """Bytes that count how many of them are looked at."""

    looked = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        Seen.looked += 1 if isinstance(found, int) else len(found)
        return found

    def __add__(self, other: Any) -> Seen:
        return Seen(super().__add__(other))


def test_chunks_of_one_byte_that_take_turns_cost_no_more_than_their_bytes() -> None:
    """A parser that looks ahead at every chunk looks at a hundred times as many."""
    parser = ChunkParser()
    parser.receive(header(0, 2, "000000 000004 01 00000000") + bytes.fromhex("00000001"))
    for csid in (4, 5):
        parser.receive(header(0, csid, "000000 ffffff 09 01000000") + b"x")
    parser.rest = Seen((header(3, 4) + b"x" + header(3, 5) + b"x") * 65_536)
    parser.behind = True
    Seen.looked = calls = kept = 0
    while parser.behind:
        assert parser.receive(b"") == []
        kept += len(parser.rest)
        parser.rest = Seen(parser.rest)
        calls += 1
    assert calls >= 2 * 65_536 / chunk.MAX_WORK
    assert Seen.looked - kept < 2 * 65_536 * 2 * chunk.FIRST_LOOK
    assert [parser.streams[csid].size for csid in (4, 5)] == [65_537, 65_537]


@pytest.mark.parametrize(
    "one",
    [header(3, 4), header(0, 4, "000010 000000 08 01000000"), header(3, 6) + b"i"],
    ids=["empty", "whole", "control"],
)
def test_many_messages_are_left_for_the_next_call(one: bytes) -> None:
    parser = ChunkParser()
    parser.receive(header(0, 4, "000010 000000 08 01000000"))
    parser.receive(header(0, 6, "000010 000001 14 00000000") + b"i")
    count = len(parser.receive(one * (2 * chunk.MAX_WORK)))
    assert 0 < count <= chunk.MAX_WORK + 1
    assert parser.behind
    while parser.behind:
        found = parser.receive(b"")
        assert 0 < len(found) <= chunk.MAX_WORK + 1
        count += len(found)
    assert count == 2 * chunk.MAX_WORK
    assert parser.rest == b""
