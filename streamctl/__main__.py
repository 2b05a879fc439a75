"""The program ``streamctl``; ``--version`` is answered before anything else is imported."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


def open_closed_streams() -> None:
    """Put nothing where a launcher has closed a standard stream.

    The next socket would take its number, and what libraries print would go to a peer.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def main() -> None:
    """Run the command line and exit with its code."""
    open_closed_streams()
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        from streamctl import __version__

        # What can't be written is tried, and reported, by the command line.
        with suppress(OSError):
            sys.stdout.write(f"streamctl {__version__}\n")
            sys.stdout.flush()
            return
    try:
        from streamctl.cli.app import run

        code = run(arguments)
    except KeyboardInterrupt:
        # While everything was being imported; from then on the command line sees to it.
        code = INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
