"""Ports for programs that can't choose one themselves.

They lie below those that the kernel hands out, in a part of their own for each process that tests,
and none is given twice in a row: nobody takes one between the look and the use.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
from contextlib import suppress

HOST = "127.0.0.1"
FIRST, LAST = 10_000, 30_000
PROCESSES = 10
"""Parts that the range has."""


def own_ports() -> list[int]:
    """Even ports of this process, shuffled: others may test on this machine, too.

    A process that does not know of any others takes from the whole range.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    begin, end = FIRST, LAST
    if worker:
        size = (LAST - FIRST) // PROCESSES
        begin += int(worker.removeprefix("gw")) % PROCESSES * size
        end = begin + size
    ports = list(range(begin, end, 8))
    random.shuffle(ports)
    return ports


LEFT = itertools.cycle(own_ports())


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    return free_ports(socket.SOCK_STREAM, 1)


def udp_port(count: int = 1) -> int:
    """The first of so many UDP ports in a row that were free a moment ago; it is even."""
    return free_ports(socket.SOCK_DGRAM, count)


def free_ports(kind: socket.SocketKind, count: int) -> int:
    """The first of up to eight ports in a row that were free a moment ago."""
    for first in LEFT:
        with suppress(OSError):
            for port in range(first, first + count):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind((HOST, port))
            return first
    raise OSError("no port is free")
