"""Says when a configuration file may have changed; reading it is the consumer's business.

The directory is watched, not the file: editors replace files by renaming, deployments swap a
symlink, and a file that was removed may come back. A report means no more than "look again",
so a half-written file costs one failed look.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import watchfiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import anyio

DEBOUNCE_MS = 200
"""Changes closer together than this are one report: an editor saves in several steps."""
STEP_MS = 50

Fingerprint = tuple[str, int, int, int]


async def changes(path: Path | str, *, stop: anyio.Event | None = None) -> AsyncIterator[None]:
    """Yield whenever the content behind ``path`` may have changed, until cancelled or stopped."""
    file = Path(path)
    seen = fingerprint(file)
    while stop is None or not stop.is_set():
        # A swapped symlink moves the target to another directory: watch anew after each report.
        async for _ in watchfiles.awatch(
            *directories(file),
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            recursive=False,
            stop_event=stop,
        ):
            now = fingerprint(file)
            if now != seen:
                seen = now
                yield
                break


def directories(file: Path) -> tuple[Path, ...]:
    """The directories of the name and of what it points to."""
    parents = [file.absolute().parent, file.resolve().parent]
    return tuple(dict.fromkeys(parent for parent in parents if parent.is_dir()))


def fingerprint(file: Path) -> Fingerprint | None:
    """What changes when the file does; None while there is no file."""
    try:
        facts = file.stat()
    except OSError:
        return None
    return str(file.resolve()), facts.st_ino, facts.st_size, facts.st_mtime_ns
