"""The program ``streamctl``; ``--version`` is answered before anything else is imported."""

from __future__ import annotations

import sys
from contextlib import suppress

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


def main() -> None:
    """Run the command line and exit with its code."""
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
