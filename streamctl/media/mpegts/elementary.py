"""Elementary streams: how access units of each codec travel in PES packets.

One access unit is one PES packet with exact timestamps. Specifications: ISO/IEC 13818-1
§2.14 (H.264 in byte stream form with delimiters), ISO/IEC 14496-3 §1.A.2 (AAC in ADTS).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streamctl.errors import StreamctlError, Unsupported
from streamctl.media.aac import ADTS_HEADER_BYTES, ADTS_MAX_BYTES, AacConfig, adts_template
from streamctl.media.h264 import AvcConfig, annexb
from streamctl.media.mpegts.pes import AUDIO_STREAM_ID, VIDEO_STREAM_ID, pes_header
from streamctl.media.mpegts.psi import StreamType
from streamctl.media.packet import Codec, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.media.packet import Packet, Track

MPEG1_LOWEST_RATE = 32_000
"""Sampling rates below belong to MPEG-2 audio (ISO/IEC 13818-3)."""

MAX_MPEG_AUDIO_BYTES = 4096
"""Above the largest MPEG audio frame (2881 bytes), and within ``PES_packet_length``."""


class Elementary(Protocol):
    """Turns the access units of one track into PES packets."""

    stream_type: StreamType

    def pes(self, packet: Packet) -> bytes:
        """One access unit as a PES packet.

        Raises:
            StreamctlError: the unit is damaged or too large.
        """


class H264Stream:
    """H.264 in byte stream form, its parameter sets before each random-access point."""

    stream_type = StreamType.H264

    def __init__(self, track: Track) -> None:
        self.parameter_sets = AvcConfig.parse(track.config or b"").annexb()

    def pes(self, packet: Packet) -> bytes:
        header = pes_header(VIDEO_STREAM_ID, packet.pts, packet.dts, None)
        prefix = self.parameter_sets if packet.kind is Kind.KEY else b""
        return header + annexb(packet.data, prefix)


class AacStream:
    """AAC with an ADTS header in front of each frame."""

    stream_type = StreamType.AAC_ADTS

    def __init__(self, track: Track) -> None:
        self.template = adts_template(AacConfig.parse(track.config or b""))

    def pes(self, packet: Packet) -> bytes:
        length = len(packet.data) + ADTS_HEADER_BYTES
        if length > ADTS_MAX_BYTES:
            raise Unsupported(f"an AAC frame is too long for ADTS: `{length}`")
        adts = (self.template + (length << 13)).to_bytes(ADTS_HEADER_BYTES, "big")
        header = pes_header(AUDIO_STREAM_ID, packet.pts, packet.pts, length)
        return b"".join((header, adts, packet.data))


class MpegAudioStream:
    """MP3 frames as they are."""

    def __init__(self, track: Track) -> None:
        low = 0 < track.sample_rate < MPEG1_LOWEST_RATE
        self.stream_type = StreamType.MPEG2_AUDIO if low else StreamType.MPEG1_AUDIO

    def pes(self, packet: Packet) -> bytes:
        length = len(packet.data)
        if length > MAX_MPEG_AUDIO_BYTES:
            raise Unsupported(f"an MPEG audio frame is too long: `{length}`")
        return pes_header(AUDIO_STREAM_ID, packet.pts, packet.pts, length) + packet.data


STREAMS: dict[Codec, Callable[[Track], Elementary]] = {
    Codec.H264: H264Stream,
    Codec.AAC: AacStream,
    Codec.MP3: MpegAudioStream,
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
