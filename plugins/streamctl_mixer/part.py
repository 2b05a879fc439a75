"""One of the streams that are mixed, read as packets; its errors name it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import NotReady, StreamctlError
from streamctl.media.packet import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamctl.media.packet import Init, Item
    from streamctl.sdk.context import Clock, Context
    from streamctl.sdk.lane import Cursor

SILENCE_S = 5.0
"""A part that brings nothing for so long has failed."""


class Part:
    """A stream, and the place in it once it was opened."""

    def __init__(self, code: str, ctx: Context) -> None:
        self.code = code
        self.ctx = ctx
        self._cursor: Cursor | None = None

    @property
    def off_air(self) -> str:
        """What to say while it is waited for."""
        return f"stream `{self.code}` is not on air"

    async def open(self) -> Init:
        """Wait until there is something to show; what it consists of.

        Raises:
            NotFound: there is no such stream.
            StreamctlError: it was stopped.
        """
        self.close()
        with self._named():
            await self.ctx.streams.ready(self.code)
            self._cursor = cursor = self.ctx.streams.open(self.code, Format.PACKETS)
            while True:
                try:
                    return cursor.join()
                except NotReady:
                    await cursor.wait()
                    cursor.take()

    def join(self) -> Init:
        """Move to the newest random-access point.

        Raises:
            StreamctlError: it was stopped.
        """
        with self._named():
            return self._opened.join()

    def take(self) -> Sequence[Item]:
        """What came since."""
        return self._opened.take()

    async def more(self) -> None:
        """Wait for something to take.

        Raises:
            StreamctlError: nothing comes, or it was stopped.
        """
        try:
            with self._named(), within(self.ctx.clock, SILENCE_S):
                await self._opened.wait()
        except TimeoutError:
            raise StreamctlError(f"stream `{self.code}` brings nothing") from None

    def close(self) -> None:
        """Give the place up; may be called twice."""
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None

    @property
    def _opened(self) -> Cursor:
        assert self._cursor is not None
        return self._cursor

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except NotReady:
            raise StreamctlError(f"stream `{self.code}` was stopped") from None


@contextmanager
def within(clock: Clock, seconds: float) -> Iterator[None]:
    """Wait no longer than that.

    Raises:
        TimeoutError: it took longer.
    """
    with anyio.CancelScope() as scope:
        timer = clock.call_later(seconds, scope.cancel)
        try:
            yield
        finally:
            timer.cancel()
    if scope.cancelled_caught:
        raise TimeoutError
