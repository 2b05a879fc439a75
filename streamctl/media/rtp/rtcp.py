"""RTCP: reports of senders and receivers, descriptions, farewells, and requests for a picture.

Reading takes what belongs to these and skips the rest; a datagram whose later packets are damaged
still gives the first ones, and one without a report at its beginning is taken as well.
Specifications: RFC 3550, section 6; RFC 4585, section 6.3.1 (PLI); RFC 5104, section 4.3.1 (FIR);
RFC 5506 (datagrams without a report).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from streamctl.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 0x80
VERSION_MASK = 0xC0
PADDING = 0x20
COUNT_MASK = 0x1F
HEADER = Struct("!BBH")
WORD = Struct("!I")
SENDER = Struct("!IQIII")
BLOCK = Struct("!IIIIII")
FEEDBACK = Struct("!II")
INTRA = Struct("!IB3x")
MAX_PACKETS = 64
"""Of one datagram; real ones have two or three."""
MAX_BLOCKS = 31
"""As many as the count has bits for."""
CNAME = 1
"""The item of a description that names the sender across its sources."""
MAX_TEXT = 255
PICTURE_LOSS = 1
FULL_INTRA = 4
NTP_EPOCH_S = 2_208_988_800
"""From 1900, where NTP begins, to 1970 (RFC 868)."""


class Type(enum.IntEnum):
    """Packet types (RFC 3550, section 12.1; RFC 4585, section 6.1)."""

    SENDER_REPORT = 200
    RECEIVER_REPORT = 201
    DESCRIPTION = 202
    BYE = 203
    PAYLOAD_FEEDBACK = 206


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one source."""

    ssrc: int
    fraction: int
    """Packets lost since the last report, in 1/256."""
    lost: int
    """Packets lost altogether; negative if more came than were sent."""
    highest: int
    """Highest sequence number, with its cycles in the upper half."""
    jitter: int
    """In ticks of the source's clock."""
    last_report: int = 0
    """Middle 32 bits of the NTP time in the newest sender report; 0 = none came."""
    delay: int = 0
    """Since that report, in 1/65536 s."""

    def serialise(self) -> bytes:
        """The bytes of the block."""
        lost = max(-0x80_0000, min(self.lost, 0x7F_FFFF)) & 0xFF_FFFF
        return BLOCK.pack(
            self.ssrc,
            min(self.fraction, 0xFF) << 24 | lost,
            self.highest & 0xFFFF_FFFF,
            min(self.jitter, 0xFFFF_FFFF),
            self.last_report,
            min(self.delay, 0xFFFF_FFFF),
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """Which wall-clock time a timestamp stands for, and how much was sent."""

    ssrc: int
    ntp: int
    """Seconds since 1900, in 1/2^32."""
    timestamp: int
    """The same moment on the clock of the source's packets."""
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()

    def serialise(self) -> bytes:
        """The bytes of the packet."""
        body = SENDER.pack(
            self.ssrc,
            self.ntp & 0xFFFF_FFFF_FFFF_FFFF,
            self.timestamp & 0xFFFF_FFFF,
            self.packets & 0xFFFF_FFFF,
            self.octets & 0xFFFF_FFFF,
        )
        return with_blocks(Type.SENDER_REPORT, body, self.reports)


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """What a receiver got of its sources."""

    ssrc: int
    """Of who reports."""
    reports: tuple[ReportBlock, ...] = ()

    def serialise(self) -> bytes:
        """The bytes of the packet."""
        return with_blocks(Type.RECEIVER_REPORT, WORD.pack(self.ssrc), self.reports)


@dataclass(frozen=True, slots=True)
class Description:
    """The name of a source's sender."""

    ssrc: int
    name: str

    def serialise(self) -> bytes:
        """The bytes of the packet; the name is cut to what has room."""
        text = self.name.encode()[:MAX_TEXT]
        item = bytes((CNAME, len(text))) + text
        return pack(Type.DESCRIPTION, 1, WORD.pack(self.ssrc) + item + bytes(4 - len(item) % 4))


@dataclass(frozen=True, slots=True)
class Bye:
    """Sources that have ended."""

    ssrcs: tuple[int, ...]
    reason: str = ""

    def serialise(self) -> bytes:
        """The bytes of the packet; the reason is cut to what has room."""
        body = b"".join(WORD.pack(ssrc) for ssrc in self.ssrcs)
        if self.reason:
            text = self.reason.encode()[:MAX_TEXT]
            item = bytes((len(text),)) + text
            body += item + bytes(-len(item) % 4)
        return pack(Type.BYE, len(self.ssrcs), body)


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """A decoder has lost pictures and needs one that stands for itself (PLI)."""

    ssrc: int
    """Of who asks."""
    media: int
    """The source that is asked."""

    def serialise(self) -> bytes:
        """The bytes of the packet."""
        return pack(Type.PAYLOAD_FEEDBACK, PICTURE_LOSS, FEEDBACK.pack(self.ssrc, self.media))


@dataclass(frozen=True, slots=True)
class FullIntra:
    """The command to send a picture that stands for itself (FIR)."""

    ssrc: int
    media: int
    number: int
    """Rises with each new command; a repetition has the same."""

    def serialise(self) -> bytes:
        """The bytes of the packet."""
        body = FEEDBACK.pack(self.ssrc, 0) + INTRA.pack(self.media, self.number & 0xFF)
        return pack(Type.PAYLOAD_FEEDBACK, FULL_INTRA, body)


Control = SenderReport | ReceiverReport | Description | Bye | PictureLoss | FullIntra
"""What is read of RTCP."""


def pack(kind: Type, count: int, body: bytes) -> bytes:
    """A packet of whole words."""
    return HEADER.pack(VERSION | count & COUNT_MASK, kind, len(body) // 4) + body


def with_blocks(kind: Type, body: bytes, blocks: tuple[ReportBlock, ...]) -> bytes:
    """A packet that ends with report blocks, as many as one can have."""
    blocks = blocks[:MAX_BLOCKS]
    return pack(kind, len(blocks), body + b"".join(block.serialise() for block in blocks))


def serialise(packets: Iterable[Control]) -> bytes:
    """A datagram of several packets; a report has to be the first (RFC 3550, section 6.1)."""
    return b"".join(packet.serialise() for packet in packets)


def parse(data: bytes | memoryview) -> list[Control]:
    """What a datagram holds; types that mean nothing to us are left out.

    Raises:
        RemoteProtocolError: it does not even begin like RTCP.
    """
    found: list[Control] = []
    for number, (kind, count, body) in enumerate(split(memoryview(data))):
        if number >= MAX_PACKETS:
            break
        found += read(kind, count, body)
    return found


def split(view: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Type, count and body of each packet, up to the first that is damaged.

    Raises:
        RemoteProtocolError: the first one is damaged.
    """
    at = 0
    while at + HEADER.size <= len(view):
        first, kind, words = HEADER.unpack_from(view, at)
        end = at + HEADER.size + 4 * words
        if first & VERSION_MASK != VERSION or end > len(view):
            break
        body = view[at + HEADER.size : end]
        at = end
        if first & PADDING:
            body = body[: len(body) - body[-1]] if body and body[-1] <= len(body) else body[:0]
        yield kind, first & COUNT_MASK, body
    if not at:
        raise RemoteProtocolError(f"not RTCP: {len(view)} bytes")


def read(kind: int, count: int, body: memoryview) -> list[Control]:
    """What one packet says; nothing if it is cut off, or of another type."""
    size = len(body)
    if kind == Type.SENDER_REPORT and size >= SENDER.size:
        ssrc, ntp, timestamp, packets, octets = SENDER.unpack_from(body)
        blocks = read_blocks(body[SENDER.size :], count)
        return [SenderReport(ssrc, ntp, timestamp, packets, octets, blocks)]
    if kind == Type.RECEIVER_REPORT and size >= WORD.size:
        blocks = read_blocks(body[WORD.size :], count)
        return [ReceiverReport(WORD.unpack_from(body)[0], blocks)]
    if kind == Type.DESCRIPTION:
        return list(read_descriptions(body, count))
    if kind == Type.BYE and size >= 4 * count:
        text = body[4 * count :]
        reason = bytes(text[1 : 1 + text[0]]).decode("utf-8", "replace") if text else ""
        return [Bye(tuple(WORD.unpack_from(body, 4 * at)[0] for at in range(count)), reason)]
    if kind == Type.PAYLOAD_FEEDBACK and size >= FEEDBACK.size:
        return list(read_feedback(body, count))
    return []


def read_blocks(body: memoryview, count: int) -> tuple[ReportBlock, ...]:
    """The report blocks that are there, at most ``count``."""
    found = []
    for at in range(0, min(count, len(body) // BLOCK.size) * BLOCK.size, BLOCK.size):
        ssrc, loss, highest, jitter, last, delay = BLOCK.unpack_from(body, at)
        lost = loss & 0xFF_FFFF
        lost -= (lost & 0x80_0000) << 1
        found.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
    return tuple(found)


def read_descriptions(body: memoryview, count: int) -> Iterator[Description]:
    """The names in a description of ``count`` sources."""
    at = 0
    for _ in range(count):
        if at + WORD.size > len(body):
            return
        ssrc = WORD.unpack_from(body, at)[0]
        at += WORD.size
        name, at = read_items(body, at)
        if name is not None:
            yield Description(ssrc, name)


def read_items(body: memoryview, at: int) -> tuple[str | None, int]:
    """The name among the items of one source, and where the next source begins."""
    name = None
    while at + 1 < len(body) and body[at]:
        begin, end = at + 2, at + 2 + body[at + 1]
        if body[at] == CNAME and end <= len(body):
            name = bytes(body[begin:end]).decode("utf-8", "replace")
        at = end
    return name, at + 4 - at % 4


def read_feedback(body: memoryview, kind: int) -> Iterator[Control]:
    """Requests for a picture."""
    ssrc, media = FEEDBACK.unpack_from(body)
    if kind == PICTURE_LOSS:
        yield PictureLoss(ssrc, media)
    elif kind == FULL_INTRA:
        for at in range(FEEDBACK.size, len(body) - INTRA.size + 1, INTRA.size):
            yield FullIntra(ssrc, *INTRA.unpack_from(body, at))


def ntp_time(unix_s: float) -> int:
    """The NTP time of a Unix time."""
    return round((unix_s + NTP_EPOCH_S) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits, which report blocks refer to a sender report by."""
    return ntp >> 16 & 0xFFFF_FFFF
