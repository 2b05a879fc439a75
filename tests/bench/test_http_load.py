"""The HTTP load tool counts what it was answered."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.bench import http_load
from tests.bench.bench_http import ROWS, Run, table

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 10\r\n\r\n0123456789"


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_an_answer_in_pieces_is_one_answer(server: socket.socket) -> None:
    client = http_load.Client(server.getsockname()[1], "/a")
    client.sock.setblocking(True)
    peer, _ = server.accept()
    with client.sock, peer:
        assert peer.recv(1000).startswith(b"GET /a HTTP/1.1\r\nHost: ")
        sink = bytearray(1000)
        answers = 0
        for start in range(0, len(ANSWER), 7):
            peer.sendall(ANSWER[start : start + 7])
            _, complete = client.take(sink)
            answers += complete
        assert answers == 1
        assert peer.recv(1000) == client.request


def test_answers_are_counted_in_the_window(
    server: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve() -> None:
        peer, _ = server.accept()
        # The window closes between an answer and its reading.
        with peer, suppress(ConnectionError):
            while peer.recv(1000):
                peer.sendall(ANSWER)

    def answered() -> tuple[int, float]:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        http_load.ask(server.getsockname()[1], 0.05, 0.3, 1, "/a")
        thread.join(30)
        assert not thread.is_alive()
        printed = capsys.readouterr().out
        found = re.search(r'begin\nend\n{"answers": (\d+), "gbit": (\S+)}', printed)
        assert found
        return int(found[1]), float(found[2])

    # The machine may stand still for all of a window.
    answers, gbit = next((found for found in (answered() for _ in range(5)) if found[0]), (0, 0.0))
    assert answers > 0
    assert gbit == pytest.approx(answers * len(ANSWER) * 8 / 1e9)


def test_a_refusal_is_an_error() -> None:
    with pytest.raises(ConnectionError, match="404"):
        http_load.body_bytes(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3")


def test_the_table_tells_ratios_in_the_direction_of_their_targets() -> None:
    runs = [
        Run("segment", "nginx", 100.0, 2000.0, 1.0, under=False),
        Run("segment", "streamctl", 100.0, 3000.0, 1.0, under=False),
        Run("ts300", "rtmp", 10.0, 0.07, 1.0, under=False),
        Run("ts300", "http-ts", 11.0, 0.07, 1.0, under=True),
    ]
    lines = table(runs).splitlines()
    assert len(lines) == 2 + 4
    assert "| 1.50 | ≥ 1.0 | 0/1 |" in lines[3]
    assert "| 1.10 | ≤ 1.2 | 1/1 |" in lines[5]
    assert ROWS["playlist"].target == 0.8
