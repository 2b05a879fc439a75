"""Where a pass over a video track may begin: at a picture that needs nothing before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import Kind

if TYPE_CHECKING:
    from streamctl.media.packet import Packet


class Entry:
    """Leaves out what precedes the first random-access point and its leading pictures.

    A repetition that began in the middle of a group would show damage at every seam.
    """

    def __init__(self) -> None:
        self.key_pts: int | None = None
        self.leading = True

    def admits(self, packet: Packet) -> bool:
        """Whether the picture can be decoded from where the pass began."""
        if self.key_pts is None:
            if packet.kind is not Kind.KEY:
                return False
            self.key_pts = packet.pts
        elif self.leading:
            if packet.pts < self.key_pts:
                return False
            self.leading = False
        return True
