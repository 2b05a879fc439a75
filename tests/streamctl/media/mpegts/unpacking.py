"""PES packets as an assembler gives them, and what an unpacker makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.mpegts.assemble import Pes
from streamctl.media.mpegts.pes import PesHeader
from streamctl.media.packet import Packet

if TYPE_CHECKING:
    from streamctl.media.mpegts.unpack import Found, PesUnpacker


def pes(  # what an assembler may tell of it
    data: bytes,
    pts: int | None,
    dts: int | None = None,
    *,
    torn: bool = False,
    gap: bool = False,
    continued: bool = False,
) -> Pes:
    header = PesHeader(0xE0, -1, 9, pts, pts if dts is None else dts)
    return Pes(header, data, torn, gap, continued)


def units(unpacker: PesUnpacker, *taken: Pes) -> list[Packet]:
    found = found_by(unpacker, *taken)
    return [item for item in found if isinstance(item, Packet)]


def found_by(unpacker: PesUnpacker, *taken: Pes) -> list[Found]:
    out: list[Found] = []
    for one in taken:
        unpacker.take(one, out)
    unpacker.flush(out)
    return out
