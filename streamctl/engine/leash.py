"""Runs a program and ends it, with all that it has started, when the server lets go of it.

``python -I -S leash.py FD GRACE_S PROGRAM [WORD…]`` is the parent of the program. The server holds
the other end of the pipe ``FD``: closing it, also by dying in any way, terminates the program's
process group, and kills it after the grace. Processes of the program that lose their parents
become children of this one, also those in a group or a session of their own: none of them outlives
it, and none stays a zombie. The exit code is the program's; 127 if it can't be started.

This file runs on its own and imports nothing but the system: each command waits for it to start.
"""

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress

NOT_STARTED = 127
"""What a shell exits with then."""
DEFAULTS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that Python, or whoever started the server, may have turned off."""
PR_SET_CHILD_SUBREAPER = 36
"""``linux/prctl.h``: orphans among the descendants become children of this process."""
READ_BYTES = 65_536
"""Some ten thousand numbers; what is left over is read the next time."""
LOOK_MS = 5000
"""How often orphans that have ended are looked for."""


def run(fd: int, grace_s: float, command: list[str]) -> int:
    """Run the program to its end; its exit code."""
    os.set_inheritable(fd, False)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        pid = os.posix_spawnp(
            command[0], command, dict(os.environ), setpgroup=0, setsigdef=DEFAULTS
        )
    except OSError as error:
        sys.stderr.write(f"can't run `{command[0]}`: {os.strerror(error.errno or 0).lower()}\n")
        return NOT_STARTED
    # Whoever reads what the program says must see its end, not ours.
    os.closerange(0, 3)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wait(pid, fd, grace_s)
    # While its leader was not waited for, no other group can have its number.
    signalled(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sweep()
    return 128 - code if code < 0 else code


def wait(pid: int, fd: int, grace_s: float) -> None:
    """Return when the program has ended, or was told to and had time for it."""
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(fd, select.POLLIN | select.POLLHUP)
    while not (found := poll.poll(LOOK_MS)):
        for orphan in children() - {pid}:
            os.waitpid(orphan, os.WNOHANG)
    if ended not in {number for number, _ in found}:
        signalled(pid, signal.SIGTERM)
        for orphan in children() - {pid}:
            with suppress(PermissionError):
                os.kill(orphan, signal.SIGTERM)
        poll.unregister(fd)
        poll.poll(grace_s * 1000)


def sweep() -> None:
    """Kill all that is left; children of what is killed are children of this process next."""
    spared: set[int] = set()
    while left := children() - spared:
        for orphan in left:
            try:
                os.kill(orphan, signal.SIGKILL)
            except PermissionError:
                spared.add(orphan)
            else:
                os.waitpid(orphan, 0)


def children() -> set[int]:
    """Processes to wait for; nobody else gets their numbers meanwhile."""
    try:
        # Not with pathlib, which takes longer to load than all the rest.
        listed = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)
    except OSError:
        return set()
    try:
        whole, _, _ = os.read(listed, READ_BYTES).rpartition(b" ")
        return set(map(int, whole.split()))
    finally:
        os.close(listed)


def signalled(group: int, number: int) -> None:
    """Send a signal to a group of processes, if there is anybody left who may be sent one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
