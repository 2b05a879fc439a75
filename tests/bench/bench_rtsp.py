"""RTSP beside RTMP: viewers inside their connections, and over UDP; what is lost, how it is paced.

``python tests/bench/bench_rtsp.py [--runs 5] [--only rtmp-200,udp-100] [--seconds 8] [--json F]``

streamctl runs alone on core 0, its load on core 1. Rows take turns within a repeat, so that what
disturbs the machine disturbs all of them. CPU is the scheduler's count of nanoseconds over all
threads and children of the server during the measured window, per Gbit that was published, since
the bytes differ by the packets' heads. A run that delivered less than 95 % of what was published is
counted in the table, never dropped.
"""

# ruff: noqa: T201 (the table on stdout is the result)
from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.batch import LOAD_CORE, load, options, pin, report, window
from tests.bench.bench_rtmp import DELIVERED, MEDIA, PROBES, WARMUP_S
from tests.bench.bench_rtmp import LOAD as RTMP_LOAD
from tests.support.media import MediaCache
from tests.support.peers import CONFIG, Streamctl, stream_toml

if TYPE_CHECKING:
    from collections.abc import Iterable

LOAD = Path(__file__).with_name("rtsp_load.py")
CODE = "s0"
HEAD = """
[listeners.rtsp]
address = "127.0.0.1:0"
session_timeout_s = 3600
[limits]
sessions_per_ip = 10000
[defaults]
outputs = ["{output}"]
"""


@dataclass(frozen=True)
class Row:
    """So many viewers of one stream, and how it gets to them."""

    way: str
    viewers: int
    target: float | None = None
    """What the CPU per Gbit may be, as a multiple of that of the reference."""

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"{self.way}-{self.viewers}"


REFERENCE = "rtmp-200"
ROWS = {
    row.name: row
    for row in (Row("rtmp", 200), Row("tcp", 200, 1.3), Row("udp", 10), Row("udp", 100))
}


@dataclass(frozen=True)
class Run:
    """One measurement."""

    row: str
    cpu_percent: float
    cpu_s_per_gbit: float
    delivered: float
    """Received over published, by the slowest viewer."""
    heard: dict[str, Any]
    """What the load tells."""

    @property
    def under(self) -> bool:
        """Whether viewers got less than was published."""
        lost = self.heard.get("missing", 0) + self.heard.get("drops", 0)
        return self.delivered < DELIVERED or self.heard["closed"] > 0 or lost > 0


def measure(row: Row, media: Path, seconds: float) -> Run:
    """Start a server, load it, read its CPU over the window."""
    head = CONFIG + HEAD.format(output="rtmp" if row.way == "rtmp" else "rtsp")
    with tempfile.TemporaryDirectory(prefix="streamctl-bench-") as folder:
        server = Streamctl(Path(folder), stream_toml(CODE), head=head)
        pin(server)
        with server, load(RTMP_LOAD, "publish", server.port("rtmp"), media, 600, CODE) as source:
            source.wait_line("publishing", 30)
            server.wait_on_air(CODE)
            times = (WARMUP_S, seconds, PROBES, f"{CODE}:{row.viewers}")
            if row.way == "rtmp":
                players = load(RTMP_LOAD, "play", server.port("rtmp"), *times)
            else:
                players = load(LOAD, row.way, server.port("rtsp"), *times)
            with players:
                used, heard = window(server, players, seconds)
    rate = media.stat().st_size * 8 / MEDIA.seconds
    return Run(
        row=row.name,
        cpu_percent=used / seconds * 100,
        cpu_s_per_gbit=used / (rate * row.viewers * seconds / 1e9),
        delivered=heard["mbps_min"] * 1e6 / rate,
        heard=heard,
    )


def table(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Medians by row, with the ratio against RTMP of the same batch."""
    rows = []
    runs = list(runs)
    reference = [run.cpu_s_per_gbit for run in runs if run.row == REFERENCE]
    for row in ROWS.values():
        mine = [run for run in runs if run.row == row.name]
        if not mine:
            continue
        cpu = [run.cpu_percent for run in mine]
        figure = median(run.cpu_s_per_gbit for run in mine)
        rows.append(
            {
                "viewers": row.name,
                "cpu": median(cpu),
                "range": [min(cpu), max(cpu)],
                "cpu_s_per_gbit": figure,
                "ratio": figure / median(reference) if reference else None,
                "target": row.target,
                "under": f"{sum(run.under for run in mine)}/{len(mine)}",
                **(paced(mine) if row.way == "udp" else late(mine)),
            }
        )
    return rows


def late(runs: list[Run]) -> dict[str, Any]:
    """How late pictures were."""
    return {name: median(run.heard[name] for run in runs) for name in ("p50_ms", "p99_ms")}


def paced(runs: list[Run]) -> dict[str, Any]:
    """What was lost in all runs together, and the worst of each measure of pace."""
    heard = [run.heard for run in runs]
    spreads = [one["spread_ms"] for one in heard if one["spread_ms"]]
    return {
        "packets": sum(one["packets"] for one in heard),
        "missing": sum(one["missing"] for one in heard),
        "drops": sum(one["drops"] for one in heard),
        "burst": [one["burst"] for one in heard],
        "spread_ms": [median(values) for values in zip(*spreads, strict=True)],
        "load_percent": max(one["load_percent"] for one in heard),
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print two tables in Markdown: what it costs, and what UDP is like."""
    print("| viewers | CPU % (range) | CPU-s/Gbit | vs RTMP | target | p50 / p99 ms | under |")
    print("|---" * 7 + "|")
    for row in rows:
        low, high = row["range"]
        delay = f"{row['p50_ms']:.1f} / {row['p99_ms']:.1f}" if "p50_ms" in row else "-"
        ratio = f"{row['ratio']:.2f}" if row["ratio"] else "-"
        target = f"≤ {row['target']}" if row["target"] else "-"
        print(
            f"| {row['viewers']} | {row['cpu']:.1f} ({low:.1f}-{high:.1f}) "
            f"| {row['cpu_s_per_gbit']:.4f} | {ratio} | {target} | {delay} | {row['under']} |"
        )
    print()
    print("| viewers | packets | missing | kernel drops | burst (1 ms) | spread of a picture, ms |")
    print("|---" * 6 + "|")
    for row in rows:
        if "burst" in row:
            burst = f"{median(row['burst']):.0f} ({min(row['burst'])}-{max(row['burst'])})"
            spread = " / ".join(f"{value:.1f}" for value in row["spread_ms"])
            print(
                f"| {row['viewers']} | {row['packets']:,} | {row['missing']} | {row['drops']} "
                f"| {burst} | {spread} |"
            )


def main() -> None:
    """Read the command line and run the batch."""
    args = options(__doc__, ROWS, runs=5, seconds=8.0).parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="streamctl-bench-") as folder:
        media = MediaCache(Path(folder))(MEDIA).path
        for repeat in range(args.runs):
            for name in args.only.split(","):
                run = measure(ROWS[name], media, args.seconds)
                runs.append(run)
                note = " UNDER-DELIVERED" if run.under else ""
                print(f"{repeat + 1} {run}{note}", file=sys.stderr, flush=True)
    report(table(runs), runs, show, args.json)


if __name__ == "__main__":
    main()
