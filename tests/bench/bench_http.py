"""HTTP side by side: segments and playlists against nginx, HTTP-TS viewers against RTMP viewers.

``python tests/bench/bench_http.py [--runs 5] [--only segment,ts300] [--seconds 4] [--json FILE]``

The server has core 0 for itself, its load core 1. Both servers of a row take turns within a
repeat. nginx serves the very bytes that streamctl made, from files in memory (tmpfs) with
sendfile; streamctl serves them while the stream is live. CPU is the scheduler's count of
nanoseconds over all threads and children of the server during the measured window.
"""

# ruff: noqa: T201 (the table on stdout is the result)
from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.batch import LOAD_CORE, load, machine, options, pin, window
from tests.bench.bench_rtmp import DELIVERED, MEDIA, WARMUP_S
from tests.bench.bench_rtmp import LOAD as RTMP_LOAD
from tests.support.media import MediaCache
from tests.support.peers import CONFIG, HOST, Streamctl, accepts, stream_toml
from tests.support.ports import free_port
from tests.support.process import Process, eventually
from tests.support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOAD = Path(__file__).with_name("http_load.py")
MEMORY = Path("/dev/shm")
CONNECTIONS = 50
VIEWERS = 300
SEGMENTS_FIRST = 4
"""Segments in the playlist before the load begins, so that both servers answer one of that size."""
ASK_WARMUP_S = 0.5
PLAYLIST = "/s0/main_stream.m3u8"
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000000;
  types {{ video/mp2t ts; application/vnd.apple.mpegurl m3u8; }}
  server {{ listen {host}:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Row:
    """What is compared: a measure, the two that take turns, and what is asked of the ratio."""

    name: str
    servers: tuple[str, str]
    """The reference, then ours."""
    target: float


ROWS = {
    row.name: row
    for row in (
        Row("segment", ("nginx", "streamctl"), 1.0),
        Row("playlist", ("nginx", "streamctl"), 0.8),
        Row("ts300", ("rtmp", "http-ts"), 1.2),
    )
}


@dataclass(frozen=True)
class Run:
    """One measurement."""

    row: str
    server: str
    cpu_percent: float
    figure: float
    """Answers per CPU-second, or CPU-seconds per Gbit for endless responses."""
    gbit: float
    under: bool
    """Viewers got less than was published."""


def ours(folder: Path) -> Streamctl:
    """streamctl on core 0 with one stream, its listeners ready."""
    head = CONFIG + "[limits]\nsessions_per_ip = 10000\n"
    server = Streamctl(folder, stream_toml("s0"), head=head)
    pin(server)
    server.ready()
    return server


def nginx(folder: Path) -> tuple[Process, int]:
    """nginx on core 0, serving a folder."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, host=HOST, port=port, root=folder))
    process = Process([tool("nginx"), "-p", str(folder), "-c", str(config)])
    pin(process)
    eventually(lambda: accepts(port), 5, "nginx listens")
    return process, port


def fetch(url: str) -> bytes:
    """A body."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body


@contextmanager
def on_air(folder: Path, media: Path) -> Iterator[Streamctl]:
    """streamctl with a publisher and a few segments."""
    with (
        ours(folder) as server,
        load(RTMP_LOAD, "publish", server.port("rtmp"), media, 600, "s0") as publisher,
    ):
        publisher.wait_line("publishing", 30)

        def filled() -> bool:
            return fetch(server.http(PLAYLIST)).count(b"#EXTINF") >= SEGMENTS_FIRST

        eventually(filled, 30, "segments")
        yield server


def newest(server: Streamctl) -> str:
    """The path of the newest segment."""
    uris = re.findall(r"^[^#\n]+$", fetch(server.http(PLAYLIST)).decode(), re.MULTILINE)
    return f"/s0/{uris[-1]}"


def timed(server: Process, seconds: float, *arguments: object) -> tuple[float, dict[str, Any]]:
    """CPU seconds of the server in the load's window, and the load's report."""
    tool_argv = [sys.executable, "-u", str(LOAD), *map(str, arguments)]
    with Process(["taskset", "-c", LOAD_CORE, *tool_argv]) as client:
        return window(server, client, seconds)


def ask_both(names: Iterable[str], media: Path, seconds: float) -> Iterator[Run]:
    """Segment and playlist: streamctl first, then nginx with the bytes that it made."""
    folder = Path(tempfile.mkdtemp(prefix="streamctl-bench-", dir=MEMORY))
    paths = {}
    try:
        with on_air(folder, media) as server:
            for name in names:
                path = newest(server) if name == "segment" else PLAYLIST
                paths[name] = path
                copy = folder / path.removeprefix("/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(fetch(server.http(path)))
                yield ask(name, "streamctl", server, server.port("http"), path, seconds)
        process, port = nginx(folder)
        try:
            for name, path in paths.items():
                yield ask(name, "nginx", process, port, path, seconds)
        finally:
            process.stop()
    finally:
        shutil.rmtree(folder)


def ask(name: str, label: str, server: Process, port: int, path: str, seconds: float) -> Run:
    """Requests in a closed loop."""
    used, report = timed(server, seconds, "ask", port, ASK_WARMUP_S, seconds, CONNECTIONS, path)
    rate = report["answers"] / used
    return Run(name, label, used / seconds * 100, rate, report["gbit"], under=False)


def watch_both(media: Path, seconds: float) -> Iterator[Run]:
    """The same viewers over RTMP and over HTTP-TS, each with a fresh server."""
    rate = media.stat().st_size * 8 / MEDIA.seconds
    for label in ROWS["ts300"].servers:
        folder = Path(tempfile.mkdtemp(prefix="streamctl-bench-"))
        try:
            with on_air(folder, media) as server:
                if label == "rtmp":
                    share = f"s0:{VIEWERS}"
                    port = server.port("rtmp")
                    with load(RTMP_LOAD, "play", port, WARMUP_S, seconds, 0, share) as players:
                        used, report = window(server, players, seconds)
                else:
                    port, path = server.port("http"), "/s0/mpegts"
                    used, report = timed(
                        server, seconds, "watch", port, WARMUP_S, seconds, VIEWERS, path
                    )
        finally:
            shutil.rmtree(folder)
        gbit = report["gbit"]
        under = report["closed"] > 0 or gbit < DELIVERED * rate * VIEWERS * seconds / 1e9
        yield Run("ts300", label, used / seconds * 100, used / gbit, gbit, under)


def table(runs: list[Run]) -> str:
    """Medians in Markdown, with the ratio that the targets speak of."""
    lines = [
        "| measure | server | CPU % (range) | per CPU | ratio | target | under |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in ROWS.values():
        reference = [run for run in runs if (run.row, run.server) == (row.name, row.servers[0])]
        for server in row.servers:
            mine = [run for run in runs if (run.row, run.server) == (row.name, server)]
            if mine:
                lines.append(line(row, server, mine, reference))
    return "\n".join(lines)


def line(row: Row, server: str, mine: list[Run], reference: list[Run]) -> str:
    """One line of the table."""
    cpu = [run.cpu_percent for run in mine]
    figure = median(run.figure for run in mine)
    if row.name == "ts300":
        # What is asked is the CPU of the same viewers; the bytes differ by the packet headers.
        shown = f"{figure:.4f} CPU-s/Gbit"
        ratio = median(cpu) / median(run.cpu_percent for run in reference) if reference else None
    else:
        shown = f"{figure:,.0f} requests/CPU-s"
        ratio = figure / median(run.figure for run in reference) if reference else None
    sign = "≤" if row.name == "ts300" else "≥"
    return (
        f"| {row.name} | {server} | {median(cpu):.1f} ({min(cpu):.1f}-{max(cpu):.1f}) | {shown} "
        f"| {'-' if ratio is None else f'{ratio:.2f}'} "
        f"| {'-' if server == row.servers[0] else f'{sign} {row.target}'} "
        f"| {sum(run.under for run in mine)}/{len(mine)} |"
    )


def main() -> None:
    """Read the command line and run the batch."""
    args = options(__doc__, ROWS, runs=5, seconds=4.0).parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    wanted = args.only.split(",")
    asked = [name for name in ("segment", "playlist") if name in wanted]
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="streamctl-bench-") as folder:
        media = MediaCache(Path(folder))(MEDIA).path
        for repeat in range(args.runs):
            batches = []
            if asked:
                batches.append(ask_both(asked, media, args.seconds))
            if "ts300" in wanted:
                batches.append(watch_both(media, args.seconds))
            for batch in batches:
                for run in batch:
                    runs.append(run)
                    note = " UNDER-DELIVERED" if run.under else ""
                    print(f"{repeat + 1} {run}{note}", file=sys.stderr, flush=True)
    print(machine())
    print(table(runs))
    if args.json:
        args.json.write_text(json.dumps([asdict(run) for run in runs], indent=1))


if __name__ == "__main__":
    main()
