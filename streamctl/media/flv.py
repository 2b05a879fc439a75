"""FLV tag bodies: what RTMP audio and video messages and FLV files carry.

Parsing gives values and never raises, because live sources send odd tags and go on: what can't
be read is ``TagKind.OTHER``. Both forms are read, the one with codec numbers and the one with
FourCCs (Enhanced RTMP); which codecs are accepted is left to whoever reads. What script data says
is :mod:`streamctl.media.flv_metadata`, how access units become tags
:mod:`streamctl.media.flv_packer`.

Specifications: Adobe FLV 10.1 annex E.4, Enhanced RTMP v2 ("Enhanced Video", "Enhanced Audio").
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from streamctl.media.packet import Codec

if TYPE_CHECKING:
    from collections.abc import Callable


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
    SEVERAL = 4
    """Units of several tracks; see ``Tag.parts``."""


CONFIG, FRAME, END, OTHER = TagKind.CONFIG, TagKind.FRAME, TagKind.END, TagKind.OTHER
"""Names of the module: looking a member up in its enum costs as much as a call."""
TAG_KINDS = (CONFIG, FRAME, END)
"""By packet type."""


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
    track: int = 0
    """Number of the track within its medium; 0 is the default one."""
    nanos: int = 0
    """What the message's timestamp lacks to the real one, in nanoseconds: less than 1 ms."""
    parts: tuple[Tag, ...] = ()


class VideoPacketType(enum.IntEnum):
    """Packet types of video tags with a FourCC."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    CODED_FRAMES_X = 3
    """Coded frames whose composition time offset is 0 and left out."""
    METADATA = 4
    MPEG2TS_SEQUENCE_START = 5
    MULTITRACK = 6
    MOD_EX = 7


CODED_FRAMES_X = VideoPacketType.CODED_FRAMES_X
CODED = frozenset({VideoPacketType.CODED_FRAMES, CODED_FRAMES_X})


class AudioPacketType(enum.IntEnum):
    """Packet types of audio tags with a FourCC."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    MULTICHANNEL_CONFIG = 4
    MULTITRACK = 5
    MOD_EX = 7


class MultitrackType(enum.IntEnum):
    """Layouts of messages that name their tracks."""

    ONE_TRACK = 0
    MANY_TRACKS = 1
    MANY_TRACKS_MANY_CODECS = 2


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
FOURCC_BYTES = 4

COMPOSED = frozenset({Codec.H264, Codec.HEVC})
"""Codecs whose coded frames have a composition time offset in the FourCC form."""
PACKETED_VIDEO = frozenset({7, 12})
"""Numbers of the video codecs that have a packet type in their second byte."""
AAC = 10
"""``SoundFormat`` of the only audio codec that has one."""

KEY_FRAME = 1
"""``FrameType`` of key frames."""
COMMAND_FRAME = 5
"""``FrameType`` of frames that hold a command instead of a picture."""
EX_AUDIO = 9
"""``SoundFormat`` that stands for the FourCC form."""
MOD_EX = 7
"""The packet type, of either medium, that announces more to read before the real one."""
TIMESTAMP_NANOS = 0
"""The one kind of such additions that is defined."""
NANOS_PER_MS = 1_000_000
MAX_PARTS = 256
"""Units in one message: track numbers have one byte."""


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
    codec, name = VIDEO_CODECS.get(number) or (None, f"video codec {number}")
    frame_type = first >> 4
    key = frame_type == KEY_FRAME
    if frame_type == COMMAND_FRAME:
        return Tag(OTHER, codec, name, False, 0, b"")
    if number not in PACKETED_VIDEO:
        return Tag(FRAME, codec, name, key, 0, data[1:] + rest)
    packet_type = data[1]
    if packet_type > 2 or len(data) < 5:
        return Tag(OTHER, codec, name, key, 0, b"")
    return Tag(TAG_KINDS[packet_type], codec, name, key, signed24(data, 2), data[5:] + rest)


def parse_ex_video(data: bytes, rest: bytes = b"") -> Tag:
    """The body of a video tag with a FourCC; in two parts as for :func:`parse_video`."""
    frame_type = (data[0] >> 4) & 7
    packet_type = data[0] & 0x0F
    key = frame_type == KEY_FRAME
    if frame_type == COMMAND_FRAME and packet_type != VideoPacketType.METADATA:
        return unreadable("video")
    if packet_type >= VideoPacketType.MULTITRACK:
        unit = partial(video_unit, key)
        return parse_extended(data + rest, VideoPacketType.MULTITRACK, unit)
    return video_unit(key, packet_type, data[1:5], data[5:] + rest)


def video_unit(key: bool, packet_type: int, code: bytes, body: bytes) -> Tag:
    """One track's part of a video tag with a FourCC."""
    codec, name = fourcc(code)
    if codec is None and len(code) < FOURCC_BYTES:
        return unreadable("video")
    if packet_type in CODED:
        if packet_type == CODED_FRAMES_X or codec not in COMPOSED:
            return Tag(FRAME, codec, name, key, 0, body)
        if len(body) >= 3:
            return Tag(FRAME, codec, name, key, signed24(body, 0), body[3:])
    elif packet_type == VideoPacketType.SEQUENCE_START:
        return Tag(CONFIG, codec, name, key, 0, body)
    elif packet_type == VideoPacketType.SEQUENCE_END:
        return Tag(END, codec, name, key, 0, b"")
    return Tag(OTHER, codec, name, key, 0, b"")


def parse_audio(data: bytes) -> Tag:
    """The body of an audio tag."""
    if len(data) < 2:
        return unreadable("audio")
    number = data[0] >> 4
    if number == EX_AUDIO:
        return parse_ex_audio(data)
    codec, name = AUDIO_CODECS.get(number) or (None, f"audio codec {number}")
    if number != AAC:
        return Tag(FRAME, codec, name, True, 0, data[1:])
    packet_type = data[1]
    if packet_type > 1:
        return Tag(OTHER, codec, name, True, 0, b"")
    return Tag(TAG_KINDS[packet_type], codec, name, True, 0, data[2:])


def parse_ex_audio(data: bytes) -> Tag:
    """The body of an audio tag with a FourCC."""
    packet_type = data[0] & 0x0F
    if packet_type >= AudioPacketType.MULTITRACK:
        return parse_extended(data, AudioPacketType.MULTITRACK, audio_unit)
    return audio_unit(packet_type, data[1:5], data[5:])


def audio_unit(packet_type: int, code: bytes, body: bytes) -> Tag:
    """One track's part of an audio tag with a FourCC."""
    codec, name = fourcc(code)
    if codec is None and len(code) < FOURCC_BYTES:
        return unreadable("audio")
    if packet_type > AudioPacketType.SEQUENCE_END:
        return Tag(OTHER, codec, name, True, 0, b"")
    return Tag(TAG_KINDS[packet_type], codec, name, True, 0, body)


def parse_extended(data: bytes, multitrack: int, unit: Callable[[int, bytes, bytes], Tag]) -> Tag:
    """A tag with additions before its packet type (``ModEx``), or with numbered tracks."""
    packet_type = data[0] & 0x0F
    at = 1
    nanos = 0
    try:
        while packet_type == MOD_EX:
            size = data[at] + 1
            at += 1
            if size == 256:
                size = (data[at] << 8 | data[at + 1]) + 1
                at += 2
            addition = data[at : at + size]
            at += size
            kind, packet_type = data[at] >> 4, data[at] & 0x0F
            at += 1
            if kind == TIMESTAMP_NANOS and size >= 3:
                nanos = int.from_bytes(addition[:3], "big")
        if packet_type == multitrack:
            parts = parse_tracks(data, at, multitrack, unit)
        else:
            parts = [unit(packet_type, data[at : at + 4], data[at + 4 :])]
    except IndexError:
        parts = []
    if nanos < NANOS_PER_MS:
        for part in parts:
            part.nanos = nanos
    if len(parts) == 1:
        return parts[0]
    tag = unreadable("several tracks")
    if parts:
        tag.kind = TagKind.SEVERAL
        tag.parts = tuple(parts)
    return tag


def parse_tracks(
    data: bytes, at: int, multitrack: int, unit: Callable[[int, bytes, bytes], Tag]
) -> list[Tag]:
    """The parts of a tag with numbered tracks; what is cut off at its end is left out.

    Raises:
        IndexError: the tag ends inside a header.
    """
    kind, packet_type = data[at] >> 4, data[at] & 0x0F
    at += 1
    parts: list[Tag] = []
    if kind > MultitrackType.MANY_TRACKS_MANY_CODECS or packet_type >= multitrack:
        return parts
    code = b""
    if kind != MultitrackType.MANY_TRACKS_MANY_CODECS:
        code = data[at : at + 4]
        at += 4
    while at < len(data) and len(parts) < MAX_PARTS:
        if kind == MultitrackType.MANY_TRACKS_MANY_CODECS:
            code = data[at : at + 4]
            at += 4
        track = data[at]
        at += 1
        end = len(data)
        if kind != MultitrackType.ONE_TRACK:
            end = at + 3 + (data[at] << 16 | data[at + 1] << 8 | data[at + 2])
            at += 3
        if end > len(data):
            break
        part = unit(packet_type, code, data[at:end])
        part.track = track
        parts.append(part)
        at = end
    return parts


def fourcc(code: bytes) -> tuple[Codec | None, str]:
    """The codec of a FourCC and its name, in which nothing unprintable is left."""
    return FOURCCS.get(code) or (None, repr(code)[2:-1])


def unreadable(name: str) -> Tag:
    """A tag that is too short to say anything."""
    return Tag(OTHER, None, name, False, 0, b"")


def signed24(data: bytes, at: int) -> int:
    """A signed 24-bit integer."""
    value = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
    return value - 0x1000000 if value & 0x800000 else value
