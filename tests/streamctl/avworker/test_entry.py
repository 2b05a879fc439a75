from __future__ import annotations

from streamctl.avworker.entry import Entry
from streamctl.media.packet import Kind, Packet


def admitted(*pictures: tuple[Kind, int]) -> list[int]:
    entry = Entry()
    packets = [Packet(0, pts, 0, kind, 0, b"") for kind, pts in pictures]
    return [packet.pts for packet in packets if entry.admits(packet)]


def test_what_precedes_the_first_keyframe_is_left_out() -> None:
    assert admitted((Kind.P, 1), (Kind.B, 0), (Kind.KEY, 5), (Kind.P, 8)) == [5, 8]


def test_leading_pictures_of_the_first_keyframe_are_left_out() -> None:
    assert admitted((Kind.KEY, 30), (Kind.B, 10), (Kind.B, 20), (Kind.P, 60)) == [30, 60]


def test_later_leading_pictures_and_jumps_back_are_kept() -> None:
    assert admitted((Kind.KEY, 30), (Kind.P, 60), (Kind.KEY, 90), (Kind.B, 80), (Kind.KEY, 0)) == [
        30,
        60,
        90,
        80,
        0,
    ]
