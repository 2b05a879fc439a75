"""What the control API asks of the server.

The engine's server satisfies :class:`Control`; tests give a fake. Everything here is answered from
memory, so a plain method never waits; only changes of the configuration do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from streamctl.schema import (
        Event,
        Health,
        Plan,
        PluginStatus,
        ServerCounters,
        SessionStatus,
        StreamStatus,
    )


class Control(Protocol):
    """A running server, as its operators see it."""

    def streams(self, status: str | None = None) -> list[StreamStatus]:
        """Every stream, or those in one state."""

    def stream(self, code: str) -> StreamStatus:
        """One stream.

        Raises:
            NotFound: no stream has this code.
        """

    def sessions(self, stream: str | None = None) -> list[SessionStatus]:
        """Every open session, or those of one stream."""

    def session(self, session_id: str) -> SessionStatus:
        """One open session.

        Raises:
            NotFound: the session is unknown or has ended.
        """

    def kick(self, session_id: str, reason: str) -> SessionStatus:
        """Close a session; answers what it had counted.

        Raises:
            NotFound: the session is unknown or has ended.
        """

    def health(self) -> Health:
        """Health of the whole server."""

    def plugins(self) -> list[PluginStatus]:
        """Installed plugins, the broken ones too."""

    def counters(self) -> ServerCounters:
        """Plain numbers for a scrape."""

    def events(self, after: int | None) -> AsyncIterator[Event]:
        """Events as they happen, first those kept since the event ``after``."""

    async def put_stream(self, code: str, document: Mapping[str, object], *, dry_run: bool) -> Plan:
        """Add or replace a stream in memory.

        Raises:
            ConfigError: the document is refused as the same table in a file would be.
        """

    async def delete_stream(self, code: str, *, dry_run: bool) -> Plan:
        """Remove a stream from the running configuration.

        Raises:
            NotFound: no stream has this code.
        """
