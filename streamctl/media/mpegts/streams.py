"""What the elementary streams of a program map are: codec, carriage, and a name for people.

Specifications: ISO/IEC 13818-1 table 2-34, §2.6; ETSI EN 300 468 §6.1, annex D; ETSI TS 101 154;
ATSC A/53-3, A/52 annex A and G; SCTE 35 §8 and SMPTE RP 217 and ST 336 for data. ``stream_type``
decides where it is specific; private streams are told by their descriptors.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from streamctl.media.mpegts.tables import (
    find_descriptor,
    language,
    registration,
    split_descriptors,
)
from streamctl.media.packet import Codec, Track

if TYPE_CHECKING:
    from streamctl.media.mpegts.psi import PmtStream

PRIVATE_PES = 0x06
LATM = 0x11
METADATA_PES = 0x15
USER_PRIVATE = 0x80
"""Types from here on mean what the registration descriptor of the program says."""

SUBTITLING = 0x59
METADATA = 0x26
EXTENSION = 0x7F
OPUS_EXTENSION = 0x80


class Carriage(enum.Enum):
    """How a stream travels."""

    PES = "pes"
    SECTIONS = "sections"


@dataclass(frozen=True, slots=True)
class StreamKind:
    """What a stream is."""

    title: str
    """A name for people, such as ``HEVC`` or ``DSM-CC``."""
    codec: Codec | None = None
    """None for what can be passed on, but not read."""
    carriage: Carriage = Carriage.PES
    video: bool = False
    """Moving pictures, such as can be read or not."""


def sections(title: str, codec: Codec | None = None) -> StreamKind:
    """A stream that travels in sections."""
    return StreamKind(title, codec, Carriage.SECTIONS)


def video(title: str, codec: Codec | None = None) -> StreamKind:
    """A stream of pictures."""
    return StreamKind(title, codec, video=True)


DATA = StreamKind("private data", Codec.DATA)

KINDS = {
    0x01: video("MPEG-1 video", Codec.MPEG2),
    0x02: video("MPEG-2 video", Codec.MPEG2),
    0x03: StreamKind("MPEG-1 audio", Codec.MP2),
    0x04: StreamKind("MPEG-2 audio", Codec.MP2),
    0x05: sections("private sections"),
    PRIVATE_PES: DATA,
    0x0A: sections("DSM-CC"),
    0x0B: sections("DSM-CC"),
    0x0C: sections("DSM-CC"),
    0x0D: sections("DSM-CC"),
    0x0F: StreamKind("AAC", Codec.AAC),
    0x10: video("MPEG-4 part 2 video"),
    LATM: StreamKind("AAC in LATM", Codec.AAC),
    METADATA_PES: StreamKind("metadata", Codec.DATA),
    0x16: sections("metadata"),
    0x1B: video("H.264", Codec.H264),
    0x20: video("MVC"),
    0x21: video("JPEG 2000"),
    0x24: video("HEVC", Codec.HEVC),
    0x2D: StreamKind("MPEG-H audio"),
    0x32: video("JPEG XS"),
    0x33: video("VVC"),
    0x42: video("AVS video"),
    0x81: StreamKind("AC-3", Codec.AC3),
    0x82: StreamKind("DTS"),
    0x83: StreamKind("TrueHD"),
    0x84: StreamKind("E-AC-3", Codec.EAC3),
    0x85: StreamKind("DTS-HD"),
    0x86: sections("SCTE-35", Codec.SCTE35),
    0x87: StreamKind("E-AC-3", Codec.EAC3),
    0x8A: StreamKind("DTS"),
    0xC1: StreamKind("encrypted AC-3"),
    0xC2: StreamKind("encrypted E-AC-3"),
    0xCF: StreamKind("encrypted AAC"),
    0xD1: video("Dirac"),
    0xD2: video("AVS2 video"),
    0xDB: video("encrypted H.264"),
    0xEA: video("VC-1"),
}
"""By ``stream_type``; the encrypted ones are those of SAMPLE-AES."""

REGISTERED = {
    b"AC-3": StreamKind("AC-3", Codec.AC3),
    b"EAC3": StreamKind("E-AC-3", Codec.EAC3),
    b"AC-4": StreamKind("AC-4"),
    b"DTS1": StreamKind("DTS"),
    b"DTS2": StreamKind("DTS"),
    b"DTS3": StreamKind("DTS"),
    b"HEVC": video("HEVC", Codec.HEVC),
    b"VVC ": video("VVC"),
    b"AV01": video("AV1"),
    b"Opus": StreamKind("Opus", Codec.OPUS),
    b"BSSD": StreamKind("SMPTE 302M audio"),
    b"KLVA": StreamKind("KLV", Codec.KLV),
    b"ID3 ": StreamKind("ID3", Codec.ID3),
    b"CUEI": sections("SCTE-35", Codec.SCTE35),
    b"VANC": StreamKind("SMPTE 2038 ancillary data", Codec.DATA),
    b"VC-1": video("VC-1"),
    b"drac": video("Dirac"),
}
"""By the registered letters of a private stream."""

DESCRIBED = {
    0x45: StreamKind("VBI data", Codec.DATA),
    0x46: StreamKind("teletext", Codec.TELETEXT),
    0x56: StreamKind("teletext", Codec.TELETEXT),
    SUBTITLING: StreamKind("DVB subtitles", Codec.DVBSUB),
    0x6A: StreamKind("AC-3", Codec.AC3),
    0x7A: StreamKind("E-AC-3", Codec.EAC3),
    0x7B: StreamKind("DTS"),
    0x81: StreamKind("AC-3", Codec.AC3),
    0xCC: StreamKind("E-AC-3", Codec.EAC3),
}
"""By the tag of a descriptor that only such private streams have."""

METADATA_FORMATS = {b"ID3 ": REGISTERED[b"ID3 "], b"KLVA": REGISTERED[b"KLVA"]}


def stream_kind(stream: PmtStream) -> StreamKind:
    """What a stream is, by its entry in the program map."""
    return kind_of(stream.stream_type, stream.descriptors)


@lru_cache(maxsize=256)
def kind_of(stream_type: int, descriptors: bytes) -> StreamKind:
    """What a type means beside these descriptors."""
    if stream_type in {PRIVATE_PES, METADATA_PES}:
        return private_kind(stream_type, descriptors)
    kind = KINDS.get(stream_type)
    registered = REGISTERED.get(registration(descriptors))
    if kind is None:
        return registered or StreamKind(f"stream type {stream_type:#04x}")
    if registered is not None and stream_type >= USER_PRIVATE:
        return registered
    return kind


def private_kind(stream_type: int, descriptors: bytes) -> StreamKind:
    """What private or metadata PES packets hold."""
    registered = REGISTERED.get(registration(descriptors))
    if registered is not None:
        return registered
    for tag, payload in split_descriptors(descriptors):
        if tag == EXTENSION and payload[:1] == bytes((OPUS_EXTENSION,)):
            return REGISTERED[b"Opus"]
        if tag == METADATA:
            for letters, kind in METADATA_FORMATS.items():
                if letters in payload:
                    return kind
        if stream_type == PRIVATE_PES and tag in DESCRIBED:
            return DESCRIBED[tag]
    return KINDS[stream_type]


def stream_track(number: int, stream: PmtStream) -> Track | None:
    """The track of a stream, as far as the program map tells; None for what can't be read."""
    codec = stream_kind(stream).codec
    if codec is None:
        return None
    track = Track(number, codec, language=stream_language(stream))
    if track.media is not track.media.DATA:
        return track
    config = bytes((stream.stream_type,)) + stream.descriptors
    return Track(number, codec, config, language=track.language)


def stream_language(stream: PmtStream) -> str:
    """The language of sound, subtitles or teletext; empty when it is not told."""
    found = language(stream.descriptors)
    for tag in (SUBTITLING, 0x56, 0x46):
        code = (find_descriptor(stream.descriptors, tag) or b"")[:3]
        if not found and len(code) == 3 and code.isalpha():
            found = code.decode("ascii").lower()
    return found
