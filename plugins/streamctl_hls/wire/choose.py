"""Which variant is fetched, and which sound goes with it: functions of values; no clock.

The best variant that the options allow comes first; those that can't be read, or hold no picture
where others do, come last. Specification: RFC 8216bis, section 4.4.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl_hls.wire.playlist import Multivariant, Rendition, Variant

PICTURES = ("avc1", "avc3", "hvc1", "hev1", "av01", "vp09")
"""RFC 6381 names of codecs that can be read."""
UNREADABLE = ("dvh1", "dvhe", "dva1", "dvav", "vvc1", "vvi1", "mp4v", "vp08")
"""And of some that can't, or only together with another layer."""
COOL_S = 60.0
"""How long a variant that failed is left alone; doubled each time that it fails again."""
LAST_COOL_S = 3600.0
"""And no longer; who has done well for so long begins anew."""
MAX_RENDITIONS = 8
"""Sound that is fetched at once; each is a playlist to follow."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the options allow."""

    max_kbps: int = 0
    """0 = anything."""
    height: int = 0
    """The greatest height that is wanted; 0 = any."""


class Cooling:
    """Which variants have failed lately, and until when they are left alone."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._pauses: dict[str, float] = {}

    def fail(self, variant: Variant, now: float) -> None:
        """A variant has failed."""
        url = variant.url
        lately = now - self.until(variant) < LAST_COOL_S
        pause_s = min(2 * self._pauses.get(url, COOL_S / 2), LAST_COOL_S) if lately else COOL_S
        self._pauses[url], self._until[url] = pause_s, now + pause_s

    def until(self, variant: Variant) -> float:
        """When a variant may be tried again; long ago if it has not failed."""
        return self._until.get(variant.url, -LAST_COOL_S)

    def ready(self, variants: Sequence[Variant], now: float) -> list[Variant]:
        """Those that may be tried, in the order in which they are given."""
        return [each for each in variants if self.until(each) <= now]


def ranked(variants: Sequence[Variant], limits: Limits) -> list[Variant]:
    """The variants in the order in which they should be tried.

    What exceeds the limits comes behind all that does not, the smallest first: something is better
    than nothing.
    """
    pictured = any(has_pictures(each) for each in variants)

    def rank(variant: Variant) -> tuple[bool, bool, bool, int, int]:
        soundly = pictured and not has_pictures(variant)
        fit = within(variant, limits)
        size = (variant.height, variant.bandwidth)
        if not fit:
            return readable(variant), not soundly, False, -size[1], -size[0]
        return readable(variant), not soundly, True, size[1], size[0]

    # Of several that are equal the last one is taken.
    order = sorted(enumerate(variants), key=lambda item: (rank(item[1]), item[0]), reverse=True)
    return [variant for _, variant in order]


def has_pictures(variant: Variant) -> bool:
    """Whether a variant says that it has pictures, or does not say what it has."""
    if variant.height or not variant.codecs:
        return True
    return any(name in variant.codecs for name in PICTURES + UNREADABLE)


def readable(variant: Variant) -> bool:
    """Whether nothing that a variant names is known to be unreadable."""
    return not any(name in variant.codecs for name in UNREADABLE)


def within(variant: Variant, limits: Limits) -> bool:
    """Whether a variant keeps to the limits."""
    if limits.max_kbps and variant.bandwidth > limits.max_kbps * 1000:
        return False
    return not limits.height or variant.height <= limits.height


def sounds(playlist: Multivariant, variant: Variant) -> list[Rendition]:
    """The renditions to fetch beside a variant, the default one first.

    One for each name: empty when the sound is inside the variant itself, for which a rendition
    without a URL stands.
    """
    group = [each for each in playlist.audio if variant.audio and each.group == variant.audio]
    group.sort(key=lambda each: not each.default)
    apart = [each for each in group if each.url and each.url != variant.url]
    return apart[:MAX_RENDITIONS]
