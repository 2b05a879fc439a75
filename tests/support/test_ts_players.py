from __future__ import annotations

import pytest

from tests.support.broadcast import Broadcast, broadcast
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.ts import whole_units
from tests.support.ts_damage import packets, pid_of
from tests.support.ts_players import clock_s, from_key


def test_a_recording_is_as_long_as_its_clock(media: MediaCache) -> None:
    assert clock_s(broadcast(media, Broadcast(seconds=2.5)).data) == pytest.approx(3.0, abs=0.1)
    assert clock_s(b"") == 0.0


def test_a_recording_from_mid_group_is_judged_from_its_key_frame(media: MediaCache) -> None:
    recipe = Recipe(seconds=4, container="ts", gop=25)
    data = media(recipe).path.read_bytes()
    start = len(data) // 5 // 188 * 188
    late = from_key(data[start:])
    verdict = judge(whole_units(late))
    assert verdict.decode_errors == []
    assert verdict.starts_with_key
    assert verdict.missing == 0


def test_sound_alone_is_left_as_it_is(media: MediaCache) -> None:
    data = media(Recipe(seconds=2, container="ts", video=False)).path.read_bytes()
    assert from_key(data) == data


def test_units_that_are_cut_are_left_out_of_every_pid(media: MediaCache) -> None:
    capture = broadcast(media, Broadcast(seconds=2.5, sound_late_s=0.0))
    for part in (0.5, 0.61, 0.77):
        cut = whole_units(capture.data[: int(len(capture.data) * part)])
        verdict = judge(cut)
        assert verdict.decode_errors == []
        left = {pid_of(one) for one in packets(cut)}
        assert left >= {capture.names[name] for name in ("video", "eng", "spa", "teletext")}
