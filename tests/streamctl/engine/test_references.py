from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streamctl.media.mpegts.psi import NULL_PID
from streamctl.media.packet import TIMESCALE
from tests.streamctl.engine.test_chunker import (
    ALL_AT_ONCE,
    OPEN,
    assert_all_can_join,
    from_amid_a_group,
    passed,
)
from tests.streamctl.engine.test_handover import MUCH, cut
from tests.streamctl.engine.ts_world import clocks, joined
from tests.support.broadcast import Capture, broadcast
from tests.support.ts import inspect
from tests.support.ts_build import multiplex, pmt
from tests.support.ts_damage import packets, pid_of

if TYPE_CHECKING:
    from tests.support.media import MediaCache

ANEW = 0x80
"""The discontinuity indicator, among the flags of an adaptation field."""
OTHER_START = 77 * TIMESCALE
EARLY, LATE = -0.5, 0.5
"""When sound is sent, behind its picture."""
PICTURE_S = 0.04


def references(data: bytes) -> list[bytes]:
    """The packets with clock references."""
    return [packet for packet in packets(data) if clocks(packet)]


def without_clock(capture: Capture) -> bytes:
    """The same with a map that denies the clock."""
    (program,) = capture.programs
    table = pmt(replace(program, pcr_pid=NULL_PID)).ljust(183, b"\xff")
    return b"".join(
        packet[:5] + table if pid_of(packet) == program.pmt_pid else packet
        for packet in packets(capture.data)
    )


@pytest.mark.parametrize("clock", ["its own PID", "the pictures", "none, it is said"])
def test_the_first_reference_of_another_input_says_that_the_clock_begins_anew(
    media: MediaCache, clock: str
) -> None:
    sent = replace(MUCH, own_pcr=clock == "its own PID")
    first, second = (broadcast(media, one) for one in (sent, replace(sent, start=OTHER_START)))
    data = without_clock(second) if clock == "none, it is said" else second.data
    keeper, _ = cut(first.data, data, len(data) // 376)
    for epoch, anew in ((1, 0), (2, ANEW)):
        found = [packet[5] & ANEW for packet in references(keeper.since(epoch))]
        assert found == [anew, *[0] * (len(found) - 1)]
    report = inspect(keeper.data)
    assert report.continuity_errors == []
    assert report.worst_pcr_s <= 0.1


@pytest.mark.parametrize("packets_at_once", [1, 7, ALL_AT_ONCE])
def test_the_clock_goes_on_where_leading_pictures_are_left_out(
    media: MediaCache, packets_at_once: int
) -> None:
    data = from_amid_a_group(media, replace(OPEN, own_pcr=False, private=False))
    assert inspect(data).worst_pcr_s == pytest.approx(PICTURE_S)
    keeper = passed(data, packets_at_once)
    assert_all_can_join(keeper)
    assert inspect(keeper.data).worst_pcr_s == pytest.approx(PICTURE_S)
    for at, chunk in enumerate(keeper.chunks):
        if chunk.rap:
            told = joined(keeper.chunks[at:])
            assert inspect(told).worst_pcr_s == pytest.approx(PICTURE_S)


def test_a_clock_in_sound_that_waits_for_its_turn_goes_on(media: MediaCache) -> None:
    sent = replace(MUCH, languages=("eng",), frames_per_pes=1)
    first = broadcast(media, replace(sent, sound_late_s=EARLY)).data
    capture = broadcast(media, replace(sent, start=OTHER_START, sound_late_s=LATE))
    (program,) = capture.programs
    clocked = replace(program, pcr_pid=capture.names["eng"])
    second = multiplex([clocked], start=OTHER_START)
    keeper, _ = cut(first, second, len(second) // 376)
    found = references(keeper.since(2))
    alone = [packet for packet in found if not packet[3] & 0x10]
    assert len(alone) > 20
    assert found[: len(alone)] == alone, "until the sound is wanted"
    assert inspect(keeper.data).continuity_errors == []
    assert inspect(keeper.since(2)).worst_pcr_s < PICTURE_S
