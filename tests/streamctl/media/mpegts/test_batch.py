from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.media.mpegts.batch import (
    ADAPTED,
    ARRAY_PACKETS,
    LOADED,
    PIDS,
    STARTS,
    UNKNOWN,
    ArrayBatch,
    Batch,
    ListBatch,
    Row,
    Run,
    open_batch,
)
from tests.streamctl.media.mpegts.packets import packet

VIDEO, SOUND, NULL = 0x100, 0x101, 0x1FFF


def noise(seed: int, count: int, pids: tuple[int, ...] = (0, VIDEO, SOUND, NULL)) -> bytes:
    """Packets of a few PIDs whose headers are otherwise arbitrary."""
    dice = random.Random(seed)
    out = []
    for number in range(count):
        pid = dice.choice(pids)
        control = dice.choice((0x10, 0x10, 0x10, 0x20, 0x30, 0x00, 0x90))
        top = dice.choice((0, 0, 0x40, 0x80)) | pid >> 8
        counter = dice.choice((number & 15, dice.randrange(16)))
        head = bytes((0x47, top, pid & 0xFF, control | counter))
        out.append(head + bytes([dice.randrange(256)]) * 184)
    return b"".join(out)


def flow(count: int) -> bytes:
    """Packets that go on as they should."""
    return b"".join(packet(VIDEO, number, bytes([number % 256]) * 184) for number in range(count))


def followed(batch: Batch, counters: bytearray, totals: bytearray) -> list[Row]:
    return sorted(row for row in batch.follow(counters, totals) if row[3] != UNKNOWN)


def gathered(batch: Batch, data: bytes, start: int, stop: int) -> bytes:
    """What stands behind the headers of a PID, whether it comes in runs or not."""
    return b"".join(
        piece.payload if isinstance(piece, Run) else data[piece * 188 + 4 : piece * 188 + 188]
        for piece in batch.pieces(VIDEO, start, stop)
    )


@given(st.integers(0, 2**32), st.integers(0, 200), st.integers(0, 40))
def test_arrays_and_lists_tell_the_same(seed: int, count: int, start: int) -> None:
    data = noise(seed, count)
    if not count:
        assert ListBatch(data).follow(bytearray(PIDS), bytearray(8 * PIDS)) == []
        return
    arrays, lists = ArrayBatch(data), ListBatch(data)
    assert (arrays.count, arrays.damaged, arrays.scrambled) == (
        lists.count,
        lists.damaged,
        lists.scrambled,
    )
    assert list(arrays.headers()) == list(lists.headers())
    interest = bytearray(PIDS)
    interest[VIDEO], interest[SOUND], interest[0] = STARTS, ADAPTED | STARTS, LOADED
    assert arrays.rows(interest, start) == lists.rows(interest, start)
    assert list(arrays.of_pid(SOUND, start)) == list(lists.of_pid(SOUND, start))
    known = bytearray(b"\xff" * PIDS)
    known[VIDEO] = 3
    assert arrays.counters_at(bytes(known), start) == lists.counters_at(bytes(known), start)
    state = [(bytearray(known), bytearray(8 * PIDS)) for _ in range(2)]
    assert followed(arrays, *state[0]) == followed(lists, *state[1])
    assert state[0][0][:NULL] == state[1][0][:NULL]
    assert state[0][1] == state[1][1]


@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(0, 40), st.integers(0, 250))
def test_runs_hold_what_single_rows_do(seed: int, count: int, start: int, stop: int) -> None:
    data = noise(seed, count) + flow(30)
    whole = gathered(ArrayBatch(data), data, start, stop)
    assert whole == gathered(ListBatch(data), data, start, stop)


def test_packets_that_go_on_make_one_run() -> None:
    data = packet(VIDEO, 15, b"\1" * 184, start=True) + flow(40) + packet(VIDEO, 9, b"\2" * 100)
    first, run, last = ArrayBatch(data).pieces(VIDEO, 0, 100)
    assert (first, last) == (0, 41)
    assert isinstance(run, Run)
    assert (run.row, run.first, run.last, len(run.payload)) == (40, 0, 7, 40 * 184)


def test_a_gap_ends_a_run() -> None:
    data = flow(5) + flow(5)
    runs = list(ArrayBatch(data).pieces(VIDEO, 0, 10))
    assert [(run.row, run.first, run.last) for run in runs if isinstance(run, Run)] == [
        (4, 0, 4),
        (9, 0, 4),
    ]


def test_nulls_alone_follow_nothing() -> None:
    batch = ArrayBatch(packet(NULL, 0, b"\xff" * 184) * 70)
    counters = bytearray(b"\xff" * PIDS)
    assert batch.follow(counters, bytearray(8 * PIDS)) == []
    assert counters == b"\xff" * PIDS


@pytest.mark.parametrize(
    ("count", "form"), [(ARRAY_PACKETS - 1, ListBatch), (ARRAY_PACKETS, ArrayBatch)]
)
def test_the_form_depends_on_the_length(count: int, form: type) -> None:
    assert isinstance(open_batch(memoryview(flow(count))), form)
