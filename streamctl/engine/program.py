"""Runs a program for an event: its environment, its input, its last words, and its end.

Nothing of an event becomes part of the command, so nobody can have another one run by the name of
a stream or of a player. The server's own environment may hold secrets; programs get the few
variables that they need to run at all.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from streamctl.engine import leash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.schema import Event

LEASH = Path(leash.__file__)
GRACE_S = 2.0
"""How long a program may take to end when it is told to."""
REAP_S = 1.0
"""A leash ends at once after that, unless the machine stands still."""
KEPT = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"})
"""Variables of the server that programs get; those that begin with ``LC_``, too."""
VALUE_BYTES = 32_768
"""The kernel refuses variables of 128 KiB; what is longer stands in the input alone."""
READ_BYTES = 65_536
PAUSE_S = 0.01
"""Between two looks at what a program says: one that says much is slowed down, and not the loop."""
WORDS_BYTES = 4096
"""What is kept of what a program says."""

log = logging.getLogger("streamctl.hooks")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    words: str
    """The last line that it said."""

    def __str__(self) -> str:
        said = f": {self.words}" if self.words else ""
        return f"exit code {self.code}{said}"


def environment(event: Event, further: Mapping[str, str]) -> dict[str, str]:
    """The variables of a program."""
    found = {
        name: text for name, text in os.environ.items() if name in KEPT or name.startswith("LC_")
    }
    found |= {
        "STREAMCTL_EVENT": event.type,
        "STREAMCTL_EVENT_ID": str(event.id),
        "STREAMCTL_STREAM": event.stream,
        "STREAMCTL_TIME": event.time,
    }
    for key, value in event.payload.items():
        text = spelled(value)
        if len(text.encode(errors="replace")) <= VALUE_BYTES:
            found[f"STREAMCTL_{key.upper()}"] = text
    return {**found, **further}


def spelled(value: object) -> str:
    """A value of a payload as a variable can hold it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.replace("\0", "")


async def run(command: Sequence[str], event: Event, further: Mapping[str, str]) -> Ended:
    """Run a program to its end; when cancelled, it is ended with all that it has started.

    Raises:
        OSError: the system can't start anything.
    """
    with ExitStack() as files:
        kept, theirs = os.pipe()
        files.callback(os.close, kept)
        os.set_blocking(kept, False)
        try:
            process, leash_end = await start(command, environment(event, further), event, theirs)
        finally:
            os.close(theirs)
        ended = os.pidfd_open(process.pid)
        files.callback(os.close, ended)
        tail, heard = bytearray(), anyio.Event()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen, command[0], kept, tail, heard)
                await anyio.wait_readable(ended)
                # One that the server may not kill may hold the output open.
                with anyio.move_on_after(REAP_S):
                    await heard.wait()
                tasks.cancel_scope.cancel()
        finally:
            os.close(leash_end)
            code = await reap(process, ended)
    return Ended(code, last_line(tail))


async def start(
    command: Sequence[str], variables: Mapping[str, str], event: Event, output: int
) -> tuple[subprocess.Popen[bytes], int]:
    """A program that has begun, and what ends it when it is closed."""
    reading, holding = os.pipe()
    words = [sys.executable, "-I", "-S", str(LEASH), str(reading), str(GRACE_S), *command]
    try:
        # In a thread: uvloop would fork, which takes the longer the more media is held.
        begin = partial(begun, words, variables, event, output, reading)
        return await to_thread.run_sync(begin), holding
    except BaseException:
        os.close(holding)
        raise
    finally:
        os.close(reading)


def begun(
    words: Sequence[str], variables: Mapping[str, str], event: Event, output: int, passed: int
) -> subprocess.Popen[bytes]:
    """Start a process that reads the event; blocks."""
    # In memory: a disk may be full, or slow.
    with os.fdopen(os.memfd_create("event", os.MFD_CLOEXEC), "w+b") as told:
        told.write(event.json_text.encode() + b"\n")
        told.seek(0)
        return subprocess.Popen(
            words,
            stdin=told,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,
            pass_fds=(passed,),
        )


async def listen(program: str, output: int, tail: bytearray, heard: anyio.Event) -> None:
    """Keep the end of what a program says."""
    while True:
        await anyio.wait_readable(output)
        data = os.read(output, READ_BYTES)
        if not data:
            break
        tail += data
        del tail[:-WORDS_BYTES]
        log.debug("%s says: %s", program, last_line(tail))
        await anyio.sleep(PAUSE_S)
    heard.set()


async def reap(process: subprocess.Popen[bytes], ended: int) -> int:
    """The exit code of a program that was told to end."""
    with anyio.CancelScope(shield=True):
        with anyio.move_on_after(GRACE_S + REAP_S):
            await anyio.wait_readable(ended)
        while process.poll() is None:
            process.kill()
            await anyio.wait_readable(ended)
    return int(process.returncode)


def last_line(tail: bytes | bytearray) -> str:
    """The last line with something on it, as far as it can be shown."""
    lines = [line.strip() for line in tail.decode(errors="replace").splitlines() if line.strip()]
    return "".join(one for one in lines[-1] if one.isprintable())[:200] if lines else ""
