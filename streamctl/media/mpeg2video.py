"""MPEG-2 video (and MPEG-1, its subset): pictures, sequence headers, and their track reader.

Specifications: ISO/IEC 13818-2 §6.2 (syntax), §6.3.3 to §6.3.9 (sequence, group of pictures,
picture), ISO/IEC 11172-2 for MPEG-1. An access unit is a picture, or both fields of one, with the
headers in front of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.packet import Flag, Kind
from streamctl.media.unit import Facts, TrackReader, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

START_CODE = b"\0\0\1"
PICTURE, FIRST_SLICE, LAST_SLICE = 0x00, 0x01, 0xAF
SEQUENCE, EXTENSION, GROUP = 0xB3, 0xB5, 0xB8

SEQUENCE_EXTENSION, CODING_EXTENSION = 1, 8
"""``extension_start_code_identifier`` of the extensions that are read."""

KINDS = {1: Kind.KEY, 2: Kind.P, 3: Kind.B}
"""By ``picture_coding_type``."""

RATES = (0.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0)
"""Frames per second by ``frame_rate_code``."""

PROFILES = {5: "Simple", 4: "Main", 3: "SNR", 2: "Spatial", 1: "High"}
MAIN_OBJECT_TYPE = 0x61
OBJECT_TYPES = {5: 0x60, 4: MAIN_OBJECT_TYPE, 3: 0x62, 2: 0x63, 1: 0x64}
"""``objectTypeIndication`` (ISO/IEC 14496-1) by profile, for RFC 6381 names."""
LEVELS = {10: "Low", 8: "Main", 6: "High 1440", 4: "High"}

OPEN_GOP = int(Flag.OPEN_GOP)
"""As a plain number, since the bits of an enum are slow to test."""


@dataclass(slots=True)
class Picture:
    """What the headers in front of the first slice say."""

    kind: Kind
    """An I picture without a sequence header is no place to join, hence a P."""
    flags: int
    config: bytes = b""
    """The sequence header and its extensions; empty if there are none."""


def parse_picture(data: bytes) -> Picture | None:
    """Read the headers of an access unit; None if its picture header is not there in full.

    Only ``closed_gop`` says that no picture leads the first one of a group.
    """
    config = b""
    closed = False
    sequence = -1
    for code, start in start_codes(data):
        if sequence >= 0 and code != EXTENSION:
            config, sequence = data[sequence:start], -1
        if code == SEQUENCE:
            sequence = start
        elif code == GROUP:
            closed = len(data) > start + 7 and data[start + 7] & 0x40 != 0
        elif code == PICTURE:
            if len(data) < start + 6:
                return None
            kind = KINDS.get(data[start + 5] >> 3 & 7, Kind.P)
            if kind is not Kind.KEY:
                return Picture(kind, 0, config)
            if not config:
                return Picture(Kind.P, 0)
            return Picture(kind, 0 if closed else OPEN_GOP, config)
    return None


def start_codes(data: bytes) -> Iterator[tuple[int, int]]:
    """Each start code up to the first slice, with the place where it stands."""
    start = data.find(START_CODE)
    while 0 <= start < len(data) - 3:
        code = data[start + 3]
        if FIRST_SLICE <= code <= LAST_SLICE:
            return
        yield code, start
        start = data.find(START_CODE, start + 3)


class Mpeg2Reader(TrackReader):
    """The configuration is the sequence header that stands before key pictures."""

    def configure(self, record: bytes) -> bytes | None:
        return self.adopt(record, facts(record))

    def unit(self, data: bytes) -> Unit:
        picture = parse_picture(data)
        if picture is None:
            return Unit(b"", Kind.P)
        config = self.configure(picture.config) if picture.config else None
        if self.config is None:
            raise RemoteProtocolError("MPEG-2 pictures came before their sequence header")
        return Unit(data, picture.kind, picture.flags, config)


@lru_cache(maxsize=64)
def facts(config: bytes) -> Facts:
    """What a sequence header with its extension tells.

    Raises:
        RemoteProtocolError: cut off, or of no size.
    """
    if len(config) < 12 or config[:4] != bytes((0, 0, 1, SEQUENCE)):
        raise RemoteProtocolError("an MPEG-2 sequence header is cut off")
    width = config[4] << 4 | config[5] >> 4
    height = (config[5] & 15) << 8 | config[6]
    rate = RATES[config[7] & 15] if config[7] & 15 < len(RATES) else 0.0
    title, name = "MPEG-1 video", "mp4v.6a"
    extension = find_extension(config)
    if extension:
        width |= (extension[1] & 1) << 13 | (extension[2] & 0x80) << 5
        height |= (extension[2] & 0x60) << 7
        rate = rate * (1 + (extension[5] >> 5 & 3)) / (1 + (extension[5] & 31))
        profile, level = extension[0] & 7, extension[1] >> 4
        title = f"MPEG-2 {PROFILES.get(profile, profile)} at {LEVELS.get(level, level)}"
        name = f"mp4v.{OBJECT_TYPES.get(profile, MAIN_OBJECT_TYPE):x}"
    if not width or not height:
        raise RemoteProtocolError("an MPEG-2 sequence header tells no size")
    return Facts(name, title, width, height, round(rate, 3))


def find_extension(config: bytes) -> bytes:
    """The payload of the sequence extension; empty for MPEG-1."""
    for code, start in start_codes(config):
        payload = config[start + 4 : start + 10]
        if code == EXTENSION and len(payload) == 6 and payload[0] >> 4 == SEQUENCE_EXTENSION:
            return payload
    return b""
