"""Endless bodies in chunks (RFC 9112, section 7.1), so that a client can tell an end from a cut.

Only HTTP/1.1 clients get them. What viewers share is framed once: consecutive writes of the same
object to many wires reuse one frame. Each write is one chunk, so nothing is ever skipped within.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl.sdk.lane import Wire

END = b"0\r\n\r\n"


class ChunkFramer:
    """Frames bodies; remembers the last one, which the next viewer gets too."""

    def __init__(self) -> None:
        self._data: bytes | memoryview = b""
        self._chunk = b""

    def frame(self, data: bytes | memoryview) -> bytes:
        """The chunk of ``data``; empty for none, because a chunk without data is the end."""
        if data is not self._data:
            self._data = data
            self._chunk = b"".join((b"%x\r\n" % len(data), data, b"\r\n")) if data else b""
        return self._chunk


class ChunkedWire:
    """Implements :class:`streamctl.sdk.lane.Wire` over another wire."""

    __slots__ = ("_framer", "_wire", "_write")

    def __init__(self, wire: Wire, framer: ChunkFramer) -> None:
        self._wire = wire
        self._write = wire.write
        self._framer = framer

    def write(self, data: bytes | memoryview) -> None:
        """Send a chunk without waiting; may call the peer's ``paused`` before it returns."""
        self._write(self._framer.frame(data))

    def unsent(self) -> int:
        """Bytes that the peer's kernel has not acknowledged, frames included."""
        return self._wire.unsent()

    def set_send_buffer(self, size: int) -> None:
        """Ask the kernel for a send buffer of about ``size`` bytes."""
        self._wire.set_send_buffer(size)

    def read_least(self, size: int) -> None:
        """Ask to hear of arriving bytes only once there are ``size``."""
        self._wire.read_least(size)

    def call_again(self) -> None:
        """Hear nothing more in this turn of the loop."""
        self._wire.call_again()

    def close(self, reason: str) -> None:
        """End the body, then close."""
        self._write(END)
        self._wire.close(reason)

    def abort(self, reason: str) -> None:
        """Close at once, without an end."""
        self._wire.abort(reason)
