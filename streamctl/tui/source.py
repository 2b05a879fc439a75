"""What the terminal interface asks of a server, so that tests need none.

The client in :mod:`streamctl.client` satisfies :class:`ControlClient`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.schema import Health, SessionStatus, StreamStatus


class ControlClient(Protocol):
    """A server behind its control API; every call raises ``StreamctlError`` when it fails."""

    url: str
    """The server's URL."""

    async def health(self) -> Health:
        """Health of the whole server."""

    async def streams(self) -> Sequence[StreamStatus]:
        """Every stream."""

    async def stream(self, code: str) -> StreamStatus:
        """One stream with its sessions."""

    async def kick(self, session: str) -> SessionStatus:
        """Close a session."""
