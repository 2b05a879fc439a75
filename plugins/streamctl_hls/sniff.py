"""What segments hold, by their first bytes; servers call them all kinds of things."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from streamctl.errors import MediaError

if TYPE_CHECKING:
    from streamctl_hls.feed import Loaded

BOXES = frozenset({b"styp", b"ftyp", b"moof", b"moov", b"sidx", b"emsg", b"prft", b"mdat"})
TS_SYNC = 0x47
TEXT = (b"WEBVTT", b"<", b"{")
SOUND = (b"ID3", b"\x0b\x77")


class Kind(enum.Enum):
    """Formats of segments."""

    TS = "MPEG-TS"
    FMP4 = "fragmented MP4"
    SOUND = "sound without a container"


def sniff(loaded: Loaded) -> Kind:
    """The format of a segment.

    Raises:
        MediaError: none that can be read.
    """
    data = loaded.data
    if loaded.section or data[4:8] in BOXES:
        return Kind.FMP4
    if data.startswith(SOUND) or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0):
        return Kind.SOUND
    if TS_SYNC in data[:204]:
        return Kind.TS
    what = "text" if data.lstrip().startswith(TEXT) else "no media that can be read"
    raise MediaError(f"the segments are {what}", permanent=True)
