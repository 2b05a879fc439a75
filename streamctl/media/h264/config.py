"""Decoder configuration records (avcC) and the parameter sets in them.

Specifications: ISO/IEC 14496-15 §5.3.3.1, RFC 6381 §3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.bits import BitReader
from streamctl.media.h264.sps import parse_sps
from streamctl.media.nal import START_CODE, merge_sets, read_sets, unescape, write_sets

if TYPE_CHECKING:
    from collections.abc import Iterable

PLAIN_PROFILES = frozenset({66, 77, 88})
"""Baseline, Main and Extended; records of other profiles end with chroma and bit depths."""

MAX_SPS_ID = 31
MAX_PPS_ID = 255

MAX_SPS, MAX_PPS = 31, 255
"""What the counts of a record can say, which is one less than there are ids."""

ID_BYTES = 16
"""Enough of a parameter set to read the Exp-Golomb code of its id."""


@dataclass(frozen=True, slots=True)
class AvcConfig:
    """An ``AVCDecoderConfigurationRecord``."""

    profile: int
    compatibility: int
    level: int
    length_size: int
    """Bytes of the length in front of each NAL unit: 1, 2 or 4."""
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    @classmethod
    def parse(cls, data: bytes) -> AvcConfig:
        """Read a record; its extension is not kept, since the SPS says the same.

        Raises:
            RemoteProtocolError: not a record of version 1, cut off, or without an SPS.
        """
        if len(data) < 7 or data[0] != 1:
            raise RemoteProtocolError("not an H.264 decoder configuration record")
        sps, position = read_sets(data, 6, data[5] & 31)
        if position >= len(data):
            raise RemoteProtocolError("an H.264 decoder configuration record is cut off")
        pps, _ = read_sets(data, position + 1, data[position])
        if not sps:
            raise RemoteProtocolError("an H.264 decoder configuration record has no SPS")
        return cls(data[1], data[2], data[3], (data[4] & 3) + 1, sps, pps)

    @classmethod
    def from_parameter_sets(cls, sps: Iterable[bytes], pps: Iterable[bytes]) -> AvcConfig:
        """The record for parameter sets that came in band.

        Raises:
            RemoteProtocolError: no SPS, or a set whose id is cut off or out of range.
        """
        # Encoders repeat their sets within one access unit; decoders go by the last.
        sets = merge_sets((), sps, sps_id)
        if not sets:
            raise RemoteProtocolError("an H.264 sequence parameter set is missing")
        first = sets[0]
        return cls(first[1], first[2], first[3], 4, sets, merge_sets((), pps, pps_id))

    def with_parameter_sets(self, sps: Iterable[bytes], pps: Iterable[bytes]) -> AvcConfig:
        """This record with in-band sets in place of those of the same id.

        Returns the same object when nothing changes.

        Raises:
            RemoteProtocolError: a set whose id is cut off or out of range.
        """
        merged_sps = merge_sets(self.sps, sps, sps_id)
        merged_pps = merge_sets(self.pps, pps, pps_id)
        if merged_sps == self.sps and merged_pps == self.pps:
            return self
        changed = AvcConfig.from_parameter_sets(merged_sps, merged_pps)
        return replace(changed, length_size=self.length_size)

    def serialize(self) -> bytes:
        """The record's bytes.

        Raises:
            RemoteProtocolError: sets that no record can hold, or a High profile whose SPS can't
                be read for the extension.
        """
        sps_array, pps_array = write_sets(self.sps, MAX_SPS), write_sets(self.pps, MAX_PPS)
        parts = [
            bytes((1, self.profile, self.compatibility, self.level)),
            bytes((0xFC | (self.length_size - 1), 0xE0 | len(self.sps))),
            sps_array,
            bytes((len(self.pps),)),
            pps_array,
        ]
        if self.profile not in PLAIN_PROFILES:
            sps = parse_sps(self.sps[0])
            luma, chroma = sps.bit_depth_luma - 8, sps.bit_depth_chroma - 8
            parts.append(bytes((0xFC | sps.chroma_format, 0xF8 | luma, 0xF8 | chroma, 0)))
        return b"".join(parts)

    def annexb(self) -> bytes:
        """All parameter sets behind start codes, as they precede a random-access point."""
        return b"".join(START_CODE + one for one in (*self.sps, *self.pps))


def codec_string(config: bytes) -> str:
    """The RFC 6381 name of an avcC, such as ``avc1.64001f``.

    Raises:
        RemoteProtocolError: the record is cut off.
    """
    if len(config) < 4:
        raise RemoteProtocolError("an H.264 decoder configuration record is cut off")
    return f"avc1.{config[1:4].hex()}"


def sps_id(nal: bytes) -> int:
    """``seq_parameter_set_id``, behind the header, profile, constraints and level.

    Raises:
        RemoteProtocolError: cut off or out of range.
    """
    return set_id(nal[4:ID_BYTES], MAX_SPS_ID)


def pps_id(nal: bytes) -> int:
    """``pic_parameter_set_id``, behind the header.

    Raises:
        RemoteProtocolError: cut off or out of range.
    """
    return set_id(nal[1:ID_BYTES], MAX_PPS_ID)


def set_id(payload: bytes, highest: int) -> int:
    """The Exp-Golomb number at the start of a payload.

    Raises:
        RemoteProtocolError: cut off or out of range.
    """
    number = BitReader(unescape(payload)).ue()
    if number > highest:
        raise RemoteProtocolError(f"an H.264 parameter set has the id {number}")
    return number
