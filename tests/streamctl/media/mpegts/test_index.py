from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.media.mpegts.align import Aligner
from streamctl.media.mpegts.index import (
    MAX_LOOK_BYTES,
    MAX_LOOK_UNITS,
    Clock,
    Entry,
    ProgramChange,
    TsIndex,
    leading_stream,
)
from streamctl.media.mpegts.psi import Pmt, PmtStream
from streamctl.media.nal import START_CODE
from streamctl.media.packet import Flag, Kind
from tests.streamctl.engine.ts_world import again, versioned
from tests.streamctl.media.h264.sets import PPS, SPS_720P, recovery_point, sei, slice_of
from tests.streamctl.media.mpegts.movie import DATA, PICTURES, damaged, sound_pid
from tests.streamctl.media.mpegts.packets import carried, packet
from tests.streamctl.media.mpegts.test_unpack_video import BOTTOM, OTHERS, TOP
from tests.support.broadcast import broadcast, variants
from tests.support.ts_build import (
    SECOND,
    Component,
    Program,
    Unit,
    Writer,
    descriptor,
    pat,
    pes,
    pmt,
)
from tests.support.ts_damage import pid_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.mpegts.index import Event
    from tests.support.media import MediaCache

WRAP = 1 << 33
PID, PCR_PID = 0x101, 0x1FFE


def indexed(data: bytes, step: int = 1000, index: TsIndex | None = None) -> list[Event]:
    index = index or TsIndex()
    events: list[Event] = []
    for at in range(0, len(data), step * 188):
        events += index.feed(data[at : at + step * 188])
    return events


def entries(events: list[Event]) -> list[Entry]:
    return [event for event in events if isinstance(event, Entry)]


def with_tables(component: Component, *more: Component, pcr_pid: int = PCR_PID) -> Writer:
    writer = Writer()
    program = Program(1, "One", 0x20, pcr_pid, (component, *more))
    writer.section(0, pat([program]))
    writer.section(0x20, pmt(program))
    return writer


def sent(stream_type: int, units: Sequence[bytes], *, descriptors: bytes = b"") -> bytes:
    """One stream whose units come one after another."""
    writer = with_tables(Component(PID, stream_type, [], descriptors))
    for unit in units:
        writer.unit(PID, unit)
    return b"".join(writer.packets)


def picture(pts: int, *nals: bytes, dts: int | None = None) -> bytes:
    return pes(0xE0, b"".join(START_CODE + nal for nal in (b"\x09\xf0", *nals)), pts, dts)


SETS = (SPS_720P, PPS)
IDR, I, P, B = slice_of(7, kind=5), slice_of(7), slice_of(5), slice_of(6)  # noqa: E741
NOW = sei(recovery_point(0))


def test_pictures_and_their_random_access_points_are_told() -> None:
    found = entries(indexed(DATA))
    assert [entry.dts for entry in found] == [one.dts for one in PICTURES]
    assert [entry.pts for entry in found] == [one.pts for one in PICTURES]
    assert [n for n, entry in enumerate(found) if entry.rap] == [0, 25, 50]
    for entry in found:
        head = DATA[entry.packet * 188 :][:188]
        assert (head[1] & 0x5F, head[2]) == (0x41, 0)


@pytest.mark.parametrize("step", [1, 7, 63, 64, 65, 500])
def test_batches_of_any_size_give_the_same(step: int) -> None:
    index = TsIndex()
    found = indexed(DATA, step, index)
    assert sorted(map(repr, found)) == sorted(map(repr, indexed(DATA)))
    assert (index.packets, index.decided) == (len(DATA) // 188, len(DATA) // 188)


@pytest.mark.parametrize("step", [1, 7, 500])
def test_a_packet_that_comes_twice_begins_one_unit(step: int) -> None:
    once = [DATA[at : at + 188] for at in range(0, len(DATA), 188)]
    index = TsIndex()
    found = entries(indexed(b"".join(one * 2 for one in once), step, index))
    assert [entry.dts for entry in found] == [one.dts for one in PICTURES]
    assert [n for n, entry in enumerate(found) if entry.rap] == [0, 25, 50]
    assert index.units == len(PICTURES)


def test_entries_come_before_the_packet_that_is_decided() -> None:
    index = TsIndex()
    seen = 0
    for at in range(0, len(DATA), 188):
        for event in index.feed(DATA[at : at + 188]):
            if isinstance(event, Entry):
                assert event.packet >= seen
        assert seen <= index.decided <= index.packets
        seen = index.decided


def test_a_point_knows_the_next_counters_of_the_program() -> None:
    for step in (1, 1000):
        index = TsIndex()
        for entry in entries(indexed(DATA, step, index)):
            counters: dict[int, int] = {}
            for at in range(0, entry.packet * 188, 188):
                head = DATA[at : at + 4]
                counters[(head[1] & 0x1F) << 8 | head[2]] = (head[3] + 1) & 15
            head = DATA[entry.packet * 188 :][:4]
            counters[(head[1] & 0x1F) << 8 | head[2]] = head[3] & 15
            assert index.program is not None
            wanted = {pid: counters[pid] for pid in index.program.pids if pid in counters}
            assert entry.counters == (wanted if entry.rap else {})


def test_counters_are_those_where_a_point_begins(media: MediaCache) -> None:
    data = broadcast(media, variants(2.0)["clock in the picture"]).data
    whole, pieces = (
        {entry.packet: entry.counters for entry in entries(indexed(data, step)) if entry.rap}
        for step in (len(data) // 188, 2)
    )
    assert pieces == whole


def test_counters_are_those_of_the_program_in_which_a_point_begins(media: MediaCache) -> None:
    rich = again(media, seconds=2.0)
    data = rich.data + versioned(again(media, seconds=2.0, languages=("eng",)))
    points = [one for one in entries(indexed(data, len(data) // 188)) if one.rap]
    alone = [one for one in entries(indexed(rich.data, 2)) if one.rap]
    gone = rich.names["spa"]
    for one, other in zip(points, alone, strict=False):
        assert one.counters.get(gone) == other.counters.get(gone)
    assert alone[-1].counters[gone] >= 0


def test_messages_for_descramblers_are_counted_too() -> None:
    control = descriptor(0x09, b"\x06\x04\xe3\x00")
    writer = with_tables(Component(PID, 0x0F, [], control))
    others = packet(0x300, 6, bytes(184)) + packet(0x400, 6, bytes(184))
    sound = carried(PID, b"\0\0\1\xc0\0\0\x80\0\0")
    (entry,) = entries(indexed(b"".join((*writer.packets, others, sound))))
    assert entry.counters == {0x300: 7, PID: 0}


def test_what_was_lost_before_a_point_is_nothing_to_who_begins_there(media: MediaCache) -> None:
    data = broadcast(media, variants(2.0)["clock in the picture"]).data
    point = [entry for entry in entries(indexed(data)) if entry.rap][1]
    at = point.packet * 188
    pid = pid_of(data[at:])
    lost = max(one for one in range(0, at, 188) if pid_of(data[one:]) == pid)
    again = [one for one in entries(indexed(data[:lost] + data[lost + 188 :])) if one.rap][1]
    assert again.packet == point.packet - 1
    assert again.counters[pid] == data[at + 3] & 15


def test_pictures_of_nothing_but_other_units_are_not_looked_at_for_long() -> None:
    endless = picture(90_000, *[b"\x06\x05"] * 20_000)
    index = TsIndex()
    (entry,) = entries(indexed(sent(0x1B, [endless])[: -10 * 188], 1, index))
    assert (entry.kind, entry.rap) == (Kind.P, False)
    assert index.decided == index.packets


def test_a_picture_is_told_by_its_first_units() -> None:
    for before in (0, MAX_LOOK_UNITS // 2):
        units = [*[b"\x06\x05"] * before, IDR, *[b"\x06\x05"] * 20_000]
        (entry,) = entries(indexed(sent(0x1B, [picture(90_000, *units)])))
        assert (entry.kind, entry.rap) == (Kind.KEY, True)


def test_the_program_and_its_clock_are_told() -> None:
    index = TsIndex()
    events = indexed(DATA, 7, index)
    (change,) = [event for event in events if isinstance(event, ProgramChange)]
    assert change.program is index.program
    assert index.lead == change.program.map.streams[0]
    clocks = [event for event in events if isinstance(event, Clock)]
    assert len(clocks) >= len(PICTURES)
    for clock in clocks:
        field = DATA[clock.packet * 188 + 5 : clock.packet * 188 + 12]
        assert field[0] & 0x10
        assert clock.pcr // 300 == int.from_bytes(field[1:6], "big") >> 7
        assert not clock.discontinuity


def test_the_cadence_of_pictures_is_measured() -> None:
    index = TsIndex()
    indexed(DATA, index=index)
    cadence = index.cadence
    assert (cadence.fps, cadence.gop_pictures, cadence.gop_ticks) == (25.0, 25, SECOND)
    assert (cadence.pictures, cadence.reorder_ticks) == (60, 3600)


def test_a_clock_may_begin_anew() -> None:
    writer = with_tables(Component(PID, 0x1B, []))
    writer.clock_only(PCR_PID)
    plain = writer.packets.pop()
    anew = plain[:5] + b"\x90" + plain[6:]
    short = plain[:4] + b"\x01\x10" + plain[6:]
    absent = plain[:5] + b"\0" + plain[6:]
    events = indexed(b"".join([*writer.packets, plain, anew, short, absent]))
    clocks = [event for event in events if isinstance(event, Clock)]
    assert [clock.discontinuity for clock in clocks] == [False, True]


def test_open_points_and_what_leads_them_are_flagged() -> None:
    pictures = [
        picture(9000, *SETS, IDR, dts=1800),
        picture(5400, B, dts=3600),
        picture(18_000, NOW, I, dts=5400),
        picture(12_600, B, dts=7200),
        picture(16_200, B, dts=9000),
        picture(25_200, P, dts=10_800),
        picture(16_000, B, dts=12_600),
    ]
    found = entries(indexed(sent(0x1B, pictures)))
    leads = Flag.LEADING
    assert [entry.flags for entry in found] == [0, 0, Flag.OPEN_GOP, leads, leads, 0, 0]
    assert [entry.rap for entry in found] == [True, False, True, *[False] * 4]


def test_fields_are_one_entry() -> None:
    units = [pes(0xE0, data, 1800 * n) for n, data in enumerate((TOP, BOTTOM, *OTHERS, OTHERS[2]))]
    found = entries(indexed(sent(0x1B, units)))
    # The last one is so short that only another one would end it.
    assert [entry.pts for entry in found] == [0, 3600, 7200]


def test_a_picture_is_told_once_its_first_slice_has_come() -> None:
    long = sei((5, b"\x5a" * 2000))
    data = sent(0x1B, [picture(0, *SETS, long, IDR), picture(3600, P)])
    index = TsIndex()
    steps = [
        (len(entries(index.feed(data[at : at + 188]))), index.decided)
        for at in range(0, len(data), 188)
    ]
    assert steps == [(0, 1), (0, 2), *[(0, 2)] * 11, (1, 14), (1, 15)]


def test_a_picture_that_shows_nothing_is_told_by_the_next() -> None:
    data = sent(0x1B, [picture(0, sei((5, b"\x5a" * 400))), picture(3600, *SETS, IDR), b"x" * 9])
    for step in (1, 1000):
        found = entries(indexed(data, step))
        assert [(entry.pts, entry.kind) for entry in found] == [(0, Kind.P), (3600, Kind.KEY)]


def test_a_picture_that_never_tells_is_no_place_to_join() -> None:
    data = sent(0x1B, [picture(0, *SETS, sei((5, b"\x5a" * 2 * MAX_LOOK_BYTES)), IDR)])
    for step in (7, 1000):
        index = TsIndex()
        (entry,) = entries(indexed(data, step, index))
        assert (entry.rap, index.decided) == (False, index.packets)


def test_a_picture_without_a_time_is_an_entry_without_one() -> None:
    units = [picture(0, *SETS, IDR), pes(0xE0, START_CODE + b"\x09\xf0" + START_CODE + P, None)]
    found = entries(indexed(sent(0x1B, units)))
    assert [(entry.pts, entry.rap) for entry in found] == [(0, True), (None, False)]


def test_units_need_not_begin_with_a_picture() -> None:
    one, two, three = (
        b"".join(START_CODE + nal for nal in (b"\x09\xf0", *nals))
        for nals in ((*SETS, IDR), (P,), (*SETS, IDR))
    )
    rest = START_CODE + slice_of(5, first_mb=9)
    units = [one + two[:12], two[12:] + three[:-10], three[-10:] + rest]
    data = sent(0x1B, [pes(0xE0, unit, 3600 * number) for number, unit in enumerate(units)])
    for step in (1, 1000):
        found = entries(indexed(data, step))
        assert [(entry.pts, entry.rap) for entry in found] == [(0, True), (3600, True)]


def test_what_begins_no_unit_is_no_entry() -> None:
    torn = packet(PID, 0, None, start=True, fields=b"\0")
    damaged = packet(PID, 0, b"\0\0\1" * 9, start=True, error=True)
    data = sent(0x1B, [b"no header" * 30, picture(0, *SETS, IDR)]) + torn + damaged
    assert len(entries(indexed(data))) == 1


def test_sound_alone_has_a_point_each_half_second() -> None:
    index = TsIndex()
    writer = with_tables(sound_pid(PID, 100), Component(0x102, 0x06, []))
    for unit in sound_pid(PID, 100).units:
        writer.unit(PID, unit.data)
    found = entries(indexed(b"".join(writer.packets), index=index))
    assert {entry.kind for entry in found} == {Kind.AUDIO}
    points = [entry.pts for entry in found if entry.rap]
    assert points == [SECOND + 2160 * n for n in (0, 21, 42, 63, 84)]


@pytest.mark.parametrize("hinted", [True, False])
def test_pictures_that_cant_be_read_go_by_hints_or_time(hinted: bool) -> None:
    writer = with_tables(Component(PID, 0x33, []))
    for number in range(60):
        unit = pes(0xE0, b"picture", number * 3600)
        writer.unit(PID, unit, key=hinted and number % 20 == 0)
    found = entries(indexed(b"".join(writer.packets)))
    points = [n for n, entry in enumerate(found) if entry.rap]
    assert points == ([0, 20, 40] if hinted else [0, 13, 26, 39, 52])
    assert {entry.kind for entry in found} == {Kind.KEY, Kind.P}


def test_a_scrambled_program_is_named_as_such() -> None:
    writer = with_tables(Component(PID, 0x1B, []))
    index = TsIndex()
    index.feed(b"".join(writer.packets))
    assert not index.scrambled
    secret = b"".join(
        packet(PID, n, b"\x5a" * 170, start=True, scrambling=2, fields=b"\x40") for n in range(3)
    )
    found = entries(index.feed(secret))
    assert [(entry.rap, entry.pts) for entry in found] == [(True, None)] * 3
    assert index.scrambled
    assert index.continuity.scrambled == {PID: 3}
    index.feed(carried(PID, picture(0, *SETS, IDR), 3))
    assert not index.scrambled
    hidden = bytearray(picture(0, *SETS, IDR))
    hidden[6] |= 0x30
    index.feed(carried(PID, bytes(hidden), 4))
    assert index.scrambled


def test_another_map_is_valid_behind_it() -> None:
    writer = with_tables(Component(PID, 0x1B, []))
    writer.unit(PID, picture(0, *SETS, IDR))
    other = Program(1, "One", 0x20, 0x102, (Component(0x102, 0x1B, []),))
    writer.section(0x20, pmt(other, 1))
    writer.unit(PID, picture(3600, P))
    writer.unit(0x102, picture(7200, *SETS, IDR), with_pcr=True)
    for step in (1, 1000):
        events = indexed(b"".join(writer.packets), step)
        assert [type(event) for event in events] == [
            ProgramChange,
            Entry,
            ProgramChange,
            Clock,
            Entry,
        ]
        assert [entry.pts for entry in entries(events)] == [0, 7200]


def test_only_a_new_lead_begins_anew() -> None:
    writer = with_tables(Component(PID, 0x1B, []))
    writer.unit(PID, picture(0, *SETS, IDR))
    more = Program(1, "One", 0x20, 0x1FFF, (Component(PID, 0x1B, []), sound_pid(0x102)))
    writer.section(0x20, pmt(more, 1))
    writer.unit(PID, picture(3600, P))
    index = TsIndex()
    assert len(entries(indexed(b"".join(writer.packets), index=index))) == 2
    assert index.cadence.pictures == 2


@pytest.mark.parametrize(
    ("types", "lead"),
    [
        ((0x06, 0x0F, 0x1B), 2),
        ((0x0B, 0x0F, 0x03), 1),
        ((0x0F, 0x33), 1),
        ((0x11, 0x0B), 0),
        ((0x0B, 0x86, 0x06), None),
        ((), None),
    ],
)
def test_the_first_video_leads_else_the_first_sound(
    types: tuple[int, ...], lead: int | None
) -> None:
    streams = tuple(PmtStream(kind, 0x100 + n) for n, kind in enumerate(types))
    found = leading_stream(Pmt(1, 0x100, streams))
    assert found == (None if lead is None else streams[lead])


@pytest.mark.parametrize("name", ["everything", "HEVC", "MPEG-2 and MP2", "constant rate"])
def test_captures_are_indexed_as_they_were_made(media: MediaCache, name: str) -> None:
    capture = broadcast(media, variants(2.5)[name])
    index = TsIndex()
    found = entries(indexed(capture.data, 64, index))
    units: Sequence[Unit] = capture.programs[0].components[0].units
    assert [entry.rap for entry in found] == [unit.key for unit in units]
    assert (index.continuity.lost_packets, index.cadence.fps) == (0, 25.0)


@settings(max_examples=60)
@given(damaged(), st.integers(1, 200))
def test_damaged_streams_raise_nothing(data: bytes, step: int) -> None:
    aligner, index = Aligner(), TsIndex()
    seen = 0
    for at in range(0, len(data), step * 188):
        for event in index.feed(aligner.feed(data[at : at + step * 188])):
            assert event.packet >= seen
        seen = index.decided
    assert index.decided <= index.packets
