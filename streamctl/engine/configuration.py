"""The configuration of a running server: read again, looked at, and changed.

Whatever takes as long as a file is long is done in threads: there may be thousands of streams.
With a file, the file is the truth: a change is written into it, line by line, after the whole
result was judged, and before it is applied; what can't be applied is taken back. Without a file
changes live in memory. One thing happens at a time.
"""

from __future__ import annotations

import logging
import tomllib
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio import to_thread

from streamctl.avworker.client import AvWorkerClient
from streamctl.config.edit import edited, merged
from streamctl.config.file import version
from streamctl.config.hooks import refuse_reach
from streamctl.config.load import BOM, parse, read_document
from streamctl.config.show import as_toml, hidden, resolved, restored, secret_names
from streamctl.engine.diff import EVERYBODY
from streamctl.engine.slatecheck import Files, Findings, judge, slated
from streamctl.errors import (
    ConfigError,
    ConfigErrors,
    Conflict,
    NotFound,
    StreamctlError,
    Unsupported,
)
from streamctl.schema import ConfigDocument, ConfigReport, Plan, PlanStep, faults_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamctl.config.file import ConfigFile
    from streamctl.config.model import Config, StreamConfig
    from streamctl.registry import Registry
    from streamctl.schema import StreamStatus

log = logging.getLogger("streamctl.configuration")

Table = dict[str, Any]
SLATES_S = 8.0
"""How long opening slates may take, so that a client still waits for the answer."""


class Host(Protocol):
    """What the configuration is of: a server."""

    config: Config
    registry: Registry
    reload_error: str

    async def apply(self, config: Config) -> Plan:
        """Go on with another configuration."""

    def stream(self, code: str) -> StreamStatus:
        """How a stream stands that is configured."""

    def plan(self, config: Config) -> Plan:
        """What would happen then."""

    def made_of(self, code: str) -> str:
        """The template of a stream that is in no file."""

    async def restart(self, code: str) -> Plan:
        """Start a running stream anew."""

    def reload_failed(self, message: str) -> None:
        """A new configuration was refused."""


class Configuration:
    """Implements :class:`streamctl.api.control.ConfigControl`."""

    def __init__(self, host: Host, file: ConfigFile | None = None) -> None:
        self.host = host
        self.file = file
        self._turn = anyio.Lock()
        self._refused: str | None = None
        """The text that was refused last; None = it could not even be read."""

    async def noticed(self) -> Plan | None:
        """The file may have changed: reload it if it says anything new.

        Raises:
            StreamctlError: it can't be taken; nothing has changed.
        """
        file = self._file()
        async with self._turn:
            text = await self._look(file)
            if text == (self._refused if self.host.reload_error else file.text):
                return None
            return await self._reload(file, text)

    async def reload(self) -> Plan:
        """Read the file again, also what it names, such as secrets.

        Raises:
            StreamctlError: it can't be taken; nothing has changed.
        """
        file = self._file()
        async with self._turn:
            return await self._reload(file, await self._look(file))

    async def document(self) -> ConfigDocument:
        """What was written, without secrets."""
        return await to_thread.run_sync(self._document)

    async def resolved(self) -> Mapping[str, object]:
        """What is in force, without secrets."""
        return await to_thread.run_sync(resolved, self.host.config)

    async def check(self, text: str) -> ConfigReport:
        """What would be wrong with a text; its slates are compared with what runs."""
        try:
            config = await self._parse(await self._restored(text))
        except ConfigError as error:
            return report(error)
        found = await self._judged(config)
        return ConfigReport(
            ok=True, streams=len(config.streams), remarks=found.remarks, unknown=found.unknown
        )

    async def diff(self, text: str) -> Plan:
        """What would happen if a text took the place of what is in force.

        Raises:
            ConfigError: there is something wrong with it.
        """
        return self.host.plan(await self._parse(await self._restored(text)))

    async def put(self, text: str, *, expected: str = "", dry_run: bool = False) -> Plan:
        """Go on with another text; ``expected`` is the version that it replaces, if that counts.

        Raises:
            Conflict: the file has changed, or is not of that version.
            StreamctlError: the text can't be taken; nothing has changed.
        """
        async with self._turn:
            await self._expect(expected)
            if self.file is not None and not dry_run:
                await to_thread.run_sync(self.file.check_unchanged)
            return await self._change(await self._restored(text), dry_run=dry_run, whole=True)

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
            Conflict: the file has changed since it was read, or there is such a stream.
            StreamctlError: the stream can't be as the document says; nothing has changed.
        """
        async with self._turn:
            self._editable(code)
            await self._expect(expected)
            if new and code in self._streams:
                raise Conflict(
                    f"there is a stream `{code}` already", hint="`stream set` changes it"
                )
            if self.file is not None:
                return await self._edit(code, lambda table: dict(document), dry_run=dry_run)
            refuse_reach({}, document)
            stream = read_document(code, document, self.host.config, self.host.registry)
            return await self._live({**self._streams, code: stream}, dry_run=dry_run)

    async def patch_stream(self, code: str, patch: Mapping[str, object], *, dry_run: bool) -> Plan:
        """Change some keys of a stream: null removes one, tables are merged.

        Raises:
            NotFound: no stream has this code.
            Conflict: the file has changed since it was read.
            StreamctlError: the stream can't be like that; nothing has changed.
        """
        async with self._turn:
            self._known(code)
            if self.file is not None:
                return await self._edit(code, lambda table: merged(table, patch), dry_run=dry_run)
            if set(patch) - {"disabled"} or not isinstance(patch.get("disabled", False), bool):
                raise Unsupported(
                    "without a file, a stream is replaced as a whole",
                    hint="send all its keys with PUT",
                )
            stream = self._streams[code].model_copy(update=dict(patch))
            return await self._live({**self._streams, code: stream}, dry_run=dry_run)

    async def delete_stream(self, code: str, *, dry_run: bool) -> Plan:
        """Remove a stream.

        Raises:
            NotFound: no stream has this code.
            Conflict: the file has changed since it was read.
        """
        async with self._turn:
            self._known(code)
            if self.file is not None:
                return await self._edit(code, lambda table: None, dry_run=dry_run)
            streams = {known: one for known, one in self._streams.items() if known != code}
            return await self._live(streams, dry_run=dry_run)

    async def restart_stream(self, code: str, *, dry_run: bool) -> Plan:
        """Start a running stream anew, with its resolved configuration.

        Raises:
            NotFound: no stream has this code.
            Conflict: it is disabled.
        """
        async with self._turn:
            if not self.host.made_of(code):
                self._known(code)
                if self._streams[code].disabled:
                    raise Conflict(f"stream `{code}` is disabled", hint="enable it")
            if not dry_run:
                return await self.host.restart(code)
        step = PlanStep(stream=code, action="restart", reason="asked for", notices=EVERYBODY)
        return Plan(steps=[step])

    @property
    def _streams(self) -> Mapping[str, StreamConfig]:
        return self.host.config.streams

    def _editable(self, code: str) -> None:
        """Refuse what is in no file.

        Raises:
            Conflict: the stream was made of a template.
        """
        if template := self.host.made_of(code):
            raise Conflict(
                f"`{code}` was made of template `{template}`, so it can't be edited",
                hint="change the template, or stop its publisher and add the stream then",
            )

    def _known(self, code: str) -> None:
        self._editable(code)
        if code not in self._streams:
            codes = ", ".join(sorted(self._streams)) or "none"
            raise NotFound(f"no stream `{code}`", hint=f"configured streams: {codes}")

    def _file(self) -> ConfigFile:
        if self.file is None:
            raise Unsupported("the server runs without a file", hint="change streams one by one")
        return self.file

    async def _look(self, file: ConfigFile) -> str:
        try:
            return await to_thread.run_sync(file.look)
        except ConfigError as error:
            self._refused = None
            self.host.reload_failed(str(error))
            raise

    async def _reload(self, file: ConfigFile, text: str) -> Plan:
        try:
            config = await self._parse(text, str(file.path))
            self._refuse_emptied(config, str(file.path))
            plan = await self.host.apply(config)
        except Exception as error:
            self._refused = text
            known = isinstance(error, StreamctlError)
            self.host.reload_failed(str(error) if known else f"{type(error).__name__}: {error}")
            raise
        file.text = text
        return plan

    async def _judged(self, config: Config) -> Findings:
        """Look at the slates, for as long as somebody may wait for an answer."""
        host, found = self.host, Findings()
        codes = {stream.code for stream in slated(config)} & host.config.streams.keys()
        running = {code: host.stream(code) for code in codes}
        # A text must not have files opened that the server itself would not.
        files = Files(host.config.server.media_roots, AvWorkerClient())
        with anyio.move_on_after(SLATES_S) as limit:
            await judge(config, files, running, found)
        if limit.cancelled_caught:
            found.unknown.append(f"not all slates were opened: that took over {SLATES_S:g} s")
        return found

    async def _parse(self, text: str, name: str = "") -> Config:
        """Judge a text; ``name`` is that of the file, if it stands there already."""
        return await to_thread.run_sync(parse, text, name, self.host.registry)

    def _document(self) -> ConfigDocument:
        if self.file is None:
            text = as_toml(resolved(self.host.config))
            return ConfigDocument(text=text, file="", version=version(text))
        # Once: it may be changed meanwhile, and the version must be that of what is shown.
        written = self.file.text
        text = hidden(written, secret_names(self.host.registry))
        return ConfigDocument(text=text, file=str(self.file.path), version=version(written))

    async def _restored(self, text: str) -> str:
        before = "" if self.file is None else self.file.text
        names = secret_names(self.host.registry)
        try:
            return await to_thread.run_sync(restored, text, before, names)
        except (ValueError, RecursionError):
            # It is not TOML: whoever parses it says what is wrong, and where.
            return text

    def _refuse_emptied(self, config: Config, name: str = "") -> None:
        """Take no text without streams for the wish to stop all of them.

        Raises:
            ConfigError: nothing would be left of what is running.
        """
        now = self.host.config
        if config.streams or not (now.streams or (now.templates and not config.templates)):
            return
        raise ConfigError(
            f"the {'file' if name else 'text'} has no streams but the server does: it looks "
            "truncated, so all go on; to stop them on purpose, set `disabled = true` in each, "
            "or restart the server",
            file=name,
        )

    async def _expect(self, expected: str) -> None:
        """Go on only in place of that version, if there is one.

        Raises:
            Conflict: there is another one by now.
        """
        if expected and expected != (await self.document()).version:
            raise Conflict("the configuration was changed since it was read", hint="read it again")

    async def _edit(
        self, code: str, change: Callable[[Table], Table | None], *, dry_run: bool
    ) -> Plan:
        """Change the table of one stream in the file."""
        file = self._file()
        await to_thread.run_sync(file.check_unchanged)
        text = await to_thread.run_sync(changed, file.text, code, change)
        try:
            return await self._change(await self._restored(text), dry_run=dry_run)
        except ConfigErrors as error:
            # Nobody sees the text whose lines those are.
            raise ConfigErrors(
                ConfigError(one.message, hint=one.hint, key=one.key) for one in error.errors
            ) from None

    async def _change(self, text: str, *, dry_run: bool, whole: bool = False) -> Plan:
        config = await self._parse(text)
        if whole:
            self._refuse_emptied(config)
        written = "" if self.file is None else self.file.text
        await to_thread.run_sync(check_reach, written, text)
        if dry_run:
            return self.host.plan(config)
        if self.file is None or text == written:
            return await self.host.apply(config)
        # Shielded: a caller that goes away must not leave the two apart.
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self.file.replace, text)
            log.info("configuration written: %s", self.file.path)
            try:
                plan = await self.host.apply(config)
            except BaseException as error:
                await self._take_back(self.file, written, error)
                raise
        return plan

    async def _take_back(self, file: ConfigFile, before: str, error: BaseException) -> None:
        """Have the file say again what is in force."""
        refused = file.text
        try:
            await to_thread.run_sync(file.replace, before)
        except StreamctlError as reason:
            log.error("configuration not taken back: %s", reason)
            file.text, self._refused = before, refused
            self.host.reload_failed(str(error))
        else:
            log.warning("configuration taken back: %s", file.path)

    async def _live(self, streams: Mapping[str, StreamConfig], *, dry_run: bool) -> Plan:
        """Change the streams of a server without a file."""
        config = self.host.config.model_copy(update={"streams": streams})
        return self.host.plan(config) if dry_run else await self.host.apply(config)


def changed(text: str, code: str, change: Callable[[Table], Table | None]) -> str:
    """The text with another table of a stream.

    Raises:
        ConfigError: it can't be changed by program.
    """
    table = tomllib.loads(text.removeprefix(BOM)).get("streams", {}).get(code, {})
    return edited(text, code, change(dict(table)))


def check_reach(before: str, text: str) -> None:
    """Refuse what only the file itself may say.

    Raises:
        ConfigError: the text says more of it than the one before.
    """
    refuse_reach(tomllib.loads(before.removeprefix(BOM)), tomllib.loads(text.removeprefix(BOM)))


def report(error: ConfigError) -> ConfigReport:
    """Everything that is wrong with a text."""
    return ConfigReport(ok=False, faults=faults_of(error))
