from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.media.mpegts.clocked import clocks
from streamctl_file.repetition import MAX_PAUSE, Extent, Repetition
from tests.support.broadcast import Broadcast, Capture, broadcast, splice_insert, variants
from tests.support.ts import inspect
from tests.support.ts_build import PACKET, SECOND, WRAP, Writer, pes
from tests.support.ts_compare import compare, stamp_of, without_times
from tests.support.ts_damage import lost_packets, packets, pid_of

if TYPE_CHECKING:
    from tests.support.media import MediaCache

SHORT = variants(2.5)


def passes(data: bytes, count: int, *, block: int = 1 << 20) -> list[bytes]:
    """What comes out of so many passes, given in blocks."""
    repetition = Repetition()
    found = []
    for _ in range(count):
        _, pid, value = next(clocks(data))
        repetition.begin(pid, value // 300)
        step = block // PACKET * PACKET
        out = [
            bytes(repetition.take(data[at : at + step], last=at + step >= len(data)))
            for at in range(0, len(data), step)
        ]
        found.append(b"".join(out))
    return found


def stamps(data: bytes, pid: int) -> list[int]:
    """The decoding times of a PID's units."""
    found = []
    for one in packets(data):
        if pid_of(one) == pid and one[1] & 0x40:
            start = 4 + (one[4] + 1 if one[3] & 0x20 else 0)
            at = start + (14 if one[start + 7] & 0x40 else 9)
            found.append(stamp_of(one[at : at + 5]))
    return found


@pytest.fixture(scope="module")
def capture(media: MediaCache) -> Capture:
    return broadcast(media, SHORT["everything"])


def test_the_first_pass_is_left_as_it_is(capture: Capture) -> None:
    assert passes(capture.data, 1) == [capture.data]


@pytest.mark.parametrize("name", ["everything", "stamps that wrap", "two programs", "radio"])
@pytest.mark.parametrize("block", [PACKET, 40 * PACKET, 1 << 20])
def test_later_passes_differ_by_one_shift_alone(media: MediaCache, name: str, block: int) -> None:
    capture = broadcast(media, SHORT[name])
    first, second, third = passes(capture.data, 3, block=block)
    assert first == capture.data
    for later in (second, third):
        found = compare(first, later, capture.names.values())
        assert found.faults == []
        assert found.matched.keys() == set(capture.names.values())
    joined = inspect(first + second + third)
    assert joined.continuity_errors == []
    assert joined.worst_pcr_s < 0.2


@pytest.mark.parametrize("name", ["everything", "HEVC", "MPEG-2 and MP2"])
def test_a_pass_is_as_long_as_its_longest_picture_or_sound(media: MediaCache, name: str) -> None:
    capture = broadcast(media, replace(SHORT[name], sound_late_s=0.0))
    first, second = passes(capture.data, 2)
    shift = compare(first, second, [capture.names["eng"]]).offset
    assert shift == pytest.approx(2.5 * SECOND, abs=0.03 * SECOND)
    for track in ("video", "eng"):
        joined = stamps(first, capture.names[track]) + stamps(second, capture.names[track])
        steps = {(after - before) % WRAP for before, after in pairwise(joined)}
        assert min(steps) > 0
        assert max(steps) < 0.1 * SECOND


def test_pictures_follow_each_other_evenly_over_the_seam(media: MediaCache) -> None:
    capture = broadcast(media, Broadcast(seconds=2.4, audio="mp2", sound_late_s=0.0))
    first, second = passes(capture.data, 2)
    video = capture.names["video"]
    joined = stamps(first, video) + stamps(second, video)
    longest = max((after - before) % WRAP for before, after in pairwise(joined))
    assert longest <= SECOND // 25 + SECOND * 1152 // 48_000


def test_a_cue_that_no_block_holds_is_moved_whole(capture: Capture) -> None:
    pid = capture.names["cues"]
    first, second = passes(capture.data, 2, block=PACKET)
    found = compare(first, second, [pid])
    assert found.faults == []
    assert found.matched[pid] == 5


def test_loss_inside_of_the_file_stays_visible(capture: Capture) -> None:
    damaged = lost_packets(capture.data)
    errors = inspect(damaged).continuity_errors
    first, second = passes(damaged, 2)
    assert len(inspect(first + second).continuity_errors) == 2 * len(errors)


def test_a_cue_without_its_end_waits_for_no_more_than_the_pass() -> None:
    writer = Writer(clock=SECOND * 300)
    writer.clock_only(9)
    writer.section(7, splice_insert(1, 5, descriptors=40))
    data = b"".join(writer.packets[:-1])
    first, second = passes(data, 2)
    assert (len(first), len(second)) == (len(data), len(data))


def test_a_cue_behind_another_section_is_moved() -> None:
    section = splice_insert(1, 5)
    body = b"\x04" + b"\x72\x70\x01\x00" + section
    packet = b"\x47\x40\x07\x10" + body.ljust(184, b"\xff")
    writer = Writer(clock=SECOND * 300)
    writer.clock_only(9)
    data = writer.packets[0] + packet
    _, second = passes(data, 2)
    moved = second[PACKET + 9 : PACKET + 9 + len(section)]
    assert without_times(moved).content == without_times(section).content


def test_a_jump_inside_does_not_count_as_length(media: MediaCache) -> None:
    one = broadcast(media, Broadcast(seconds=2.5, private=False))
    other = broadcast(media, Broadcast(seconds=2.5, private=False, start=5000 * SECOND))
    first, second = passes(one.data + other.data, 2)
    *_, (_, _, last) = clocks(first)
    _, _, after = next(clocks(second))
    assert 0 <= (after - last) % (WRAP * 300) < 27_000_000


def test_a_pass_without_units_goes_on_at_the_pace_of_its_clock() -> None:
    writer = Writer()
    for _ in range(3):
        writer.clock += 27_000 * 40
        writer.clock_only(9)
    _, second = passes(b"".join(writer.packets), 2)
    values = [value // 300 for _, _, value in clocks(second)]
    assert values == [3600 * number for number in (4, 5, 6)]


def test_a_long_pause_at_the_end_is_bounded() -> None:
    writer = Writer(clock=SECOND * 300)
    writer.clock_only(9)
    for second in range(0, 90, 9):
        writer.unit(8, pes(0xC0, b"x", (second + 1) * SECOND))
    first, second_pass = passes(b"".join(writer.packets), 2)
    (was,) = (value for _, _, value in clocks(first))
    (is_now,) = (value for _, _, value in clocks(second_pass))
    assert (is_now - was) // 300 == MAX_PAUSE


def test_the_last_unit_of_sound_may_be_shorter() -> None:
    extent = Extent(0, 1000, media=True)
    extent.move(9000, 1000)
    extent.move(18_000, 500)
    assert extent.end == 18_000 + 4500
    silent = Extent(0, 0, media=True)
    silent.move(3600, 0)
    assert silent.end == 7200
