"""Which codec a payload type is that nothing was said about, by what its packets look like.

Theory of operation: payload types below 96 are what RFC 3551 says, if they have a codec of ours.
Others are judged by their payload. One packet is enough where its form can't be chance: transport
packets, parameter sets, aggregates whose sizes add up, headers of key pictures. Otherwise several
packets have to agree. H.264 and H.265 are told apart by the layer and the temporal id of H.265's
longer header, which are 0 and not 0: an H.264 slice (``41 9A``) would be of layer 51. Opus has no
form at all and shows by its clock.
Specifications: RFC 6184 §5, RFC 7798 §4, RFC 3640 §3.3.6, RFC 7741 §4, RFC 9628 §4, AV1 RTP §4,
RFC 7587 §4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.errors import ProtocolError
from streamctl.media.av1.sequence import parse_sequence_header
from streamctl.media.packet import TIMESCALE
from streamctl.media.rtp.formats import STATIC, TRANSPORT_STREAM, RtpFormat

if TYPE_CHECKING:
    from streamctl.media.rtp.packet import RtpPacket

SYNC = 0x47
TS_BYTES = 188
ENOUGH = 8
"""Packets that have to agree where each alone may be chance."""
CLOCK_PACKETS = 20
OPUS_CLOCK_S = 0.3
"""What it takes to see that a clock is that of Opus, whose steps are known."""
CLOCK_S = 4.0
"""What it takes to tell 44.1 kHz from 48 when packets of five frames come in bursts."""
CLOCK_TOLERANCE = 0.08
RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 96_000, 88_200)
RATE_INDEX = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000),
    *(12_000, 11_025, 8000, 7350),
)
"""ISO/IEC 14496-3, table 1.18."""
OPUS_STEPS = frozenset({120, 240, 480, 960, 1920, 2880, 3840, 4800, 5760})
"""Durations of Opus packets at 48 kHz (RFC 7587, section 4.2)."""
OPUS_RATE = 48_000
OPUS_BYTES = 1275
AAC_LC = 2
AV1_SEQUENCE = 0x08
"""First byte of a sequence header, but for the bit that says that its size follows."""
LEAST_SIDE = 16
"""Pictures are larger; what only looks like a header tells any size."""
PROFILES = frozenset({44, 66, 77, 83, 86, 88, 100, 110, 118, 122, 128, 244})
"""``profile_idc`` of H.264."""
VCL_OF_AVC = frozenset({1, 5})
AVC_SPS, AVC_STAP_A, AVC_FU_A = 7, 24, 28
AVC_TYPES = frozenset({1, 5, 6, 7, 8, 9})
HEVC_AP, HEVC_FU = 48, 49
HEVC_TYPES = frozenset({*range(10), *range(16, 22), *range(32, 41), HEVC_AP, HEVC_FU})
BOTH = frozenset({0x06, 0x08, 0x0C, 0x0E})
"""First bytes of an SEI, PPS, filler or prefix of H.264 that may be one of H.265, too."""


class Detector:
    """Judges the packets of one payload type."""

    def __init__(self, payload_type: int) -> None:
        self.payload_type = payload_type
        self.format: RtpFormat | None = STATIC.get(payload_type)
        self._votes: dict[str, int] = {}
        self._first: tuple[int, float] | None = None
        """Timestamp and arrival of the first packet."""
        self._packets = 0
        self._steps: set[int] = set()
        self._timestamp = 0
        self._sizes = 0
        """Size of the largest payload."""
        self._channels = 2

    def look(self, packet: RtpPacket, now: float) -> RtpFormat | None:
        """Take a packet; the format as soon as it is known."""
        if self.format is None and packet.payload:
            self.format = self._judge(packet, now)
        return self.format

    def _judge(self, packet: RtpPacket, now: float) -> RtpFormat | None:
        payload = packet.payload
        certain = by_form(payload)
        if certain:
            return RtpFormat(self.payload_type, certain, TIMESCALE)
        together = self._packets > 0 and packet.timestamp == self._timestamp
        self._watch(packet, now)
        likely = by_nal(payload, together=together)
        if is_aac(payload):
            likely = "MPEG4-GENERIC"
            self._channels = 1 if payload[2 + (payload[1] >> 3)] >> 5 == 0 else 2
        if likely:
            self._votes[likely] = self._votes.get(likely, 0) + 1
        if self._votes.get("MPEG4-GENERIC", 0) >= ENOUGH:
            rate = self._rate(packet, now, CLOCK_S)
            return self._aac(rate) if rate else None
        if self._steps <= OPUS_STEPS and self._sizes <= OPUS_BYTES:
            if self._rate(packet, now, OPUS_CLOCK_S) == OPUS_RATE:
                return RtpFormat(self.payload_type, "OPUS", OPUS_RATE, 2)
            return None
        for name in ("H264", "H265"):
            if self._votes.get(name, 0) >= ENOUGH:
                return RtpFormat(self.payload_type, name, TIMESCALE)
        return None

    def _watch(self, packet: RtpPacket, now: float) -> None:
        """See how the clock runs."""
        if self._first is None:
            self._first = (packet.timestamp, now)
        else:
            self._steps.add((packet.timestamp - self._timestamp) & 0xFFFF_FFFF)
        self._timestamp = packet.timestamp
        self._packets += 1
        self._sizes = max(self._sizes, len(packet.payload))

    def _rate(self, packet: RtpPacket, now: float, needed_s: float) -> int:
        """The rate of the clock, if it is one that sound has; 0 = not known yet, or another."""
        assert self._first is not None
        timestamp, arrival = self._first
        elapsed = now - arrival
        if self._packets < CLOCK_PACKETS or elapsed < needed_s:
            return 0
        rate = ((packet.timestamp - timestamp) & 0xFFFF_FFFF) / elapsed
        nearest = min(RATES, key=lambda known: abs(known - rate))
        return nearest if abs(nearest - rate) < CLOCK_TOLERANCE * nearest else 0

    def _aac(self, rate: int) -> RtpFormat:
        """The format of AAC, whose configuration is the usual one for its rate."""
        config = AAC_LC << 11 | RATE_INDEX.index(rate) << 7 | self._channels << 3
        fmtp = {"mode": "aac-hbr", "config": f"{config:04x}"}
        fmtp |= {"sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}
        return RtpFormat(self.payload_type, "MPEG4-GENERIC", rate, self._channels, fmtp)


def by_form(payload: memoryview) -> str:
    """The encoding of a payload whose form can't be chance; empty = any."""
    size = len(payload)
    if size % TS_BYTES == 0 and all(payload[at] == SYNC for at in range(0, size, TS_BYTES)):
        return TRANSPORT_STREAM
    if size < 4:
        return ""
    if is_hevc(payload) and payload[0] not in BOTH:
        return "H265"
    kind = payload[0] & 31
    if payload[0] < 0x80 and kind == AVC_SPS and payload[0] >> 5 and payload[1] in PROFILES:
        return "H264"
    if payload[0] < 0x80 and kind == AVC_STAP_A and adds_up(payload, 1):
        return "H264"
    return by_key_picture(payload)


def by_key_picture(payload: memoryview) -> str:
    """The encoding of a payload with which a key picture of VP8 or VP9 begins; empty = any.

    The start codes stand behind a descriptor whose length depends on what is in it.
    """
    head = bytes(payload[:24])
    at = head.find(b"\x9d\x01\x2a", 3)
    if 3 < at < 14 and head[0] & 0x17 == 0x10 and not head[at - 3] & 1:
        return "VP8"
    at = head.find(b"\x49\x83\x42", 1)
    if 1 < at < 18 and head[0] & 0x48 == 0x08 and head[at - 1] >> 6 == 2:
        return "VP9"
    return "AV1" if begins_av1(payload) else ""


def begins_av1(payload: memoryview) -> bool:
    """Whether a payload begins a sequence of AV1: a mark for it, and its header as the first unit.

    The header stands behind its size, since pictures follow it in the packet.
    """
    if len(payload) < 4 or payload[0] & 0x8F != 0x08 or payload[0] >> 4 & 3 == 1:
        return False
    unit = bytes(payload[2 : 2 + payload[1]])
    if payload[1] >= 0x80 or len(unit) < 4 or unit[0] & 0xFD != AV1_SEQUENCE:
        return False
    try:
        sequence = parse_sequence_header(unit[2 if unit[0] & 2 else 1 :])
    except ProtocolError:
        return False
    return min(sequence.width, sequence.height) >= LEAST_SIDE


def is_hevc(payload: memoryview) -> bool:
    """Whether a payload may begin with a header of H.265."""
    first, second = payload[0], payload[1]
    # The forbidden bit, and the highest bit of the layer.
    if first & 0x81 or second >> 3 or not second & 7:
        return False
    kind = first >> 1
    if kind == HEVC_AP:
        return adds_up(payload, 2)
    return kind in HEVC_TYPES


def by_nal(payload: memoryview, *, together: bool) -> str:
    """The encoding that a payload looks like; ``together`` = it belongs to the packet before."""
    if len(payload) < 2 or payload[0] & 0x80:
        return ""
    if is_hevc(payload):
        return "" if payload[0] in BOTH else "H265"
    kind = payload[0] & 31
    if kind == AVC_FU_A:
        fits = together and not payload[1] & 0x20 and payload[1] & 31 in VCL_OF_AVC
        return "H264" if fits else ""
    return "H264" if kind in AVC_TYPES else ""


def adds_up(payload: memoryview, at: int) -> bool:
    """Whether units behind their sizes fill a payload from a place on."""
    units = 0
    while at + 2 < len(payload):
        size = payload[at] << 8 | payload[at + 1]
        if not size:
            return False
        at += 2 + size
        units += 1
    return units > 0 and at == len(payload)


def is_aac(payload: memoryview) -> bool:
    """Whether headers of access units and their sizes fill a payload (``mode=AAC-hbr``)."""
    if len(payload) < 5:
        return False
    bits = payload[0] << 8 | payload[1]
    begin = 2 + bits // 8
    if not bits or bits % 16 or begin >= len(payload):
        return False
    sizes = (payload[at] << 5 | payload[at + 1] >> 3 for at in range(2, begin, 2))
    return begin + sum(sizes) == len(payload)
