"""Messages and frames out of a stream of bytes, however it is cut."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl_rtsp.wire.message import Headers, Request, Response
from streamctl_rtsp.wire.reader import (
    MAX_BODY_BYTES,
    MAX_GARBAGE_BYTES,
    MAX_HEAD_BYTES,
    Event,
    Frame,
    RtspReader,
)

OPTIONS = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
ANNOUNCE = b"ANNOUNCE rtsp://h/a RTSP/1.0\nCSeq: 2\nContent-Length: 5\n\nv=0\r\n"
REPLY = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n"
FRAME = b"$\x02\x00\x05hello"
EMPTY = b"$\x01\x00\x00"
STREAM = OPTIONS + b"\r\n" + FRAME + ANNOUNCE + EMPTY + FRAME + REPLY


def flat(event: Event) -> object:
    if isinstance(event, Frame):
        return event.channel, bytes(event.data)
    if isinstance(event, Request):
        return event.method, event.cseq, event.body
    return event.status, event.cseq, event.body


EXPECTED = [
    ("OPTIONS", 1, b""),
    (2, b"hello"),
    ("ANNOUNCE", 2, b"v=0\r\n"),
    (1, b""),
    (2, b"hello"),
    (200, 3, b""),
]


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 1000])
def test_the_cut_makes_no_difference(size: int, lenient: bool) -> None:
    reader = RtspReader(lenient=lenient)
    found = [
        flat(event)
        for at in range(0, len(STREAM), size)
        for event in reader.receive(STREAM[at : at + size])
    ]
    assert found == EXPECTED


def test_frames_outlive_the_buffer_that_they_came_in() -> None:
    buffer = bytearray(FRAME)
    (frame,) = RtspReader().receive(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert isinstance(frame, Frame)
    assert bytes(frame.data) == b"hello"


def refused(data: bytes) -> RemoteProtocolError:
    reader = RtspReader()
    with pytest.raises(RemoteProtocolError) as caught:
        list(reader.receive(data))
    return caught.value


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
        (b"OPTIONS *\r\nCSeq: 8\r\n\r\n", b"400"),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 8\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 8\r\nContent-Length: 1e3\r\n\r\n", b"400"),
        (
            b"OPTIONS * RTSP/1.0\r\nCSeq: 8\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
            b"413",
        ),
        (
            b"OPTIONS * RTSP/1.0\r\nCSeq: 8\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
            b"413",
        ),
        (b"OPTIONS * RTSP/1.0\r\nX: " + b"x" * MAX_HEAD_BYTES, b"400"),
    ],
)
def test_a_bad_message_brings_its_answer(data: bytes, status: bytes) -> None:
    reply = refused(data).reply
    assert reply.startswith(b"RTSP/1.0 " + status)
    assert (b"CSeq: 8\r\n" in reply) == (b"CSeq: 8" in data)


def test_what_came_before_a_bad_message_is_not_lost() -> None:
    reader = RtspReader()
    events = reader.receive(FRAME + OPTIONS + b"\x00")
    assert [flat(next(events)), flat(next(events))] == [(2, b"hello"), ("OPTIONS", 1, b"")]
    with pytest.raises(RemoteProtocolError):
        next(events)


def test_a_request_of_http_ends_the_rtsp() -> None:
    reader = RtspReader()
    post = b"POST /a HTTP/1.0\r\nx-sessioncookie: q\r\nContent-Length: 32767\r\n\r\n"
    (request,) = reader.receive(post + b"T1BU")
    assert isinstance(request, Request)
    assert request.tunnels
    assert reader.take_rest() == b"T1BU"
    assert list(reader.receive(b"SU9O")) == []
    assert reader.take_rest() == b"SU9O"


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    "garbage",
    [
        b"a=control:trackID=3\r\na=x\r\n",
        b"\x00\xff\x80",
        b"\xff\xfe\r\n\x01\n",
        b"\r\n\r\n",
        b"\x00" * 500,
        b"{}\r\n",
    ],
)
def test_a_lenient_reader_skips_what_is_no_message(garbage: bytes, size: int) -> None:
    reader = RtspReader(lenient=True)
    stream = garbage + REPLY + garbage + FRAME + garbage + REPLY
    found = [
        flat(event)
        for at in range(0, len(stream), size)
        for event in reader.receive(stream[at : at + size])
    ]
    assert found == [(200, 3, b""), (2, b"hello"), (200, 3, b"")]
    assert reader.garbage == 0


def test_a_lenient_reader_has_its_limit() -> None:
    reader = RtspReader(lenient=True)
    list(reader.receive(b"\x01" * MAX_GARBAGE_BYTES))
    with pytest.raises(RemoteProtocolError):
        list(reader.receive(b"\x01"))


def test_a_response_of_another_length_than_its_body_is_followed_by_the_next() -> None:
    reader = RtspReader(lenient=True)
    short = (
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\nm=video 0 RTP/AVP 96\r\n"
    )
    found = list(reader.receive(short + REPLY))
    assert [event.cseq for event in found if isinstance(event, Response)] == [2, 3]


@given(
    st.lists(st.sampled_from([OPTIONS, ANNOUNCE, REPLY, FRAME, EMPTY, b"\r\n"]), max_size=8),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(1, 60),
    st.booleans(),
)
def test_nothing_but_protocol_errors_escapes(
    messages: list[bytes], bends: list[tuple[int, int]], size: int, lenient: bool
) -> None:
    stream = bytearray(b"".join(messages))
    for at, value in bends:
        if at < len(stream):
            stream[at] = value
    reader = RtspReader(lenient=lenient)
    with suppress(ProtocolError):
        for at in range(0, len(stream), size):
            for event in reader.receive(bytes(stream[at : at + size])):
                if not isinstance(event, Frame):
                    event.serialize()


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=10))
def test_frames_come_out_as_they_went_in(frames: list[tuple[int, bytes]]) -> None:
    stream = b"".join(b"$%c%b%b" % (n, len(d).to_bytes(2, "big"), d) for n, d in frames)
    reader = RtspReader()
    half = len(stream) // 2
    found = [*reader.receive(stream[:half]), *reader.receive(stream[half:])]
    assert [flat(event) for event in found] == frames


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_answer_to_a_tunnel_is_no_garbage(size: int) -> None:
    stream = b"\r\nHTTP/1.0 200 OK\r\nConnection: close\r\n\r\n" + REPLY
    reader = RtspReader(lenient=True)
    found: list[Event] = []
    for at in range(0, len(stream), size):
        found += reader.receive(stream[at : at + size])
    assert [event.status for event in found if isinstance(event, Response)] == [200, 200]


def test_headers_are_equal_by_their_fields() -> None:
    assert Headers([("A", "b")]) == Headers([("A", "b")])
