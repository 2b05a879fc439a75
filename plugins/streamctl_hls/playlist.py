"""Playlists as text (RFC 8216 4.3): pure functions of what is listed."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from streamctl.media.codecs import codec_string
from streamctl.media.packet import Media

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.packet import Init
    from streamctl_hls.segment import Segment
    from streamctl_hls.window import Window

CONTENT_TYPE = "application/vnd.apple.mpegurl"
HEADROOM = 1.2
"""BANDWIDTH is read once, at the start, and has to cover segments yet to come; what was measured
so far may be a single segment."""


def segment_name(generation: int, number: int) -> str:
    """The file name of a segment; no other segment of this stream ever has it."""
    return f"s{generation}_{number}.ts"


def segment_number(name: str, generation: int) -> int | None:
    """The number in a name of :func:`segment_name`; None for every other name."""
    number = name.removeprefix(f"s{generation}_").removesuffix(".ts")
    if not (number.isascii() and number.isdecimal() and len(number) < 20):
        return None
    return int(number) if name == segment_name(generation, int(number)) else None


def media_playlist(
    window: Window, *, target_s: int, independent: bool, generation: int, folder: str
) -> str:
    """A live media playlist of the window's listed segments."""
    first = window.listed[0]
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{target_s}",
        f"#EXT-X-MEDIA-SEQUENCE:{first.number}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{window.discontinuity_sequence}",
    ]
    if independent:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    for segment in window.listed:
        lines += _segment_lines(segment, f"{folder}{segment_name(generation, segment.number)}")
    return "\n".join(lines) + "\n"


def _segment_lines(segment: Segment, uri: str) -> Iterable[str]:
    if segment.discontinuity:
        yield "#EXT-X-DISCONTINUITY"
    moment = datetime.fromtimestamp(segment.wall, UTC).isoformat(timespec="milliseconds")
    yield f"#EXT-X-PROGRAM-DATE-TIME:{moment.replace('+00:00', 'Z')}"
    yield f"#EXTINF:{segment.duration:.6f},"
    yield uri


def multivariant_playlist(init: Init | None, *, peak_bps: int, average_bps: int, uri: str) -> str:
    """The multivariant playlist of one variant, described by its real parameter sets."""
    attributes = [
        f"BANDWIDTH={math.ceil(max(peak_bps, average_bps, 1) * HEADROOM)}",
        f"AVERAGE-BANDWIDTH={max(average_bps, 1)}",
    ]
    if init is not None:
        attributes += _media_attributes(init)
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-STREAM-INF:{','.join(attributes)}\n{uri}\n"


def _media_attributes(init: Init) -> Iterable[str]:
    tracks = [track for track in init.tracks if track.media is not Media.DATA]
    codecs = list(dict.fromkeys(filter(None, map(codec_string, tracks))))
    if codecs:
        yield f'CODECS="{",".join(codecs)}"'
    video = init.first(Media.VIDEO)
    if video is not None and video.width and video.height:
        yield f"RESOLUTION={video.width}x{video.height}"
    if video is not None and video.fps:
        yield f"FRAME-RATE={video.fps:.3f}"


def with_key(text: str, key: str) -> str:
    """The playlist with the viewer's own ``key`` carried on to every URI in it."""
    query = f"?key={quote(key, safe='')}"
    lines = (f"{line}{query}" if line and line[0] != "#" else line for line in text.split("\n"))
    return "\n".join(lines)
