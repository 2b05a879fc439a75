from __future__ import annotations

import pytest

from streamctl_hls.segment import NAME, segment_name, tables
from tests.plugins.streamctl_hls.chunks import JOIN, PAT, PMT, es_packet, segment

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
    assert segment(0, start=90, end=180_180).duration == 2.001


@pytest.mark.parametrize("name", [segment_name(5, 42), segment_name(10**15, 10**9)])
def test_names_are_told_from_others(name: str) -> None:
    assert NAME.fullmatch(name)
    assert not any(NAME.fullmatch(other) for other in (name[1:], name + "x", "../" + name, ""))
