"""A gate that lets nobody in, and a context without a server: enough to run one listener."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

from streamctl.errors import ConfigError, MediaError, NotFound, Unsupported
from streamctl.sdk.session import Grant, Refusal, RefusalCode, Request, Session
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from streamctl.media.packet import Format
    from streamctl.sdk.context import AvWorker, Clock, Demuxer, Streams
    from streamctl.sdk.endpoints import Playback
    from streamctl.sdk.lane import Cursor, EpochWriter

__all__ = ["BareContext", "ClosedGate", "NoStreams"]


class ClosedGate:
    """An implementation of :class:`streamctl.sdk.endpoints.Gate` that refuses every request."""

    def __init__(self) -> None:
        self.admitted = 0
        self.released = 0
        self.requests: list[Request] = []

    def admit(self, protocol: str, ip: str) -> Refusal | None:
        """Let the connection in and count it."""
        self.admitted += 1
        return None

    def release(self, protocol: str, ip: str) -> None:
        """Count the connection's end."""
        self.released += 1

    def check(self, request: Request) -> Grant | Refusal:
        """Refuse, and remember what was asked."""
        self.requests.append(request)
        return self.peek(request)

    def peek(self, request: Request) -> Grant | Refusal:
        """Refuse."""
        return Refusal(RefusalCode.NOT_FOUND, f"no such stream: `{request.path}`")

    def refuse(self, request: Request, refusal: Refusal) -> None:
        """Remember what was asked."""
        self.requests.append(request)

    def open(self, grant: Grant, close: Callable[[str], None]) -> Session:
        """Nothing is ever granted.

        Raises:
            Unsupported: always.
        """
        self.never()

    def publish(self, grant: Grant, session: Session) -> EpochWriter:
        """Nothing is ever granted.

        Raises:
            Unsupported: always.
        """
        self.never()

    def play(self, grant: Grant, session: Session, fmt: Format) -> Playback:
        """Nothing is ever granted.

        Raises:
            Unsupported: always.
        """
        self.never()

    def close(self, session: Session, reason: str) -> None:
        """Nothing was opened."""

    def never(self) -> NoReturn:
        """Say that a refused peer was served.

        Raises:
            Unsupported: always.
        """
        raise Unsupported("a closed gate grants nothing")


class NoChildren:
    """An implementation of :class:`streamctl.sdk.context.AvWorker` that starts no process."""

    def demux(
        self, path: Path, *, loop: bool = False, start_s: float = 0.0
    ) -> AbstractAsyncContextManager[Demuxer]:
        """No file can be read.

        Raises:
            MediaError: always.
        """
        raise MediaError(f"no child processes here to read `{path}`")


class NoStreams:
    """Implements :class:`streamctl.sdk.context.Streams` where there are none."""

    async def ready(self, code: str) -> Format:
        """There is no stream.

        Raises:
            NotFound: always.
        """
        raise NotFound(f"no stream `{code}` runs here")

    def open(self, code: str, fmt: Format) -> Cursor:
        """There is no stream.

        Raises:
            NotFound: always.
        """
        raise NotFound(f"no stream `{code}` runs here")


class BareContext:
    """An implementation of :class:`streamctl.sdk.context.Context` without an engine."""

    handshake_s = 10.0

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = FakeClock() if clock is None else clock
        self.log = logging.getLogger("streamctl.testing")
        self.avworker: AvWorker = NoChildren()
        self.streams: Streams = NoStreams()

    def resolve_file(self, url: str) -> Path:
        """There are no media roots.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"outside every media root: `{url}`")

    def place_file(self, url: str) -> Path:
        """There are no media roots.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"outside every media root: `{url}`")
