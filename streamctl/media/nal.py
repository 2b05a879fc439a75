"""NAL units: the three ways to delimit them, and emulation prevention.

Shared by H.264 (ITU-T H.264 §7.3, §7.4.1, Annex B) and the codecs that inherited its framing;
what the units mean is left to the codec's own module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

START_CODE = b"\0\0\0\1"
SHORT_START_CODE = b"\0\0\1"
MAX_UNITS = 10_000
"""NAL units of an access unit, empty ones included: an intra picture of 8K whose slices fit into
datagrams has fewer. A picture of nothing but units takes seconds and hundreds of megabytes."""
MAX_SET_BYTES = 0xFFFF
"""Longest parameter set that a decoder configuration record can hold."""


def prefixed_spans(data: bytes, size: int = 4) -> list[tuple[int, int]]:
    """Start and end of each length-prefixed NAL unit; empty units are left out.

    Raises:
        RemoteProtocolError: a length points past the end, or there are too many.
    """
    spans = []
    position = count = 0
    total = len(data)
    while position < total:
        count += 1
        if count > MAX_UNITS:
            raise too_many()
        start = position + size
        position = start + int.from_bytes(data[position:start], "big")
        if start > total or position > total:
            raise RemoteProtocolError("a NAL unit length points past the end of its access unit")
        if position > start:
            spans.append((start, position))
    return spans


def too_many() -> RemoteProtocolError:
    """The error of an access unit that nobody can have meant."""
    return RemoteProtocolError(f"an access unit of more than {MAX_UNITS} NAL units")


def split_length_prefixed(data: bytes, size: int = 4) -> list[bytes]:
    """The NAL units of an access unit in length-prefixed form, without empty ones.

    Raises:
        RemoteProtocolError: a length points past the end, or there are too many.
    """
    return [data[start:end] for start, end in prefixed_spans(data, size)]


def join_length_prefixed(nals: Iterable[bytes]) -> bytes:
    """The units in the form of ``Packet.data``, each behind its length in four bytes."""
    parts = []
    for nal in nals:
        parts.append(len(nal).to_bytes(4, "big"))
        parts.append(nal)
    return b"".join(parts)


def split_annexb(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream (Annex B), without empty ones.

    Bytes before the first start code belong to no unit; zeros before a start code are
    ``trailing_zero_8bits`` or the start code's own first byte, never part of a unit.

    Raises:
        RemoteProtocolError: there are too many.
    """
    nals = []
    count = 0
    start = data.find(SHORT_START_CODE) + 3
    while start >= 3:
        count += 1
        if count > MAX_UNITS:
            raise too_many()
        code = data.find(SHORT_START_CODE, start)
        nal = data[start : len(data) if code < 0 else code].rstrip(b"\0")
        if nal:
            nals.append(nal)
        start = code + 3
    return nals


def byte_stream(head: bytes, data: bytes) -> bytes:
    """The units of a ``Packet.data`` behind start codes, and all that behind ``head``.

    Raises:
        RemoteProtocolError: a length points past the end.
    """
    out = bytearray(head + data)
    offset = len(head) - len(START_CODE)
    for start, _ in prefixed_spans(data):
        out[offset + start : offset + start + 4] = START_CODE
    return bytes(out)


def read_sets(data: bytes, position: int, count: int) -> tuple[tuple[bytes, ...], int]:
    """That many sets behind 16-bit lengths, without empty ones, and where they end.

    Raises:
        RemoteProtocolError: cut off.
    """
    sets = []
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or position > len(data):
            raise RemoteProtocolError("a decoder configuration record is cut off")
        if position > start:
            sets.append(data[start:position])
    return tuple(sets), position


def write_sets(sets: Sequence[bytes], most: int) -> bytes:
    """The sets of a decoder configuration record, each behind its length in 16 bits.

    Raises:
        RemoteProtocolError: a set that is longer, or more of them than ``most``.
    """
    if len(sets) > most or any(len(one) > MAX_SET_BYTES for one in sets):
        raise RemoteProtocolError("parameter sets don't fit into a decoder configuration record")
    return b"".join(len(one).to_bytes(2, "big") + one for one in sets)


def merge_sets(
    known: tuple[bytes, ...], found: Iterable[bytes], key: Callable[[bytes], int]
) -> tuple[bytes, ...]:
    """The known sets, replaced by found ones of the same id, and then the new ones."""
    table = {key(one): one for one in known}
    table.update((key(one), one) for one in found)
    return tuple(table.values())


def unescape(nal: bytes) -> bytes:
    """The payload without ``emulation_prevention_three_byte`` (§7.4.1)."""
    return nal.replace(b"\0\0\3", b"\0\0")
