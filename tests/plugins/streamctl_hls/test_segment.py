from __future__ import annotations

import pytest

from streamctl_hls.segment import Segment, tables
from tests.plugins.streamctl_hls.chunks import JOIN, PAT, PMT, es_packet

VIDEO = es_packet(0x100, "video")


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([PAT + PMT + VIDEO], PAT + PMT),
        ([PAT + PMT + PMT + VIDEO, VIDEO], PAT + PMT + PMT),
        ([PAT + PMT], PAT + PMT),
        ([JOIN + PAT + PMT + VIDEO], PAT + PMT),
        ([PAT + PMT + VIDEO, VIDEO, PAT + PMT + PMT + VIDEO], PAT + PMT + PMT),
        ([PAT + PMT, VIDEO + PAT + PMT], PAT + PMT),
        ([VIDEO, VIDEO], b""),
        ([JOIN, b"", b"\x47"], b""),
        ([PAT], PAT),
        ([], b""),
    ],
)
def test_the_newest_tables_are_found_at_the_head_of_a_part(
    parts: list[bytes], found: bytes
) -> None:
    assert tables(parts) == found


def test_duration_is_media_time_in_seconds() -> None:
    segment = Segment(0, 90, 180_180, (), 0, 0.0, discontinuity=False, independent=True)
    assert segment.duration == 2.001
