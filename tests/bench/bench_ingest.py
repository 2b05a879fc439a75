"""MPEG-TS coming in at rates of broadcast: what is lost, and whose CPU it costs.

``python tests/bench/bench_ingest.py [--runs 3] [--only udp-25x50] [--seconds 10] [--json FILE]``

Streams come in over UDP, RTP and SRT and go into passthrough lanes that nobody reads, except in
the row that has 50 SRT viewers. The server has core 0 for itself, senders and viewers core 1.
``srt-live-transmit`` does the same in the same run, one process a stream, and throws away what
comes. CPU is the scheduler's count of nanoseconds during the measured window, thread by thread:
libsrt names its own ``SRT:…``, the rest is ours. What the kernel had to drop is read from its
table of UDP sockets; what is lost by continuity counters, and what has arrived, from the server's
status.
"""

# ruff: noqa: T201 (the table on stdout is the result)
from __future__ import annotations

import json
import mmap
import os
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.batch import LOAD_CORE, SERVER_CORE, load, options, pin, report
from tests.support.broadcast import Broadcast, broadcast
from tests.support.media import MediaCache
from tests.support.peers import CONFIG, HOST, Streamctl
from tests.support.process import Process, eventually, family
from tests.support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOAD = Path(__file__).with_name("ts_load.py")
WARMUP_S = 12.0
"""Until the senders run evenly, and the rings (``buffer_s``, 10 s) are full: fresh memory costs."""
MARGIN_S = 6.0
"""Sent on after the window, so that its end is not the stream's."""
PASS_S = 4
SETTLED_S = 0.6
"""Until the last datagram is through the latency of SRT and the engine."""
PACKETS = 7
"""In a datagram."""
PACKET_BITS = 188 * 8
HUGE_PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
"""For everybody, as docs/udp.md advises: fresh memory for rings is much of the cost else."""
RING_S = 10
"""``buffer_s`` of a stream."""
PAGE_BYTES = 4096
ATTEMPTS = 4
PROBES = 2
VIEWER_MBPS = 5
FIRST_PORT = 21_000
"""For programs that are told their port; below the range that the system hands out."""
OURS, PEER = "streamctl", "srt-live-transmit"
LIBRARY_THREADS = "SRT:"


@dataclass(frozen=True)
class Scenario:
    """So many streams of one rate over one protocol."""

    kind: str
    streams: int
    mbps: int
    viewers: int = 0

    @property
    def name(self) -> str:
        """As on the command line."""
        shown = f"{self.kind}-{self.streams}x{self.mbps}"
        return f"{shown}-{self.viewers}v" if self.viewers else shown

    @property
    def codes(self) -> list[str]:
        """The streams' names."""
        return [f"s{number}" for number in range(self.streams)]

    @property
    def servers(self) -> tuple[str, ...]:
        """Who takes part."""
        return (OURS, PEER) if self.kind == "srt" and not self.viewers else (OURS,)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("udp", 25, 50),
        Scenario("rtp", 25, 50),
        Scenario("srt", 1, 20),
        Scenario("srt", 10, 20),
        Scenario("srt", 25, 20),
        *(Scenario("srt", streams, 50) for streams in (10, 15, 20, 25)),
        Scenario("srt", 1, VIEWER_MBPS, viewers=50),
    )
}


@dataclass
class Run:
    """One measurement of one server."""

    scenario: str
    server: str
    cpu_percent: float
    """All threads of the server."""
    library_percent: float
    """Of it, those of libsrt."""
    received: float
    """Packets in the window over those sent at the rate; 1 = everything."""
    kernel_drops: int
    lost_packets: int
    """By the continuity counters of all PIDs."""
    missing_packets: int
    """Sent in the whole run, but not received."""
    late_ms: float
    """How late the sender was at worst; much of it is burst for the receiver."""
    refused: int
    """Datagrams that the sender could not get rid of."""
    sender_drops: int
    """Packets that libsrt gave up at the sender: too late."""
    viewers: dict[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether nothing was lost anywhere."""
        return not (
            self.kernel_drops
            or self.lost_packets
            or self.missing_packets
            or self.refused
            or self.sender_drops
        )


@dataclass
class Server:
    """A running server, or several processes that are one."""

    processes: list[Process]
    targets: list[str]
    ours: Streamctl | None = None

    def threads(self) -> dict[tuple[int, str], int]:
        """Nanoseconds of each thread so far."""
        found: dict[tuple[int, str], int] = {}
        for process in self.processes:
            for member in family(process.pid):
                with suppress(OSError):
                    for task in Path(f"/proc/{member}/task").iterdir():
                        name = (task / "comm").read_text().strip()
                        spent = int((task / "schedstat").read_text().split()[0])
                        found[int(task.name), name] = spent
        return found

    def kernel_drops(self) -> int:
        """Datagrams that found the buffers of its UDP sockets full."""
        inodes = {
            link
            for process in self.processes
            for member in family(process.pid)
            for link in sockets(member)
        }
        rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
        return sum(int(row[12]) for row in rows if f"socket:[{row[9]}]" in inodes)

    def streams(self, ours: Streamctl) -> list[dict[str, Any]]:
        """The status documents; asked for again when the load leaves us no time to hear them."""
        for attempt in range(ATTEMPTS):
            try:
                found: list[dict[str, Any]] = ours.ask("/api/v1/streams")[1]["streams"]
            except TimeoutError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return found
        return []

    def status(self) -> tuple[int, int]:
        """Packets received, and lost by their counters, by its own account."""
        if self.ours is None:
            return 0, 0
        streams = self.streams(self.ours)
        inputs = [each["inputs"][0]["transport"] or {} for each in streams]
        received = sum(each.get("packets", 0) for each in inputs)
        return received, sum(each.get("lost_packets", 0) for each in inputs)


def sockets(pid: int) -> Iterator[str]:
    """What the descriptors of a process stand for."""
    with suppress(OSError):
        for one in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield os.readlink(one)  # noqa: PTH115 (sockets are no paths)


def start(stack: ExitStack, server: str, scenario: Scenario, folder: Path) -> Server:
    """A server on core 0 that waits for the streams of a scenario."""
    ports = [FIRST_PORT + number for number in range(scenario.streams)]
    if server == PEER:
        return start_peer(stack, ports)
    output = "srt" if scenario.viewers else "http-ts"
    head = CONFIG + f'[defaults]\noutputs = ["{output}"]\n'
    if scenario.kind == "srt":
        head = head.replace(
            "[defaults]",
            '[listeners.srt]\naddress = "127.0.0.1:0"\n[limits]\nsessions_per_ip = '
            "1000\n[defaults]",
        )
        inputs = ["publish:"] * len(ports)
    else:
        inputs = [f"udp://{HOST}:{port}" for port in ports]
    streams = "".join(
        f'[streams.{code}]\ninputs = ["{url}"]\n'
        for code, url in zip(scenario.codes, inputs, strict=True)
    )
    ours = stack.enter_context(Streamctl(folder, streams, head=head))
    pin(ours)
    if scenario.kind == "srt":
        port = ours.port("srt")
        return Server([ours], [f"{HOST}:{port}/{code}" for code in scenario.codes], ours)
    eventually(lambda: all(bound(port) for port in ports), 10, "the inputs are there")
    return Server([ours], [f"{HOST}:{port}" for port in ports], ours)


def start_peer(stack: ExitStack, ports: list[int]) -> Server:
    """One ``srt-live-transmit`` for each stream."""
    processes = []
    program = tool(PEER)
    for port in ports:
        command = f"exec {program} -q -a:no srt://{HOST}:{port}?mode=listener file://con >/dev/null"
        argv = ["taskset", "-c", SERVER_CORE, "sh", "-c", command]
        processes.append(stack.enter_context(Process(argv)))
    eventually(lambda: all(bound(port) for port in ports), 10, "the peers listen")
    return Server(processes, [f"{HOST}:{port}" for port in ports])


def bound(port: int) -> bool:
    """Whether a UDP port is taken."""
    rows = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(int(row.split()[1].partition(":")[2], 16) == port for row in rows)


def fetch_memory(scenario: Scenario) -> None:
    """Have the host of a virtual machine hand over what twice the rings take.

    It takes back what lies idle, and clears each page that it gives again: while rings grow by
    100 MB/s that is a load of its own, which says nothing about a server.
    """
    size = 2 * RING_S * scenario.streams * scenario.mbps * 1_000_000 // 8
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for page in range(0, size, PAGE_BYTES):
            memory[page] = 1


def measure(server: str, scenario: Scenario, media: Path, seconds: float) -> Run:
    """Start a server, load it, read its CPU over the window."""
    kbps = scenario.mbps * 1000
    fetch_memory(scenario)
    length = WARMUP_S + seconds + MARGIN_S
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamctl-bench-")))
        running = start(stack, server, scenario, folder)
        sender = stack.enter_context(
            load(LOAD, "send", scenario.kind, media, kbps, length, *running.targets)
        )
        sender.wait_line("^sending", 60)
        viewers = None
        if scenario.viewers:
            target = f"{running.targets[0]}*{scenario.viewers}"
            viewers = stack.enter_context(load(LOAD, "view", 1, seconds, PROBES, target))
            viewers.wait_line("^begin", 30)
        else:
            time.sleep(WARMUP_S)
        before, began = running.threads(), time.monotonic()
        received = running.status()[0]
        if viewers is not None:
            viewers.wait_line("^end", seconds + 30)
        else:
            time.sleep(seconds)
        after, elapsed = running.threads(), time.monotonic() - began
        received = running.status()[0] - received
        sender.wait_line("^sent$", length + 60)
        time.sleep(SETTLED_S)
        arrived, lost = running.status()
        sent = json.loads(sender.wait_line(r"^\{", 20).string)
        total = sent["datagrams"] * PACKETS * scenario.streams
        seen = json.loads(viewers.wait_line(r"^\{", 10).string) if viewers else {}
        spent = {key: value - before.get(key, 0) for key, value in after.items()}
        theirs = sum(ns for (_, name), ns in spent.items() if name.startswith(LIBRARY_THREADS))
        return Run(
            scenario=scenario.name,
            server=server,
            cpu_percent=sum(spent.values()) / elapsed / 1e7,
            library_percent=theirs / elapsed / 1e7,
            received=received * PACKET_BITS / elapsed / (kbps * 1000 * scenario.streams),
            kernel_drops=running.kernel_drops(),
            lost_packets=lost,
            missing_packets=total - arrived if running.ours is not None else 0,
            late_ms=sent["worst_late_ms"],
            refused=sent["refused"],
            sender_drops=sent["dropped"],
            viewers=seen,
        )


def medium(cache: MediaCache, mbps: int, seconds: float) -> Path:
    """A capture of a constant rate, long enough for everything, in a file of its own."""
    path = cache.folder / f"{mbps}.ts"
    if not path.exists():
        high = mbps > VIEWER_MBPS
        wanted = Broadcast(
            seconds=PASS_S,
            repeat=int(seconds / PASS_S) + 2,
            kbps=mbps * 1000,
            video_kbps=round(mbps * 820),
            size=(1280, 720) if high else (640, 360),
            fps=Fraction(50) if high else Fraction(25),
            gop=50 if high else 25,
        )
        path.write_bytes(broadcast(cache, wanted).data)
    return path


def table(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Medians by scenario and server."""
    rows = []
    for name, scenario in SCENARIOS.items():
        for server in scenario.servers:
            mine = [run for run in runs if (run.scenario, run.server) == (name, server)]
            if not mine:
                continue
            cpu = [run.cpu_percent for run in mine]
            rows.append(
                {
                    "streams": name,
                    "server": server,
                    "cpu": median(cpu),
                    "range": [min(cpu), max(cpu)],
                    "library": median(run.library_percent for run in mine),
                    "received": median(run.received for run in mine),
                    "kernel_drops": sum(run.kernel_drops for run in mine),
                    "lost_packets": sum(run.lost_packets for run in mine),
                    "missing_packets": sum(run.missing_packets for run in mine),
                    "sender_drops": sum(run.refused + run.sender_drops for run in mine),
                    "viewers": mine[-1].viewers,
                    "whole": f"{sum(run.whole for run in mine)}/{len(mine)}",
                }
            )
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table in Markdown."""
    print(
        "| streams | server | CPU % (range) | ours + libsrt | received | kernel drops "
        "| lost by counters | missing | sender drops | viewers | whole |"
    )
    print("|---" * 11 + "|")
    for row in rows:
        low, high = row["range"]
        seen = row["viewers"]
        watched = (
            f"{seen['viewers']} x {seen['mbps_min']:.2f} Mbps, {seen['continuity_errors']} errors"
            if seen
            else "-"
        )
        received = f"{row['received']:.3f}" if row["server"] == OURS else "-"
        print(
            f"| {row['streams']} | {row['server']} | {row['cpu']:.1f} ({low:.1f}-{high:.1f}) "
            f"| {row['cpu'] - row['library']:.1f} + {row['library']:.1f} | {received} "
            f"| {row['kernel_drops']} | {row['lost_packets']} | {row['missing_packets']} "
            f"| {row['sender_drops']} "
            f"| {watched} | {row['whole']} |"
        )


def main() -> None:
    """Read the command line and run the batch."""
    args = options(__doc__, SCENARIOS, runs=3, seconds=10.0).parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    os.environ.setdefault(*HUGE_PAGES)
    runs: list[Run] = []
    wanted = [SCENARIOS[name] for name in args.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="streamctl-bench-") as folder:
        cache = MediaCache(Path(folder))
        length = WARMUP_S + args.seconds + MARGIN_S
        for repeat in range(args.runs):
            for scenario in wanted:
                path = medium(cache, scenario.mbps, length)
                for server in scenario.servers:
                    run = measure(server, scenario, path, args.seconds)
                    runs.append(run)
                    print(f"{repeat + 1} {run}", file=sys.stderr, flush=True)
    report(table(runs), runs, show, args.json)


if __name__ == "__main__":
    main()
