"""Says when a configuration file may have changed; reading it is the consumer's business.

The directory is watched, not the file: editors replace files by renaming, deployments swap a
symlink, and a file that was removed may come back. A file is reported when it has come to rest:
one that is cut between two tables is valid TOML and would stop the streams that are missing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import watchfiles
from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

DEBOUNCE_MS = 200
"""Changes closer together than this are one report: an editor saves in several steps."""
STEP_MS = 50
LOOK_MS = 500
"""Look this often without a report: some file systems send none, a change between two watches
would be lost, and a cancelled watch ends only after this time."""

SETTLE_S = 0.5
"""A file that did not change for so long is written; whoever writes slower should rename."""

Fingerprint = tuple[str, int, int, int, int]
Look = tuple[Fingerprint | None, tuple[Path, ...]]
"""What changes when the file does, and the directories of its name and of its target."""


async def changes(path: Path | str, since: Look | None = None) -> AsyncGenerator[None]:
    """Yield whenever the content behind ``path`` has changed and come to rest, until cancelled.

    What changed after ``since`` was looked at is reported as soon as it rests.
    """
    file = Path(path)
    seen = since if since is not None else await to_thread.run_sync(look, file)
    now = await settled(file, seen)
    changed, seen = now[0] != seen[0], now
    if changed:
        yield
    while True:
        directories = seen[1]
        async for _ in reports(directories):
            now = await settled(file, seen)
            changed, seen = now[0] != seen[0], now
            if changed:
                yield
            if seen[1] != directories:
                break


async def settled(file: Path, seen: Look) -> Look:
    """The file once it rests: at once if it is as it was ``seen``."""
    now = await to_thread.run_sync(look, file)
    while now != seen:
        seen = now
        await anyio.sleep(SETTLE_S)
        now = await to_thread.run_sync(look, file)
    return now


async def reports(directories: tuple[Path, ...]) -> AsyncGenerator[None]:
    """Something happened in one of the directories, or it is time to look.

    Where they can't be watched, as in containers that have used up their share of inotify, it is
    just time to look.
    """
    try:
        async for _ in watchfiles.awatch(
            *directories,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            recursive=False,
        ):
            yield
    except (OSError, RuntimeError, ExceptionGroup):
        await anyio.sleep(LOOK_MS / 1000)
        yield


def look(file: Path) -> Look:
    """The file as it stands."""
    # Not those of `Path`, which refuse links that lead in circles.
    target = os.path.realpath(file)
    parents = [file.absolute().parent, Path(target).parent]
    directories = tuple(dict.fromkeys(parent for parent in parents if os.access(parent, os.F_OK)))
    try:
        facts = file.stat()
    except OSError:
        return None, directories
    # The last one tells that permissions have changed, so that the file may be read by now.
    times = facts.st_mtime_ns, facts.st_ctime_ns
    return (target, facts.st_ino, facts.st_size, *times), directories
