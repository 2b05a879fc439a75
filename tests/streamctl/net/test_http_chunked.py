"""Endless bodies in chunks."""

from __future__ import annotations

from streamctl.net.http_chunked import ChunkedWire, ChunkFramer
from tests.streamctl.net.site import Client


def test_a_write_is_a_chunk() -> None:
    client = Client()
    wire = ChunkedWire(client, ChunkFramer())
    wire.write(b"abc")
    wire.write(memoryview(bytes(26)))
    assert client.take() == b"3\r\nabc\r\n" + b"1a\r\n" + bytes(26) + b"\r\n"


def test_nothing_is_no_chunk() -> None:
    """A chunk without data would end the body."""
    client = Client()
    wire = ChunkedWire(client, ChunkFramer())
    for _ in range(2):
        wire.write(b"")
        assert client.take() == b""
        wire.write(b"x")
        assert client.take() == b"1\r\nx\r\n"


def test_viewers_share_the_frame_of_what_they_share() -> None:
    framer = ChunkFramer()
    data = bytes(1000)
    assert framer.frame(data) is framer.frame(data)
    assert framer.frame(bytes(999)) == b"3e7\r\n" + bytes(999) + b"\r\n"


def test_an_end_is_written_and_a_cut_is_not() -> None:
    ended, cut = Client(), Client()
    ChunkedWire(ended, ChunkFramer()).close("over")
    assert (ended.take(), ended.reason) == (b"0\r\n\r\n", "over")
    ChunkedWire(cut, ChunkFramer()).abort("gone")
    assert (cut.take(), cut.aborted) == (b"", True)


def test_what_concerns_the_connection_goes_to_it() -> None:
    client = Client()
    wire = ChunkedWire(client, ChunkFramer())
    client.room = 0
    wire.write(b"abc")
    wire.set_send_buffer(5)
    assert wire.unsent() == len(b"3\r\nabc\r\n")
    wire.read_least(7)
    wire.call_again()
    assert client.send_buffers == [5]
    assert (client.least, client.again) == (7, 1)
