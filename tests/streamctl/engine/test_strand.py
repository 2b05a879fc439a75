from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.engine.strand import Cargo, Plan
from streamctl.media.mpegts.mux import TsMuxer
from streamctl.media.mpegts.pidmap import PidMap
from streamctl.media.mpegts.program import SERVICE_PIDS, Program
from streamctl.media.mpegts.psi import Pat, Pmt, PmtStream
from streamctl.media.packet import Codec, Track
from tests.streamctl.engine.ts_world import World, again, start
from tests.support.broadcast import broadcast, variants
from tests.support.ts import inspect
from tests.support.ts_build import TRANSPORT_STREAM_ID, long_section
from tests.support.ts_compare import compare
from tests.support.ts_damage import packets, pid_of

if TYPE_CHECKING:
    from tests.support.media import MediaCache

SDT, EIT, TDT, NIT = 0x11, 0x12, 0x14, 0x10
MAP = (PmtStream(0x1B, 0x100), PmtStream(0x0F, 0x101))


def service(number: int = 7, transport: int = 9) -> Program:
    """A program that comes alone."""
    return Program(number, 0x20, Pmt(number, 0x100, MAP), False, transport, SERVICE_PIDS)


def association(pids: PidMap) -> Pat:
    return Pat.parse(pids.pat_section)


def with_tables(data: bytes) -> bytes:
    """With more tables behind each description of the service."""
    out = []
    counter = 0
    for one in packets(data):
        out.append(one)
        if pid_of(one) != SDT:
            continue
        for pid, table in ((NIT, 0x40), (EIT, 0x4E), (TDT, 0x70)):
            body = long_section(table, TRANSPORT_STREAM_ID, bytes((counter % 256,)) * 9)
            head = bytes((0x47, 0x40, pid, 0x10 | counter % 16, 0))
            out.append((head + body).ljust(188, b"\xff"))
        counter += 1
    return b"".join(out)


def test_tables_about_the_program_pass_as_they_are(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    data = with_tables(again(media).data)
    world.send(epoch, data)
    found = compare(data, keeper.data, (SDT, EIT, TDT))
    assert found.faults == []
    assert min(found.matched.values()) > 10
    assert NIT not in inspect(keeper.data).pids
    for place, chunk in enumerate(keeper.chunks):
        if chunk.rap:
            rest = chunk.join + b"".join(one.data for one in keeper.chunks[place:])
            assert inspect(rest).continuity_errors == []


def test_a_program_keeps_the_numbers_that_its_tables_name(media: MediaCache) -> None:
    world = World()
    epoch, keeper = start(world)
    epoch.select(program=2)
    world.send(epoch, broadcast(media, variants(2.5)["two programs"]).data)
    first = next(one for one in packets(keeper.data) if pid_of(one) == 0)
    assert Pat.parse(first[5:]) == Pat(TRANSPORT_STREAM_ID, ((2, 0x1000),))
    # Those of a multiplex tell of other programs, too.
    assert SDT not in inspect(keeper.data).pids


def test_the_first_program_gives_the_lane_its_numbers_and_tables_of_others_stay_out() -> None:
    pids = PidMap()
    one = Plan(pids)
    assert one.follow(service()) == []
    assert [one.by_pid[pid].cargo for pid in SERVICE_PIDS] == [Cargo.SECTIONS] * 3
    assert [one.by_pid[pid].slot.writer.pid for pid in SERVICE_PIDS] == list(SERVICE_PIDS)
    for other in (service(number=8), service(transport=8)):
        plan = Plan(pids)
        plan.follow(other)
        assert set(plan.by_pid) == {0x100, 0x101}
        assert association(pids) == Pat(9, ((7, 0x1000),))
        assert Pmt.parse(pids.pmt_section).program == 7
    back = Plan(pids)
    back.follow(service())
    assert back.by_pid[SDT].slot is one.by_pid[SDT].slot


def test_a_lane_that_was_written_before_keeps_its_own_numbers() -> None:
    pids = PidMap()
    TsMuxer(pids).announce([Track(0, Codec.AAC, b"\x11\x90", sample_rate=48_000, channels=2)])
    plan = Plan(pids)
    plan.follow(service())
    assert association(pids) == Pat(1, ((1, 0x1000),))
    assert SDT not in plan.by_pid


@pytest.mark.parametrize("gone", [service(number=8), service(transport=8)])
def test_tables_leave_with_the_program_that_they_tell_of(gone: Program) -> None:
    plan = Plan(PidMap())
    plan.follow(service())
    assert plan.follow(service()) == []
    assert [strand.pid for strand in plan.follow(gone)] == list(SERVICE_PIDS)
    assert plan.follow(service()) == []
    assert set(plan.by_pid) == {0x100, 0x101, *SERVICE_PIDS}


def test_a_stream_in_the_place_of_tables_is_moved_away() -> None:
    plan = Plan(PidMap())
    odd = Pmt(7, 0x100, (*MAP, PmtStream(0x06, EIT)))
    plan.follow(Program(7, 0x20, odd, False, 9, SERVICE_PIDS))
    assert plan.by_pid[EIT].slot.writer.pid not in SERVICE_PIDS
