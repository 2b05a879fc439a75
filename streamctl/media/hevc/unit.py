"""Access units: the form of ``Packet.data``, the kind of picture, and Annex B for outputs.

All is told from NAL unit types: random-access points, pictures that lead them, and whether
other pictures refer to one. Specification: ITU-T H.265 §7.3.1.2, §7.4.2.2 (table 7-1).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.nal import START_CODE, byte_stream, join_length_prefixed, prefixed_spans
from streamctl.media.packet import Flag, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable


class Nal(enum.IntEnum):
    """``nal_unit_type`` of the units that are told apart."""

    RADL_N = 6
    RASL_R = 9
    BLA_W_LP = 16
    BLA_W_RADL = 17
    BLA_N_LP = 18
    CRA = 21
    LAST_IRAP = 23
    VPS = 32
    SPS = 33
    PPS = 34
    DELIMITER = 35
    END_OF_SEQUENCE = 36
    END_OF_STREAM = 37
    FILLER = 38
    PREFIX_SEI = 39


REMOVED = frozenset(range(Nal.VPS, Nal.FILLER + 1))
"""Parameter sets, delimiters, ends of sequence and stream, and filler, which ``Packet.data``
never holds: outputs write their own sets and delimiters, filler is waste, and an end of
sequence would reset the decoders of a spliced stream."""

SLICES = 32
"""Types below are slice segments."""

SUB_LAYER_NON_REFERENCE = frozenset(range(0, 16, 2))
"""Pictures that none of their own temporal layer refers to."""

OPEN = frozenset({Nal.BLA_W_LP, Nal.CRA})
"""Random-access points that may be followed by pictures that refer before them."""

LINKS = frozenset({Nal.BLA_W_LP, Nal.BLA_W_RADL, Nal.CRA})
"""Random-access points whose pictures differ from ``BLA_N_LP`` in their type alone."""

DELIMITER = START_CODE + b"\x46\x01\x50"
"""An access unit delimiter that allows every slice type (``pic_type`` 2)."""


@dataclass(slots=True)
class AccessUnit:
    """One access unit in the form of ``Packet.data``, and what was found in it."""

    data: bytes
    """Empty when nothing was left but parameter sets and delimiters."""
    kind: Kind
    flags: int
    vps: tuple[bytes, ...] = ()
    """Video parameter sets found in band."""
    sps: tuple[bytes, ...] = ()
    """Sequence parameter sets found in band."""
    pps: tuple[bytes, ...] = ()
    """Picture parameter sets found in band."""


def normalize(nals: Iterable[bytes]) -> AccessUnit:
    """Bring the NAL units of one access unit into the form of ``Packet.data``.

    SEI stays, since captions and HDR metadata live there. Parameter sets of enhancement layers
    are dropped: they share numbers with those of the base layer.
    """
    kept: list[bytes] = []
    sets: dict[int, list[bytes]] = {Nal.VPS: [], Nal.SPS: [], Nal.PPS: []}
    picture = -1
    for nal in nals:
        if len(nal) < 2:
            continue
        kind = nal[0] >> 1 & 63
        if kind not in REMOVED:
            kept.append(nal)
            if picture < 0 and kind < SLICES:
                picture = kind
        elif kind in sets and not (nal[0] & 1 or nal[1] >> 3):
            sets[kind].append(nal)
    vps, sps, pps = (tuple(found) for found in sets.values())
    return AccessUnit(join_length_prefixed(kept), *CLASSES[picture], vps, sps, pps)


def normalize_prefixed(data: bytes, size: int = 4) -> AccessUnit:
    """Like :func:`normalize`, from length-prefixed form; usually without copying.

    Raises:
        RemoteProtocolError: a length points past the end.
    """
    spans = prefixed_spans(data, size)
    picture = -1
    expected = size
    for start, end in spans:
        kind = data[start] >> 1 & 63
        if kind in REMOVED or start != expected:
            break
        if picture < 0 and kind < SLICES:
            picture = kind
        expected = end + size
    else:
        if size == 4 and expected == len(data) + size:
            return AccessUnit(data, *CLASSES[picture])
    return normalize([data[start:end] for start, end in spans])


def classify(kind: int) -> tuple[Kind, int]:
    """Kind and flags of a picture by the type of its first slice segment.

    Slice types tell little here: encoders code most pictures as B. So B are the pictures that
    can be left out, those which lead and those which none of their layer refers to.
    """
    if Nal.BLA_W_LP <= kind <= Nal.LAST_IRAP:
        return Kind.KEY, int(Flag.OPEN_GOP if kind in OPEN else Flag.NONE)
    if Nal.RADL_N <= kind <= Nal.RASL_R:
        return Kind.B, int(Flag.LEADING)
    return (Kind.B if kind in SUB_LAYER_NON_REFERENCE else Kind.P), 0


CLASSES = {kind: classify(kind) for kind in (*range(SLICES), -1)}
"""Kind and flags by type; -1 stands for an access unit without a picture. The flags are plain
numbers, since the bits of an enum are slow to test."""


def broken_link(data: bytes) -> bytes:
    """A random-access point as it must be behind pictures of another encoder.

    Its leading pictures are gone, and as a broken link it makes decoders show what they hold
    and count pictures anew (§7.4.2.2); a CRA in mid-stream would be taken for a continuation.
    The slice headers are the same.

    Raises:
        RemoteProtocolError: a length points past the end.
    """
    out = bytearray(data)
    for start, _ in prefixed_spans(data):
        if data[start] >> 1 & 63 in LINKS:
            out[start] = data[start] & 0x81 | Nal.BLA_N_LP << 1
    return bytes(out)


def annexb(data: bytes, prefix: bytes = b"") -> bytes:
    """The byte stream form of a ``Packet.data``, behind a delimiter and ``prefix``.

    Raises:
        RemoteProtocolError: a length points past the end.
    """
    return byte_stream(DELIMITER + prefix, data)
