"""Load for one server: publishers that pace a prepared stream, players that throw it away.

``python rtmp_load.py publish PORT MEDIA.flv SECONDS NAME…`` publishes the file, looped, under
each name, spread evenly over a frame interval. ``… play PORT WARMUP_S SECONDS PROBES NAME:COUNT…``
opens players, waits, then prints ``begin`` and ``end`` around the measured window and one JSON
line. Players discard in the kernel (MSG_TRUNC); the PROBES, placed at random in the order of
connecting, read their bytes and compare the publisher's stamps with the clock.
"""

# ruff: noqa: T201 (lines on stdout are what the harness reads)
from __future__ import annotations

import argparse
import json
import random
import select
import socket
import sys
import time
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.rtmp_wire import (
    AUDIO,
    BUFFER,
    STAMP_BYTES,
    STAMP_TAG,
    VIDEO,
    Message,
    open_player,
    open_publisher,
    prepare,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONNECT_GAP_S = 0.002
"""Between two connects, so that no accept queue overflows."""
AT_ONCE = 64
"""Connections that are read before the clock is looked at again."""


def read_flv(path: Path) -> list[Message]:
    """The messages of an FLV file, video frames with room for a stamp at their end."""
    data = path.read_bytes()
    position = 13
    found = []
    while position + 11 < len(data):
        kind = data[position]
        length = int.from_bytes(data[position + 1 : position + 4])
        at_ms = int.from_bytes(data[position + 4 : position + 7]) | data[position + 7] << 24
        payload = data[position + 11 : position + 11 + length]
        position += 11 + length + 4
        if kind == VIDEO and payload[1] == 1:
            payload += stamp_nal()
        if kind in (AUDIO, VIDEO) and not (kind == VIDEO and payload[1] == 2):
            found.append(prepare(at_ms, kind, payload))
    return found


def stamp_nal() -> bytes:
    """An SEI NAL unit of user data, length-prefixed, with an empty stamp."""
    body = b"\x06\x05" + bytes((len(STAMP_TAG) + STAMP_BYTES,))
    nal = body + STAMP_TAG + b"0" * STAMP_BYTES + b"\x80"
    return len(nal).to_bytes(4) + nal


def publish(port: int, media: Path, seconds: float, names: list[str]) -> None:
    """Publish until the time is over; lateness is made up for, never dropped."""
    messages = read_flv(media)
    headers = [m for m in messages if m.at_ms == 0 and m.before[6:7] and is_header(m)]
    messages = [m for m in messages if not is_header(m)]
    length_ms = messages[-1].at_ms + 33
    sockets = [open_publisher(port, name) for name in names]
    for sock in sockets:
        sock.sendall(b"".join(m.render(0, 0) for m in headers))
    print("publishing", flush=True)
    started = time.monotonic()
    schedule = [
        (m.at_ms / 1000 + index / len(sockets) / 30, index, m)
        for m in messages
        for index in range(len(sockets))
    ]
    schedule.sort(key=lambda entry: (entry[0], entry[1]))
    worst, rounds = 0.0, 0
    while True:
        for offset, index, item in schedule:
            due = started + rounds * length_ms / 1000 + offset
            wait = due - time.monotonic()
            if wait > 0:
                select.select([], [], [], wait)
            else:
                worst = max(worst, -wait)
            if due - started > seconds:
                print(json.dumps({"worst_late_ms": round(worst * 1000, 1)}), flush=True)
                return
            timestamp = rounds * length_ms + item.at_ms
            sockets[index].sendall(item.render(timestamp, time.monotonic_ns()))
        rounds += 1


def is_header(item: Message) -> bool:
    """Whether a message is a sequence header: its body begins ``xx 00`` for AVC and AAC."""
    body = item.before[8:]
    return body[1] == 0


def ready(poll: select.epoll, seconds: float) -> Iterator[int]:
    """Descriptors that something came to, for that long."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        for number, _ in poll.poll(left, AT_ONCE):
            yield number


class Players:
    """Connections of viewers and what came through them."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.received: dict[int, int] = {}
        self.probes: dict[int, bytearray] = {}
        self.late_ms: list[float] = []
        self.buffer = bytearray(BUFFER)
        self.closed = 0

    def add(self, sock: socket.socket, *, probe: bool) -> None:
        """Take a playing connection."""
        sock.setblocking(False)
        number = sock.fileno()
        self.sockets[number] = sock
        self.received[number] = 0
        if probe:
            self.probes[number] = bytearray()
        self.epoll.register(number, select.EPOLLIN)

    def run(self, seconds: float) -> None:
        """Receive for that long."""
        for number in ready(self.epoll, seconds):
            self.take(number)

    def take(self, number: int) -> None:
        """Receive from one connection."""
        sock, pending = self.sockets[number], self.probes.get(number)
        flags = 0 if pending is not None else socket.MSG_TRUNC
        try:
            count = sock.recv_into(self.buffer, BUFFER, flags)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if count == 0:
            self.epoll.unregister(number)
            self.closed += 1
            return
        self.received[number] += count
        if pending is not None:
            pending += self.buffer[:count]
            self.read_stamps(pending, time.monotonic_ns())

    def report(self, seconds: float) -> None:
        """Measure for that long; ``begin`` and ``end`` around it, then a JSON line."""
        self.late_ms.clear()
        before = dict(self.received)
        print("begin", flush=True)
        started = time.monotonic()
        self.run(seconds)
        elapsed = time.monotonic() - started
        print("end", flush=True)
        bits = [(self.received[n] - before[n]) * 8 / elapsed for n in self.sockets]
        cuts = quantiles(self.late_ms, n=100) if len(self.late_ms) > 1 else [0.0] * 99
        report = {
            "viewers": len(bits),
            "closed": self.closed,
            "gbit": sum(bits) * elapsed / 1e9,
            "mbps_mean": sum(bits) / len(bits) / 1e6,
            "mbps_min": min(bits) / 1e6,
            "stamps": len(self.late_ms),
            "p50_ms": cuts[49],
            "p99_ms": cuts[98],
        }
        print(json.dumps(report), flush=True)

    def read_stamps(self, pending: bytearray, now_ns: int) -> None:
        """Compare each whole stamp with the clock and forget what was searched.

        A stamp that the publisher left empty, or that a chunk header cuts, tells nothing.
        """
        end = 0
        while (found := pending.find(STAMP_TAG, end)) >= 0:
            end = found + len(STAMP_TAG) + STAMP_BYTES
            if end > len(pending):
                del pending[:found]
                return
            digits = pending[found + len(STAMP_TAG) : end]
            sent_ns = int(digits, 16) if digits.isalnum() else 0
            if sent_ns:
                self.late_ms.append((now_ns - sent_ns) / 1e6)
        del pending[: max(end, len(pending) - len(STAMP_TAG))]


def play(
    open_one: Callable[[int, str], socket.socket],
    port: int,
    window: tuple[float, float],
    probes: int,
    order: Sequence[str],
) -> None:
    """Open players, warm up, measure, report."""
    players = Players()
    warmup_s, seconds = window
    chosen = set(random.sample(range(len(order)), min(probes, len(order))))
    for index, name in enumerate(order):
        players.add(open_one(port, name), probe=index in chosen)
        players.run(CONNECT_GAP_S)
    players.run(warmup_s)
    players.report(seconds)


def order_of(names: Sequence[str]) -> list[str]:
    """What each player plays, of ``NAME`` and ``NAME:COUNT``."""
    counts = [(name, int(count or 1)) for name, _, count in (one.partition(":") for one in names)]
    return [name for name, count in counts for _ in range(count)]


def take_window(parser: argparse.ArgumentParser) -> None:
    """Take a server, and what is measured of it, from a command line."""
    parser.add_argument("port", type=int)
    parser.add_argument("warmup", type=float)
    parser.add_argument("seconds", type=float)


def take_players(parser: argparse.ArgumentParser) -> None:
    """Take the players as well."""
    take_window(parser)
    parser.add_argument("probes", type=int)
    parser.add_argument("names", nargs="+")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    publishing = actions.add_parser("publish")
    publishing.add_argument("port", type=int)
    publishing.add_argument("media", type=Path)
    publishing.add_argument("seconds", type=float)
    publishing.add_argument("names", nargs="+")
    take_players(actions.add_parser("play"))
    args = parser.parse_args()
    if args.action == "publish":
        publish(args.port, args.media, args.seconds, args.names)
    else:
        window = args.warmup, args.seconds
        play(open_player, args.port, window, args.probes, order_of(args.names))


if __name__ == "__main__":
    main()
