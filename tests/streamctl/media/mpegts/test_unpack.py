from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.media.mpegts.batch import Run
from streamctl.media.mpegts.packet import PacketWriter
from streamctl.media.mpegts.unpack import CueUnpacker, DataUnpacker, ProgramTime
from streamctl.media.packet import Codec, Kind, Packet, Track
from tests.streamctl.media.mpegts.packets import carried
from tests.streamctl.media.mpegts.unpacking import pes, units
from tests.support.broadcast import splice_insert, splice_null

if TYPE_CHECKING:
    from streamctl.media.mpegts.unpack import Found

WRAP = 1 << 33


def test_data_is_given_whole_and_never_torn() -> None:
    unpacker = DataUnpacker(Track(2, Codec.KLV, b"\6"), ProgramTime())
    assert units(unpacker, pes(b"early", None)) == []
    found = units(unpacker, pes(b"one", 500), pes(b"x", 9, torn=True), pes(b"", 9), pes(b"t", None))
    assert [(one.pts, one.kind, one.data) for one in found] == [
        (500, Kind.DATA, b"one"),
        (9, Kind.DATA, b"t"),
    ]


def cues(
    data: bytes, now: int | None = 900, *, runs: bool = False
) -> tuple[CueUnpacker, list[Found]]:
    unpacker = CueUnpacker(Track(3, Codec.SCTE35, b"\x86"), ProgramTime())
    unpacker.time.unwrapper.last = now
    out: list[Found] = []
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    unpacker.packet(packets[0], out)
    for packet in packets[1:]:
        if runs:
            unpacker.run(Run(0, packet[4:], packet[3] & 15, packet[3] & 15), out)
        else:
            unpacker.packet(packet, out)
    return unpacker, out


@pytest.mark.parametrize("runs", [True, False])
def test_cues_belong_to_the_time_at_which_they_come(runs: bool) -> None:
    cue = splice_insert(7, 900_000, descriptors=40)
    _, found = cues(PacketWriter(0x100).section(cue), runs=runs)
    assert found == [Packet(3, 900, 900, Kind.DATA, 0, cue)]
    _, found = cues(PacketWriter(0x100).section(cue), None)
    assert found == []


def test_damaged_cues_are_counted() -> None:
    broken = splice_null()[:-1] + b"?"
    other = b"\x02" + splice_null()[1:]
    for section in (broken, other):
        unpacker, found = cues(PacketWriter(0x100).section(section))
        assert found == []
        assert sum(unpacker.time.faults.values()) == 1


def test_a_cue_with_a_gap_is_dropped() -> None:
    data = PacketWriter(0x100).section(splice_insert(7, 9, descriptors=40))
    unpacker, _ = cues(data[:188])
    out: list[Found] = []
    unpacker.run(Run(0, data[2 * 188 + 4 : 3 * 188], 2, 2), out)
    assert out == []


def test_tracks_of_a_program_wrap_together() -> None:
    time = ProgramTime()
    assert time.now is None
    stamps = [
        time.stamps(pes(b"", (WRAP - 900 + at) % WRAP, (WRAP - 1800 + at) % WRAP))
        for at in (0, 2000, 1000)
    ]
    assert stamps == [(WRAP - 900 + at, WRAP - 1800 + at) for at in (0, 2000, 1000)]


def test_units_are_taken_from_packets() -> None:
    unpacker = DataUnpacker(Track(2, Codec.ID3, b"\x15"), ProgramTime())
    out: list[Found] = []
    header = bytes.fromhex("000001bd000d8080052100010001")
    unpacker.packet(carried(0x100, header + b"hello"), out)
    assert [item.data for item in out if isinstance(item, Packet)] == [b"hello"]
    assert not unpacker.scrambled
