"""Finds parameter sets at the start of a random-access point, to see whether they change.

Only whole ones count, which another start code follows. What they say is left to the codecs'
modules. Specifications: ITU-T H.264 table 7-1, ITU-T H.265 table 7-1, ISO/IEC 13818-2 §6.2.2.
"""

from __future__ import annotations

import re

from streamctl.media.packet import Codec

SETS = {
    Codec.H264: re.compile(
        rb"\x00\x00\x01[\x27\x28\x47\x48\x67\x68].*?(?=\x00\x00\x01)", re.DOTALL
    ),
    Codec.HEVC: re.compile(rb"\x00\x00\x01[\x40\x42\x44]\x01.*?(?=\x00\x00\x01)", re.DOTALL),
    Codec.MPEG2: re.compile(rb"\x00\x00\x01\xb3.*?(?=\x00\x00\x01)", re.DOTALL),
}
"""Start code, type and content."""


def parameter_sets(codec: Codec | None, data: bytes) -> bytes:
    """The parameter sets in these bytes; empty when there are none."""
    pattern = SETS.get(codec) if codec is not None else None
    return b"".join(pattern.findall(data)) if pattern is not None else b""


class SetWatch:
    """Notices when a random-access point brings other parameter sets than the one before."""

    def __init__(self) -> None:
        self._sets = b""

    def changed(self, codec: Codec | None, data: bytes) -> bool:
        """Whether these bytes of a random-access point do; sets that don't show don't count."""
        sets = parameter_sets(codec, data)
        changed = bool(sets and self._sets) and sets != self._sets
        self._sets = sets or self._sets
        return changed
