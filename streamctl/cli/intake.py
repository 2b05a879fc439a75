"""What ``ingest`` does with a source beside showing it: serves it, writes it to a file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from streamctl.cli import diagnostics
from streamctl.cli.attempts import Attempts
from streamctl.cli.banner import shown_host
from streamctl.cli.tables import size
from streamctl.config import code
from streamctl.config.address import Address
from streamctl.engine.job import Job, JobOptions
from streamctl.engine.recorder import Recorder
from streamctl.engine.serving import HTTP, Serving
from streamctl.errors import ConfigError, MediaError
from streamctl.sdk.url import StreamURL

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.registry import Registry

RTMP = "rtmp"
DEFAULTS = {RTMP: Address("", 1935), HTTP: Address("", 8888)}
UNNAMED = "live"


class Intake:
    """A job to be, with what was asked of it."""

    def __init__(self, registry: Registry, source: str, options: JobOptions) -> None:
        self.registry = registry
        self.source = source
        self.options = options
        self.serving: Serving | None = None
        self.recorder: Recorder | None = None
        self.attempts: Attempts | None = None

    def say_failures(self) -> None:
        """Say on standard error why attempts at the source fail."""
        self.attempts = Attempts()

    def serve(self, name: str, rtmp: str, http: str) -> None:
        """Let viewers watch it; empty texts stand for the defaults.

        Raises:
            ConfigError: an address or the name is none.
        """
        name = name or name_of(StreamURL.parse(self.source))
        fault = code.fault(name)
        if fault:
            raise ConfigError(f"`{name}` can't be a stream's name: {fault}")
        given = {RTMP: address("--rtmp", rtmp), HTTP: address("--http", http)}
        wanted = {kind: at or DEFAULTS[kind] for kind, at in given.items()}
        movable = frozenset(kind for kind, at in given.items() if at is None)
        self.options = replace(self.options, code=name, outputs=None)
        self.serving = Serving(wanted, movable=movable, opened=self._announce)

    def record(self, path: Path, *, force: bool, max_bytes: int) -> None:
        """Write it to a file.

        Raises:
            Unsupported: the name's ending stands for no format.
        """
        self.recorder = Recorder(path.absolute(), force=force, max_bytes=max_bytes)

    def job(self) -> Job:
        """The job, to be made in the running loop."""
        job = Job(self.registry, self.source, options=self.options)
        parts = (self.attempts, self.recorder, self.serving)
        job.parts += [part for part in parts if part is not None]
        return job

    def facts(self) -> dict[str, Any]:
        """What there is to know for programs, beside the status of the stream."""
        facts: dict[str, Any] = {}
        if self.serving is not None:
            facts["watch"] = self._urls(self.serving)
        if self.recorder is not None:
            file = self.recorder.file
            facts["recording"] = {"file": str(file.path), "bytes": file.size}
        return facts

    def conclude(self) -> None:
        """Say what became of the file."""
        if self.recorder is None or not self.recorder.file.committed:
            return
        file = self.recorder.file
        diagnostics.note(f"recorded {file.path}, {size(file.size)}")
        for remark in self.recorder.remarks:
            diagnostics.warning(f"{file.path.name}: {remark}")

    def check(self) -> None:
        """Refuse to call it a success when there was nothing to record.

        Raises:
            MediaError: there is no file.
        """
        if self.recorder is not None and not self.recorder.file.committed:
            path = self.recorder.file.path
            raise MediaError(f"nothing to record came from the source: no `{path}`")

    def _announce(self, serving: Serving) -> None:
        for url in self._urls(serving):
            diagnostics.note(f"watch {url}")

    def _urls(self, serving: Serving) -> list[str]:
        return serving.urls(lambda door: shown_host(serving.doors.addresses, door))


def address(option: str, text: str) -> Address | None:
    """An address as it was typed; None if it was not."""
    if not text:
        return None
    try:
        return Address.parse(text)
    except ValueError as error:
        raise ConfigError(f"`{option} {text}`: {error}") from None


def name_of(url: StreamURL) -> str:
    """A name for a source: that of its file, or the last part of its path."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", PurePosixPath(url.path).stem).strip("-")[:40]
    return UNNAMED if code.fault(stem) else stem
