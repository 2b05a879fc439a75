from __future__ import annotations

from itertools import pairwise

import pytest

from streamctl.media.mpegts.packet import BLOCK, PacketWriter, pcr_field
from tests.streamctl.media.mpegts.world import TsPacket, ts_packets

CLOCK = pcr_field(0x40, 123)
SIZES = [*range(1, 400), *range(BLOCK * 184 - 200, BLOCK * 184 + 400), 3 * BLOCK * 184 + 5, 70_000]


def payload(packets: list[TsPacket]) -> bytes:
    return b"".join(packet.payload or b"" for packet in packets)


@pytest.mark.parametrize("fields", [b"", b"\x40", CLOCK], ids=["plain", "flags", "clock"])
def test_units_of_every_size_come_back(fields: bytes) -> None:
    writer = PacketWriter(0x1234)
    counter = 0
    for size in SIZES:
        data = bytes(range(256)) * (size // 256 + 1)
        packets = ts_packets(writer.unit(data[:size], fields))
        assert payload(packets) == data[:size]
        assert len(packets) == -(-(size + len(fields) + bool(fields)) // 184)
        assert [packet.start for packet in packets] == [True] + [False] * (len(packets) - 1)
        assert {packet.pid for packet in packets} == {0x1234}
        assert packets[0].fields.startswith(fields)
        assert not any(packet.flags for packet in packets[1:])
        assert [packet.counter for packet in packets] == [
            (counter + n) % 16 for n in range(len(packets))
        ]
        counter += len(packets)
    assert writer.continuity == counter % 16


def test_stuffing_is_ones() -> None:
    (packet,) = ts_packets(PacketWriter(1).unit(b"abc", CLOCK))
    assert packet.fields == CLOCK + b"\xff" * (184 - 3 - 1 - len(CLOCK))
    (packet,) = ts_packets(PacketWriter(1).unit(b"abc"))
    assert packet.fields == b"\0" + b"\xff" * (184 - 3 - 2)


@pytest.mark.parametrize("size", [1, 16, 183, 184, 400, 1024])
def test_sections_begin_behind_a_pointer_and_are_filled_with_ones(size: int) -> None:
    section = bytes(range(1, 200)) * 6
    packets = ts_packets(PacketWriter(0).section(section[:size]))
    data = payload(packets)
    assert data.rstrip(b"\xff") == b"\0" + section[:size]
    assert len(data) % 184 == 0
    assert not any(packet.fields for packet in packets)


def test_packets_without_payload_do_not_count() -> None:
    writer = PacketWriter(0x100)
    (before,) = ts_packets(writer.discontinuity())
    first = ts_packets(writer.unit(bytes(1000)))
    (between,) = ts_packets(writer.signal(CLOCK))
    second = ts_packets(writer.unit(bytes(1000)))
    assert before.counter == 15
    assert (before.flags, before.payload, len(before.fields)) == (0x80, None, 183)
    assert between.counter == first[-1].counter
    assert between.fields == CLOCK + b"\xff" * (183 - len(CLOCK))
    assert all((a.counter + 1) % 16 == b.counter for a, b in pairwise(first + second))


@pytest.mark.parametrize("time", [0, 1, (1 << 33) - 1, 1 << 33, -45_000])
def test_the_clock_reference_wraps_with_the_timestamps(time: int) -> None:
    packet = TsPacket(1, False, 0, pcr_field(0, time), None)
    assert packet.pcr == time % (1 << 33)
    assert packet.flags == 0x10
