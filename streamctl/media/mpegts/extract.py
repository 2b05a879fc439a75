"""The converter from the ``mpegts`` lane to the ``packets`` lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import Boundary, InitChange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Item


class TsExtractor:
    """Takes access units out of transport packets."""

    def convert(self, items: Sequence[Item]) -> list[Item]:
        """The access units of these chunks; boundaries and changes keep their place."""
        return [item for item in items if isinstance(item, (Boundary, InitChange))]

    def flush(self) -> list[Item]:
        """Nothing is held back."""
        return []
