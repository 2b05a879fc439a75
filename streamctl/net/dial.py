"""From a host name to a connected socket, whichever of its addresses answers first (RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio

from streamctl.net.address import ascii_name

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

ATTEMPT_S = 0.25
"""How long an address may be silent until the next one is tried besides (section 5)."""


async def connected_socket(host: str, port: int) -> socket.socket:
    """A non-blocking socket that is connected to ``host``.

    Raises:
        OSError: the host is unknown, or what the first address that failed said.
    """
    loop = asyncio.get_running_loop()
    race = Race()
    found = await loop.getaddrinfo(ascii_name(host), port, type=socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.callback(race.close)
        async with anyio.create_task_group() as tasks:
            for family, _, _, _, where in found:
                ended = anyio.Event()
                tasks.start_soon(race.attempt, family, where, ended, tasks)
                with anyio.move_on_after(ATTEMPT_S):
                    await ended.wait()
        if race.winner is None:
            raise race.failures[0]
        undo.pop_all()
    return race.winner


class Race:
    """Attempts on several addresses, of which one wins."""

    def __init__(self) -> None:
        self.winner: socket.socket | None = None
        self.failures: list[OSError] = []

    def close(self) -> None:
        """Close the winner, because nobody will use it."""
        if self.winner is not None:
            self.winner.close()

    async def attempt(
        self,
        family: int,
        where: tuple[str | int | bytes, ...],
        ended: anyio.Event,
        others: TaskGroup,
    ) -> None:
        """Try one address; the first to succeed ends the attempts of the others."""
        with ExitStack() as undo:
            try:
                candidate = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                candidate.setblocking(False)
                await asyncio.get_running_loop().sock_connect(candidate, where)
            except OSError as error:
                self.failures.append(error)
                ended.set()
            else:
                if self.winner is None:
                    self.winner = candidate
                    undo.pop_all()
                others.cancel_scope.cancel()
