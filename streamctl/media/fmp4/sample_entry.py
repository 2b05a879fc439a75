"""Sample entries: what codec a track has and how its decoder is configured.

Records are given as the readers of :mod:`streamctl.media.reader` take them. Specifications:
ISO/IEC 14496-12 sections 12.1.3, 12.2.3; 14496-14 section 5.6; 14496-15; ETSI TS 102 366 annex F;
the bindings of AV1, VP9, Opus and FLAC.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamctl.errors import RemoteProtocolError
from streamctl.media.fmp4.box import Box, Fields, boxes, printable
from streamctl.media.packet import Codec

PICTURES = {
    b"avc1": (Codec.H264, b"avcC"),
    b"avc3": (Codec.H264, b"avcC"),
    b"hvc1": (Codec.HEVC, b"hvcC"),
    b"hev1": (Codec.HEVC, b"hvcC"),
    b"av01": (Codec.AV1, b"av1C"),
    b"vp09": (Codec.VP9, b"vpcC"),
}
"""Codec and configuration box by the kind of entry."""
SOUNDS = {
    b"mp4a": (Codec.AAC, b"esds"),
    b"Opus": (Codec.OPUS, b"dOps"),
    b"fLaC": (Codec.FLAC, b"dfLa"),
    b"ac-3": (Codec.AC3, b"dac3"),
    b"ec-3": (Codec.EAC3, b"dec3"),
}
ENCRYPTED = frozenset({b"encv", b"enca", b"encs", b"enct"})
PICTURE_BYTES = 78
"""Fields before the boxes of a picture's entry."""
SOUND_BYTES = 28
MORE_SOUND_BYTES = {1: 16, 2: 36}
"""What QuickTime's versions of a sound's entry add."""
OBJECTS = {
    **dict.fromkeys((0x40, 0x66, 0x67, 0x68), Codec.AAC),
    **dict.fromkeys((0x69, 0x6B), Codec.MP3),
    0xA5: Codec.AC3,
    0xA6: Codec.EAC3,
    0xAD: Codec.OPUS,
}
"""Codecs by ``objectTypeIndication``."""
ES, DECODER, SPECIFIC = 3, 4, 5
"""Tags of descriptors (ISO/IEC 14496-1, section 7.2.2.1)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry says."""

    title: str
    """Its four letters."""
    codec: Codec | None
    """None for one that can't be read."""
    record: bytes = b""
    """The decoder's configuration; empty where frames tell it."""
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0
    encrypted: bool = False


def parse_entry(data: bytes, box: Box) -> Entry:
    """An entry of a sample description.

    Raises:
        RemoteProtocolError: it is damaged.
    """
    title = printable(box.kind)
    if box.kind in ENCRYPTED:
        return Entry(title, None, encrypted=True)
    if box.kind in PICTURES:
        return picture(data, box, title)
    if box.kind in SOUNDS:
        return sound(data, box, title)
    return Entry(title, None)


def picture(data: bytes, box: Box, title: str) -> Entry:
    """An entry of pictures."""
    codec, kind = PICTURES[box.kind]
    fields = Fields.of(data, box)
    fields.skip(24)
    width, height = fields.number(2), fields.number(2)
    fields.skip(PICTURE_BYTES - 28)
    return Entry(title, codec, payload(data, fields.place, box.end, kind), width, height)


def sound(data: bytes, box: Box, title: str) -> Entry:
    """An entry of sound."""
    codec, kind = SOUNDS[box.kind]
    fields = Fields.of(data, box)
    fields.skip(8)
    version = fields.number(2)
    fields.skip(6)
    channels = fields.number(2)
    fields.skip(6)
    rate = fields.number(4) >> 16
    fields.skip(MORE_SOUND_BYTES.get(version, 0))
    record = payload(data, fields.place, box.end, kind)
    known: Codec | None = codec
    if codec is Codec.AAC:
        known, record = read_esds(record)
    elif codec is Codec.OPUS:
        record = opus_head(record)
    elif codec is Codec.FLAC:
        record = record[4:]
    return Entry(title, known, record, sample_rate=rate, channels=channels)


def payload(data: bytes, start: int, end: int, kind: bytes) -> bytes:
    """What a configuration box holds.

    Raises:
        RemoteProtocolError: there is none.
    """
    for box in boxes(data, start, end):
        if box.kind == kind:
            return data[box.start : box.end]
        if box.kind == b"wave":
            return payload(data, box.start, box.end, kind)
    raise RemoteProtocolError(f"a sample entry has no `{printable(kind)}`")


def read_esds(record: bytes) -> tuple[Codec | None, bytes]:
    """Codec and configuration in a box of MPEG-4 descriptors.

    Raises:
        RemoteProtocolError: it is damaged.
    """
    fields = Fields(record, 0, len(record))
    fields.full()
    found = descriptor(fields, ES)
    found.skip(2)
    flags = found.number(1)
    found.skip(2 if flags & 0x80 else 0)
    if flags & 0x40:
        found.skip(found.number(1))
    found.skip(2 if flags & 0x20 else 0)
    decoder = descriptor(found, DECODER)
    codec = OBJECTS.get(decoder.number(1))
    decoder.skip(12)
    if codec is not Codec.AAC:
        return codec, b""
    specific = descriptor(decoder, SPECIFIC)
    return codec, record[specific.place : specific.end]


def descriptor(fields: Fields, tag: int) -> Fields:
    """The descriptor of a tag that comes next, others left out.

    Raises:
        RemoteProtocolError: there is none.
    """
    while True:
        found = fields.number(1)
        size = 0
        for _ in range(4):
            byte = fields.number(1)
            size = size << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        begin = fields.place
        fields.skip(size)
        if found == tag:
            return Fields(fields.data, begin, fields.place)


def opus_head(record: bytes) -> bytes:
    """The identification header that a ``dOps`` box stands for: the other byte order.

    Raises:
        RemoteProtocolError: it is cut off.
    """
    fields = Fields(record, 0, len(record))
    fields.skip(1)
    channels, skip, rate, gain = (fields.number(size) for size in (1, 2, 4, 2))
    head = b"OpusHead\x01" + bytes((channels,)) + skip.to_bytes(2, "little")
    head += rate.to_bytes(4, "little") + gain.to_bytes(2, "little")
    return head + record[fields.place :]
