"""Limits that the child puts on itself before it touches any media."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

PR_SET_PDEATHSIG = 1
"""``linux/prctl.h``: the signal to get when the parent dies."""
STDERR_BYTES = 1 << 20
"""Standard error is a file in memory; hostile media must not fill it."""
MEMORY_BYTES = 3 << 30
"""Sizes that a file claims become allocations; a demuxer needs some tens of megabytes."""
OPEN_FILES = 64


def confine(parent: int) -> None:
    """Die with the parent, leave no core file, and stay small."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, STDERR_BYTES),
        (resource.RLIMIT_DATA, MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        lower(limit, value)


def lower(limit: int, value: int) -> None:
    """Set both limits of a resource, never above what the child has inherited."""
    _, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))
