"""What happens to transport streams on their way: errors, loss, other packet sizes, scrambling."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PACKET = 188
TIMESTAMP = 4
"""In front of each packet of an M2TS file."""
PARITY = 16
"""Behind each packet with Reed-Solomon code words (EN 300 429)."""
SCRAMBLED = 0x80
"""The even key, in the fourth byte of a packet."""


def packets(data: bytes) -> Iterator[bytes]:
    """The packets of an aligned stream."""
    for at in range(0, len(data) - PACKET + 1, PACKET):
        yield data[at : at + PACKET]


def pid_of(packet: bytes) -> int:
    """The PID of a packet."""
    return (packet[1] & 0x1F) << 8 | packet[2]


def bit_errors(data: bytes, *, part: float = 0.005, seed: int = 1) -> bytes:
    """One flipped bit, anywhere, in a part of the packets."""
    draw = random.Random(seed)
    damaged = bytearray(data)
    for at in range(0, len(data) - PACKET + 1, PACKET):
        if draw.random() < part:
            damaged[at + draw.randrange(PACKET)] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def lost_packets(data: bytes, *, part: float = 0.01, seed: int = 1) -> bytes:
    """Without a part of the packets."""
    draw = random.Random(seed)
    return b"".join(one for one in packets(data) if draw.random() >= part)


def lost_sync(data: bytes, *, times: int = 5, seed: int = 1) -> bytes:
    """With noise between packets, sync bytes in it too, and with packets that lost theirs."""
    draw = random.Random(seed)
    whole = list(packets(data))
    for number in sorted(draw.sample(range(1, len(whole)), times), reverse=True):
        noise = draw.randbytes(draw.randrange(1, 3 * PACKET))
        whole[number] = noise + b"\x47" + whole[number]
        whole[number - 1] = b"\0" + whole[number - 1][1:]
    return b"".join(whole)


def truncated(data: bytes, part: float = 0.7) -> bytes:
    """Cut off in the middle of a packet."""
    return data[: int(len(data) * part) // PACKET * PACKET + PACKET // 2]


def with_timestamps(data: bytes) -> bytes:
    """As packets of 192 bytes, as cameras and Blu-ray have them."""
    return b"".join(
        (number * 1000 & 0x3FFF_FFFF).to_bytes(TIMESTAMP) + one
        for number, one in enumerate(packets(data))
    )


def with_parity(data: bytes, *, seed: int = 1) -> bytes:
    """As packets of 204 bytes; the code words are noise, since nobody checks them."""
    draw = random.Random(seed)
    return b"".join(one + draw.randbytes(PARITY) for one in packets(data))


def scrambled(data: bytes, pids: Collection[int], *, seed: int = 1) -> bytes:
    """With the payload of some PIDs made unreadable, and marked so."""
    draw = random.Random(seed)

    def scramble(packet: bytes) -> bytes:
        if pid_of(packet) not in pids or not packet[3] & 0x10:
            return packet
        begin = 4 + (packet[4] + 1 if packet[3] & 0x20 else 0)
        mark = bytes((packet[3] | SCRAMBLED,))
        return packet[:3] + mark + packet[4:begin] + draw.randbytes(PACKET - begin)

    return b"".join(scramble(one) for one in packets(data))
