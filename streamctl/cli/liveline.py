"""One line at the bottom of a terminal that other output scrolls past."""

from __future__ import annotations

import io
import shutil
import threading
from typing import TextIO

CLEAR = "\r\x1b[K"


class LiveLine(io.TextIOBase):
    """A terminal whose last line is kept up to date; safe to use from several threads."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.line = ""
        self.lock = threading.Lock()

    def show(self, line: str) -> None:
        """Replace the line; an empty one removes it."""
        # A line as wide as the terminal would wrap and could not be cleared.
        line = line[: shutil.get_terminal_size().columns - 1]
        with self.lock:
            self.out.write(f"{CLEAR}{line}")
            self.out.flush()
            self.line = line

    def write(self, text: str) -> int:
        """Write whole lines above the line."""
        with self.lock:
            self.out.write(f"{CLEAR}{text}{self.line}" if self.line else text)
        return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        self.out.flush()

    def isatty(self) -> bool:
        """Always: it makes no sense elsewhere."""
        return True
