"""RTMP fan-out and relay side by side: CPU per delivered Gbit against nginx-rtmp.

``python tests/bench/bench_rtmp.py [--runs 5] [--only 50,100x1] [--seconds 8] [--json FILE]``

Each server runs alone on core 0, its load on core 1. Servers take turns within a repeat, so that
what disturbs the machine disturbs all of them. CPU is the scheduler's count of nanoseconds over
all threads and children of the server during the measured window. A run that delivered less than
95 % of what was published is marked, and counted in the table, never dropped.
"""

# ruff: noqa: T201 (the table on stdout is the result)
from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.batch import LOAD_CORE, load, options, pin, report, window
from tests.support.media import MediaCache, Recipe
from tests.support.peers import CONFIG, Streamctl, nginx_rtmp, stream_toml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.process import Process

MEDIA = Recipe(
    seconds=20,
    container="flv",
    width=1280,
    height=720,
    fps=Fraction(30),
    gop=60,
    video_kbps=4850,
    audio_kbps=128,
)
"""5 Mbit/s: 720p30, a key frame every 2 s, stereo sound."""
LOAD = Path(__file__).with_name("rtmp_load.py")
DELIVERED = 0.95
PROBES = 8
WARMUP_S = 12
"""Until the rings are full: 10 s by default. Before that the server pays for fresh memory too."""


@dataclass(frozen=True)
class Scenario:
    """How many streams, and how many viewers of each."""

    name: str
    streams: int
    viewers: int

    @property
    def codes(self) -> list[str]:
        """The streams' names."""
        return [f"s{number}" for number in range(self.streams)]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("50", 1, 50),
        Scenario("200", 1, 200),
        Scenario("500", 1, 500),
        Scenario("100x1", 100, 1),
    )
}
SERVERS = ("nginx-rtmp", "streamctl", "streamctl merge_ms=100")


@dataclass(frozen=True)
class Run:
    """One measurement of one server."""

    scenario: str
    server: str
    cpu_percent: float
    cpu_s_per_gbit: float
    delivered: float
    """Received over published; the slowest viewer counts for ``mbps_min``."""
    mbps_min: float
    p50_ms: float
    p99_ms: float
    closed: int

    @property
    def under(self) -> bool:
        """Whether viewers got less than was published."""
        return self.delivered < DELIVERED or self.closed > 0


def start(server: str, scenario: Scenario, folder: Path) -> tuple[Process, int]:
    """A server on core 0 and its RTMP port."""
    if server == "nginx-rtmp":
        process, port = nginx_rtmp(folder)
        pin(process)
        return process, port
    merge = ("merge_ms = 100",) if "merge" in server else ()
    head = CONFIG + "[limits]\nsessions_per_ip = 10000\n[defaults]\n"
    head += "\n".join(('outputs = ["rtmp"]', *merge, ""))
    streams = "".join(stream_toml(code) for code in scenario.codes)
    ours = Streamctl(folder, streams, head=head)
    pin(ours)
    ours.ready()
    return ours, ours.port("rtmp")


def measure(server: str, scenario: Scenario, media: Path, seconds: float) -> Run:
    """Start a server, load it, read its CPU over the window."""
    folder = Path(tempfile.mkdtemp(prefix="streamctl-bench-"))
    rate = media.stat().st_size * 8 / MEDIA.seconds
    process, port = start(server, scenario, folder)
    try:
        with load(LOAD, "publish", port, media, 600, *scenario.codes) as publisher:
            publisher.wait_line("publishing", 30)
            shares = [f"{code}:{scenario.viewers}" for code in scenario.codes]
            with load(LOAD, "play", port, WARMUP_S, seconds, PROBES, *shares) as players:
                used, heard = window(process, players, seconds)
    finally:
        process.stop()
        shutil.rmtree(folder)
    expected = rate * heard["viewers"] * seconds / 1e9
    return Run(
        scenario=scenario.name,
        server=server,
        cpu_percent=used / seconds * 100,
        cpu_s_per_gbit=used / heard["gbit"] if heard["gbit"] else float("nan"),
        delivered=heard["gbit"] / expected,
        mbps_min=heard["mbps_min"],
        p50_ms=heard["p50_ms"],
        p99_ms=heard["p99_ms"],
        closed=heard["closed"],
    )


def table(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Medians by scenario and server, with the ratio against nginx-rtmp of the same batch."""
    rows = []
    for name in SCENARIOS:
        here = [run for run in runs if run.scenario == name]
        peer = medians([run for run in here if run.server == "nginx-rtmp"])
        for server in SERVERS:
            mine = [run for run in here if run.server == server]
            if mine:
                row: dict[str, Any] = {
                    "viewers": name,
                    "server": server,
                    "runs": len(mine),
                    **medians(mine),
                }
                row["ratio"] = row["cpu_s_per_gbit"] / peer["cpu_s_per_gbit"] if peer else None
                row["range"] = [min(r.cpu_percent for r in mine), max(r.cpu_percent for r in mine)]
                row["under"] = sum(run.under for run in mine)
                rows.append(row)
    return rows


def medians(runs: list[Run]) -> dict[str, float]:
    """The median of each figure."""
    if not runs:
        return {}
    names = ("cpu_percent", "cpu_s_per_gbit", "delivered", "p50_ms", "p99_ms")
    return {name: median(getattr(run, name) for run in runs) for name in names}


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table in Markdown."""
    print("| viewers | server | CPU % (range) | CPU-s/Gbit | vs nginx | p50 / p99 ms | under |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        low, high = row["range"]
        ratio = f"{row['ratio']:.2f}" if row["ratio"] else "-"
        print(
            f"| {row['viewers']} | {row['server']} "
            f"| {row['cpu_percent']:.1f} ({low:.1f}-{high:.1f}) "
            f"| {row['cpu_s_per_gbit']:.4f} | {ratio} "
            f"| {row['p50_ms']:.1f} / {row['p99_ms']:.1f} | {row['under']}/{row['runs']} |"
        )


def main() -> None:
    """Read the command line and run the batch."""
    parser = options(__doc__, SCENARIOS, runs=5, seconds=8.0)
    parser.add_argument("--servers", default=",".join(SERVERS), help="servers, with commas")
    args = parser.parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="streamctl-bench-") as folder:
        media = MediaCache(Path(folder))(MEDIA).path
        for repeat in range(args.runs):
            for name in args.only.split(","):
                for server in args.servers.split(","):
                    run = measure(server, SCENARIOS[name], media, args.seconds)
                    runs.append(run)
                    note = " UNDER-DELIVERED" if run.under else ""
                    print(f"{repeat + 1} {run}{note}", file=sys.stderr, flush=True)
    report(table(runs), runs, show, args.json)


if __name__ == "__main__":
    main()
