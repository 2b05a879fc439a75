"""Parameter sets of real encoders, others built from bits, and slices."""

from __future__ import annotations

from tests.streamctl.media.h264.sets import bits_of, payload

VPS = bytes.fromhex("40010c01ffff01600000030090000003000003003c959409")
SPS = bytes.fromhex(
    "42010101600000030090000003000003003ca00a080b9f796565924caf016808000003000800000300c840"
)
PPS = bytes.fromhex("4401c172b46240")
SPS_MAIN10 = bytes.fromhex(
    "42010102200000030090000003000003003ca00a080b9f6d96565924caf0168080000003008000000c84"
)
SPS_1080 = bytes.fromhex(
    "420101016000000300900000030000030078a003c0801107cb965654a4c2f01680800001f480003a9804"
)
VPS_PHONE = bytes.fromhex("40010c01ffff01600000030090000003000003005d998a0240")
SPS_PHONE = bytes.fromhex(
    "42010101600000030090000003000003005da005a20050165998a924cab016a020202080000003008000000f04"
)

GENERAL = f"{0x016000000090000000000000 | 93:096b}"
"""Main profile, main tier, level 3.1."""
ORDERING = "1" + bits_of(4) + bits_of(2) + bits_of(0)
TOOLS = "".join(bits_of(number) for number in (0, 3, 0, 3, 1, 1))
TIMING = "1" + f"{1001:032b}" + f"{30_000:032b}"


def escape(rbsp: bytes) -> bytes:
    """The payload with emulation prevention."""
    out = bytearray()
    zeros = 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def nal(kind: int, bits: str) -> bytes:
    return bytes((kind << 1, 1)) + escape(payload(bits))


def sps(  # every part of the syntax that has another length
    *,
    number: int = 0,
    layers: str = "0001" + GENERAL,
    chroma: str = bits_of(1),
    size: str = bits_of(640) + bits_of(368),
    window: str = "1" + bits_of(0) + bits_of(0) + bits_of(0) + bits_of(4),
    depths: str = bits_of(0) + bits_of(0),
    ordering: str = ORDERING,
    tools: str = TOOLS + "0" + "11" + "0",
    references: str = bits_of(0) + "0",
    vui: str = "0",
) -> bytes:
    """A sequence parameter set; ``layers`` begins with the count less one and the nesting."""
    head = "0000" + layers + bits_of(number) + chroma + size + window + depths + bits_of(4)
    return nal(33, head + ordering + tools + references + "11" + vui + "0")


def vps(timing: str, *, layers: str = "000", sets: str = bits_of(0)) -> bytes:
    """A video parameter set of id 0."""
    head = "0000" + "11" + "000000" + layers + "1" + "1" * 16 + GENERAL
    if layers != "000":
        head += "0" * 16
    return nal(32, head + ORDERING + "000000" + sets + timing + "0")


def slice_of(kind: int, *, layer: int = 0, first: bool = True) -> bytes:
    """A slice segment of that type; the rest is noise."""
    header = bytes((kind << 1 | layer >> 5, (layer & 31) << 3 | 1))
    return header + (b"\xd0" if first else b"\x50") + b"\x5a" * 30
