"""Decoder configuration records (av1C).

Specification: AV1 Codec ISO Media File Format Binding §2.3 (record), §5 (codec strings).
"""

from __future__ import annotations

from dataclasses import dataclass

from streamctl.errors import RemoteProtocolError
from streamctl.media.av1.obu import Obu, payload_span, sequence_header_obu
from streamctl.media.av1.sequence import SequenceHeader, parse_sequence_header
from streamctl.media.unit import MAX_CONFIG_BYTES

MARKER_AND_VERSION = 0x81
HEAD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Av1Config:
    """An ``AV1CodecConfigurationRecord``."""

    head: bytes
    """The three bytes of profile, level and sample format, as they stand in the record."""
    sequence: bytes
    """The payload of the sequence header; empty when the record brings none."""
    metadata: bytes = b""
    """The OBUs behind it, such as HDR metadata."""

    @classmethod
    def parse(cls, data: bytes) -> Av1Config:
        """Read a record.

        Raises:
            RemoteProtocolError: not a record of version 1, or with damaged OBUs.
        """
        if not HEAD_BYTES <= len(data) <= MAX_CONFIG_BYTES or data[0] != MARKER_AND_VERSION:
            raise RemoteProtocolError("not an AV1 decoder configuration record")
        sequence = b""
        metadata = []
        position = HEAD_BYTES
        while position < len(data):
            start, end = payload_span(data, position)
            number = data[position] >> 3 & 15
            if number == Obu.SEQUENCE_HEADER:
                sequence = data[start:end]
            elif number != Obu.TEMPORAL_DELIMITER:
                metadata.append(data[position:end])
            position = end
        # The presentation delay says nothing that live playback heeds.
        return cls(data[1:3] + b"\0", sequence, b"".join(metadata))

    @classmethod
    def from_sequence_header(cls, payload: bytes) -> Av1Config:
        """The record for a sequence header that came in band.

        Raises:
            RemoteProtocolError: it can't be read.
        """
        found = parse_sequence_header(payload)
        color = found.color
        flags = (
            found.high_tier,
            color.high_bit_depth,
            color.twelve_bit,
            color.mono,
            color.subsampling_x,
            color.subsampling_y,
        )
        shape = sum(bit << (7 - index) for index, bit in enumerate(flags)) | color.position
        return cls(bytes((found.profile << 5 | found.level, shape, 0)), payload)

    def serialize(self) -> bytes:
        """The record's bytes."""
        sequence = sequence_header_obu(self.sequence) if self.sequence else b""
        return bytes((MARKER_AND_VERSION,)) + self.head + sequence + self.metadata

    def header(self) -> SequenceHeader:
        """What the sequence header says.

        Raises:
            RemoteProtocolError: there is none, or it can't be read.
        """
        return parse_sequence_header(self.sequence)

    @property
    def profile(self) -> int:
        """``seq_profile``."""
        return self.head[0] >> 5

    @property
    def level(self) -> int:
        """``seq_level_idx_0``."""
        return self.head[0] & 31

    @property
    def high_tier(self) -> bool:
        """``seq_tier_0``."""
        return bool(self.head[1] & 0x80)

    @property
    def bit_depth(self) -> int:
        """Bits per sample."""
        if not self.head[1] & 0x40:
            return 8
        return 12 if self.head[1] & 0x20 else 10


def codec_string(config: Av1Config) -> str:
    """The RFC 6381 name, such as ``av01.0.04M.08``."""
    tier = "H" if config.high_tier else "M"
    return f"av01.{config.profile}.{config.level:02}{tier}.{config.bit_depth:02}"
