"""AAC: AudioSpecificConfig and ADTS framing.

Specifications: ISO/IEC 14496-3 §1.6.2 (AudioSpecificConfig), §1.6.5 (SBR and PS signalling),
§1.A.2 (ADTS), RFC 6381 §3.3 (codec strings). Low-delay and scalable object types and program
config elements are refused: they would need more of §4 than framing.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from streamctl.errors import RemoteProtocolError, Unsupported
from streamctl.media.bits import BitReader, BitWriter
from streamctl.media.packet import TIMESCALE, Kind
from streamctl.media.unit import Facts, TrackReader, Unit

SAMPLE_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
"""Rates by ``samplingFrequencyIndex`` (table 1.18)."""

# Looking a member up in its enum costs as much as a call.
AUDIO = Kind.AUDIO

EXPLICIT_RATE = 15
"""``samplingFrequencyIndex`` that is followed by the rate in 24 bits."""

CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}
"""Channels by ``channelConfiguration`` (table 1.19); 0, a program config element, is missing."""

LC, SBR, PS = 2, 5, 29
TITLES = {0: "AAC", SBR: "HE-AAC", PS: "HE-AAC v2"}
CORE_TYPES = frozenset({1, 2, 3, 4})
"""Object types Main, LC, SSR and LTP, which are also all that ADTS can name."""

ESCAPED_TYPE = 31
"""Object type that is followed by 6 more bits."""

SYNC_EXTENSION = 0x2B7
SYNC_EXTENSION_PS = 0x548
"""Marks in front of SBR and PS that decoders of plain AAC overlook (§1.6.6.1)."""

MAX_CONFIG_BYTES = 64
"""A configuration of the supported types takes at most 10 bytes; encoders pad a little."""

ADTS_HEADER_BYTES = 7
ADTS_CRC_BYTES = 2
ADTS_MAX_CHANNELS = 7
"""Highest ``channel_configuration`` that fits into the 3 bits of ADTS."""
ADTS_MAX_BYTES = 0x1FFF
"""Largest ``aac_frame_length``, the header included."""
ADTS_FULLNESS_VBR = 0x7FF


@dataclass(frozen=True, slots=True)
class AacConfig:
    """What an AudioSpecificConfig or an ADTS header says."""

    object_type: int
    """Of the core: 2 for AAC-LC, under SBR and PS too."""
    core_rate: int
    """Sampling rate of the core, which is the one that ADTS names."""
    channel_configuration: int
    extension: int = 0
    """Signalled extension: 5 for SBR (HE-AAC), 29 for SBR with PS (HE-AAC v2), 0 for none."""
    extension_rate: int = 0
    """Sampling rate of the output of SBR; 0 without an extension."""
    short_frames: bool = False
    """``frameLengthFlag``: 960 core samples per frame instead of 1024."""
    compatible: bool = False
    """The extension stands behind the core's configuration, where old decoders overlook it."""

    @classmethod
    def parse(cls, data: bytes) -> AacConfig:
        """Read an AudioSpecificConfig.

        Raises:
            RemoteProtocolError: cut off, or of a kind that is not supported.
        """
        reader = BitReader(data[:MAX_CONFIG_BYTES])
        object_type = read_object_type(reader)
        rate = read_rate(reader)
        channels = reader.bits(4)
        extension = extension_rate = 0
        if object_type in {SBR, PS}:
            extension, extension_rate = object_type, read_rate(reader)
            object_type = read_object_type(reader)
        if object_type not in CORE_TYPES:
            raise RemoteProtocolError(f"AAC object type `{object_type}` is not supported")
        if channels not in CHANNELS:
            raise RemoteProtocolError(f"AAC channel configuration `{channels}` is not supported")
        short_frames = reader.flag()
        if reader.flag():
            reader.bits(14)  # coreCoderDelay
        reader.flag()  # extensionFlag
        compatible = False
        if not extension:
            extension, extension_rate = read_sync_extension(reader)
            compatible = extension != 0
        return cls(object_type, rate, channels, extension, extension_rate, short_frames, compatible)

    def serialize(self) -> bytes:
        """The AudioSpecificConfig."""
        writer = BitWriter()
        explicit = self.extension and not self.compatible
        writer.bits(self.extension if explicit else self.object_type, 5)
        write_rate(writer, self.core_rate)
        writer.bits(self.channel_configuration, 4)
        if explicit:
            write_rate(writer, self.extension_rate)
            writer.bits(self.object_type, 5)
        writer.bits(self.short_frames, 1)
        writer.bits(0, 2)  # dependsOnCoreCoder, extensionFlag
        if self.compatible:
            writer.bits(SYNC_EXTENSION, 11)
            writer.bits(SBR, 5)
            writer.bits(1, 1)  # sbrPresentFlag
            write_rate(writer, self.extension_rate)
            if self.extension == PS:
                writer.bits(SYNC_EXTENSION_PS, 11)
                writer.bits(1, 1)  # psPresentFlag
        return writer.data()

    @property
    def sample_rate(self) -> int:
        """Samples per second and channel of the decoded sound."""
        return self.extension_rate or self.core_rate

    @property
    def channels(self) -> int:
        """Channels of the decoded sound."""
        return 2 if self.extension == PS else CHANNELS[self.channel_configuration]

    @property
    def core_samples(self) -> int:
        """Samples per frame at ``core_rate``."""
        return 960 if self.short_frames else 1024

    @property
    def frame_samples(self) -> int:
        """Samples per frame at ``sample_rate``: 2048 under SBR that doubles the rate."""
        return self.core_samples * self.sample_rate // self.core_rate


class AacReader(TrackReader):
    """Raw frames, described by an AudioSpecificConfig aside."""

    def __init__(self) -> None:
        super().__init__()
        self.dur = 0

    def configure(self, record: bytes) -> bytes | None:
        told = facts(record)
        self.dur = round(told.frame or 0)
        return self.adopt(record, told)

    def unit(self, data: bytes) -> Unit:
        if self.config is None:
            raise RemoteProtocolError("AAC frames came before their configuration")
        return Unit(data, AUDIO, 0, None, self.dur)


def facts(config: bytes) -> Facts:
    """What an AudioSpecificConfig tells.

    Raises:
        RemoteProtocolError: cut off, or of a kind that is not supported.
    """
    parsed = AacConfig.parse(config)
    return Facts(
        f"mp4a.40.{parsed.extension or parsed.object_type}",
        TITLES[parsed.extension],
        sample_rate=parsed.sample_rate,
        channels=parsed.channels,
        frame=Fraction(TIMESCALE * parsed.core_samples, parsed.core_rate),
    )


def read_object_type(reader: BitReader) -> int:
    """``audioObjectType`` with its escape."""
    object_type = reader.bits(5)
    return 32 + reader.bits(6) if object_type == ESCAPED_TYPE else object_type


def read_rate(reader: BitReader) -> int:
    """A sampling rate by its index or in full.

    Raises:
        RemoteProtocolError: a reserved index or a rate of zero.
    """
    index = reader.bits(4)
    if index < len(SAMPLE_RATES):
        return SAMPLE_RATES[index]
    rate = reader.bits(24) if index == EXPLICIT_RATE else 0
    if not rate:
        raise RemoteProtocolError("an AAC configuration has no valid sampling rate")
    return rate


def write_rate(writer: BitWriter, rate: int) -> None:
    """The inverse of :func:`read_rate`."""
    if rate in SAMPLE_RATES:
        writer.bits(SAMPLE_RATES.index(rate), 4)
    else:
        writer.bits(EXPLICIT_RATE, 4)
        writer.bits(rate, 24)


def read_sync_extension(reader: BitReader) -> tuple[int, int]:
    """Extension and its rate behind a core configuration; zeros when there is none."""
    # Sync word, object type and presence flag; shorter rests are padding.
    if reader.left < 17 or reader.bits(11) != SYNC_EXTENSION:
        return 0, 0
    if read_object_type(reader) != SBR or not reader.flag():
        return 0, 0
    rate = read_rate(reader)
    if reader.left >= 12 and reader.bits(11) == SYNC_EXTENSION_PS and reader.flag():
        return PS, rate
    return SBR, rate


def adts_template(config: AacConfig) -> int:
    """The ADTS header of an empty frame as a number; add ``length << 13`` for a real one.

    SBR and PS stay implicit, as ADTS has no way to signal them.

    Raises:
        Unsupported: ADTS can't express the configuration.
    """
    if (
        config.core_rate not in SAMPLE_RATES
        or config.channel_configuration > ADTS_MAX_CHANNELS
        or config.short_frames
    ):
        raise Unsupported(
            f"ADTS can't carry AAC of {config.core_rate} Hz, channel configuration"
            f" `{config.channel_configuration}`, {config.core_samples} samples per frame"
        )
    writer = BitWriter()
    writer.bits(0xFFF1, 16)  # syncword, MPEG-4, layer 0, no CRC
    writer.bits(config.object_type - 1, 2)
    writer.bits(SAMPLE_RATES.index(config.core_rate), 4)
    writer.bits(0, 1)  # private_bit
    writer.bits(config.channel_configuration, 3)
    writer.bits(0, 17)  # copy and copyright bits, aac_frame_length
    writer.bits(ADTS_FULLNESS_VBR, 11)
    writer.bits(0, 2)  # one raw data block
    return writer.value


def adts_header(config: AacConfig, payload_len: int) -> bytes:
    """The header of a frame whose raw data has that length.

    Raises:
        Unsupported: ADTS can't express the configuration or the length.
    """
    length = payload_len + ADTS_HEADER_BYTES
    if length > ADTS_MAX_BYTES:
        raise Unsupported(f"ADTS can't carry an AAC frame of {payload_len} bytes")
    return (adts_template(config) + (length << 13)).to_bytes(ADTS_HEADER_BYTES, "big")


@dataclass(slots=True)
class AdtsFrame:
    """One frame out of an ADTS stream."""

    config: AacConfig
    """What the header says; equal headers share one object."""
    data: bytes
    """The raw frame, as in ``Packet.data``."""


def split_adts(data: bytes) -> list[AdtsFrame]:
    """The frames of whole ADTS bytes, such as the payload of a PES packet.

    Raises:
        RemoteProtocolError: out of sync, cut off, or several raw data blocks in a frame.
    """
    frames = []
    position = 0
    while position < len(data):
        header = int.from_bytes(data[position : position + ADTS_HEADER_BYTES], "big")
        if len(data) - position < ADTS_HEADER_BYTES or header >> 44 != 0xFFF:
            raise RemoteProtocolError("an ADTS frame does not begin with its sync word")
        if header & 3:
            raise RemoteProtocolError("ADTS frames with several raw data blocks are not supported")
        start = position + ADTS_HEADER_BYTES + (0 if header >> 40 & 1 else ADTS_CRC_BYTES)
        position += header >> 13 & ADTS_MAX_BYTES
        if position <= start or position > len(data):
            raise RemoteProtocolError("an ADTS frame is cut off")
        frames.append(AdtsFrame(adts_config(header >> 30), data[start:position]))
    return frames


@lru_cache(maxsize=16)
def adts_config(fixed: int) -> AacConfig:
    """The configuration in the first 26 bits of an ADTS header.

    Raises:
        RemoteProtocolError: a reserved sampling rate, or channels told by a program config.
    """
    rate = fixed >> 4 & 15
    channels = fixed & 7
    if rate >= len(SAMPLE_RATES) or not channels:
        raise RemoteProtocolError("an ADTS header has no valid sampling rate or channels")
    return AacConfig((fixed >> 8 & 3) + 1, SAMPLE_RATES[rate], channels)
