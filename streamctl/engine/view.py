"""A stream as HTTP outputs see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl.engine.graph import LaneAttachment
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Format, Init
    from streamctl.sdk.lane import Reader


class EngineView:
    """Implements :class:`streamctl.sdk.context.StreamView`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def code(self) -> str:
        """The stream's code."""
        return self._stream.code

    @property
    def title(self) -> str:
        """The configured title, or the code."""
        return self._stream.config.title or self._stream.code

    @property
    def generation(self) -> int:
        """Milliseconds of Unix time at the stream's start."""
        return self._stream.generation

    def on_air(self) -> bool:
        """Whether an epoch is running, or one has ended just now: who comes at a cut is let in."""
        return self._stream.on_air() or self._stream.announcer.on_air

    def init(self, fmt: Format) -> Init | None:
        """The current track set of a lane."""
        return self._stream.graph.init(fmt)

    def refusal(self, fmt: Format) -> str:
        """Why viewers of that format are refused now; empty = they are not."""
        return self._stream.refusal(fmt)

    def attach(self, fmt: Format, reader: Reader) -> LaneAttachment:
        """Feed ``reader`` from the oldest random-access point on."""
        return self._stream.graph.attach(fmt, reader)

    def note(self, name: str, text: str) -> None:
        """Show a named remark in the stream's status."""
        self._stream.note(name, text)

    def degrade(self, cause: str, text: str) -> None:
        """Call the stream degraded for a named cause."""
        self._stream.degrade(cause, text)
