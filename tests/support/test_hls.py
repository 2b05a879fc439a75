from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.hls import HlsRecording, Segment, faults, parse
from tests.support.media import MediaCache, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000+00:00
#EXTINF:2.000,
a.ts
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:05.000+00:00
#EXTINF:2.000,
b.ts
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:07.000+00:00
#EXTINF:2.000,
c.ts
"""
SECOND = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:9
#EXT-X-DISCONTINUITY-SEQUENCE:4
#EXTINF:2.000,
c.ts
#EXTINF:2.000,
d.ts
"""


def test_a_media_playlist_is_read() -> None:
    playlist = parse(FIRST)
    assert (playlist.target_s, playlist.sequence, playlist.discontinuity_sequence) == (2, 7, 3)
    assert playlist.segments[1] == Segment(8, "b.ts", 2.0, True, 1767225605.0)


def test_good_playlists_have_no_fault() -> None:
    assert faults(HlsRecording(playlists=[parse(FIRST), parse(SECOND)])) == []


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        (FIRST, SECOND.replace("SEQUENCE:9", "SEQUENCE:6", 1), "MEDIA-SEQUENCE went"),
        (FIRST, SECOND.replace("DURATION:2", "DURATION:3"), "TARGETDURATION changed"),
        (FIRST, SECOND.replace("CE:4", "CE:3"), "DISCONTINUITY-SEQUENCE rose by 0, 1 tags"),
        (FIRST, SECOND.replace("c.ts", "x.ts"), "segment 9 changed"),
        (FIRST, SECOND.replace("2.000,\nd", "2.600,\nd"), "EXTINF 2.6 > 2"),
        (FIRST, SECOND + "#EXT-X-ENDLIST\n", "ENDLIST"),
        (FIRST.replace("00:07.0", "00:07.5"), SECOND, "PROGRAM-DATE-TIME is +0.500 s off"),
    ],
)
def test_each_planted_fault_of_a_playlist_is_found(first: str, second: str, fault: str) -> None:
    found = faults(HlsRecording(playlists=[parse(first), parse(second)]))
    assert any(fault in line for line in found), found


@pytest.fixture
def recording(media: MediaCache) -> HlsRecording:
    body = media(Recipe(seconds=2, container="ts")).path.read_bytes()
    segment = Segment(7, "a.ts", 2.0, False, None)
    return HlsRecording(playlists=[parse(FIRST)], bodies={7: body}, listed={7: segment})


def test_a_good_segment_has_no_fault(recording: HlsRecording) -> None:
    assert faults(recording) == []


def lie_about_length(recording: HlsRecording) -> None:
    recording.listed[7] = replace(recording.listed[7], duration_s=1.8)


def reuse_a_name(recording: HlsRecording) -> None:
    recording.listed[8] = replace(recording.listed[7], sequence=8)
    recording.bodies[8] = recording.bodies[7]


@pytest.mark.parametrize(
    ("plant", "fault"), [(lie_about_length, "media 2.000"), (reuse_a_name, "used twice")]
)
def test_each_planted_fault_of_a_segment_is_found(
    recording: HlsRecording, plant: Callable[[HlsRecording], None], fault: str
) -> None:
    plant(recording)
    assert any(fault in line for line in faults(recording))
