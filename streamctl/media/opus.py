"""Opus: identification headers and the durations of packets.

Specifications: RFC 6716 §3.1 (table of contents byte), RFC 7845 §5.1 (OpusHead).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from streamctl.errors import RemoteProtocolError
from streamctl.media.packet import Kind
from streamctl.media.unit import Facts, TrackReader, Unit

MAGIC = b"OpusHead"
SAMPLE_RATE = 48_000
"""Decoders work at this rate, whatever the header says about the original."""

HEAD = Struct("<8sBBHIHB")
HEAD_BYTES = HEAD.size
VERSION = 1
USUAL_PRE_SKIP = 312
"""Samples that decoders drop at the start, as most encoders ask for: what is to be taken where a
protocol tells nothing of it."""
MAX_MAJOR_VERSION = 0
"""The upper half of the version byte; other halves are incompatible (§5.1)."""

FRAME_TICKS = (
    *(900, 1800, 3600, 5400) * 3,
    *(900, 1800) * 2,
    *(225, 450, 900, 1800) * 4,
)
"""Ticks of a frame by the upper five bits of the first byte (RFC 6716, table 2)."""

MAX_PACKET_TICKS = 10_800
"""A packet lasts 120 ms at most (§3.2.5)."""


@dataclass(frozen=True, slots=True)
class OpusHead:
    """An identification header."""

    channels: int
    pre_skip: int
    """Samples to drop at the start, as the encoder needs them to settle."""
    family: int
    """``channel mapping family``: 0 for mono and stereo, 1 for surround."""
    mapping: bytes
    """Streams, coupled streams, and one byte per channel; empty for family 0."""

    @classmethod
    def parse(cls, data: bytes) -> OpusHead:
        """Read a header.

        Raises:
            RemoteProtocolError: not a header, of an unknown version, or cut off.
        """
        if len(data) < HEAD_BYTES or data[:8] != MAGIC or data[8] >> 4 > MAX_MAJOR_VERSION:
            raise RemoteProtocolError("not an Opus identification header")
        channels, family = data[9], data[18]
        mapping = data[HEAD_BYTES : HEAD_BYTES + 2 + channels] if family else b""
        if not channels or (not family and channels > 2):
            raise RemoteProtocolError(
                f"an Opus header has an impossible channel count `{channels}`"
            )
        if family and len(mapping) < 2 + channels:
            raise RemoteProtocolError("an Opus identification header is cut off")
        return cls(channels, int.from_bytes(data[10:12], "little"), family, mapping)

    def serialize(self) -> bytes:
        """The header's bytes, without a gain."""
        head = HEAD.pack(MAGIC, VERSION, self.channels, self.pre_skip, SAMPLE_RATE, 0, self.family)
        return head + self.mapping


class OpusReader(TrackReader):
    """Packets tell their durations themselves."""

    def configure(self, record: bytes) -> bytes | None:
        return self.adopt(record, facts(record))

    def unit(self, data: bytes) -> Unit:
        if self.config is None:
            raise RemoteProtocolError("Opus packets came before their header")
        return Unit(data, Kind.AUDIO, 0, None, packet_ticks(data))


def packet_ticks(data: bytes) -> int:
    """How long a packet lasts, in 90 kHz ticks; 0 for one without sound in it.

    Raises:
        RemoteProtocolError: it says that it lasts longer than packets may.
    """
    if not data:
        return 0
    code = data[0] & 3
    count = (1, 2, 2)[code] if code < 3 else data[1] & 63 if len(data) > 1 else 0
    ticks = count * FRAME_TICKS[data[0] >> 3]
    if ticks > MAX_PACKET_TICKS:
        raise RemoteProtocolError("an Opus packet claims to last longer than 120 ms")
    return ticks


def facts(config: bytes) -> Facts:
    """What an identification header tells.

    Raises:
        RemoteProtocolError: it can't be read.
    """
    head = OpusHead.parse(config)
    return Facts("opus", "Opus", sample_rate=SAMPLE_RATE, channels=head.channels)
