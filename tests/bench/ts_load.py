"""Load for one server: senders of MPEG-TS over UDP, RTP and SRT, and viewers over SRT.

``python ts_load.py send udp|rtp|srt MEDIA.ts KBPS SECONDS TARGET…`` sends the file at a constant
rate to each ``HOST:PORT[/STREAM-ID]``, spread evenly, then prints one JSON line. ``… view WARMUP_S
SECONDS PROBES TARGET*COUNT…`` opens SRT viewers, waits, prints ``begin`` and ``end`` around the
measured window and one JSON line; the first PROBES read what comes for continuity errors.
"""

# ruff: noqa: T201 (lines on stdout are what the harness reads)
from __future__ import annotations

import argparse
import ctypes
import json
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

sys.path.insert(0, str(Path(__file__).parents[2]))

from streamctl_srt.constants import ErrorCode, Option, State
from streamctl_srt.endpoint import Endpoint
from streamctl_srt.library import Library, load
from tests.support.ts import TsReport, Walk

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKET = 188
DATAGRAM = 7 * PACKET
RTP_HEADER = 12
MP2T = 33
SOL_UDP, UDP_SEGMENT = 17, 103
MAX_SEGMENTS = 48
"""Datagrams that one call hands to the kernel; 64 KiB is its limit."""
TURNS = 5
"""Streams are served in so many turns, a millisecond each, to spread them."""
TURN_S = 0.001
CONNECT_S = 5.0
LATENCY_MS = 120
ROOM_BYTES = 1 << 22
SETTLE_S = 0.02
ASK_S = 1.0
"""After everything has arrived, the harness has so long to ask for counters before we hang up."""


@dataclass(frozen=True)
class Target:
    """Where something is sent to, or comes from."""

    host: str
    port: int
    stream_id: str = ""
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Target:
        """``HOST:PORT``, ``HOST:PORT/STREAM-ID``, ``…*COUNT``."""
        place, _, count = text.partition("*")
        address, _, stream_id = place.partition("/")
        host, _, port = address.rpartition(":")
        return cls(host, int(port), stream_id, int(count or 1))


class Sender(Protocol):
    """Sends datagrams to one place."""

    refused: int

    def send(self, begin: int, end: int) -> None:
        """Send the datagrams of these numbers."""

    def dropped(self) -> int:
        """Datagrams that were taken, but never left."""


class UdpSender:
    """Over UDP, many datagrams a call (UDP_SEGMENT)."""

    def __init__(self, target: Target, data: memoryview, size: int) -> None:
        self.data, self.size = data, size
        self.refused = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((target.host, target.port))
        self.ancillary = [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))]

    def send(self, begin: int, end: int) -> None:
        for at in range(begin, end, MAX_SEGMENTS):
            until = min(end, at + MAX_SEGMENTS)
            try:
                part = self.data[at * self.size : until * self.size]
                self.socket.sendmsg([part], self.ancillary)
            except OSError:
                self.refused += until - at

    def dropped(self) -> int:
        return 0


class SrtSender:
    """Over SRT, one message a datagram."""

    def __init__(self, library: Library, target: Target, address: int, latency_ms: int) -> None:
        self.address = address
        self.endpoint = call(library, target, publish=True, latency_ms=latency_ms)
        self.library = library
        self.refused = 0

    def send(self, begin: int, end: int) -> None:
        send, number = self.library.srt_sendmsg, self.endpoint.number
        first = self.address + begin * DATAGRAM
        for at in range(first, first + (end - begin) * DATAGRAM, DATAGRAM):
            if send(number, at, DATAGRAM, -1, 1) < 0:
                self.refused += 1

    def dropped(self) -> int:
        perf = self.endpoint.measure()
        return int(perf.pktSndDropTotal) if perf else 0


def call(
    library: Library, target: Target, *, publish: bool, latency_ms: int = LATENCY_MS
) -> Endpoint:
    """A connection as a caller; a mode is asked for where there is a stream."""
    endpoint = Endpoint(library)
    for option in (Option.SNDSYN, Option.RCVSYN, Option.TLPKTDROP):
        endpoint.set(option, int(option is Option.TLPKTDROP))
    endpoint.set(Option.RCVLATENCY, latency_ms)
    endpoint.set(Option.PEERLATENCY, latency_ms)
    endpoint.set(Option.PAYLOADSIZE, DATAGRAM)
    if target.stream_id:
        mode = "publish" if publish else "request"
        endpoint.set(Option.STREAMID, f"#!::r={target.stream_id},m={mode}")
    endpoint.connect((target.host, target.port))
    deadline = time.monotonic() + CONNECT_S
    while (state := endpoint.state()) is not State.CONNECTED:
        if time.monotonic() > deadline or state is not State.CONNECTING:
            raise SystemExit(f"not connected to {target}: {state.name}")
        time.sleep(0.01)
    return endpoint


def with_rtp(data: bytes, kbps: int) -> bytes:
    """The datagrams, each behind an RTP header (RFC 2250); equal for all streams."""
    out = []
    for number in range(len(data) // DATAGRAM):
        time_90k = number * DATAGRAM * 8 * 90 // kbps
        header = struct.pack(">BBHII", 0x80, MP2T, number & 0xFFFF, time_90k & 0xFFFF_FFFF, 0x5EED)
        out.append(header + data[number * DATAGRAM : (number + 1) * DATAGRAM])
    return b"".join(out)


def pace(senders: Sequence[Sender], rate: float, total: int) -> float:
    """Send so many datagrams a second to everybody, in turns; how late it was at worst."""
    sent = [0] * len(senders)
    started = time.monotonic()
    worst, turn = 0.0, 0
    while min(sent) < total:
        due_s = turn * TURN_S
        wait = started + due_s - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        worst = max(worst, -wait)
        for index in range(turn % TURNS, len(senders), TURNS):
            end = min(total, int(due_s * rate) + 1)
            senders[index].send(sent[index], end)
            sent[index] = end
        turn += 1
    return worst


@dataclass(frozen=True)
class Job:
    """What is to be sent, and how."""

    kind: str
    media: Path
    kbps: int
    seconds: float
    latency_ms: int


def send(job: Job, targets: list[Target]) -> None:
    """Send until the time is over, or the file."""
    kind, kbps = job.kind, job.kbps
    data = job.media.read_bytes()
    size = DATAGRAM
    if kind == "rtp":
        data = with_rtp(data, kbps)
        size += RTP_HEADER
    rate = kbps * 1000 / 8 / DATAGRAM
    total = min(int(job.seconds * rate), len(data) // size)
    senders: list[Sender]
    if kind == "srt":
        library = load()
        library.srt_startup()
        # ctypes keeps the bytes where they are, and takes their address for that.
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        senders = [SrtSender(library, each, address, job.latency_ms) for each in targets]
    else:
        senders = [UdpSender(each, memoryview(data), size) for each in targets]
    print("sending", flush=True)
    worst = pace(senders, rate, total)
    report = {
        "datagrams": total,
        "refused": sum(each.refused for each in senders),
        "worst_late_ms": round(worst * 1000, 1),
    }
    print("sent", flush=True)
    # What is still in the buffers may be resent for as long as this; then the harness asks.
    time.sleep(job.latency_ms * 2 / 1000 + ASK_S)
    report |= {"dropped": sum(each.dropped() for each in senders)}
    print(json.dumps(report), flush=True)


class Viewer:
    """One SRT viewer."""

    def __init__(self, endpoint: Endpoint, *, probe: bool) -> None:
        self.endpoint = endpoint
        self.received = 0
        self.walk = Walk(TsReport()) if probe else None
        self.closed = False

    def take(self, library: Library, buffer: ctypes.Array[ctypes.c_char]) -> None:
        """Receive all that has come."""
        receive, number = library.srt_recvmsg, self.endpoint.number
        address, at, size = ctypes.addressof(buffer), 0, 0
        while at < ROOM_BYTES - DATAGRAM:
            size = receive(number, address + at, DATAGRAM)
            if size <= 0:
                break
            at += size
        self.received += at
        if self.walk is not None:
            packets = memoryview(buffer)
            for start in range(0, at, PACKET):
                self.walk.packet(bytes(packets[start : start + PACKET]))
        if size < 0 and library.error()[0] != ErrorCode.NOTHING_TO_READ:
            self.closed = True


def view(warmup_s: float, seconds: float, probes: int, targets: list[Target]) -> None:
    """Open viewers, warm up, measure, report."""
    library = load()
    library.srt_startup()
    buffer = ctypes.create_string_buffer(ROOM_BYTES)
    viewers: list[Viewer] = []

    def watch(length_s: float) -> None:
        deadline = time.monotonic() + length_s
        while time.monotonic() < deadline:
            for each in viewers:
                if not each.closed:
                    each.take(library, buffer)
            time.sleep(SETTLE_S)

    for target in targets:
        for _ in range(target.count):
            endpoint = call(library, target, publish=False)
            viewers.append(Viewer(endpoint, probe=len(viewers) < probes))
            watch(SETTLE_S)
    watch(warmup_s)
    before = [each.received for each in viewers]
    print("begin", flush=True)
    started = time.monotonic()
    watch(seconds)
    elapsed = time.monotonic() - started
    print("end", flush=True)
    rates = [
        (each.received - was) * 8 / elapsed / 1e6 for each, was in zip(viewers, before, strict=True)
    ]
    perfs = [each.endpoint.measure() for each in viewers]
    errors = [
        error for each in viewers if each.walk for error in each.walk.report.continuity_errors
    ]
    report = {
        "viewers": len(viewers),
        "closed": sum(each.closed for each in viewers),
        "gbit": sum(rates) * elapsed / 1000,
        "mbps_min": min(rates),
        "mbps_mean": sum(rates) / len(rates),
        "lost": sum(int(perf.pktRcvLossTotal) for perf in perfs if perf),
        "dropped": sum(int(perf.pktRcvDropTotal) for perf in perfs if perf),
        "continuity_errors": len(errors),
    }
    print(json.dumps(report), flush=True)
    library.srt_cleanup()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    sending = actions.add_parser("send")
    sending.add_argument("kind", choices=("udp", "rtp", "srt"))
    sending.add_argument("media", type=Path)
    sending.add_argument("kbps", type=int)
    sending.add_argument("seconds", type=float)
    sending.add_argument("--latency", type=int, default=LATENCY_MS, help="of SRT, in ms")
    sending.add_argument("targets", nargs="+", type=Target.parse)
    viewing = actions.add_parser("view")
    viewing.add_argument("warmup", type=float)
    viewing.add_argument("seconds", type=float)
    viewing.add_argument("probes", type=int)
    viewing.add_argument("targets", nargs="+", type=Target.parse)
    args = parser.parse_args()
    if args.action == "send":
        job = Job(args.kind, args.media, args.kbps, args.seconds, args.latency)
        send(job, args.targets)
    else:
        view(args.warmup, args.seconds, args.probes, args.targets)


if __name__ == "__main__":
    main()
