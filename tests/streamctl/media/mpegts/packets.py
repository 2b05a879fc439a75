"""Packets put together field by field, right or wrong."""

from __future__ import annotations


def packet(
    pid: int,
    counter: int,
    payload: bytes | None = b"",
    *,
    start: bool = False,
    fields: bytes | None = None,
    error: bool = False,
    scrambling: int = 0,
) -> bytes:
    """One packet; the adaptation field is filled up to the payload. ``fields`` are its flags and
    values, ``payload`` None means that there is none."""
    size = 0 if payload is None else len(payload)
    room = 184 - size
    field = b""
    if room:
        field = bytes((room - 1,)) + (fields or b"\0" if room > 1 else b"").ljust(room - 1, b"\xff")
    control = (0x20 if field else 0) | (0 if payload is None else 0x10)
    head = (0x47, error << 7 | start << 6 | pid >> 8, pid & 0xFF)
    return bytes((*head, scrambling << 6 | control | counter & 15)) + field + (payload or b"")


def carried(pid: int, data: bytes, counter: int = 0, fields: bytes | None = None) -> bytes:
    """A unit over as many packets as it takes."""
    out: list[bytes] = []
    position = 0
    while position < len(data) or not out:
        room = 183 - len(fields) if fields and not out else 184
        piece = data[position : position + room]
        start = not out
        out.append(
            packet(pid, counter + len(out), piece, start=start, fields=fields if start else None)
        )
        position += room
    return b"".join(out)
