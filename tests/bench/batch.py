"""What every batch of measurements has: two cores, a window, the machine's name, and a report."""

# ruff: noqa: T201 (the table on stdout is the result)
from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.process import Process, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SERVER_CORE, LOAD_CORE = "0", "1"


def options(
    text: str | None, rows: Iterable[str], *, runs: int, seconds: float
) -> argparse.ArgumentParser:
    """What every batch is told on its command line."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--only", default=",".join(rows), help="rows, with commas")
    parser.add_argument("--seconds", type=float, default=seconds, help="measured window")
    parser.add_argument("--json", type=Path, help="write every run, and the table")
    return parser


def pin(process: Process) -> None:
    """Bind a fresh process, before it has threads of weight, to the server's core."""
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {int(SERVER_CORE)})


def load(script: Path, *arguments: object) -> Process:
    """A load tool on the core that the server has not."""
    tool = [sys.executable, "-u", str(script), *map(str, arguments)]
    return Process(["taskset", "-c", LOAD_CORE, *tool])


def window(server: Process, client: Process, seconds: float) -> tuple[float, dict[str, Any]]:
    """CPU seconds of the server between the load's ``begin`` and ``end``, and its report."""
    client.wait_line("^begin", 90)
    before = cpu_seconds(server.pid)
    client.wait_line("^end", seconds + 30)
    used = cpu_seconds(server.pid) - before
    return used, json.loads(client.wait_line(r"^\{", 60).string)


def machine() -> str:
    """Processor, kernel and interpreter."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = models[0] if models else platform.machine()
    python = platform.python_version()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, CPython {python}"


def report(
    rows: list[dict[str, Any]],
    runs: Sequence[Any],
    show: Callable[[list[dict[str, Any]]], None],
    path: Path | None,
) -> None:
    """Print the table, and write it with every run to a file if one is named."""
    print(machine())
    show(rows)
    if path:
        document = {"machine": machine(), "table": rows, "runs": [asdict(run) for run in runs]}
        path.write_text(json.dumps(document, indent=1))
