from __future__ import annotations

import pytest

from streamctl.engine.fanout import AUDIO_HOLD_S, PIECE_BYTES
from streamctl.engine.lane import Bounds
from streamctl.media.packet import Boundary, Chunk, Flag, InitChange, Rejoin
from tests.streamctl.engine.fanout_world import FRAME, INIT, Rig


def test_audio_travels_with_the_video_frame_in_one_shared_write() -> None:
    rig = Rig()
    (first, _), (second, _) = rig.viewer(), rig.viewer()
    rig.video()
    rig.sound()
    rig.sound()
    rig.video()
    assert first.sent == [b"J,K0,", b"a,a,P1,"]
    assert first.sent[1] is second.sent[1]


def test_audio_does_not_wait_longer_than_the_hold() -> None:
    rig = Rig()
    wire, _ = rig.viewer()
    rig.video()
    rig.sound()
    rig.clock.advance(AUDIO_HOLD_S / 2)
    assert wire.bytes == b"J,K0,"
    rig.clock.advance(AUDIO_HOLD_S)
    assert wire.bytes == b"J,K0,a,"


def test_merging_sends_at_most_once_per_interval_and_never_later() -> None:
    rig = Rig(merge_s=0.1)
    wire, _ = rig.viewer()
    for _ in range(26):
        rig.video()
        rig.clock.advance(0.04)
    rig.clock.advance(0.1)
    assert len(wire.sent) <= 12
    assert wire.bytes.count(b"P") == 24


def test_merging_holds_for_audio_too() -> None:
    rig = Rig(merge_s=0.1)
    wire, _ = rig.viewer()
    for _ in range(50):
        rig.video()
        rig.clock.advance(0.02)
        rig.sound()
        rig.clock.advance(0.02)
    assert len(wire.sent) <= 21


def test_a_timer_that_outlived_its_flush_delays_nothing() -> None:
    rig = Rig()
    wire, _ = rig.viewer()
    rig.video()
    rig.sound()
    rig.clock.advance(AUDIO_HOLD_S * 0.9)
    rig.video()
    rig.sound()
    rig.clock.advance(AUDIO_HOLD_S * 0.5)
    assert wire.bytes == b"J,K0,a,P1,"
    rig.clock.advance(AUDIO_HOLD_S * 0.5)
    assert wire.bytes == b"J,K0,a,P1,a,"


def test_a_join_starts_with_the_join_bytes_and_the_newest_picture() -> None:
    rig = Rig()
    for _ in range(27):
        rig.video()
    wire, session = rig.viewer()
    assert wire.bytes == b"J,K25,P26,"
    rig.video()
    assert wire.bytes == b"J,K25,P26,P27,"
    rig.fanout.tick(rig.clock.now())
    assert session.bytes_out == len(wire.bytes)


def test_a_viewer_before_the_first_picture_waits_for_it() -> None:
    rig = Rig()
    wire, _ = rig.viewer()
    rig.sound()
    rig.clock.advance(1)
    assert wire.sent == []
    rig.video()
    assert wire.bytes == b"J,K0,"


def test_nobody_joins_what_is_over() -> None:
    rig = Rig()
    early, _ = rig.viewer()
    for _ in range(25):
        rig.video()
    rig.fanout.pause()
    late, _ = rig.viewer()
    rig.lane.append([Boundary(2, INIT, "another source")])
    rig.sound()
    assert late.sent == []
    rig.video()
    assert late.bytes == b"J,K25,"
    assert early.bytes.endswith(b"P24,a,K25,")


def test_who_joins_at_an_open_point_goes_without_its_leading_pictures() -> None:
    rig = Rig()
    there, _ = rig.viewer()
    for number in range(30):
        rig.video(flags={25: Flag.OPEN_GOP, 26: Flag.LEADING, 27: Flag.LEADING}.get(number, 0))
    wire, _ = rig.viewer()
    assert wire.bytes == b"J,K25,S,S,P28,P29,"
    assert there.bytes.endswith(b"P24,K25,P26,P27,P28,P29,")
    rig.video()
    assert wire.sent[-1] is there.sent[-1]


def test_nobody_joins_while_leading_pictures_may_come() -> None:
    rig = Rig()
    for number in range(25):
        rig.video(flags=Flag.OPEN_GOP if number == 0 else 0)
    rig.video(flags=Flag.OPEN_GOP)
    wire, _ = rig.viewer()
    rig.sound()
    rig.video(flags=Flag.LEADING)
    assert wire.sent == []
    rig.video()
    assert wire.bytes == b"J,K25,a,S,P27,"


def test_nobody_joins_before_leading_pictures_that_are_still_to_be_sent() -> None:
    rig = Rig(merge_s=1.0)
    rig.clock.advance(1.0)
    rig.video(flags=Flag.OPEN_GOP)
    rig.video(flags=Flag.LEADING)
    rig.video()
    rig.clock.advance(1.0)
    wire, _ = rig.viewer()
    assert wire.bytes == b"J,K0,S,P2,"
    rig.number = 25
    rig.video(flags=Flag.OPEN_GOP)
    rig.clock.advance(1.0)
    rig.video(flags=Flag.LEADING)
    rig.video()
    late, _ = rig.viewer()
    rig.clock.advance(1.0)
    assert late.bytes == b"J,K25,S,P27,"
    assert wire.bytes == b"J,K0,S,P2,K25,P26,P27,"


def test_who_was_there_before_an_open_point_misses_nothing() -> None:
    rig = Rig()
    wire, session = rig.viewer()
    rig.video(flags=Flag.OPEN_GOP)
    for _ in range(24):
        rig.video()
    wire.full = True
    for flags in (Flag.OPEN_GOP, Flag.LEADING, 0):
        rig.video(flags=flags)
    wire.full = False
    rig.fanout.serve(session)
    assert wire.bytes.endswith(b"P24,K25,P26,P27,")


def test_nobody_skips_into_leading_pictures() -> None:
    rig = Rig()
    wire, session = rig.viewer()
    rig.video()
    wire.full = True
    for _ in range(99):
        rig.video(size=10_000)
    rig.video(flags=Flag.OPEN_GOP)
    rig.fanout.tick(rig.clock.now())
    assert session.skips == 0
    rig.video()
    rig.fanout.tick(rig.clock.now())
    assert session.skips == 1


def test_nobody_falls_into_leading_pictures() -> None:
    rig = Rig()
    rig.lane.bounds = Bounds(4.0, 3000)
    wire, session = rig.viewer()
    rig.video()
    wire.full = True
    for _ in range(24):
        rig.video()
    rig.video(flags=Flag.OPEN_GOP)
    wire.full = False
    rig.fanout.serve(session)
    rig.video(flags=Flag.LEADING)
    assert (session.skips, wire.bytes) == (1, b"J,K0,P1,")
    rig.video()
    rig.video()
    assert wire.bytes == b"J,K0,P1,J,K25,S,P27,P28,"


def test_a_full_wire_is_parked_and_served_in_pieces_without_loss() -> None:
    rig = Rig()
    wire, session = rig.viewer()
    other, _ = rig.viewer()
    rig.video(size=100_000)
    wire.full = True
    for _ in range(8):
        rig.video(size=100_000)
    assert len(wire.sent) == 2
    wire.full = False
    rig.fanout.serve(session)
    assert wire.bytes == other.bytes
    assert max(map(len, wire.sent)) <= PIECE_BYTES
    rig.video()
    assert wire.sent[-1] is other.sent[-1]
    rig.fanout.tick(rig.clock.now())
    assert session.bytes_out == len(wire.bytes)


def test_parking_again_while_catching_up_stops_there() -> None:
    rig = Rig()
    wire, session = rig.viewer()
    rig.video(size=100_000)
    wire.full = True
    for _ in range(8):
        rig.video(size=100_000)
    before = len(wire.sent)
    rig.fanout.serve(session)
    assert len(wire.sent) == before + 1
    wire.full = False
    rig.fanout.serve(session)
    assert wire.bytes.count(b"P") == 8


def test_a_viewer_that_is_too_far_behind_lands_on_a_picture_and_is_counted() -> None:
    rig = Rig()
    units: list[int] = []

    def greet(chunk: Chunk) -> bytes:
        units.append(rig.fanout.units(session))
        return b"hello," + chunk.join

    wire, session = rig.viewer(greet)
    rig.video(units=1)
    wire.full = True
    for _ in range(120):
        rig.video(units=100)
    rig.fanout.tick(rig.clock.now())
    wire.full = False
    rig.fanout.serve(session)
    assert session.skips == 1
    assert session.skipped_items > 0
    assert session.skipped_time > 0
    assert wire.bytes.startswith(b"hello,J,K0,P1,hello,J,K100,P101,")
    assert wire.bytes.endswith(b"P120,")
    rig.video(units=1000)
    assert [*units, rig.fanout.units(session)] == [0, 101, 101 + 21 * 100 + 1000]


def test_a_viewer_that_fell_off_the_tail_lands_on_a_picture() -> None:
    rig = Rig()
    wire, session = rig.viewer()
    rig.video()
    wire.full = True
    for _ in range(400):
        rig.video()
    wire.full = False
    rig.fanout.serve(session)
    assert session.skips == 1
    assert b"J,K400," in wire.bytes


def test_a_viewer_that_stays_too_slow_is_closed_with_the_reason() -> None:
    rig = Rig(timeout_s=5.0)
    wire, _ = rig.viewer()
    rig.video()
    wire.full = True
    for _ in range(10):
        for _ in range(25):
            rig.video()
        rig.clock.advance(1.0)
        rig.fanout.tick(rig.clock.now())
    assert rig.closed
    assert rig.closed[0].startswith("too slow")


def second(rig: Rig, *, fed: bool) -> None:
    """A second in which pictures came that nobody can begin with, or nothing did."""
    if fed:
        rig.sound()
    rig.clock.advance(1.0)
    rig.fanout.tick(rig.clock.now())


def test_a_viewer_for_whom_no_picture_comes_is_closed_with_the_reason() -> None:
    rig = Rig()
    rig.viewer()
    for _ in range(31):
        second(rig, fed=True)
    assert rig.closed == []
    second(rig, fed=True)
    assert rig.closed == ["no random-access point to begin with for 30 s"]


def test_a_viewer_waits_as_long_as_nothing_comes() -> None:
    rig = Rig()
    wire, _ = rig.viewer()
    for _ in range(25):
        second(rig, fed=True)
    for _ in range(100):
        second(rig, fed=False)
    for _ in range(25):
        second(rig, fed=True)
    rig.number = 25
    rig.video()
    second(rig, fed=True)
    assert rig.closed == []
    assert wire.bytes.startswith(b"J,K25,")


def test_lag_counts_what_the_kernel_still_holds() -> None:
    rig = Rig()
    wire, session = rig.viewer()
    for _ in range(50):
        rig.video(size=10_000)
    wire.held = 125_000
    rig.fanout.tick(rig.clock.now())
    assert session.lag == pytest.approx(0.5, rel=0.1)
    late, _ = rig.viewer()
    assert late.buffer == pytest.approx(250_000, rel=0.1)


def test_removed_viewers_get_nothing_more() -> None:
    rig = Rig()
    wire, session = rig.viewer()
    waiting, unborn = rig.viewer()
    rig.fanout.remove(unborn)
    rig.video()
    rig.fanout.remove(session)
    rig.fanout.remove(session)
    rig.fanout.park(session)
    rig.fanout.serve(session)
    rig.video()
    assert wire.bytes == b"J,K0,"
    assert waiting.sent == []


def test_a_viewer_removed_from_inside_a_write_does_not_disturb_the_others() -> None:
    rig = Rig()
    wire, session = rig.viewer()
    other, _ = rig.viewer()
    rig.video()
    wire.full = True
    wire.on_full = lambda: rig.fanout.remove(session)
    rig.video()
    rig.video()
    assert other.bytes == b"J,K0,P1,P2,"
    assert wire.bytes == b"J,K0,P1,"


def test_a_boundary_flushes_what_is_pending() -> None:
    rig = Rig()
    wire, _ = rig.viewer()
    rig.video()
    rig.sound()
    rig.lane.append([Boundary(2, INIT, "reconnect")])
    assert wire.bytes == b"J,K0,a,"


def test_reset_makes_everybody_wait_for_a_picture() -> None:
    rig = Rig()
    wire, _ = rig.viewer()
    rig.video()
    rig.lane.clear()
    rig.fanout.reset()
    rig.video()
    assert wire.bytes == b"J,K0,"
    rig.number = 50
    rig.video()
    assert wire.bytes == b"J,K0,J,K50,"


def test_who_skips_past_the_last_picture_waits_for_the_next_one() -> None:
    rig = Rig()
    rig.lane.bounds = Bounds(4.0, 100_000)
    wire, session = rig.viewer()
    other, _ = rig.viewer()
    rig.video()
    wire.full = True
    for _ in range(20):
        rig.video(size=10_000)
    assert rig.lane.gop_too_long
    wire.full = False
    rig.fanout.serve(session)
    assert session.skips == 1
    before = wire.bytes
    rig.video()
    assert wire.bytes == before
    rig.number = 25
    rig.video()
    rig.video()
    assert wire.bytes == before + b"J,K25,P26,"
    assert other.bytes.endswith(b"P21,K25,P26,")
    rig.fanout.tick(rig.clock.now())
    assert session.bytes_out == len(wire.bytes)


def test_who_falls_onto_a_picture_that_is_not_sent_yet_gets_its_join_bytes_too() -> None:
    rig = Rig(merge_s=1.0)
    wire, session = rig.viewer()
    rig.clock.advance(1.0)
    rig.video()
    rig.fanout.park(session)
    rig.clock.advance(1.0)
    rig.video()
    rig.lane.bounds = Bounds(4.0, 400)
    rig.number = 25
    rig.video()
    assert wire.bytes == b"J,K0,"
    rig.fanout.serve(session)
    assert wire.bytes == b"J,K0,"
    rig.clock.advance(1.0)
    assert wire.bytes == b"J,K0,J,K25,"
    assert session.skips == 1


def test_viewers_who_must_come_anew_are_closed_wherever_they_stand() -> None:
    rig = Rig()
    rig.viewer()
    _, session = rig.viewer()
    rig.video()
    rig.fanout.park(session)
    rig.viewer()
    rig.lane.append([Rejoin("come anew")])
    assert rig.closed == ["come anew"] * 3


def test_nobody_begins_before_a_place_where_viewers_must_come_anew() -> None:
    rig = Rig()
    rig.video()
    rig.lane.append([Rejoin("come anew"), InitChange(INIT)])
    wire, _ = rig.viewer()
    rig.video()
    assert wire.bytes == b""
    rig.number = 25
    rig.video()
    rig.video()
    assert wire.bytes == b"J,K25,P26,"
    assert rig.closed == []


def test_who_comes_behind_a_place_to_come_anew_begins_with_the_picture_there() -> None:
    rig = Rig()
    key = Chunk(b"K0,", 0, FRAME, rap=True, flush=True, epoch=1, join=b"J,")
    rig.lane.append([Rejoin("come anew"), key])
    wire, _ = rig.viewer()
    assert wire.bytes == b"J,K0,"
