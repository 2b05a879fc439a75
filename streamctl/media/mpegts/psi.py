"""Sections, and the program association and program map in them, built and read.

Specification: ISO/IEC 13818-1 §2.4.4 (sections), §2.6 (descriptors). Putting sections into
packets is left to ``packet``, getting them out of packets to ``tables``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from struct import iter_unpack
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.mpegts.crc import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence

PAT_PID = 0
NULL_PID = 0x1FFF

PAT_TABLE_ID = 0
PMT_TABLE_ID = 2

SECTION_HEADER_BYTES = 8
CRC_BYTES = 4
MAX_SECTION_LENGTH = 1021
"""Bytes behind ``section_length`` of a PAT or PMT section (§2.4.4.3, §2.4.4.8)."""

REGISTRATION = 0x05
"""Tag of the registration descriptor (§2.6.8)."""
ISO_639_LANGUAGE = 0x0A
"""Tag of the language descriptor (§2.6.18)."""


class StreamType(enum.IntEnum):
    """``stream_type`` of the codecs that are multiplexed (table 2-34; ATSC A/53-3 for AC-3)."""

    MPEG1_AUDIO = 0x03
    MPEG2_AUDIO = 0x04
    PRIVATE = 0x06
    AAC_ADTS = 0x0F
    H264 = 0x1B
    HEVC = 0x24
    AC3 = 0x81
    EAC3 = 0x87


@dataclass(frozen=True, slots=True)
class Section:
    """A section in long form (§2.4.4.10), of which a table has one or more."""

    table: int
    """``table_id``."""
    extension: int
    """``table_id_extension``: the program of a PMT, the transport stream of a PAT or SDT."""
    version: int
    body: bytes
    """What stands between ``last_section_number`` and the checksum."""
    current: bool = True
    """``current_next_indicator``: what it says is valid now."""
    number: int = 0
    last: int = 0
    """``section_number`` and ``last_section_number``."""

    def serialize(self) -> bytes:
        """The section with its CRC_32."""
        length = SECTION_HEADER_BYTES - 3 + len(self.body) + CRC_BYTES
        head = b"".join(
            (
                bytes((self.table,)),
                (0xB000 | length).to_bytes(2, "big"),
                self.extension.to_bytes(2, "big"),
                bytes((0xC0 | self.version << 1 | self.current, self.number, self.last)),
            )
        )
        return head + self.body + crc32(head + self.body).to_bytes(4, "big")

    @classmethod
    def parse(cls, data: bytes) -> Section:
        """Read a section; stuffing behind it is allowed.

        Raises:
            RemoteProtocolError: cut off, too long, or damaged.
        """
        end = 3 + (int.from_bytes(data[1:3], "big") & 0xFFF)
        if not SECTION_HEADER_BYTES + CRC_BYTES <= end <= min(len(data), 3 + MAX_SECTION_LENGTH):
            raise RemoteProtocolError("a PSI section has a wrong length")
        if crc32(data[:end]):
            raise RemoteProtocolError("a PSI section is damaged")
        extension = int.from_bytes(data[3:5], "big")
        body = data[SECTION_HEADER_BYTES : end - CRC_BYTES]
        version, current = data[5] >> 1 & 31, bool(data[5] & 1)
        return cls(data[0], extension, version, body, current, data[6], data[7])


@dataclass(frozen=True, slots=True)
class PmtStream:
    """An elementary stream as a PMT announces it."""

    stream_type: int
    pid: int
    descriptors: bytes = b""


@dataclass(frozen=True, slots=True)
class Pmt:
    """A program map."""

    program: int
    pcr_pid: int
    streams: tuple[PmtStream, ...]
    descriptors: bytes = b""
    version: int = 0

    def serialize(self) -> bytes:
        """The section."""
        body = [
            (0xE000 | self.pcr_pid).to_bytes(2, "big"),
            (0xF000 | len(self.descriptors)).to_bytes(2, "big"),
            self.descriptors,
        ]
        for stream in self.streams:
            body.append(bytes((stream.stream_type,)))
            body.append((0xE000 | stream.pid).to_bytes(2, "big"))
            body.append((0xF000 | len(stream.descriptors)).to_bytes(2, "big"))
            body.append(stream.descriptors)
        return section(PMT_TABLE_ID, self.program, self.version, b"".join(body))

    @classmethod
    def parse(cls, data: bytes) -> Pmt:
        """Read a PMT section.

        Raises:
            RemoteProtocolError: not a PMT, damaged, or with lengths that don't fit.
        """
        return cls.read(Section.parse(data))

    @classmethod
    def read(cls, section: Section) -> Pmt:
        """Read the section of a program map, which has only one.

        Raises:
            RemoteProtocolError: not a PMT, or with lengths that don't fit.
        """
        body = section.body
        if section.table != PMT_TABLE_ID or len(body) < 4:
            raise RemoteProtocolError("not a PMT section")
        descriptors, position = read_descriptors(body, 2)
        streams = []
        while position < len(body):
            if position + 5 > len(body):
                raise RemoteProtocolError("a PMT section is cut off")
            kind = body[position]
            pid = int.from_bytes(body[position + 1 : position + 3], "big") & 0x1FFF
            found, position = read_descriptors(body, position + 3)
            streams.append(PmtStream(kind, pid, found))
        pcr_pid = int.from_bytes(body[:2], "big") & 0x1FFF
        return cls(section.extension, pcr_pid, tuple(streams), descriptors, section.version)


@dataclass(frozen=True, slots=True)
class Pat:
    """A program association table."""

    transport_stream: int
    programs: tuple[tuple[int, int], ...]
    """Program number and PID of its PMT; number 0 names the network information PID."""
    version: int = 0

    def serialize(self) -> bytes:
        """The table, which has to fit into one section."""
        body = b"".join(
            number.to_bytes(2, "big") + (0xE000 | pid).to_bytes(2, "big")
            for number, pid in self.programs
        )
        return section(PAT_TABLE_ID, self.transport_stream, self.version, body)

    @classmethod
    def parse(cls, data: bytes) -> Pat:
        """Read a PAT that has one section.

        Raises:
            RemoteProtocolError: not a PAT, damaged, or with a torn entry.
        """
        return cls.read((Section.parse(data),))

    @classmethod
    def read(cls, sections: Sequence[Section]) -> Pat:
        """Read all sections of a table.

        Raises:
            RemoteProtocolError: not a PAT, or with a torn entry.
        """
        if any(one.table != PAT_TABLE_ID or len(one.body) % 4 for one in sections):
            raise RemoteProtocolError("not a PAT section")
        programs = tuple(
            (number, pid & 0x1FFF)
            for one in sections
            for number, pid in iter_unpack(">HH", one.body)
        )
        return cls(sections[0].extension, programs, sections[0].version)


def descriptor(tag: int, payload: bytes) -> bytes:
    """A descriptor of at most 255 bytes."""
    return bytes((tag, len(payload))) + payload


def registration_descriptor(code: bytes) -> bytes:
    """The descriptor that names a format by four registered letters."""
    return descriptor(REGISTRATION, code)


def language_descriptor(language: str) -> bytes:
    """The ISO 639 descriptor of a three-letter language; empty for anything else."""
    code = language.encode("ascii", "replace")
    if len(code) != 3 or not code.isalpha():
        return b""
    return descriptor(ISO_639_LANGUAGE, code + b"\0")


def section(table_id: int, extension: int, version: int, body: bytes) -> bytes:
    """The only section of a table, current, with its CRC_32."""
    return Section(table_id, extension, version, body).serialize()


def read_descriptors(body: bytes, position: int) -> tuple[bytes, int]:
    """The descriptors behind a 12-bit length, and where they end.

    Raises:
        RemoteProtocolError: cut off.
    """
    start = position + 2
    end = start + (int.from_bytes(body[position:start], "big") & 0xFFF)
    if end > len(body):
        raise RemoteProtocolError("a PMT section is cut off")
    return body[start:end], end
