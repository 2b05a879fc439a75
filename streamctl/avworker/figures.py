"""Figures of a report that are worked out from others, whoever has measured those."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamctl.avworker.report import TrackReport

LEVELS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"avc[13]\.....(..)"), lambda text: f"{int(text, 16) / 10:.1f}"),
    (re.compile(r"h[ve][vc]1\..*\.[LH](\d+)"), lambda text: f"{int(text) / 30:.1f}"),
    (re.compile(r"av01\.\d\.([012]\d)"), lambda text: f"{2 + int(text) // 4}.{int(text) % 4}"),
    (re.compile(r"vp09\.\d\d\.(\d\d)"), lambda text: f"{int(text) / 10:.1f}"),
)
"""Where names have the level, and how it is meant there."""


def level_of(name: str) -> str:
    """The level that an RFC 6381 name tells, in its usual spelling."""
    for pattern, level in LEVELS:
        if found := pattern.match(name):
            return level(found[1])
    return ""


def start_offset_ms(tracks: Sequence[TrackReport]) -> float | None:
    """First audio minus first video timestamp; None unless both exist."""
    first = {}
    for track in reversed(tracks):
        if track.timestamps.first_pts_s is not None:
            first[track.media] = track.timestamps.first_pts_s
    if "audio" not in first or "video" not in first:
        return None
    return round((first["audio"] - first["video"]) * 1000, 1)


def kbps(size: int, span_s: float) -> float:
    """Kilobits per second."""
    return round(size * 8 / span_s / 1000, 1) if span_s > 0 else 0.0
