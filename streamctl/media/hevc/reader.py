"""The track reader of HEVC, and what its configuration tells.

Specifications: ISO/IEC 14496-15 §8.3.3, ITU-T H.265 Annex A (profiles), Annex B.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.hevc.config import HevcConfig, codec_string
from streamctl.media.hevc.sps import parse_sps, vps_fps
from streamctl.media.hevc.unit import normalize, normalize_prefixed
from streamctl.media.nal import split_annexb
from streamctl.media.unit import Facts, TrackReader, Unit

if TYPE_CHECKING:
    from streamctl.media.hevc.unit import AccessUnit

LENGTH_BYTES = 4
"""NAL unit lengths of ``Packet.data``, and so of the configuration that describes it."""

PROFILES = {
    1: "Main",
    2: "Main 10",
    3: "Main Still Picture",
    4: "Range Extensions",
    5: "High Throughput",
    9: "Screen Content",
}


class HevcReader(TrackReader):
    """Keeps the configuration up to date with the parameter sets that come in band."""

    def __init__(self, *, byte_stream: bool = False) -> None:
        super().__init__()
        self.length_size = 0
        """Of the container's NAL units; 0 = not known, or they stand behind start codes."""
        self.byte_stream = byte_stream
        self.record: HevcConfig | None = None

    def configure(self, record: bytes) -> bytes | None:
        """Take an hvcC, or parameter sets behind start codes.

        A record without an SPS only tells how units are framed.

        Raises:
            RemoteProtocolError: neither can be read.
        """
        if record[:3] in {b"\0\0\0", b"\0\0\1"}:
            sets = normalize(split_annexb(record))
            config = self.take(HevcConfig.from_parameter_sets(sets.vps, sets.sps, sets.pps))
            self.byte_stream, self.length_size = True, 0
            return config
        parsed = HevcConfig.parse(record)
        config = self.take(replace(parsed, length_size=LENGTH_BYTES)) if parsed.sps else None
        self.length_size = parsed.length_size
        return config

    def unit(self, data: bytes) -> Unit:
        if self.length_size:
            found = normalize_prefixed(data, self.length_size)
        elif self.byte_stream:
            found = normalize(split_annexb(data))
        else:
            raise RemoteProtocolError("HEVC pictures came before their configuration")
        config = None
        if found.vps or found.sps or found.pps:
            config = self.in_band(found)
        return Unit(found.data, found.kind, found.flags, config)

    def in_band(self, found: AccessUnit) -> bytes | None:
        """Take parameter sets that stood among the NAL units of a picture.

        Raises:
            RemoteProtocolError: they can't be read.
        """
        sets = (found.vps, found.sps, found.pps)
        if self.record is not None:
            return self.take(self.record.with_parameter_sets(*sets))
        return self.take(HevcConfig.from_parameter_sets(*sets)) if found.sps else None

    def take(self, record: HevcConfig) -> bytes | None:
        """Adopt a configuration if it differs.

        Raises:
            RemoteProtocolError: it is larger than any real one.
        """
        if record == self.record:
            return None
        config = record.serialize()
        news = self.adopt(config, facts(config))
        self.record = record
        return news


def facts(config: bytes) -> Facts:
    """What an hvcC tells; an SPS that can't be read tells nothing of size and rate.

    Raises:
        RemoteProtocolError: the record can't be read.
    """
    record = HevcConfig.parse(config)
    profile = PROFILES.get(record.profile, f"profile {record.profile}")
    tier = " high tier" if record.high_tier else ""
    told = Facts(codec_string(record), f"HEVC {profile} {record.level / 30:.1f}{tier}")
    try:
        sps = parse_sps(record.sps[0])
    except (ProtocolError, IndexError):
        return told
    told = replace(told, width=sps.width, height=sps.height, fps=sps.fps)
    try:
        return told if sps.fps else replace(told, fps=vps_fps(record.vps[0]))
    except (ProtocolError, IndexError):
        return told
