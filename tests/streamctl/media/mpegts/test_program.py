from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.packet import PacketWriter
from streamctl.media.mpegts.program import MAX_PROGRAMS, Program, ProgramReader
from streamctl.media.mpegts.psi import Pat, Pmt, PmtStream, Section, descriptor
from tests.streamctl.media.mpegts.packets import carried

if TYPE_CHECKING:
    from collections.abc import Sequence

AV = (PmtStream(0x1B, 0x100), PmtStream(0x0F, 0x101))
PAT = Pat(1, ((0, 0x10), (1, 0x1000), (2, 0x1001), (3, 0x1000)))


class Mux:
    """Sends tables to a reader in packets."""

    def __init__(self, program: int | None = None, pids: Sequence[int] = ()) -> None:
        self.reader = ProgramReader(program, pids)
        self.writers: dict[int, PacketWriter] = {}

    def send(self, pid: int, section: bytes) -> bool:
        data = self.writers.setdefault(pid, PacketWriter(pid)).section(section)
        packets = [data[at : at + 188] for at in range(0, len(data), 188)]
        return sum(self.reader.feed(packet) for packet in packets) > 0

    def pat(self, pat: Pat = PAT) -> bool:
        return self.send(0, pat.serialize())

    def pmt(self, pmt: Pmt, pid: int = 0x1000) -> bool:
        return self.send(pid, pmt.serialize())

    @property
    def number(self) -> int:
        return self.reader.program.number if self.reader.program else 0


def pmt(program: int, streams: tuple[PmtStream, ...] = AV, version: int = 0) -> Pmt:
    return Pmt(program, 0x100, streams, version=version)


def test_the_first_program_of_the_association_is_taken() -> None:
    mux = Mux()
    assert mux.reader.reason == "no program association table yet"
    assert not mux.pat()
    assert mux.reader.reason == "no program map yet"
    assert mux.reader.pids == {0, 0x11, 0x1000, 0x1001}
    assert not mux.pmt(pmt(2), 0x1001)
    assert mux.pmt(pmt(1))
    assert mux.reader.program == Program(1, 0x1000, pmt(1), transport=1)
    assert mux.reader.program.pids == {0x100, 0x101}
    assert mux.reader.reason == ""
    assert not mux.pmt(pmt(1))


def test_a_program_that_is_not_on_air_is_passed_over() -> None:
    mux = Mux()
    mux.pat()
    assert not mux.pmt(pmt(2), 0x1001)
    assert not mux.pmt(pmt(3))
    assert mux.pmt(pmt(2), 0x1001)
    assert mux.number == 2


def test_a_program_without_media_comes_last() -> None:
    mux = Mux()
    mux.pat()
    data = (PmtStream(0x0B, 0x200), PmtStream(0x06, 0x201))
    assert not mux.pmt(pmt(1, data))
    assert mux.pmt(pmt(2), 0x1001)
    only = Mux()
    only.pat(Pat(1, ((7, 0x1000),)))
    assert only.pmt(pmt(7, data))


def test_programs_may_share_the_pid_of_their_maps() -> None:
    mux = Mux(3)
    mux.pat()
    assert mux.reader.pids == {0, 0x11, 0x1000}
    assert not mux.pmt(pmt(1))
    assert mux.pmt(pmt(3))
    assert mux.number == 3


def test_a_program_that_is_missing_is_named() -> None:
    mux = Mux(9)
    mux.pat()
    assert mux.reader.reason == "program `9` is not among those on air: `1, 2, 3`"
    mux.pat(Pat(1, tuple((number, 0x1000) for number in range(10, 200)), 1))
    assert mux.reader.reason.endswith("18, 19, …`")
    mux.pat(Pat(1, (), 2))
    assert Mux().reader.reason
    empty = Mux()
    empty.pat(Pat(1, ()))
    assert empty.reader.reason == "no program on air"


def test_a_new_version_of_the_map_is_a_change() -> None:
    mux = Mux()
    mux.pat()
    mux.pmt(pmt(1))
    assert mux.pmt(pmt(1, AV[:1], 1))
    assert mux.reader.program == Program(1, 0x1000, pmt(1, AV[:1], 1), transport=1)


def test_a_program_that_goes_stays_until_another_is_known() -> None:
    mux = Mux()
    mux.pat()
    mux.pmt(pmt(1))
    assert not mux.pat(Pat(1, ((2, 0x1001),), 1))
    assert mux.number == 1
    assert mux.pmt(pmt(2), 0x1001)
    assert mux.number == 2
    assert not mux.reader.feed(b"\x47\x50\0\x10" + bytes(184))


def test_a_program_may_move_its_map() -> None:
    mux = Mux()
    mux.pat()
    mux.pmt(pmt(1))
    mux.pat(Pat(1, ((1, 0x1234),), 1))
    assert mux.pmt(pmt(1), 0x1234)
    assert mux.reader.program == Program(
        1, 0x1234, pmt(1), transport=1, services=(0x11, 0x12, 0x14)
    )


def test_a_filter_leaves_streams_out_but_not_the_clock() -> None:
    mux = Mux(pids=(0x101,))
    mux.pat()
    mux.pmt(pmt(1))
    assert mux.reader.program == Program(1, 0x1000, pmt(1, AV[1:]), bare_clock=True, transport=1)
    assert mux.reader.program.pids == {0x100, 0x101}


def test_a_program_without_a_clock_has_its_streams_alone() -> None:
    silent = replace(pmt(1), pcr_pid=0x1FFF)
    assert Program(1, 0x1000, silent).pids == {0x100, 0x101}


def test_a_program_that_comes_alone_has_tables_of_its_own() -> None:
    assert services((1, 0x1000)) == (0x11, 0x12, 0x14)
    assert services((0, 0x10), (1, 0x1000)) == (0x11, 0x12, 0x14)
    assert services((1, 0x1000), (2, 0x1001)) == ()
    assert services((1, 0x1000), pids=(0x100, 0x101)) == ()
    assert services((1, 0x1000), pids=(0x100, 0x11)) == (0x11,)


def services(*programs: tuple[int, int], pids: Sequence[int] = ()) -> tuple[int, ...]:
    mux = Mux(1, pids)
    mux.pat(Pat(5, programs))
    mux.pmt(pmt(1))
    assert mux.reader.program is not None
    assert mux.reader.program.transport == 5
    return mux.reader.program.services


def test_another_association_is_another_program() -> None:
    mux = Mux()
    mux.pat(Pat(1, ((1, 0x1000),)))
    mux.pmt(pmt(1))
    assert mux.pat(Pat(2, ((1, 0x1000),), 1))
    assert mux.reader.program is not None
    assert mux.reader.program.transport == 2
    assert mux.pat(Pat(2, ((1, 0x1000), (2, 0x1001)), 2))
    assert mux.reader.program.services == ()
    assert not mux.pat(Pat(2, ((1, 0x1000), (2, 0x1001)), 3))


def test_services_are_named() -> None:
    mux = Mux()
    mux.pat()
    assert mux.reader.name == ""
    mux.pmt(pmt(1))
    info = descriptor(0x48, b"\1\0\3One")
    row = b"\0\1\xfc" + (0x8000 | len(info)).to_bytes(2, "big") + info
    assert not mux.send(0x11, Section(0x42, 1, 0, b"\0\1\xff" + row).serialize())
    assert mux.reader.name == "One"
    assert not mux.send(0x11, Section(0x46, 1, 0, b"\0\1\xff" + row).serialize())


def test_tables_that_make_no_sense_are_counted() -> None:
    mux = Mux()
    mux.send(0, Section(0, 1, 0, b"\0\1\xf0").serialize())
    assert (mux.reader.pat, mux.reader.damaged) == (None, 1)
    mux.pat()
    mux.send(0x1000, Section(2, 1, 0, b"\0").serialize())
    assert (mux.reader.program, mux.reader.damaged) == (None, 2)


def test_the_largest_multiplexes_are_followed_in_part() -> None:
    mux = Mux()
    mux.pat(Pat(1, tuple((number, 0x100 + number) for number in range(1, 250))))
    assert len(mux.reader.pids) == MAX_PROGRAMS + 2


@given(st.lists(st.tuples(st.sampled_from((0, 0x11, 0x1000)), st.binary(max_size=60)), max_size=20))
def test_noise_with_good_checksums_raises_nothing(sections: list[tuple[int, bytes]]) -> None:
    mux = Mux()
    mux.pat()
    for number, (pid, body) in enumerate(sections):
        table = {0: 0, 0x11: 0x42, 0x1000: 2}[pid]
        mux.send(pid, Section(table, 1, number % 32, body).serialize())


def test_packets_full_of_damaged_sections_are_not_read_to_the_end() -> None:
    mux = Mux()
    mux.pat(Pat(1, tuple((number, 0x1000) for number in range(1, MAX_PROGRAMS + 1))))
    short = b"\0" + b"\x02\xb0\x01\0" * 46
    long = b"\0" + b"\x02\xb0\x09\0\1\xc1\0\0bad!" * 15
    for counter, payload in enumerate((short, long, long)):
        mux.reader.feed(carried(0x1000, payload.ljust(184, b"\xff"), counter=counter))
    assert mux.reader.damaged == 2
    assert mux.reader.program is None
