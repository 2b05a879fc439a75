"""FLV tag bodies: what RTMP audio and video messages and FLV files carry.

Parsing gives values and never raises, because live sources send odd tags and go on: what can't
be read is ``TagKind.OTHER``. Both forms are read, the one with codec numbers and the one with
FourCCs (Enhanced RTMP); which codecs are accepted is left to whoever reads. Script data is
:mod:`streamctl.media.amf0`, how access units become tags :mod:`streamctl.media.flv_packer`.

Specifications: Adobe FLV 10.1 annex E.4, Enhanced RTMP v2 ("Enhanced Video", "Enhanced Audio").
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamctl.media.packet import Codec, Media

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamctl.media.packet import Track


class TagKind(enum.IntEnum):
    """What a tag body holds."""

    CONFIG = 0
    """A decoder configuration ("sequence header")."""
    FRAME = 1
    """One access unit."""
    END = 2
    """The end of a sequence."""
    OTHER = 3
    """Nothing to play: a command frame, colour metadata, or bytes that can't be read."""


TAG_KINDS = tuple(TagKind)
"""By packet type: a look-up instead of a call for every tag."""


@dataclass(slots=True)
class Tag:
    """A parsed tag body."""

    kind: TagKind
    codec: Codec | None
    """None for codecs that streamctl has no name for; see ``name``."""
    name: str
    """The codec as a person would call it."""
    key: bool
    """The tag is flagged as a key frame; a hint that the access unit itself may contradict."""
    cts: int
    """Composition time offset in milliseconds."""
    body: bytes


VIDEO_CODECS: dict[int, tuple[Codec | None, str]] = {
    2: (None, "Sorenson H.263"),
    3: (None, "Screen video"),
    4: (None, "On2 VP6"),
    5: (None, "On2 VP6 with alpha"),
    6: (None, "Screen video 2"),
    7: (Codec.H264, "H.264"),
    # Not in the specification, but sent by encoders that predate Enhanced RTMP.
    12: (Codec.HEVC, "HEVC"),
}
"""``CodecID`` of VideoTagHeader."""

AUDIO_CODECS: dict[int, tuple[Codec | None, str]] = {
    0: (None, "PCM"),
    1: (None, "ADPCM"),
    2: (Codec.MP3, "MP3"),
    3: (None, "PCM"),
    4: (None, "Nellymoser"),
    5: (None, "Nellymoser"),
    6: (None, "Nellymoser"),
    7: (Codec.G711A, "G.711 A-law"),
    8: (Codec.G711U, "G.711 mu-law"),
    10: (Codec.AAC, "AAC"),
    11: (None, "Speex"),
    13: (Codec.OPUS, "Opus"),
    14: (Codec.MP3, "MP3"),
}
"""``SoundFormat`` of AudioTagHeader."""

FOURCCS: dict[bytes, tuple[Codec, str]] = {
    b"avc1": (Codec.H264, "H.264"),
    b"hvc1": (Codec.HEVC, "HEVC"),
    b"av01": (Codec.AV1, "AV1"),
    b"vp08": (Codec.VP8, "VP8"),
    b"vp09": (Codec.VP9, "VP9"),
    b"mp4a": (Codec.AAC, "AAC"),
    b"Opus": (Codec.OPUS, "Opus"),
    b".mp3": (Codec.MP3, "MP3"),
    b"ac-3": (Codec.AC3, "AC-3"),
    b"ec-3": (Codec.EAC3, "E-AC-3"),
    b"fLaC": (Codec.FLAC, "FLAC"),
}

COMPOSED = frozenset({Codec.H264, Codec.HEVC})
"""Codecs whose coded frames have a composition time offset in the FourCC form."""
PACKETED = frozenset({7, 12, 10})
"""Codec numbers, of either medium, that have a packet type in their second byte."""

COMMAND_FRAME = 5
"""``FrameType`` of frames that hold a command instead of a picture."""
EX_AUDIO = 9
"""``SoundFormat`` that stands for the FourCC form."""
AVC_KEY = b"\x17\x01"
AVC_INTER = b"\x27\x01"
AVC_CONFIG = b"\x17\x00\x00\x00\x00"
AAC_FRAME = b"\xaf\x01"
"""AAC always says 44.1 kHz, 16 bits, stereo; decoders go by the configuration (E.4.2.1)."""
AAC_CONFIG = b"\xaf\x00"


def parse_video(data: bytes, rest: bytes = b"") -> Tag:
    """The body of a video tag; it may come in two parts, of which the first has 5 bytes or all.

    The frame of a body that came so is ``rest`` itself.
    """
    if len(data) < 2:
        return unreadable("video")
    first = data[0]
    if first & 0x80:
        return parse_ex_video(data, rest)
    number = first & 0x0F
    codec, name = VIDEO_CODECS.get(number, (None, f"video codec {number}"))
    key = first >> 4 == 1
    if first >> 4 == COMMAND_FRAME:
        return Tag(TagKind.OTHER, codec, name, False, 0, b"")
    if number not in PACKETED:
        return Tag(TagKind.FRAME, codec, name, key, 0, data[1:] + rest)
    packet_type = data[1]
    if packet_type > TagKind.END or len(data) < 5:
        return Tag(TagKind.OTHER, codec, name, key, 0, b"")
    return Tag(TAG_KINDS[packet_type], codec, name, key, signed24(data, 2), data[5:] + rest)


def parse_ex_video(data: bytes, rest: bytes = b"") -> Tag:
    """The body of a video tag with a FourCC; in two parts as for :func:`parse_video`."""
    key = (data[0] >> 4) & 7 == 1
    packet_type = data[0] & 0x0F
    codec, name = fourcc(data[1:5])
    body = data[5:] + rest
    match packet_type:
        case 0:
            return Tag(TagKind.CONFIG, codec, name, key, 0, body)
        case 1 if codec in COMPOSED:
            if len(body) < 3:
                return Tag(TagKind.OTHER, codec, name, key, 0, b"")
            return Tag(TagKind.FRAME, codec, name, key, signed24(body, 0), body[3:])
        case 1 | 3:
            return Tag(TagKind.FRAME, codec, name, key, 0, body)
        case 2:
            return Tag(TagKind.END, codec, name, key, 0, b"")
        case _:
            return Tag(TagKind.OTHER, codec, name, key, 0, b"")


def parse_audio(data: bytes) -> Tag:
    """The body of an audio tag."""
    if len(data) < 2:
        return unreadable("audio")
    number = data[0] >> 4
    if number == EX_AUDIO:
        return parse_ex_audio(data)
    codec, name = AUDIO_CODECS.get(number, (None, f"audio codec {number}"))
    if number not in PACKETED:
        return Tag(TagKind.FRAME, codec, name, True, 0, data[1:])
    packet_type = data[1]
    if packet_type > TagKind.FRAME:
        return Tag(TagKind.OTHER, codec, name, True, 0, b"")
    return Tag(TAG_KINDS[packet_type], codec, name, True, 0, data[2:])


def parse_ex_audio(data: bytes) -> Tag:
    """The body of an audio tag with a FourCC."""
    packet_type = data[0] & 0x0F
    codec, name = fourcc(data[1:5])
    if packet_type > TagKind.END:
        return Tag(TagKind.OTHER, codec, name, True, 0, b"")
    return Tag(TagKind(packet_type), codec, name, True, 0, data[5:])


def fourcc(code: bytes) -> tuple[Codec | None, str]:
    """The codec of a FourCC and its name."""
    return FOURCCS.get(code) or (None, code.decode("ascii", "backslashreplace"))


def unreadable(name: str) -> Tag:
    """A tag that is too short to say anything."""
    return Tag(TagKind.OTHER, None, name, False, 0, b"")


def signed24(data: bytes, at: int) -> int:
    """A signed 24-bit integer."""
    value = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
    return value - 0x1000000 if value & 0x800000 else value


def video_header(key: bool, cts: int) -> bytes:
    """What stands before the NAL units of an H.264 access unit."""
    return (AVC_KEY if key else AVC_INTER) + (cts & 0xFFFFFF).to_bytes(3, "big")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The facts of ``onMetaData`` that matter before the configurations are known."""

    video: bool
    """H.264 video is announced."""
    audio: bool
    """AAC audio is announced."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    video_bitrate: int = 0
    audio_bitrate: int = 0


def metadata(values: Mapping[str, Any]) -> Metadata:
    """The facts in the properties of ``onMetaData`` (E.5), whatever types a source gave them."""
    return Metadata(
        video=announced(values.get("videocodecid"), 7, "avc1"),
        audio=announced(values.get("audiocodecid"), 10, "mp4a"),
        width=int(number(values, "width", 65_535)),
        height=int(number(values, "height", 65_535)),
        fps=number(values, "framerate", 1000) or number(values, "videoframerate", 1000),
        video_bitrate=int(1000 * number(values, "videodatarate", 10_000_000)),
        audio_bitrate=int(1000 * number(values, "audiodatarate", 10_000_000)),
    )


def announced(value: object, codec_id: int, code: str) -> bool:
    """Whether a codec property names the codec, by its number or its FourCC in either form."""
    # A tuple, not a set: the value may be of any type, hashable or not.
    return value in (codec_id, code, int.from_bytes(code.encode("ascii"), "big"))


def number(values: Mapping[str, Any], name: str, limit: float) -> float:
    """A property between 0 and ``limit``; 0 if it is absent or anything else."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return float(value) if 0 < value <= limit else 0.0


def build_metadata(tracks: Sequence[Track]) -> dict[str, Any]:
    """The properties of ``onMetaData`` for the first video and the first audio track."""
    values: dict[str, Any] = {}
    video = next((track for track in tracks if track.media is Media.VIDEO), None)
    audio = next((track for track in tracks if track.media is Media.AUDIO), None)
    if video is not None:
        values |= {"width": video.width, "height": video.height, "videocodecid": 7}
        if video.fps:
            values["framerate"] = video.fps
        if video.bitrate:
            values["videodatarate"] = video.bitrate / 1000
    if audio is not None:
        values |= {
            "audiocodecid": 10,
            "audiosamplerate": audio.sample_rate,
            "audiosamplesize": 16,
            "audiochannels": audio.channels,
            "stereo": audio.channels > 1,
        }
        if audio.bitrate:
            values["audiodatarate"] = audio.bitrate / 1000
    values["encoder"] = "streamctl"
    return values
