"""HEVC: access units, decoder configuration records and parameter sets.

Specifications: ITU-T H.265, ISO/IEC 14496-15 §8.3.3 (hvcC) and annex E (codec strings).
"""

from streamctl.media.hevc.config import HevcConfig, codec_string
from streamctl.media.hevc.reader import HevcReader, facts
from streamctl.media.hevc.sps import Sps, parse_sps
from streamctl.media.hevc.unit import (
    AccessUnit,
    annexb,
    broken_link,
    normalize,
    normalize_prefixed,
)

__all__ = [
    "AccessUnit",
    "HevcConfig",
    "HevcReader",
    "Sps",
    "annexb",
    "broken_link",
    "codec_string",
    "facts",
    "normalize",
    "normalize_prefixed",
    "parse_sps",
]
