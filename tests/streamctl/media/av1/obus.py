"""Sequence headers of real encoders, others built from bits, and OBUs."""

from __future__ import annotations

from streamctl.media.av1.obu import leb128

SVT = bytes.fromhex("0200000521e7f66257c802")
AOM = bytes.fromhex("000000043cfeccdaf90040")

DELIMITER = b"\x12\0"
KEY = b"\x10" + b"\x5a" * 40
INTER = b"\x30" + b"\x5a" * 20
SHOWN_AGAIN = b"\xe8"

POINT = "0" * 12 + "00101"
"""An operating point of level 3.1."""
COLOR = "0" + "0" + "0" + "0" + "01"
"""Eight bits, 4:2:0, nothing described."""


def obu(kind: int, payload: bytes, *, size: bool = True, extension: bytes = b"") -> bytes:
    head = bytes((kind << 3 | (4 if extension else 0) | (2 if size else 0),)) + extension
    return head + (leb128(len(payload)) if size else b"") + payload


def pack(bits: str) -> bytes:
    bits += "1"
    return int(bits + "0" * (-len(bits) % 8), 2).to_bytes((len(bits) + 7) // 8, "big")


def sequence(
    *,
    profile: int = 0,
    timing: str = "0",
    points: str = "0" + "00000" + POINT,
    ids: str = "0",
    tools: str = "0000" + "0" + "1" + "1",
    color: str = COLOR,
) -> bytes:
    """A sequence header of 640 by 360."""
    size = "1001" + "1000" + f"{639:010b}" + f"{359:09b}"
    head = f"{profile:03b}" + "0" + "0" + timing + points + size + ids
    return pack(head + "000" + tools + "000" + color + "0" + "0")


def still() -> bytes:
    """A reduced header."""
    size = "1001" + "1000" + f"{639:010b}" + f"{359:09b}"
    return pack("000" + "1" + "1" + "00101" + size + "000" + "000" + COLOR + "0" + "0")
