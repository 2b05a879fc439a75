"""The load tools measure what they claim to."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.bench.rtsp_load import (
    BATCH,
    PACKET,
    HeadReader,
    Receivers,
    Track,
    gone,
    largest_burst,
    missing,
    spread_ms,
)
from tests.bench.rtsp_wire import open_inside
from tests.support.process import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

SDP = """v=0\r
m=video 0 RTP/AVP 96\r
a=control:trackID=0\r
m=audio 0 RTP/AVP 97\r
a=control:rtsp://127.0.0.1/live/s0/trackID=1\r
"""


def packet(sequence: int, stamp: int = 0, size: int = 100) -> bytes:
    """A packet of RTP."""
    return struct.pack(">BBHII", 0x80, 96, sequence, stamp, 0x5EED) + bytes(size - 12)


def receive(receivers: Receivers, track: Track, count: int) -> None:
    """Receive until so many packets of a track have come."""

    def enough() -> bool:
        receivers.run(0.02)
        return len(track.packets()) >= count

    eventually(enough)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    found = Receivers()
    with closing(found.epoll):
        yield found
    for track in found.tracks.values():
        track.socket.close()
        track.reports.close()
    for dialogue, _ in found.players:
        dialogue.socket.close()


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A server that agrees to everything, and what it was asked."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    asked.append(data.decode())
                    body = SDP if data.startswith(b"DESCRIBE") else ""
                    head = (
                        f"RTSP/1.0 200 OK\r\nSession: abc;timeout=60\r\nContent-Length: {len(body)}"
                    )
                    for piece in (f"{head}\r\n", f"\r\n{body}"):
                        connection.sendall(piece.encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], asked
        thread.join(5)


def test_heads_sizes_and_times_are_read_many_at_once(receivers: Receivers) -> None:
    track = Track()
    receivers.add(track)
    before = time.time_ns()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(track.socket.getsockname())
        for number in range(BATCH + 2):
            sender.send(packet(65_530 + number & 0xFFFF, number * 3000, 1400))
    receive(receivers, track, BATCH + 2)
    found = track.packets()
    assert len(found) == BATCH + 2
    assert list(found["stamp"][:3]) == [0, 3000, 6000]
    assert set(found["size"]) == {1400}
    assert list(found["sequence"][5:8]) == [65_535, 0, 1]
    assert before <= found["at_ns"][0] <= found["at_ns"][-1] <= time.time_ns()
    assert missing(found["sequence"]) == 0
    assert HeadReader().read(track.socket.fileno()) is None


@pytest.mark.parametrize(
    ("numbers", "wanted"),
    [
        ([], 0),
        ([7], 0),
        ([1, 2, 5], 2),
        ([65_534, 1, 2], 2),
        ([3, 2, 1, 1, 5], 1),
    ],
)
def test_what_is_missing_is_told_by_the_numbers(numbers: list[int], wanted: int) -> None:
    assert missing(np.array(numbers, dtype=np.uint16)) == wanted


def test_a_burst_is_what_came_within_a_millisecond() -> None:
    at_ns = np.array([0, 400_000, 900_000, 1_000_001, 1_399_999, 9_000_000])
    assert largest_burst(at_ns) == 4
    assert largest_burst(at_ns[:0]) == 0


def test_the_spread_of_large_pictures_is_measured() -> None:
    sizes = (20, 2, 17, 30)
    found = np.zeros(sum(sizes), PACKET)
    found["stamp"] = np.repeat(np.arange(len(sizes)) * 3000, sizes)
    found["at_ns"] = np.arange(len(found)) * 500_000
    # The first and the last one may not be whole.
    assert spread_ms(found).tolist() == [8.0]
    assert spread_ms(found[:0]).tolist() == []


def test_players_over_udp_ask_for_all_tracks(
    server: tuple[int, list[str]], receivers: Receivers
) -> None:
    port, asked = server
    receivers.open(port, "s0")
    [(dialogue, [video, audio])] = receivers.players
    assert (video.media, audio.media) == ("video", "audio")
    assert [request.split()[0] for request in asked] == ["DESCRIBE", "SETUP", "SETUP", "PLAY"]
    assert f"client_port={video.ports}\r\n" in asked[1]
    assert asked[1].startswith(f"SETUP rtsp://127.0.0.1:{port}/live/s0/trackID=0 ")
    assert asked[2].startswith("SETUP rtsp://127.0.0.1/live/s0/trackID=1 ")
    assert "Session: abc\r\n" in asked[3]
    assert not gone(dialogue.socket)


def test_players_inside_their_connections_take_pairs_of_channels(
    server: tuple[int, list[str]],
) -> None:
    port, asked = server
    with open_inside(port, "s0") as connection:
        connection.recv(100)
        assert ["interleaved=0-1" in asked[1], "interleaved=2-3" in asked[2]] == [True, True]


def test_a_window_is_reported(server: tuple[int, list[str]], receivers: Receivers) -> None:
    receivers.open(server[0], "s0")
    [(_, [video, _])] = receivers.players
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(video.socket.getsockname())
        for number in (1, 2, 4):
            sender.send(packet(number))
        receive(receivers, video, 3)
    told = receivers.figures(1.0)
    assert (told["packets"], told["missing"], told["drops"]) == (3, 1, 0)
    assert told["burst"] == largest_burst(video.packets()["at_ns"])
    assert told["gbit"] * 1e9 == 2400
    assert told["closed"] == 0
