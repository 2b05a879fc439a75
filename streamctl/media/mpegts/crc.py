"""CRC_32 of PSI sections (ISO/IEC 13818-1 Annex A).

The polynomial is zlib's, but bits go in and out most significant first and the result is not
inverted; so bytes are mirrored around zlib's routine.
"""

from __future__ import annotations

import zlib

MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in reverse order."""


def crc32(data: bytes) -> int:
    """The checksum; over a section that includes its own CRC_32 it is 0."""
    mirrored = zlib.crc32(data.translate(MIRRORED)) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(MIRRORED), "big")
