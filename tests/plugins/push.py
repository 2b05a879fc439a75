"""A sink at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from streamctl.engine.lane import Lane, LaneCursor
from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Sink

S = TypeVar("S", bound="Sink")


class Push(Generic[S]):
    """One attempt to push a lane, and how it ends."""

    def __init__(self, sink: S, source: Lane) -> None:
        self.sink = sink
        self.cursor = LaneCursor(source, lambda: None)
        self.connections = 0
        self.error: StreamctlError | None = None
        self.ended = False

    async def run(self) -> None:
        """Run until the end, whatever that is."""
        try:
            await self.sink.run(self.cursor, connected=self.connected)
        except StreamctlError as error:
            self.error = error
        self.ended = True

    def connected(self) -> None:
        """Count a connection."""
        self.connections += 1
