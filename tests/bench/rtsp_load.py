"""Load for one RTSP server: players inside their connections, or over UDP.

``python rtsp_load.py tcp PORT WARMUP_S SECONDS PROBES NAME:COUNT…`` is ``rtmp_load.py play`` over
RTSP. ``… udp …`` receives over UDP, reads nothing but the head of each packet and the time at which
the kernel got it, and tells what is missing and how the packets of a picture were spread.
Receivers are read every few milliseconds, many packets a call; as the kernel takes the times, that
costs the measure nothing.
"""

# ruff: noqa: T201 (lines on stdout are what the harness reads)
from __future__ import annotations

import argparse
import ctypes
import json
import select
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from streamctl.net.datagrams import Message, Piece, libc
from streamctl.net.udp_socket import kernel_drops, set_receive_buffer
from tests.bench.rtmp_load import CONNECT_GAP_S, order_of, play, take_players
from tests.bench.rtsp_wire import Dialogue, open_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = np.dtype(
    [("version", "u1"), ("kind", "u1"), ("sequence", ">u2"), ("stamp", ">u4"), ("ssrc", ">u4")]
)
CONTROL = np.dtype(
    [("size", "u8"), ("level", "i4"), ("kind", "i4"), ("seconds", "i8"), ("nanoseconds", "i8")]
)
"""``struct cmsghdr`` and the ``struct timespec`` in it."""
PACKET = np.dtype([("at_ns", "i8"), ("stamp", "i8"), ("sequence", "u2"), ("size", "u2")])
SO_TIMESTAMPNS = 35
BATCH = 128
BUFFER_BYTES = 2 * 1024 * 1024
"""All players stand still when this process does, so they have more room than players have."""
REST_S = 0.004
BURST_NS = 1_000_000
LARGE = 16
"""Packets of a picture that has to be spread: twice as many as one wake-up should send."""


class HeadReader:
    """Reads the heads of datagrams, and when they came (``recvmmsg(2)``)."""

    def __init__(self) -> None:
        self.heads: Any = np.zeros(BATCH, HEAD)
        self.controls: Any = np.zeros(BATCH, CONTROL)
        self.pieces = (Piece * BATCH)()
        self.messages = (Message * BATCH)()
        for at, (piece, message) in enumerate(zip(self.pieces, self.messages, strict=True)):
            piece.base = self.heads.ctypes.data + at * HEAD.itemsize
            piece.size = HEAD.itemsize
            message.header.pieces = ctypes.addressof(piece)
            message.header.piece_count = 1
            message.header.control = self.controls.ctypes.data + at * CONTROL.itemsize
            message.header.control_size = CONTROL.itemsize
        words: Any = np.frombuffer(memoryview(self.messages).cast("B"), dtype=np.uint32)
        step = ctypes.sizeof(Message) // words.itemsize
        self.sizes: Any = words[Message.size.offset // words.itemsize :: step]

    def read(self, fd: int) -> Any:
        """The packets that have come; None = nothing was there."""
        flags = socket.MSG_DONTWAIT | socket.MSG_TRUNC
        count = libc.recvmmsg(fd, self.messages, BATCH, flags, None)
        if count <= 0:
            return None
        heads, controls = self.heads[:count], self.controls[:count]
        found = np.empty(count, PACKET)
        found["at_ns"] = controls["seconds"] * 1_000_000_000 + controls["nanoseconds"]
        found["stamp"] = heads["stamp"]
        found["sequence"] = heads["sequence"]
        found["size"] = self.sizes[:count]
        return found


class Track:
    """One track of a player, on two ports of its own."""

    def __init__(self) -> None:
        self.socket = bound()
        set_receive_buffer(self.socket, BUFFER_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.reports = bound()
        """Nobody reads them: there are few."""
        self.media = ""
        self.found: list[Any] = []
        self.warm = 0
        """How much of it came in the warm-up."""

    @property
    def ports(self) -> str:
        """As SETUP wants them."""
        return "-".join(str(each.getsockname()[1]) for each in (self.socket, self.reports))

    def packets(self) -> Any:
        """What has come in all."""
        return np.concatenate([np.empty(0, PACKET), *self.found])


class Receivers:
    """Players over UDP and what came to them."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.reader = HeadReader()
        self.tracks: dict[int, Track] = {}
        self.players: list[tuple[Dialogue, list[Track]]] = []

    def open(self, port: int, name: str) -> None:
        """Open a player, and let media flow."""
        dialogue, tracks = Dialogue(port, name), []

        def transport(_: int) -> str:
            tracks.append(track := Track())
            self.add(track)
            return f"RTP/AVP;unicast;client_port={track.ports}"

        for track, media in zip(tracks, dialogue.set_up(transport), strict=False):
            track.media = media
        self.players.append((dialogue, tracks))
        dialogue.ask("PLAY", dialogue.url)

    def add(self, track: Track) -> None:
        """Receive a track."""
        self.tracks[track.socket.fileno()] = track
        self.epoll.register(track.socket, select.EPOLLIN)

    def run(self, seconds: float) -> None:
        """Receive for that long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for number, _ in self.epoll.poll(left):
                self.take(number)
            time.sleep(REST_S)

    def take(self, number: int) -> None:
        """Receive on one port."""
        found = self.reader.read(number)
        if found is not None:
            self.tracks[number].found.append(found)

    def report(self, seconds: float) -> None:
        """Measure for that long; ``begin`` and ``end`` around it, then a JSON line."""
        for track in self.tracks.values():
            track.warm = sum(map(len, track.found))
        print("begin", flush=True)
        started, busy = time.monotonic(), time.process_time()
        self.run(seconds)
        elapsed = time.monotonic() - started
        print("end", flush=True)
        load = (time.process_time() - busy) / elapsed * 100
        print(json.dumps(self.figures(elapsed) | {"load_percent": round(load, 1)}), flush=True)

    def figures(self, elapsed: float) -> dict[str, Any]:
        """What has been lost since the beginning, and what the window was like."""
        # At once: nobody reads from now on.
        drops = sum(kernel_drops(track.socket) for track in self.tracks.values())
        bits, bursts, spreads = [], [], [np.empty(0)]
        packets = lost = 0
        for _, tracks in self.players:
            found = [track.packets() for track in tracks]
            packets += sum(map(len, found))
            lost += sum(missing(each["sequence"]) for each in found)
            here = [each[track.warm :] for track, each in zip(tracks, found, strict=True)]
            both = np.concatenate(here)
            bits.append(int(both["size"].sum(dtype=np.int64)) * 8 / elapsed)
            bursts.append(largest_burst(np.sort(both["at_ns"])))
            spreads += [
                spread_ms(each)
                for track, each in zip(tracks, here, strict=True)
                if track.media == "video"
            ]
        spread = np.concatenate(spreads)
        return {
            "viewers": len(self.players),
            "closed": sum(gone(dialogue.socket) for dialogue, _ in self.players),
            "gbit": sum(bits) * elapsed / 1e9,
            "mbps_mean": sum(bits) / len(bits) / 1e6,
            "mbps_min": min(bits) / 1e6,
            "packets": packets,
            "missing": lost,
            "drops": drops,
            "burst": max(bursts),
            "large_pictures": len(spread),
            "spread_ms": quantiles(spread),
        }


def bound() -> socket.socket:
    """A socket for datagrams on a port of its own."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.bind(("127.0.0.1", 0))
    return found


def missing(sequences: Any) -> int:
    """How many numbers between the lowest and the highest have not come."""
    if not len(sequences):
        return 0
    steps = np.diff(sequences).astype(np.int16).astype(np.int64)
    unwrapped = np.concatenate(([0], np.cumsum(steps)))
    return int(unwrapped.max() - unwrapped.min()) + 1 - len(np.unique(unwrapped))


def largest_burst(at_ns: Any) -> int:
    """The most packets that came within a millisecond."""
    first = np.searchsorted(at_ns, at_ns - BURST_NS, side="right")
    return int(np.max(np.arange(len(at_ns)) - first, initial=-1)) + 1


def spread_ms(packets: Any) -> Any:
    """From the first to the last packet of each large picture; those at both ends may be cut."""
    edges = np.flatnonzero(np.diff(packets["stamp"])) + 1
    starts, ends = edges[:-1], edges[1:]
    large = ends - starts >= LARGE
    at_ns = packets["at_ns"]
    return (at_ns[ends[large] - 1] - at_ns[starts[large]]) / 1e6


def quantiles(values: Any) -> list[float]:
    """Median, 99th percentile and largest."""
    if not len(values):
        return []
    return [round(float(each), 2) for each in np.quantile(values, (0.5, 0.99, 1.0))]


def gone(connection: socket.socket) -> bool:
    """Whether the server has closed a connection."""
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True


def play_over_udp(port: int, window: tuple[float, float], order: Sequence[str]) -> None:
    """Open players over UDP, warm up, measure, report."""
    receivers = Receivers()
    warmup_s, seconds = window
    for name in order:
        receivers.open(port, name)
        receivers.run(CONNECT_GAP_S)
    receivers.run(warmup_s)
    receivers.report(seconds)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("tcp", "udp"))
    take_players(parser)
    args = parser.parse_args()
    order, window = order_of(args.names), (args.warmup, args.seconds)
    if args.way == "tcp":
        play(open_inside, args.port, window, args.probes, order)
    else:
        play_over_udp(args.port, window, order)


if __name__ == "__main__":
    main()
