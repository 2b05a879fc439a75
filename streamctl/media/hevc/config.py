"""Decoder configuration records (hvcC) and the parameter sets in them.

Specifications: ISO/IEC 14496-15 §8.3.3.1 (record) and annex E.3 (codec strings).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.hevc.sps import parse_sps, pps_id, sps_id, vps_id
from streamctl.media.hevc.unit import Nal
from streamctl.media.nal import START_CODE, merge_sets, read_sets, write_sets
from streamctl.media.unit import MAX_CONFIG_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.hevc.sps import Sps

HEAD_BYTES = 20
"""From the profile to the average frame rate: bytes 1 to 20 of a record."""
ARRAYS_AT = 22
"""Where the number of arrays stands; the byte before ends with the length size."""

MAX_SETS = 0xFFFF
"""What the count of an array can say."""

COMPLETE = 0x80
"""``array_completeness``: no such sets come in band, as ``hvc1`` demands."""

STREAM_MESSAGES = frozenset({137, 144, 147, 148})
"""``payloadType`` of messages that hold for the whole stream: mastering display, content light
level, transfer characteristics, ambient light. Others in a record are an encoder's banner."""


@dataclass(frozen=True, slots=True)
class HevcConfig:
    """An ``HEVCDecoderConfigurationRecord``."""

    head: bytes
    """The fixed fields between the version and the layers, as they stand in the record."""
    layers: int
    """``constantFrameRate``, ``numTemporalLayers`` and ``temporalIdNested``, in six bits."""
    length_size: int
    """Bytes of the length in front of each NAL unit: 1, 2 or 4."""
    vps: tuple[bytes, ...] = ()
    sps: tuple[bytes, ...] = ()
    """Empty in records of streams whose sets come in band alone."""
    pps: tuple[bytes, ...] = ()
    sei: tuple[bytes, ...] = ()
    """Messages that hold for the whole stream."""

    @classmethod
    def parse(cls, data: bytes) -> HevcConfig:
        """Read a record.

        Raises:
            RemoteProtocolError: not a record of version 1, or cut off.
        """
        # Writers of early drafts left the version at 0.
        if not ARRAYS_AT < len(data) <= MAX_CONFIG_BYTES or data[0] > 1:
            raise RemoteProtocolError("not an HEVC decoder configuration record")
        arrays: dict[int, tuple[bytes, ...]] = {}
        position = ARRAYS_AT + 1
        for _ in range(data[ARRAYS_AT]):
            if position + 3 > len(data):
                raise RemoteProtocolError("an HEVC decoder configuration record is cut off")
            kind = data[position] & 63
            count = int.from_bytes(data[position + 1 : position + 3], "big")
            found, position = read_sets(data, position + 3, count)
            arrays[kind] = arrays.get(kind, ()) + found
        layers, size = data[ARRAYS_AT - 1] >> 2, (data[ARRAYS_AT - 1] & 3) + 1
        vps, sps, pps = (arrays.get(kind, ()) for kind in (Nal.VPS, Nal.SPS, Nal.PPS))
        messages = arrays.get(Nal.PREFIX_SEI, ())
        sei = tuple(one for one in messages if len(one) > 2 and one[2] in STREAM_MESSAGES)
        return cls(data[1 : 1 + HEAD_BYTES], layers, size, vps, sps, pps, sei)

    @classmethod
    def from_parameter_sets(
        cls, vps: Iterable[bytes], sps: Iterable[bytes], pps: Iterable[bytes]
    ) -> HevcConfig:
        """The record for parameter sets that came in band.

        Raises:
            RemoteProtocolError: no SPS, or a set that can't be read.
        """
        # Encoders repeat their sets within one access unit; decoders go by the last.
        vps, sps, pps = (
            merge_sets((), vps, vps_id),
            merge_sets((), sps, sps_id),
            merge_sets((), pps, pps_id),
        )
        if not sps:
            raise RemoteProtocolError("an HEVC sequence parameter set is missing")
        first = parse_sps(sps[0])
        return cls(head(first), first.layers << 1 | first.nested, 4, vps, sps, pps)

    def with_parameter_sets(
        self, vps: Iterable[bytes], sps: Iterable[bytes], pps: Iterable[bytes]
    ) -> HevcConfig:
        """This record with in-band sets in place of those of the same id.

        Returns the same object when nothing changes.

        Raises:
            RemoteProtocolError: a set that can't be read.
        """
        merged_vps = merge_sets(self.vps, vps, vps_id)
        merged_sps = merge_sets(self.sps, sps, sps_id)
        merged_pps = merge_sets(self.pps, pps, pps_id)
        if merged_sps == self.sps:
            if merged_vps == self.vps and merged_pps == self.pps:
                return self
            return replace(self, vps=merged_vps, pps=merged_pps)
        changed = HevcConfig.from_parameter_sets(merged_vps, merged_sps, merged_pps)
        return replace(changed, sei=self.sei)

    def serialize(self) -> bytes:
        """The record's bytes.

        Raises:
            RemoteProtocolError: sets that no record can hold.
        """
        arrays = [
            (kind, sets)
            for kind, sets in (
                (Nal.VPS, self.vps),
                (Nal.SPS, self.sps),
                (Nal.PPS, self.pps),
                (Nal.PREFIX_SEI, self.sei),
            )
            if sets
        ]
        parts = [
            b"\x01",
            self.head,
            bytes((self.layers << 2 | (self.length_size - 1), len(arrays))),
        ]
        for kind, sets in arrays:
            complete = COMPLETE if kind is not Nal.PREFIX_SEI else 0
            array = write_sets(sets, MAX_SETS)
            parts += (bytes((complete | kind,)), len(sets).to_bytes(2, "big"), array)
        return b"".join(parts)

    def annexb(self) -> bytes:
        """All sets and messages behind start codes, as they precede a random-access point."""
        return b"".join(START_CODE + one for one in (*self.vps, *self.sps, *self.pps, *self.sei))

    @property
    def profile(self) -> int:
        """``general_profile_idc``."""
        return self.head[0] & 31

    @property
    def high_tier(self) -> bool:
        """``general_tier_flag``."""
        return bool(self.head[0] & 32)

    @property
    def level(self) -> int:
        """``general_level_idc``: thirty times the level."""
        return self.head[11]


def head(sps: Sps) -> bytes:
    """The fixed fields of a record whose first SPS that is; reserved bits are ones."""
    depths = (
        0xFC | sps.chroma_format,
        0xF8 | sps.bit_depth_luma - 8,
        0xF8 | sps.bit_depth_chroma - 8,
    )
    # Unknown spatial segmentation and parallelism; no average frame rate.
    return sps.general + bytes((0xF0, 0, 0xFC, *depths, 0, 0))


def codec_string(config: HevcConfig) -> str:
    """The RFC 6381 name, such as ``hvc1.1.6.L93.B0``."""
    space = ("", "A", "B", "C")[config.head[0] >> 6]
    compatibility = int(f"{int.from_bytes(config.head[1:5], 'big'):032b}"[::-1], 2)
    constraints = config.head[5:11].rstrip(b"\0")
    tier = "H" if config.high_tier else "L"
    parts = [f"hvc1.{space}{config.profile}", f"{compatibility:X}", f"{tier}{config.level}"]
    return ".".join((*parts, *(f"{byte:X}" for byte in constraints)))
