"""Packets out of payloads, and what depacketisers make of them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from streamctl.media.packet import Codec, Kind, Packet, Track
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.packet import RtpPacket

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamctl.media.rtp.depacketise import Depacketiser, Unit

SPS = base64.b64decode("Z2QADazZQUH7DhAAAAMAEAAAAwMA8UKZYA==")
PPS = base64.b64decode("aOvssiw=")
IDR = b"\x65\x88" + bytes(range(1, 200))
INTER = b"\x41\x9a" + bytes(range(1, 100))
"""A slice of a P picture, whose first bytes would be a VPS of HEVC."""
H264 = RtpFormat(
    96,
    "H264",
    90_000,
    1,
    {"sprop-parameter-sets": ",".join(base64.b64encode(one).decode() for one in (SPS, PPS))},
)
HEVC_SETS = (
    bytes.fromhex("40010c01ffff01600000030090000003000003003f959409"),
    bytes.fromhex(
        "42010101600000030090000003000003003fa005020171f2e595952930bc05a02000000300200000030321"
    ),
    bytes.fromhex("4401c073c189"),
)
"""VPS, SPS and PPS of 640x360."""
HEVC = RtpFormat(
    96,
    "H265",
    90_000,
    1,
    {
        f"sprop-{name}": base64.b64encode(one).decode()
        for name, one in zip(("vps", "sps", "pps"), HEVC_SETS, strict=True)
    },
)
SEQUENCE = bytes.fromhex("0a0b0000000cc4ff6736be4010")
"""A sequence header of AV1 with its size."""
AAC = RtpFormat(97, "MPEG4-GENERIC", 44_100, 2, {"config": "1210"})


def run(
    payloads: Sequence[bytes], timestamp: int = 0, sequence: int = 0, *, marked: bool = True
) -> list[RtpPacket]:
    """The packets of one timestamp, the last of them with the marker."""
    last = len(payloads) - 1
    return [
        RtpPacket(
            96, marked and at == last, sequence + at & 0xFFFF, timestamp, 1, memoryview(payload)
        )
        for at, payload in enumerate(payloads)
    ]


def frames(*pictures: Sequence[bytes], step: int = 3600, marked: bool = True) -> list[RtpPacket]:
    """The packets of several access units."""
    packets: list[RtpPacket] = []
    for at, payloads in enumerate(pictures):
        packets += run(payloads, at * step, len(packets), marked=marked)
    return packets


def feed(depacketiser: Depacketiser, packets: Iterable[RtpPacket]) -> list[Unit]:
    """The units of packets, among which those that are missing are lost."""
    units = []
    expected: int | None = None
    for packet in packets:
        lost = expected not in {None, packet.sequence}
        expected = packet.sequence + 1 & 0xFFFF
        units += depacketiser.feed(packet, lost=lost)
    return units + end(depacketiser)


def end(depacketiser: Depacketiser) -> list[Unit]:
    """The unit that is whole as another timestamp comes, of a packet of nothing."""
    return depacketiser.feed(RtpPacket(96, True, 0, 0xDEADBEEF, 1, memoryview(b"")))


def prefixed(*nals: bytes) -> bytes:
    """NAL units as ``Packet.data`` has them."""
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)


def packet(data: bytes, kind: Kind = Kind.P, pts: int = 0) -> Packet:
    """An access unit of the first track."""
    return Packet(0, pts, pts, kind, 0, data)


def track(codec: Codec, config: bytes | None = b"") -> Track:
    return Track(0, codec, config)
