"""AV1: temporal units, sequence headers and decoder configuration records.

Specifications: AV1 Bitstream & Decoding Process, AV1 Codec ISO Media File Format Binding.
"""

from streamctl.media.av1.config import Av1Config, codec_string
from streamctl.media.av1.obu import TemporalUnit, normalize
from streamctl.media.av1.reader import Av1Reader, facts
from streamctl.media.av1.sequence import SequenceHeader, parse_sequence_header

__all__ = [
    "Av1Config",
    "Av1Reader",
    "SequenceHeader",
    "TemporalUnit",
    "codec_string",
    "facts",
    "normalize",
    "parse_sequence_header",
]
