"""VP8: frame headers.

There is no configuration: key frames tell the size. Specification: RFC 6386 §9.1.
"""

from __future__ import annotations

from streamctl.errors import RemoteProtocolError
from streamctl.media.packet import Kind
from streamctl.media.unit import Facts, TrackReader, Unit

INTER = 0x01
"""Bit of the first byte that key frames don't have."""
START_CODE = b"\x9d\x01\x2a"
SIZE_MASK = 0x3FFF
"""The two bits above are a scale."""
KEY_HEADER_BYTES = 10


def parse_key_frame(data: bytes) -> tuple[int, int]:
    """Width and height that a key frame tells.

    Raises:
        RemoteProtocolError: not a key frame, or cut off.
    """
    if len(data) < KEY_HEADER_BYTES or data[3:6] != START_CODE:
        raise RemoteProtocolError("a VP8 key frame does not begin with its start code")
    width, height = (int.from_bytes(data[at : at + 2], "little") & SIZE_MASK for at in (6, 8))
    return width, height


class Vp8Reader(TrackReader):
    """Takes the size from the key frames."""

    def configure(self, record: bytes) -> bytes | None:
        """Nothing: what some containers put in place of a record says nothing new."""
        del record
        return None

    def unit(self, data: bytes) -> Unit:
        if not data or data[0] & INTER:
            return Unit(data, Kind.P)
        width, height = parse_key_frame(data)
        told = Facts("vp8", "VP8", width=width, height=height)
        return Unit(data, Kind.KEY, 0, self.adopt(b"", told))
