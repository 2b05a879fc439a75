from __future__ import annotations

from streamctl.avworker.decode_time import MAX_WAITING, DecodeTimes
from streamctl.media.packet import Kind, Packet


def picture(pts: int, dts: int | None = None) -> Packet:
    return Packet(0, pts, pts if dts is None else dts, Kind.P, 0, b"", 10)


def test_unknown_times_are_counted_back_from_the_first_known_one() -> None:
    times = DecodeTimes()
    assert times.fill([picture(20)], known=False) == []
    assert times.fill([picture(80)], known=False) == []
    ready = times.fill([picture(40, 20)], known=True)
    assert [(p.pts, p.dts) for p in ready] == [(20, 0), (80, 10), (40, 20)]
    later = times.fill([picture(30, 30)], known=True)
    assert [p.dts for p in later] == [30]


def test_known_times_pass_untouched() -> None:
    packet = picture(30, 7)
    assert DecodeTimes().fill([packet], known=True) == [packet]
    assert packet.dts == 7


def test_a_source_without_any_decoding_time_is_not_held_for_ever() -> None:
    times = DecodeTimes()
    out = []
    for number in range(MAX_WAITING + 5):
        out += times.fill([picture(number * 10)], known=False)
    assert [p.dts for p in out] == [number * 10 for number in range(MAX_WAITING + 5)]


def test_the_end_releases_what_waits() -> None:
    times = DecodeTimes()
    times.fill([picture(0)], known=False)
    assert [p.pts for p in times.flush()] == [0]
    assert times.flush() == []
