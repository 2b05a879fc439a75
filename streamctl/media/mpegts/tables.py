"""Sections out of packets, tables out of sections, and what descriptors in them say.

What the tables are for, and which program is chosen, is left to ``program``. Specifications:
ISO/IEC 13818-1 §2.4.4 (sections), §2.6 (descriptors); ETSI EN 300 468 §5.2.3 (service
description), §6.2.33 and annex A (names).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError
from streamctl.media.mpegts.packet import PACKET_BYTES, PAYLOAD_BYTES
from streamctl.media.mpegts.psi import ISO_639_LANGUAGE, REGISTRATION, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SDT_PID = 0x11
SDT_TABLE_ID = 0x42
"""The service description of the transport stream that carries it."""
SERVICE = 0x48
"""Tag of the service descriptor, which has the name."""

STUFFING_TABLE_ID = 0xFF

CONDITIONAL_ACCESS = 0x09
"""Tag of the CA descriptor: the program, or the stream, is meant to be scrambled."""

CHARSETS = {
    **{code: f"iso8859_{code + 4}" for code in range(1, 12) if code != 8},
    0x11: "utf_16_be",
    0x12: "euc_kr",
    0x13: "gb2312",
    0x14: "big5",
    0x15: "utf_8",
}
"""Character tables by the first byte of a text."""
CHARSET_BY_NUMBER = 0x10
"""First byte of a text in a part of ISO 8859 whose number follows in 16 bits."""
FIRST_LETTER = 0x20


class SectionAssembler:
    """Puts the sections of one PID together from its packets.

    A section that misses a packet is dropped, and so is a repeated packet. At most one section
    (4,098 bytes) and one packet are kept.
    """

    __slots__ = ("_collecting", "_data", "_last")

    def __init__(self) -> None:
        self._data = b""
        self._collecting = False
        self._last = b""
        """The former packet, by which a repeated one is known."""

    def feed(self, packet: bytes | memoryview) -> list[bytes]:
        """The sections that end in this packet, by their lengths; checksums are not looked at."""
        control = packet[3]
        damaged = packet[1] & 0x80 or control & 0xC0
        if not control & 0x10 or damaged or packet == self._last:
            return []
        last, self._last = self._last, bytes(packet)
        if last and (last[3] + 1 - control) & 15:
            self._collecting = False
        start = 5 + packet[4] if control & 0x20 else 4
        payload = self._last[start:]
        return self._begin(payload) if packet[1] & 0x40 else self._continue(payload)

    def run(self, payload: bytes, first: int, last: int) -> list[bytes]:
        """The same for packets that begin nothing, by their counters without a gap."""
        if self._last and (self._last[3] + 1 - first) & 15:
            self._collecting = False
        self._last = b"\x47\0\0" + bytes((last,))
        pieces = range(0, len(payload), PAYLOAD_BYTES)
        return [one for at in pieces for one in self._continue(payload[at : at + PAYLOAD_BYTES])]

    def _continue(self, payload: bytes) -> list[bytes]:
        """Take a payload in which no section begins."""
        if not self._collecting:
            return []
        self._data += payload
        # Where another section begins a pointer tells, so behind this one nothing counts.
        found = self._take()
        self._collecting = not found
        return found

    def _begin(self, payload: bytes) -> list[bytes]:
        """Take a payload in which a section begins, and perhaps another ends."""
        pointer = 1 + payload[0] if payload else PACKET_BYTES
        found = []
        if self._collecting:
            self._data += payload[1:pointer]
            found = self._take()[:1]
        self._data = payload[pointer:]
        self._collecting = True
        return found + self._take()

    def _take(self) -> list[bytes]:
        """Cut off the sections that are complete."""
        data = self._data
        found = []
        position = 0
        while len(data) - position >= 3 and data[position] != STUFFING_TABLE_ID:
            length = int.from_bytes(data[position + 1 : position + 3], "big") & 0xFFF
            end = position + 3 + length
            if end > len(data):
                break
            if not length:
                # No section is empty: these are zeros in place of stuffing.
                position = len(data)
                break
            found.append(data[position:end])
            position = end
        self._data = data[position:]
        return found


class TableReader:
    """Collects the sections of one table until all of a version are there.

    Sections that come damaged every time, as over a link with steady bit errors, are read from
    what two of three copies agree on, if that has a good checksum.
    """

    __slots__ = ("_copies", "_key", "_parts", "damaged", "extension", "table")

    def __init__(self, table: int, extension: int | None = None) -> None:
        self.table = table
        self.extension = extension
        """The only one that counts, since a PID may carry the maps of several programs; None =
        whatever comes."""
        self.damaged = 0
        """Sections with a wrong checksum or length."""
        self._copies: list[bytes] = []
        """The last damaged ones."""
        self._key: tuple[int, int, int] | None = None
        self._parts: dict[int, Section] = {}

    def feed(self, data: bytes) -> tuple[Section, ...] | None:
        """The sections of the table if this one completes or changes it.

        A changed section under the version of its predecessor counts too: not every multiplexer
        counts versions.
        """
        if data[:1] != bytes((self.table,)):
            return None
        section = self._parse(data)
        if section is None:
            return None
        known = self.extension is None or section.extension == self.extension
        if not (known and section.current and section.number <= section.last):
            return None
        key = (section.extension, section.version, section.last)
        if key != self._key:
            self._key = key
            self._parts = {}
        if self._parts.get(section.number) == section:
            return None
        self._parts[section.number] = section
        if len(self._parts) <= section.last:
            return None
        return tuple(self._parts[number] for number in sorted(self._parts))

    def _parse(self, data: bytes) -> Section | None:
        """Read a section, from several damaged copies if need be."""
        try:
            section = Section.parse(data)
        except RemoteProtocolError:
            self.damaged += 1
            self._copies = [*self._copies[-2:], data]
            with suppress(RemoteProtocolError):
                return Section.parse(majority(self._copies))
            return None
        self._copies.clear()
        return section


def majority(copies: Sequence[bytes]) -> bytes:
    """What at least two of three copies of the same length say in each bit; else nothing."""
    if len(copies) < 3 or len({len(copy) for copy in copies}) > 1:
        return b""
    first, second, third = (int.from_bytes(copy, "big") for copy in copies)
    agreed = first & second | first & third | second & third
    return agreed.to_bytes(len(copies[0]), "big")


def split_descriptors(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and payload of each descriptor; a torn end is ignored."""
    found = []
    position = 0
    while position + 2 <= len(data):
        end = position + 2 + data[position + 1]
        if end > len(data):
            break
        found.append((data[position], data[position + 2 : end]))
        position = end
    return found


def find_descriptor(data: bytes, tag: int) -> bytes | None:
    """The payload of the first descriptor of that tag."""
    return next((payload for found, payload in split_descriptors(data) if found == tag), None)


def language(descriptors: bytes) -> str:
    """The ISO 639 language of a stream; empty when it is not told."""
    code = (find_descriptor(descriptors, ISO_639_LANGUAGE) or b"")[:3]
    return code.decode("ascii").lower() if len(code) == 3 and code.isalpha() else ""


def registration(descriptors: bytes) -> bytes:
    """The registered letters that name a format; empty without any."""
    return (find_descriptor(descriptors, REGISTRATION) or b"")[:4]


def service_names(sections: Iterable[Section]) -> dict[int, str]:
    """Names by program, from the sections of a service description table."""
    names = {}
    for section in sections:
        body = section.body
        position = 3  # original_network_id, reserved
        while position + 5 <= len(body):
            program = int.from_bytes(body[position : position + 2], "big")
            length = int.from_bytes(body[position + 3 : position + 5], "big") & 0xFFF
            position += 5
            name = service_name(body[position : position + length])
            if name:
                names[program] = name
            position += length
    return names


def service_name(descriptors: bytes) -> str:
    """The name in a service descriptor; empty without one."""
    payload = find_descriptor(descriptors, SERVICE) or b""
    provider_end = 2 + payload[1] if len(payload) >= 2 else 0
    size = payload[provider_end] if provider_end < len(payload) else 0
    return read_text(payload[provider_end + 1 : provider_end + 1 + size])


def read_text(data: bytes) -> str:
    """A DVB text without its control codes; what its table lacks is replaced by a mark."""
    first = data[0] if data else FIRST_LETTER
    charset = "latin_1"
    if first == CHARSET_BY_NUMBER:
        charset = f"iso8859_{int.from_bytes(data[1:3], 'big')}"
        data = data[3:]
    elif first < FIRST_LETTER:
        charset = CHARSETS.get(first, charset)
        data = data[1:]
    try:
        text = data.decode(charset, "replace")
    except LookupError:
        text = data.decode("latin_1")
    return "".join(letter for letter in text if letter.isprintable()).strip()
