"""H.264: access units, decoder configuration records and sequence parameter sets.

Specifications: ITU-T H.264, ISO/IEC 14496-15 §5.3 (avcC), RFC 6381 §3.3 (codec strings).
"""

from streamctl.media.h264.config import AvcConfig, codec_string
from streamctl.media.h264.reader import H264Reader, facts
from streamctl.media.h264.sps import Sps, parse_sps
from streamctl.media.h264.unit import AccessUnit, annexb, normalize, normalize_prefixed

__all__ = [
    "AccessUnit",
    "AvcConfig",
    "H264Reader",
    "Sps",
    "annexb",
    "codec_string",
    "facts",
    "normalize",
    "normalize_prefixed",
    "parse_sps",
]
