"""What was sent of several tracks, in one number."""

from __future__ import annotations

from streamctl_rtsp.wire.tally import NOTHING, Tally, packed, tally


def test_tracks_add_up_side_by_side() -> None:
    units = packed(0, 3, 4000) + packed(1, 1, 300) + packed(0, 2, 1500) + packed(7, 1, 1 << 40)
    assert tally(units, 0) == Tally(5, 5500)
    assert tally(units, 1) == Tally(1, 300)
    assert tally(units, 2) == NOTHING
    assert tally(units, 7) == Tally(1, 1 << 40)


def test_nothing_is_less_than_nothing() -> None:
    assert Tally(3, 100).plus(Tally(1, 1)) == Tally(4, 101)
    assert Tally(3, 100).minus(Tally(1, 20)) == Tally(2, 80)
    assert Tally(1, 20).minus(Tally(3, 100)) == NOTHING
