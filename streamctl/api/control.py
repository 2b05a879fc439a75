"""What the control API asks of the server.

The engine's server satisfies :class:`Control`, its configuration :class:`ConfigControl`; tests give
fakes. Everything here is answered from memory, so a plain method never waits; only changes of the
configuration do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from streamctl.counters import ServerCounters
    from streamctl.hookstatus import HookStatus, HookTest
    from streamctl.schema import (
        ConfigDocument,
        ConfigReport,
        Event,
        Health,
        Plan,
        PluginStatus,
        SessionStatus,
        StreamStatus,
    )


class ConfigControl(Protocol):
    """The configuration of a running server.

    Whatever changes it raises ``ConfigError`` when the result would not be right, and ``Conflict``
    when the file is not as it was read; nothing has changed then.
    """

    async def document(self) -> ConfigDocument:
        """What was written, without secrets."""

    async def resolved(self) -> Mapping[str, object]:
        """What is in force, without secrets."""

    async def check(self, text: str) -> ConfigReport:
        """What would be wrong with a text."""

    async def diff(self, text: str) -> Plan:
        """What would happen if a text took the place of what is in force.

        Raises:
            ConfigError: there is something wrong with it.
        """

    async def put(self, text: str, *, expected: str = "", dry_run: bool = False) -> Plan:
        """Go on with another text; ``expected`` is the version that it replaces, if that counts.

        Raises:
            ConfigError: the text can't be taken.
            Conflict: it would replace something else.
        """

    async def reload(self) -> Plan:
        """Read the file again.

        Raises:
            ConfigError: it can't be taken.
            Unsupported: there is no file.
        """

    async def put_stream(
        self,
        code: str,
        document: Mapping[str, object],
        *,
        dry_run: bool,
        expected: str = "",
        new: bool = False,
    ) -> Plan:
        """Add or replace a stream; ``new`` only adds one, ``expected`` as in :meth:`put`.

        Raises:
            ConfigError: the document is refused as the same table in a file would be.
            Conflict: the file has changed since it was read, or there is such a stream.
        """

    async def patch_stream(self, code: str, patch: Mapping[str, object], *, dry_run: bool) -> Plan:
        """Change some keys of a stream: null removes one, tables are merged.

        Raises:
            NotFound: no stream has this code.
            ConfigError: the result is refused as the same table in a file would be.
            Conflict: the file has changed since it was read.
        """

    async def delete_stream(self, code: str, *, dry_run: bool) -> Plan:
        """Remove a stream.

        Raises:
            NotFound: no stream has this code.
            Conflict: the file has changed since it was read.
        """

    async def restart_stream(self, code: str, *, dry_run: bool) -> Plan:
        """Start a running stream anew.

        Raises:
            NotFound: no stream has this code.
            Conflict: it is disabled.
        """


class HookControl(Protocol):
    """Who is told what happens."""

    def status(self) -> list[HookStatus]:
        """How each hook stands."""

    async def test(self, name: str) -> HookTest:
        """Deliver a test to a hook.

        Raises:
            NotFound: no hook has this name.
        """


class Control(Protocol):
    """A running server, as its operators see it."""

    @property
    def configuration(self) -> ConfigControl:
        """What it is configured to be, and how that changes."""

    @property
    def hooks(self) -> HookControl:
        """Who is told what happens."""

    def streams(self, status: str | None = None) -> list[StreamStatus]:
        """Every stream, or those in one state."""

    def stream(self, code: str) -> StreamStatus:
        """One stream.

        Raises:
            NotFound: no stream has this code.
        """

    def switch(self, code: str, priority: int | None) -> StreamStatus:
        """Put an input of a stream on air as soon as it can; None = the best one again.

        Raises:
            NotFound: no stream has this code, or it has no such input, or it does not run.
            NotReady: the input can't go on air.
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

    def newest_event(self) -> int:
        """The id of what happened last."""

    def events(self, after: int | None, *, live: bool = True) -> AsyncIterator[Sequence[Event]]:
        """Events as they happen, first those kept since the event ``after``.

        Unless ``live``, only those.
        """
