"""Elementary streams: how access units of each codec travel in PES packets.

One access unit is one PES packet with exact timestamps. Specifications: ISO/IEC 13818-1
§2.14 (H.264 and HEVC in byte stream form with delimiters), ISO/IEC 14496-3 §1.A.2 (AAC in
ADTS), ATSC A/52 annexes A and G (AC-3, E-AC-3); Opus goes by the mapping that its authors
published and ffmpeg follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streamctl.errors import StreamctlError, Unsupported
from streamctl.media import h264, hevc
from streamctl.media.aac import ADTS_HEADER_BYTES, ADTS_MAX_BYTES, AacConfig, adts_template
from streamctl.media.mpegts.pes import (
    AUDIO_STREAM_ID,
    MAX_AUDIO_BYTES,
    PRIVATE_STREAM_ID,
    VIDEO_STREAM_ID,
    pes_header,
)
from streamctl.media.mpegts.psi import StreamType, descriptor, registration_descriptor
from streamctl.media.opus import OpusHead
from streamctl.media.packet import Codec, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.media.packet import Packet, Track

MPEG1_LOWEST_RATE = 32_000
"""Sampling rates below belong to MPEG-2 audio (ISO/IEC 13818-3)."""

EXTENSION = 0x7F
OPUS_EXTENSION = 0x80
"""Tag of the extension descriptor, and the tag in it that means Opus."""

OPUS_CONTROL = b"\x7f\xe0"
"""Prefix of an Opus access unit, without trimming or extension; its size follows."""

OPUS_MAPPINGS = {
    (0, 1): b"",
    (0, 2): b"",
    (1, 1): bytes((1, 0, 0)),
    (1, 2): bytes((1, 1, 0, 1)),
    (1, 3): bytes((2, 1, 0, 2, 1)),
    (1, 4): bytes((2, 2, 0, 1, 2, 3)),
    (1, 5): bytes((3, 2, 0, 4, 1, 2, 3)),
    (1, 6): bytes((4, 2, 0, 4, 1, 2, 3, 5)),
    (1, 7): bytes((4, 3, 0, 4, 1, 2, 3, 5, 6)),
    (1, 8): bytes((5, 3, 0, 6, 1, 2, 3, 4, 5, 7)),
}
"""Streams, coupled ones and the order of channels that a channel count alone stands for, by
mapping family and channels."""


class Elementary(Protocol):
    """Turns the access units of one track into PES packets."""

    stream_type: StreamType
    descriptors: bytes
    """What the program map says of the stream beside its type and language."""

    def pes(self, packet: Packet) -> bytes:
        """One access unit as a PES packet.

        Raises:
            StreamctlError: the unit is damaged or too large.
        """


class NalStream:
    """H.264 or HEVC in byte stream form, its parameter sets before each random-access point."""

    descriptors = b""

    def __init__(
        self,
        stream_type: StreamType,
        parameter_sets: bytes,
        annexb: Callable[[bytes, bytes], bytes],
    ) -> None:
        self.stream_type = stream_type
        self.parameter_sets = parameter_sets
        self.annexb = annexb

    def pes(self, packet: Packet) -> bytes:
        header = pes_header(VIDEO_STREAM_ID, packet.pts, packet.dts, None)
        prefix = self.parameter_sets if packet.kind is Kind.KEY else b""
        return header + self.annexb(packet.data, prefix)


class AacStream:
    """AAC with an ADTS header in front of each frame."""

    stream_type = StreamType.AAC_ADTS
    descriptors = b""

    def __init__(self, track: Track) -> None:
        self.template = adts_template(AacConfig.parse(track.config or b""))

    def pes(self, packet: Packet) -> bytes:
        length = len(packet.data) + ADTS_HEADER_BYTES
        if length > ADTS_MAX_BYTES:
            raise Unsupported(f"an AAC frame is too long for ADTS: `{length}`")
        adts = (self.template + (length << 13)).to_bytes(ADTS_HEADER_BYTES, "big")
        header = pes_header(AUDIO_STREAM_ID, packet.pts, packet.pts, length)
        return b"".join((header, adts, packet.data))


class FrameStream:
    """Audio frames as they are, since their own headers tell everything."""

    def __init__(
        self, stream_type: StreamType, stream_id: int = AUDIO_STREAM_ID, registration: bytes = b""
    ) -> None:
        self.stream_type = stream_type
        self.stream_id = stream_id
        self.descriptors = registration_descriptor(registration) if registration else b""

    def pes(self, packet: Packet) -> bytes:
        length = len(packet.data)
        if length > MAX_AUDIO_BYTES:
            raise Unsupported(f"an audio frame is too long for its PES packet: `{length}`")
        return pes_header(self.stream_id, packet.pts, packet.pts, length) + packet.data


class OpusStream:
    """Opus packets, each behind a control header with its size."""

    stream_type = StreamType.PRIVATE

    def __init__(self, track: Track) -> None:
        head = OpusHead.parse(track.config or b"")
        if OPUS_MAPPINGS.get((head.family, head.channels)) != head.mapping:
            raise Unsupported("MPEG-TS can't carry Opus with channels in an order of their own")
        shape = descriptor(EXTENSION, bytes((OPUS_EXTENSION, head.channels)))
        self.descriptors = registration_descriptor(b"Opus") + shape

    def pes(self, packet: Packet) -> bytes:
        size = len(packet.data)
        control = OPUS_CONTROL + b"\xff" * (size // 255) + bytes((size % 255,))
        length = len(control) + size
        if length > MAX_AUDIO_BYTES:
            raise Unsupported(f"an Opus packet is too long for its PES packet: `{size}`")
        header = pes_header(PRIVATE_STREAM_ID, packet.pts, packet.pts, length)
        return b"".join((header, control, packet.data))


def h264_stream(track: Track) -> Elementary:
    """The stream of an H.264 track.

    Raises:
        RemoteProtocolError: its configuration can't be read.
    """
    sets = h264.AvcConfig.parse(track.config or b"").annexb()
    return NalStream(StreamType.H264, sets, h264.annexb)


def hevc_stream(track: Track) -> Elementary:
    """The stream of an HEVC track.

    Raises:
        RemoteProtocolError: its configuration can't be read.
    """
    sets = hevc.HevcConfig.parse(track.config or b"").annexb()
    return NalStream(StreamType.HEVC, sets, hevc.annexb)


def mpeg_audio_stream(track: Track) -> Elementary:
    """The stream of an MP3 or MP2 track."""
    low = 0 < track.sample_rate < MPEG1_LOWEST_RATE
    return FrameStream(StreamType.MPEG2_AUDIO if low else StreamType.MPEG1_AUDIO)


STREAMS: dict[Codec, Callable[[Track], Elementary]] = {
    Codec.H264: h264_stream,
    Codec.HEVC: hevc_stream,
    Codec.AAC: AacStream,
    Codec.MP3: mpeg_audio_stream,
    Codec.MP2: mpeg_audio_stream,
    Codec.AC3: lambda _: FrameStream(StreamType.AC3, PRIVATE_STREAM_ID, b"AC-3"),
    Codec.EAC3: lambda _: FrameStream(StreamType.EAC3, PRIVATE_STREAM_ID, b"EAC3"),
    Codec.OPUS: OpusStream,
}

CODECS = frozenset(STREAMS)
"""The codecs that can be multiplexed."""


def elementary(track: Track) -> Elementary | None:
    """The stream for a track; None when it can't be carried, or not before its config came."""
    make = STREAMS.get(track.codec)
    if make is None:
        return None
    try:
        return make(track)
    except StreamctlError:
        return None
