"""G.711: the only codec whose data tells nothing at all.

One byte is one sample of one channel; how many there are of either is told aside.
"""

from __future__ import annotations

from streamctl.media.packet import TIMESCALE, Kind
from streamctl.media.timestamps import rescale
from streamctl.media.unit import Facts, TrackReader, Unit


class G711Reader(TrackReader):
    """Samples at a rate that the session tells."""

    def __init__(self, name: str, title: str, sample_rate: int, channels: int) -> None:
        super().__init__()
        self.rate = sample_rate * channels
        """Bytes per second."""
        facts = Facts(name, title, sample_rate=sample_rate, channels=channels)
        self.adopt(b"", facts)

    def configure(self, record: bytes) -> bytes | None:
        """Nothing: there is no such record."""
        del record
        return None

    def unit(self, data: bytes) -> Unit:
        return Unit(data, Kind.AUDIO, 0, None, rescale(len(data), self.rate, TIMESCALE))
