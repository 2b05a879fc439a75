"""The converter of the rtmp lane: each access unit becomes one shared run of chunks.

Time, headers and joins are :mod:`streamctl.media.flv_converter`'s matter.
"""

from __future__ import annotations

from streamctl.media.flv_converter import BASE_LEAD, TagConverter
from streamctl_rtmp.packer import Packer


class RtmpConverter(TagConverter):
    """Implements :class:`streamctl.sdk.plugin.Converter`."""

    def __init__(self, first_timestamp: int = BASE_LEAD, *, multitrack: bool = False) -> None:
        super().__init__(lambda base: Packer(base=base, multitrack=multitrack), first_timestamp)
