"""Runs a program and ends it, with all that it has started, when the server lets go of it.

``python -I -S leash.py FD GRACE_S PROGRAM [WORD…]`` is the parent of the program. The server holds
the other end of the pipe ``FD``: closing it, also by dying in any way, terminates the program's
process group, and kills it after the grace. What is left of the group when the program has ended
is killed. The exit code is the program's; 127 if it can't be started.

This file runs on its own and imports nothing but the system: each command waits for it to start.
"""

import os
import select
import signal
import sys
from contextlib import suppress

NOT_STARTED = 127
"""What a shell exits with then."""
DEFAULTS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that Python, or whoever started the server, may have turned off."""


def run(fd: int, grace_s: float, command: list[str]) -> int:
    """Run the program to its end; its exit code."""
    os.set_inheritable(fd, False)
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
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(fd, select.POLLIN | select.POLLHUP)
    if not any(found == ended for found, _ in poll.poll()):
        signalled(pid, signal.SIGTERM)
        poll.unregister(fd)
        poll.poll(grace_s * 1000)
    # While its leader was not waited for, no other group can have its number.
    signalled(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


def signalled(group: int, number: int) -> None:
    """Send a signal to a group of processes, if there is anybody left."""
    with suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
