"""What the engine injects into plugins: clock, logger, streams, child processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import logging
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from streamctl.media.packet import Format, Init, Packet, Track
    from streamctl.sdk.lane import Attachment, Cursor, Reader


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None:
        """Drop the call; may be called twice, and after it ran."""


class Clock(Protocol):
    """Time, injected so that tests own it."""

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Unix time in seconds."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` on the loop thread after ``delay_s`` seconds."""

    async def sleep(self, delay_s: float) -> None:
        """Wait ``delay_s`` seconds."""


class StreamView(Protocol):
    """A stream as an HTTP output sees it."""

    @property
    def code(self) -> str:
        """The stream's code."""

    @property
    def title(self) -> str:
        """The title from the configuration, or the code."""

    @property
    def generation(self) -> int:
        """A number that never repeats for this code, also across restarts of the process."""

    def on_air(self) -> bool:
        """Whether an epoch is running, or one has ended just now: who comes at a cut is let in."""

    def init(self, fmt: Format) -> Init | None:
        """The current track set of a lane; None before the first epoch."""

    def refusal(self, fmt: Format) -> str:
        """Why viewers of that format are refused now: a sentence for them; empty = they are not.

        A format that can't carry any video track of the running epoch refuses its viewers.
        Viewers of a :class:`~streamctl.sdk.endpoints.Live` reply are refused by the engine.
        """

    def attach(self, fmt: Format, reader: Reader) -> Attachment:
        """Feed ``reader`` from the oldest random-access point that the lane's base holds.

        Raises:
            Unsupported: no installed converter makes this format.
        """

    def note(self, name: str, text: str) -> None:
        """Show a named remark in the stream's status; an empty text removes it."""

    def degrade(self, cause: str, text: str) -> None:
        """Call the stream degraded for a named cause; an empty text removes it."""


class Streams(Protocol):
    """The streams of this server, for inputs that are made of others.

    A stream that is pulled on demand is wanted by whoever waits for it or has a cursor of it.
    """

    async def ready(self, code: str) -> Format:
        """Wait until a stream is on air; the trunk format that it comes in.

        Raises:
            NotFound: no such stream runs.
            NotReady: it was stopped meanwhile.
        """

    def open(self, code: str, fmt: Format) -> Cursor:
        """A cursor of one of its lanes, to be closed; its waiting ends when the stream does.

        Raises:
            NotFound: no such stream runs.
            Unsupported: nothing makes that format.
        """


class Demuxer(Protocol):
    """A running demux of a file in a child process."""

    @property
    def tracks(self) -> Sequence[Track]:
        """The tracks found, with their configurations."""

    @property
    def duration_s(self) -> float:
        """Duration of one pass; 0 = unknown."""

    @property
    def notes(self) -> Sequence[str]:
        """What of the file is left out, and why."""

    def packets(self) -> AsyncIterator[list[Packet]]:
        """Batches of access units in decode order until the end of the file.

        Raises:
            MediaError: the file became unreadable, or the child process died.
        """


class AvWorker(Protocol):
    """Child processes that do all libav work."""

    def demux(
        self, path: Path, *, loop: bool = False, start_s: float = 0.0
    ) -> AbstractAsyncContextManager[Demuxer]:
        """Demux a file in a child process that ends with the context.

        Raises:
            MediaError: unreadable, or no track that streamctl can carry.
        """


class Context(Protocol):
    """The engine's services for one plugin."""

    clock: Clock
    log: logging.Logger
    avworker: AvWorker
    streams: Streams
    handshake_s: float
    """Deadline of a peer's handshake, from the configuration."""

    def resolve_file(self, url: str) -> Path:
        """The path of a ``file:`` URL, checked against the media roots.

        Raises:
            ConfigError: outside every media root, or not a readable file.
        """

    def place_file(self, url: str) -> Path:
        """The path of a ``file:`` URL that is to be written, checked against the media roots.

        Raises:
            ConfigError: outside every media root.
        """
