"""The track reader of H.264, and what its configuration tells.

Specifications: ISO/IEC 14496-15 §5.3.3, ITU-T H.264 Annex A (profiles), Annex B.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.h264.config import AvcConfig, codec_string
from streamctl.media.h264.leading import LeadingPictures
from streamctl.media.h264.sps import parse_sps
from streamctl.media.h264.unit import normalize, normalize_prefixed
from streamctl.media.nal import split_annexb
from streamctl.media.unit import Facts, TrackReader, Unit

if TYPE_CHECKING:
    from streamctl.media.h264.sps import Sps

LENGTH_BYTES = 4
"""NAL unit lengths of ``Packet.data``, and so of the configuration that describes it."""

PROFILES = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4",
}


class H264Reader(TrackReader):
    """Keeps the configuration up to date with the parameter sets that come in band."""

    def __init__(self, *, byte_stream: bool = False) -> None:
        super().__init__()
        self.length_size = 0
        """Of the container's NAL units; 0 = not known, or they stand behind start codes."""
        self.byte_stream = byte_stream
        self.record: AvcConfig | None = None
        self.leading = LeadingPictures()

    def configure(self, record: bytes) -> bytes | None:
        """Take an avcC, or parameter sets behind start codes.

        Raises:
            RemoteProtocolError: neither, or its SPS is missing.
        """
        if record[:2] == b"\0\0":
            sets = normalize(split_annexb(record))
            self.byte_stream, self.length_size = True, 0
            return self.take(AvcConfig.from_parameter_sets(sets.sps, sets.pps))
        parsed = AvcConfig.parse(record)
        config = self.take(replace(parsed, length_size=LENGTH_BYTES))
        self.length_size = parsed.length_size
        return config

    def unit(self, data: bytes) -> Unit:
        if self.length_size:
            found = normalize_prefixed(data, self.length_size)
        elif self.byte_stream:
            found = normalize(split_annexb(data))
        else:
            raise RemoteProtocolError("H.264 pictures came before their configuration")
        config = None
        if found.sps or found.pps:
            config = self.in_band(found.sps, found.pps)
        flags = found.flags
        if self.leading.concerns(flags):
            flags = self.leading.flags(found.data, found.kind, flags)
        return Unit(found.data, found.kind, flags, config)

    def in_band(self, sps: tuple[bytes, ...], pps: tuple[bytes, ...]) -> bytes | None:
        """Take parameter sets that stood among the NAL units of a picture.

        Raises:
            RemoteProtocolError: they can't be read.
        """
        if self.record is not None:
            return self.take(self.record.with_parameter_sets(sps, pps))
        return self.take(AvcConfig.from_parameter_sets(sps, pps)) if sps else None

    def take(self, record: AvcConfig) -> bytes | None:
        """Adopt a configuration if it differs.

        Raises:
            RemoteProtocolError: it can't be written for want of a readable SPS, or is larger than
                any real one.
        """
        if record == self.record:
            return None
        config = record.serialize()
        news = self.adopt(config, facts(config))
        self.record = record
        self.leading.use(only_sps(record))
        return news


def only_sps(record: AvcConfig) -> Sps | None:
    """The SPS of a record that has one; with several, pictures choose among them."""
    try:
        return parse_sps(record.sps[0]) if len(record.sps) == 1 else None
    except ProtocolError:
        return None


def facts(config: bytes) -> Facts:
    """What an avcC tells; an SPS that can't be read tells nothing of size and rate.

    Raises:
        RemoteProtocolError: the record can't be read.
    """
    record = AvcConfig.parse(config)
    profile = PROFILES.get(record.profile, f"profile {record.profile}")
    told = Facts(codec_string(config), f"H.264 {profile} {record.level / 10:.1f}")
    try:
        sps = parse_sps(record.sps[0])
    except ProtocolError:
        return told
    return replace(told, width=sps.width, height=sps.height, fps=sps.fps)
