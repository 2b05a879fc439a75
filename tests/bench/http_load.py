"""Load for one HTTP server: clients that ask again and again, viewers of an endless response.

``python http_load.py ask PORT WARMUP_S SECONDS CONNECTIONS PATH`` keeps one request under way on
each connection; ``… watch PORT WARMUP_S SECONDS VIEWERS PATH`` reads what never ends. Both print
``begin`` and ``end`` around the measured window and one JSON line. Answers are read, as players
do: thrown away in the kernel, a file sent from the page cache would never be copied at all.
Endless responses are thrown away there, like those of ``rtmp_load.py``.
"""

# ruff: noqa: T201 (lines on stdout are what the harness reads)
from __future__ import annotations

import argparse
import json
import re
import select
import socket
import sys
from contextlib import ExitStack, closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rtmp_load import CONNECT_GAP_S, Players, ready, take_window

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD_BYTES = 65_536
"""Read where a head is expected; more than any, and a playlist with it."""
BODY_BYTES = 1 << 20
HEAD_END = b"\r\n\r\n"


class Client:
    """One connection that has one request under way."""

    def __init__(self, port: int, path: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request(path)
        self.head = b""
        self.left = 0
        """Bytes of the body that are still to come."""
        self.sock.sendall(self.request)
        self.sock.setblocking(False)

    def take(self, sink: bytearray) -> tuple[int, int]:
        """Bytes that came, and how many answers they completed (0 or 1)."""
        if self.left:
            count = self.sock.recv_into(sink, min(self.left, BODY_BYTES))
            self.left -= count
        else:
            data = self.sock.recv(HEAD_BYTES)
            count = len(data)
            self.head += data
            end = self.head.find(HEAD_END)
            if end >= 0:
                self.left = body_bytes(self.head[:end]) - (len(self.head) - end - len(HEAD_END))
                self.head = b""
            elif data:
                return count, 0
        if not count:
            raise ConnectionError("the server closed the connection")
        if self.left:
            return count, 0
        self.sock.send(self.request)
        return count, 1


def request(path: str) -> bytes:
    """The bytes of a request as players make them."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
    ).encode()


def body_bytes(head: bytes) -> int:
    """The length that a successful answer announces."""
    found = LENGTH.search(head)
    if b" 200 " not in head[:16] or found is None:
        raise ConnectionError(f"not what was asked for: {head[:100]!r}")
    return int(found.group(1))


def ask(port: int, warmup_s: float, seconds: float, connections: int, path: str) -> None:
    """Closed loop: the next request follows the answer at once."""
    poll = select.epoll()
    clients: dict[int, Client] = {}
    for _ in range(connections):
        client = Client(port, path)
        clients[client.sock.fileno()] = client
        poll.register(client.sock, select.EPOLLIN)
    sink = bytearray(BODY_BYTES)

    def run(run_s: float) -> tuple[int, int]:
        received = answers = 0
        for number in ready(poll, run_s):
            count, complete = clients[number].take(sink)
            received += count
            answers += complete
        return received, answers

    with closing(poll), ExitStack() as stack:
        for client in clients.values():
            stack.enter_context(client.sock)
        run(warmup_s)
        print("begin", flush=True)
        received, answers = run(seconds)
        print("end", flush=True)
    print(json.dumps({"answers": answers, "gbit": received * 8 / 1e9}), flush=True)


def watch(port: int, warmup_s: float, seconds: float, viewers: int, path: str) -> None:
    """Open viewers, warm up, measure."""
    players = Players()
    for _ in range(viewers):
        sock = socket.create_connection(("127.0.0.1", port), 10)
        sock.sendall(request(path))
        head = b""
        while HEAD_END not in head:
            head += sock.recv(1)
        if b" 200 " not in head[:16]:
            raise ConnectionError(f"not what was asked for: {head[:100]!r}")
        players.add(sock, probe=False)
        players.run(CONNECT_GAP_S)
    players.run(warmup_s)
    players.report(seconds)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("ask", "watch"))
    take_window(parser)
    parser.add_argument("count", type=int)
    parser.add_argument("path")
    args = parser.parse_args()
    action = ask if args.action == "ask" else watch
    action(args.port, args.warmup, args.seconds, args.count, args.path)


if __name__ == "__main__":
    main()
