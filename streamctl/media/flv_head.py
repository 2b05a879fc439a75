"""What stands before configurations and frames in FLV tags that are sent.

H.264, AAC and MP3 have the form with codec numbers, which every player knows; other codecs have
FourCCs only. Tracks beside the default ones are numbered, and always named by FourCCs.

Specifications: Adobe FLV 10.1 annex E.4, Enhanced RTMP v2 ("Enhanced Video", "Enhanced Audio").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamctl.media.flv import (
    COMPOSED,
    EX_AUDIO,
    FOURCCS,
    KEY_FRAME,
    AudioPacketType,
    MultitrackType,
    VideoPacketType,
)
from streamctl.media.packet import Codec, Media

if TYPE_CHECKING:
    from streamctl.media.packet import Track

CODECS = frozenset(
    {
        Codec.H264,
        Codec.HEVC,
        Codec.AV1,
        Codec.VP9,
        Codec.AAC,
        Codec.OPUS,
        Codec.FLAC,
        Codec.AC3,
        Codec.EAC3,
        Codec.MP3,
    }
)
"""What FLV and RTMP carry."""
CODES = {codec: code for code, (codec, _) in FOURCCS.items()}
INTER_FRAME = 2
"""``FrameType`` of frames that refer to others."""
AVC_CONFIG = b"\x17\x00\x00\x00\x00"
AVC_KEY = b"\x17\x01"
AVC_INTER = b"\x27\x01"
AAC_CONFIG = b"\xaf\x00"
AAC_FRAME = b"\xaf\x01"
"""AAC always says 44.1 kHz, 16 bits, stereo; decoders go by the configuration (E.4.2.1)."""
MP3_FORMAT = 2
MP3_8_KHZ_FORMAT = 14
SIXTEEN_BITS = 2
RATES = ((32_000, 3), (16_500, 2), (0, 1))
"""``SoundRate`` by the lowest rate that it stands for: 44.1, 22.05 and 11.025 kHz. Those between
have none, and 48 kHz takes the first, as encoders do; decoders go by the frames themselves."""
UNRECORDED = frozenset({Codec.AC3, Codec.EAC3, Codec.MP3})
"""Codecs whose sequence start, where there is one, is empty: every frame tells all."""


@dataclass(frozen=True, slots=True)
class Heads:
    """What stands before the units of one track."""

    start: bytes
    """The whole body of the tag that starts the sequence; empty = there is none."""
    key: bytes
    inter: bytes
    composed: bool
    """A composition time offset follows before the frame."""

    def head(self, key: bool, cts: int) -> bytes:
        """What stands before a frame; ``cts`` is its composition time offset in milliseconds."""
        head = self.key if key else self.inter
        return head + (cts & 0xFFFFFF).to_bytes(3, "big") if self.composed else head


def heads(track: Track, number: int = 0) -> Heads:
    """The heads of a track in one of :data:`CODECS`, which is the ``number``-th of its medium."""
    codec = track.codec
    if number == 0:
        if codec is Codec.H264:
            return Heads(started(AVC_CONFIG, track), AVC_KEY, AVC_INTER, composed=True)
        if codec is Codec.AAC:
            return Heads(started(AAC_CONFIG, track), AAC_FRAME, AAC_FRAME, composed=False)
        if codec is Codec.MP3:
            head = mp3_head(track.sample_rate, track.channels)
            return Heads(b"", head, head, composed=False)
    if codec.media is Media.VIDEO:
        start = video_head(codec, KEY_FRAME, VideoPacketType.SEQUENCE_START, number)
        key = video_head(codec, KEY_FRAME, VideoPacketType.CODED_FRAMES, number)
        inter = video_head(codec, INTER_FRAME, VideoPacketType.CODED_FRAMES, number)
        return Heads(started(start, track), key, inter, composed=codec in COMPOSED)
    start = audio_head(codec, AudioPacketType.SEQUENCE_START, number)
    frame = audio_head(codec, AudioPacketType.CODED_FRAMES, number)
    return Heads(started(start, track), frame, frame, composed=False)


def started(head: bytes, track: Track) -> bytes:
    """The body that starts the sequence; empty while the track's configuration is missing."""
    if track.codec in UNRECORDED:
        return head
    return head + track.config if track.config else b""


def video_head(codec: Codec, frame_type: int, packet_type: VideoPacketType, number: int) -> bytes:
    """Frame type, packet type, FourCC and, for numbered tracks, the number."""
    first = 0x80 | frame_type << 4
    if number == 0:
        return bytes((first | packet_type,)) + CODES[codec]
    return bytes((first | VideoPacketType.MULTITRACK,)) + numbered(codec, packet_type, number)


def audio_head(codec: Codec, packet_type: AudioPacketType, number: int) -> bytes:
    """Packet type, FourCC and, for numbered tracks, the number."""
    first = EX_AUDIO << 4
    if number == 0:
        return bytes((first | packet_type,)) + CODES[codec]
    return bytes((first | AudioPacketType.MULTITRACK,)) + numbered(codec, packet_type, number)


def numbered(codec: Codec, packet_type: int, number: int) -> bytes:
    """What follows the first byte of a tag with one numbered track."""
    kind = MultitrackType.ONE_TRACK << 4 | packet_type
    return bytes((kind,)) + CODES[codec] + bytes((number,))


def mp3_head(sample_rate: int, channels: int) -> bytes:
    """The byte before an MP3 frame."""
    sound_format = MP3_8_KHZ_FORMAT if sample_rate == 8000 else MP3_FORMAT
    rate = next(code for lowest, code in RATES if sample_rate >= lowest)
    return bytes((sound_format << 4 | rate << 2 | SIXTEEN_BITS | (channels != 1),))
