"""Commands of ours as other processes."""

from __future__ import annotations

import os
import subprocess
import sys


def unread(*arguments: str) -> tuple[int, str]:
    """Exit status and standard error of a command whose standard output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "streamctl", *arguments],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=50,
            check=False,
        )
    return done.returncode, done.stderr
