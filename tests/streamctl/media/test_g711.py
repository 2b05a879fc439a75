from __future__ import annotations

import pytest

from streamctl.media.g711 import G711Reader
from streamctl.media.packet import Codec, Kind, Track


@pytest.mark.parametrize(("rate", "channels", "ticks"), [(8000, 1, 1800), (16_000, 2, 450)])
def test_bytes_are_samples(rate: int, channels: int, ticks: int) -> None:
    reader = G711Reader("alaw", "G.711 A-law", rate, channels)
    assert reader.configure(b"record") is None
    unit = reader.unit(bytes(160))
    assert (unit.kind, unit.dur, unit.config) == (Kind.AUDIO, ticks, None)
    track = reader.track(Track(0, Codec.G711A))
    assert (track.sample_rate, track.channels, track.config) == (rate, channels, b"")
