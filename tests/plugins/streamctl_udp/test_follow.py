"""What a destination gets of a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.media.packet import Boundary, Chunk, InitChange, Skipped
from streamctl_udp.follow import Follower
from tests.plugins.streamctl_udp.lane import INIT, JOIN, chunk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamctl.media.packet import Item


def data(*numbers: int) -> list[bytes]:
    return [chunk(number).data for number in numbers]


def chunks(numbers: Iterable[int], *raps: int) -> list[Chunk]:
    return [chunk(number, rap=number in raps) for number in numbers]


def test_it_begins_with_a_new_random_access_point_and_its_signals() -> None:
    assert Follower().begin(chunks(range(3), 0)) == [JOIN, *data(0, 1, 2)]


def test_an_old_one_is_not_begun_with() -> None:
    follower = Follower()
    assert follower.begin(chunks(range(40), 0)) == []
    assert follower.take(chunks(range(40, 43), 42)) == [JOIN, *data(42)]


def test_the_next_random_access_points_go_on_without_signals() -> None:
    follower = Follower()
    follower.begin(chunks([0], 0))
    assert follower.take(chunks([1, 2, 3], 2)) == data(1, 2, 3)


def test_after_a_skip_it_begins_anew() -> None:
    follower = Follower()
    follower.begin(chunks([0], 0))
    taken = follower.take([Skipped(5), *chunks([7, 8, 9], 8)])
    assert taken == [JOIN, *data(8, 9)]


def test_leading_pictures_are_for_those_who_saw_what_they_refer_to() -> None:
    follower = Follower()
    leading = chunk(1, leading=True)
    assert follower.begin([chunk(0, rap=True), leading, chunk(2)]) == [JOIN, *data(0), JOIN,
                                                                       *data(2)]  # fmt: skip
    assert follower.take([chunk(3, rap=True), leading, chunk(4)]) == data(3, 1, 4)


def test_what_stands_before_a_chunk_is_sent_with_it() -> None:
    led = chunk(0, rap=True)
    led.lead = b"lead"
    plain = chunk(1)
    plain.lead = b"more"
    assert Follower().begin([led, plain]) == [JOIN, b"lead", *data(0), b"more", *data(1)]


def test_marks_of_the_lane_are_no_bytes() -> None:
    marks: list[Item] = [Boundary(1, INIT, "x"), InitChange(INIT)]
    assert Follower().begin(marks) == []
    assert Follower().begin([*marks, *chunks([0], 0)]) == [JOIN, *data(0)]
