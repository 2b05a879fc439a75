from __future__ import annotations

import pytest

from streamctl.engine.routing import Routes, Run
from streamctl.engine.unitbytes import head_spans, move_cue, move_stamps, stamps_at
from streamctl.media.mpegts.packet import PacketWriter
from streamctl.media.mpegts.pes import pes_header
from streamctl.media.mpegts.restamp import moved_cue
from tests.support.broadcast import splice_insert

PID = 33


def run(data: bytes) -> Run:
    return Run(bytearray(data), Routes())


def torn(header: bytes, first: int) -> bytes:
    """A PES packet of which only that many bytes fit beside the adaptation field."""
    writer = PacketWriter(PID)
    data = header + b"p" * 40
    field = b"\0" + b"\xff" * (182 - first)
    return writer.unit(data, field)


@pytest.mark.parametrize("first", [1, 5, 10, 14, 18, 19])
def test_a_header_over_two_packets_is_read_and_moved(first: int) -> None:
    header = pes_header(0xE0, 5000, 2000, None)
    packets = run(torn(header, first))
    assert packets.count == 2
    spans = head_spans(packets, 0, PID, hasty=False)
    assert spans is not None
    stamps = stamps_at(packets, spans)
    assert stamps is not None
    assert (stamps.pts, stamps.dts) == (5000, 2000)
    move_stamps(packets, spans, stamps, 70)
    assert bytes(packets.data) == torn(pes_header(0xE0, 5070, 2070, None), first)


def test_a_header_whose_rest_has_not_come_is_waited_for() -> None:
    packets = run(torn(pes_header(0xE0, 5000, 2000, None), 9)[:188])
    assert head_spans(packets, 0, PID, hasty=False) is None
    spans = head_spans(packets, 0, PID, hasty=True)
    assert spans is not None
    assert stamps_at(packets, spans) is None


def test_a_header_that_another_one_cuts_off_is_not_waited_for() -> None:
    header = pes_header(0xE0, 5000, 5000, None)
    packets = run(torn(header, 9)[:188] + PacketWriter(PID).unit(header))
    spans = head_spans(packets, 0, PID, hasty=False)
    assert spans is not None
    assert stamps_at(packets, spans) is None


def section(cue: bytes, pointer: int = 0) -> bytes:
    """A section in packets, behind the end of another one."""
    data = bytes((pointer,)) + b"\xff" * pointer + cue
    return PacketWriter(PID).unit(data + b"\xff" * (-len(data) % 184))


@pytest.mark.parametrize("descriptors", [0, 40])
@pytest.mark.parametrize("pointer", [0, 100])
def test_a_cue_over_several_packets_is_moved(descriptors: int, pointer: int) -> None:
    cue = splice_insert(1, 90_000, descriptors=descriptors)
    packets = run(section(cue, pointer))
    assert move_cue(packets, 0, PID, 4500, hasty=False)
    wanted = moved_cue(cue, 4500)
    assert wanted is not None
    assert bytes(packets.data) == section(wanted, pointer)


def test_of_a_unit_whose_packets_come_twice_one_of_each_passes() -> None:
    cue = splice_insert(1, 90_000, descriptors=40)
    once = section(cue)
    twice = b"".join(once[at : at + 188] * 2 for at in range(0, len(once), 188))
    packets = run(twice)
    packets.open(PID, 0)
    assert move_cue(packets, 0, PID, 4500, hasty=False)
    wanted = moved_cue(cue, 4500)
    assert wanted is not None
    assert packets.repeats == {1, 3, 5}
    assert packets.written(packets.count).data == section(wanted)


@pytest.mark.parametrize("count", [1, 2])
def test_a_cue_whose_rest_has_not_come_is_waited_for(count: int) -> None:
    data = section(splice_insert(1, 90_000, descriptors=40))[: count * 188]
    packets = run(data)
    assert not move_cue(packets, 0, PID, 4500, hasty=False)
    assert move_cue(packets, 0, PID, 4500, hasty=True)
    assert bytes(packets.data) == data


def test_a_cue_that_is_cut_off_in_its_length_is_left() -> None:
    data = torn(b"\0\xfc", 2)[:188]
    packets = run(data)
    assert not move_cue(packets, 0, PID, 4500, hasty=False)
    assert move_cue(packets, 0, PID, 4500, hasty=True)
