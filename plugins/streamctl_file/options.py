"""Keys of a file input, and the same keys in the query of its URL."""

from __future__ import annotations

from streamctl.sdk.transport import TransportOptions


class FileInputOptions(TransportOptions):
    """How a file is played; programs and PIDs are those of a transport stream."""

    loop: bool = True
    """Begin again at the end, without a seam."""
