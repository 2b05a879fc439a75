"""Playlists as text (RFC 8216 4.3): pure functions of what is listed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from streamctl.media.codecs import codec_string
from streamctl.media.packet import Media

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamctl.media.packet import Init
    from streamctl_hls.segment import Segment

CONTENT_TYPE = "application/vnd.apple.mpegurl"
HEADROOM = 1.2
"""BANDWIDTH is read once, at the start, and has to cover segments yet to come; what was measured
so far may be a single segment."""
LOGIN = ("key", "user", "pass")
"""What viewers say in a query to be let in."""
START_TARGETS = 3
START_INSIDE_S = 0.01
"""Players seek to the very offset, which rounding must not put before the keyframe."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a media playlist says."""

    segments: Sequence[Segment]
    target_s: int
    independent: bool
    """Every segment that this playlist ever listed starts with a random-access point."""


def media_playlist(listing: Listing, folder: str) -> str:
    """A live media playlist of segments that lie in ``folder``."""
    first = listing.segments[0]
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{listing.target_s}",
        f"#EXT-X-MEDIA-SEQUENCE:{first.number}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{first.discontinuity_sequence - first.discontinuity}",
    ]
    if listing.independent:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    elif offset := start_offset(listing):
        lines.append(f"#EXT-X-START:TIME-OFFSET=-{offset:.3f}")
    for segment in listing.segments:
        lines += _segment_lines(segment, f"{folder}{segment.name}")
    return "\n".join(lines) + "\n"


def start_offset(listing: Listing) -> float:
    """Where a joiner finds a picture at once, in seconds before the end; 0 = nowhere.

    The newest random-access point that keeps the distance of three target durations which RFC
    8216 4.3.5.2 asks for.
    """
    before_end = 0.0
    for segment in reversed(listing.segments):
        before_end += segment.duration
        if segment.independent and before_end >= START_TARGETS * listing.target_s:
            return before_end - START_INSIDE_S
    return 0.0


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


def login_in(query: Mapping[str, str]) -> str:
    """What of a viewer's query says who it is, as the query of another URL; empty if nothing."""
    known = {name: query[name] for name in LOGIN if query.get(name)}
    return urlencode(known, quote_via=quote, safe="")


def with_login(text: str, query: str) -> str:
    """The playlist with a viewer's own ``query`` carried on to every URI in it."""
    lines = (f"{line}?{query}" if line and line[0] != "#" else line for line in text.split("\n"))
    return "\n".join(lines)
