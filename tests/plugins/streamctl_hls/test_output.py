from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.media.packet import Init
from streamctl.sdk.endpoints import Bytes, Wait
from streamctl_hls.options import HlsOptions
from tests.plugins.streamctl_hls.chunks import FRAME, boundary, pictures
from tests.plugins.streamctl_hls.lane import Lane
from tests.plugins.streamctl_hls.stage import FakeView, Stage
from tests.support.hls import parse
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.ts import inspect

if TYPE_CHECKING:
    from streamctl.media.packet import Item

ON_DEMAND = HlsOptions(start="on_demand")


def text(stage: Stage, suffix: str, query: dict[str, str] | None = None) -> str:
    reply = stage.get(suffix, query)
    assert isinstance(reply, Bytes)
    assert reply.status == 200
    assert isinstance(reply.body, bytes)
    return reply.body.decode()


def number(tag: str, playlist: str) -> int:
    found = re.search(rf"#EXT-X-{tag}:(\d+)", playlist)
    assert found
    return int(found[1])


def uris(playlist: str) -> list[str]:
    return [line for line in playlist.splitlines() if line and line[0] != "#"]


def on_air(options: HlsOptions | None = None) -> Stage:
    stage = Stage(options)
    stage.output.start()
    stage.play([boundary(1), *pictures(201, 50)])
    return stage


def test_segments_of_the_playlist_can_be_fetched() -> None:
    stage = on_air()
    assert uris(text(stage, "/index.m3u8")) == ["main_stream.m3u8"]
    listed = uris(text(stage, "/main_stream.m3u8"))
    assert len(listed) == 4
    for uri in listed:
        reply = stage.get(f"/{uri}")
        assert isinstance(reply, Bytes)
        assert reply.content_type == "video/mp2t"
        assert "immutable" in reply.headers["Cache-Control"]
        assert len(reply.body) == 50


def test_playlists_are_rendered_once_per_segment() -> None:
    stage = on_air()
    for suffix in ("/index.m3u8", "/main_stream.m3u8"):
        first = stage.get(suffix)
        assert stage.get(suffix) is first
        assert isinstance(first, Bytes)
        assert first.content_type == "application/vnd.apple.mpegurl"
    before = stage.get("/main_stream.m3u8")
    stage.play(pictures(60, 50, start=201 * FRAME))
    after = stage.get("/main_stream.m3u8")
    assert isinstance(before, Bytes)
    assert isinstance(after, Bytes)
    assert before.headers["ETag"] != after.headers["ETag"]
    assert 0 < before.modified < after.modified


def test_a_key_is_carried_on() -> None:
    stage = on_air()
    assert uris(text(stage, "/index.m3u8", {"key": "s&t"})) == ["main_stream.m3u8?key=s%26t"]
    segments = uris(text(stage, "/main_stream.m3u8", {"key": "s&t"}))
    assert all(uri.endswith(".ts?key=s%26t") for uri in segments)
    assert "key=" not in text(stage, "/main_stream.m3u8")
    known = uris(text(stage, "/main_stream.m3u8", {"user": "u", "pass": "p"}))
    assert all(uri.endswith(".ts?user=u&pass=p") for uri in known)


@pytest.mark.parametrize("suffix", ["/hls/s5_99999.ts", "/hls/s4_1.ts", "/hls/x", "/hls/"])
def test_other_names_are_not_found(suffix: str) -> None:
    reply = on_air().get(suffix)
    assert isinstance(reply, Bytes)
    assert reply.status == 404
    assert reply.body == f"no such segment: `{suffix.rpartition('/')[2]}`\n".encode()


def test_the_first_request_waits_for_the_first_segment() -> None:
    stage = Stage()
    stage.output.start()
    stage.play([boundary(1), *pictures(20, 50)])
    wait = stage.get("/index.m3u8")
    assert isinstance(wait, Wait)
    assert wait.timeout_s == 13.5
    assert not wait.event.is_set()
    stage.play(pictures(60, 50, start=50 * FRAME))
    assert wait.event.is_set()
    answer = wait.then()
    assert isinstance(answer, Bytes)
    assert answer.status == 200


def test_a_wait_in_vain_ends_in_a_reason() -> None:
    stage = Stage()
    stage.output.start()
    wait = stage.get("/main_stream.m3u8")
    assert isinstance(wait, Wait)
    answer = wait.then()
    assert isinstance(answer, Bytes)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "2"
    assert b"waiting for a keyframe" in answer.body
    stage.view.live = False
    answer = wait.then()
    assert isinstance(answer, Bytes)
    assert answer.status == 404


@pytest.mark.parametrize("gop", [260, 1000])
def test_a_first_segment_comes_before_those_who_wait_give_up(gop: int) -> None:
    stage = Stage()
    stage.output.start()
    stage.play([boundary(1)])
    wait = stage.get("/main_stream.m3u8")
    assert isinstance(wait, Wait)
    asked = stage.clock.now()
    for chunk in pictures(400, gop):
        if not wait.event.is_set():
            stage.play([chunk])
    assert stage.clock.now() - asked < wait.timeout_s
    answer = wait.then()
    assert isinstance(answer, Bytes)
    assert answer.status == 200


@pytest.mark.parametrize(("segment_s", "wait_s"), [(6.0, 15.5), (10.0, 23.5), (30.0, 25.0)])
def test_long_segments_are_waited_for_longer_within_reason(segment_s: float, wait_s: float) -> None:
    stage = Stage(HlsOptions(segment_s=segment_s))
    stage.output.start()
    wait = stage.get("/index.m3u8")
    assert isinstance(wait, Wait)
    assert wait.timeout_s == wait_s


def test_a_stream_that_never_was_on_air_is_not_found_at_once() -> None:
    stage = Stage(view=FakeView(live=False))
    stage.output.start()
    reply = stage.get("/index.m3u8")
    assert isinstance(reply, Bytes)
    assert reply.status == 404
    assert b"not on air" in reply.body
    assert reply.headers["Cache-Control"] == "no-store"


def test_an_outage_leaves_the_playlist_as_it_was() -> None:
    stage = on_air()
    before = text(stage, "/main_stream.m3u8")
    stage.view.live = False
    stage.clock.advance(3600)
    assert text(stage, "/main_stream.m3u8") == before
    assert "ENDLIST" not in before


def test_sequences_go_on_over_an_outage_and_a_restart() -> None:
    stage = on_air()
    seen = [text(stage, "/main_stream.m3u8")]
    for epoch in range(2, 12):
        stage.play([boundary(epoch), *pictures(110, 50, start=epoch * 9_000_000, epoch=epoch)])
        seen.append(text(stage, "/main_stream.m3u8"))
    stage.clock.advance(3 * 3600)
    again = Stage(view=FakeView(generation=6), clock=stage.clock)
    again.output.start()
    again.play([boundary(1), *pictures(120, 50)])
    seen.append(text(again, "/main_stream.m3u8"))
    for old, new in pairwise(seen):
        assert number("MEDIA-SEQUENCE", old) <= number("MEDIA-SEQUENCE", new)
        assert number("DISCONTINUITY-SEQUENCE", old) <= number("DISCONTINUITY-SEQUENCE", new)
    assert number("MEDIA-SEQUENCE", seen[-2]) < number("MEDIA-SEQUENCE", seen[-1])
    assert not set(uris(seen[-2])) & set(uris(seen[-1]))


def test_discontinuity_sequences_stay_small_for_years() -> None:
    stage = Stage()
    stage.clock.advance(10 * 365 * 86_400)
    again = Stage(clock=stage.clock)
    assert again.output.packager.window.discontinuity_sequence < 1_000_000


def test_a_listed_segment_keeps_its_discontinuity_sequence() -> None:
    stage = on_air(HlsOptions(window=3))
    known: dict[str, int] = {}
    for epoch in range(2, 20):
        stage.play([boundary(epoch), *pictures(60, 50, start=epoch * 9_000_000, epoch=epoch)])
        playlist = text(stage, "/main_stream.m3u8")
        current = number("DISCONTINUITY-SEQUENCE", playlist)
        for line in playlist.splitlines():
            current += line == "#EXT-X-DISCONTINUITY"
            if line[0] != "#":
                assert known.setdefault(line, current) == current


def test_status_tells_the_figures() -> None:
    stage = on_air()
    status = dict(stage.output.status())
    stored = status.pop("bytes")
    assert status.pop("memory_bytes") == stored == stage.output.memory_bytes
    assert status.pop("disk_bytes") == 0
    assert status == {
        "segments": 4,
        "window_s": 8.0,
        "history_s": 0.0,
        "target_duration": 2,
        "discontinuities": 0,
        "last_segment_s": 2.0,
        "forced_cuts": 0,
    }
    assert stored == sum(len(chunk.data) for chunk in pictures(201, 50))
    assert Stage().output.status()["bytes"] == 0


def test_stopping_lets_go_and_answers_those_who_wait() -> None:
    stage = Stage()
    stage.output.start()
    wait = stage.get("/index.m3u8")
    assert isinstance(wait, Wait)
    stage.output.stop()
    assert wait.event.is_set()
    assert stage.view.reader is None
    stage.output.stop()


def test_without_a_converter_the_status_says_so() -> None:
    stage = Stage(view=FakeView(convertible=False))
    stage.output.start()
    assert "mpegts" in stage.view.notes["hls"]
    reply = stage.get("/index.m3u8")
    assert isinstance(reply, Bytes)
    assert reply.status == 404


def test_a_stream_without_fitting_tracks_says_so() -> None:
    stage = Stage(view=FakeView(tracks=Init(1, 1, ())))
    stage.output.start()
    wait = stage.get("/index.m3u8")
    assert isinstance(wait, Wait)
    answer = wait.then()
    assert isinstance(answer, Bytes)
    assert answer.status == 406
    assert b"no track" in answer.body


def test_a_codec_that_segments_can_not_carry_is_refused_with_its_sentence() -> None:
    stage = on_air()
    stage.view.refused = "MPEG-TS can't carry AV1 video: use rtmp"
    for suffix in ("/index.m3u8", "/main_stream.m3u8", "/dvr.m3u8"):
        reply = stage.get(suffix)
        assert isinstance(reply, Bytes)
        assert reply.status == 406
        assert reply.body == b"MPEG-TS can't carry AV1 video: use rtmp\n"
    stage.view.refused = ""
    assert text(stage, "/index.m3u8")


def test_who_waits_for_a_codec_that_can_not_be_carried_hears_of_it() -> None:
    stage = Stage()
    stage.output.start()
    wait = stage.get("/index.m3u8")
    assert isinstance(wait, Wait)
    stage.view.refused = "MPEG-TS can't carry VP9 video"
    answer = wait.then()
    assert isinstance(answer, Bytes)
    assert answer.status == 406


def test_viewers_can_seek_back_behind_the_window() -> None:
    stage = Stage(HlsOptions(window=3, history_s=20))
    stage.output.start()
    stage.play([boundary(1), *pictures(1001, 50)])
    assert uris(text(stage, "/dvr.m3u8")) == ["dvr_stream.m3u8"]
    live, dvr = text(stage, "/main_stream.m3u8"), text(stage, "/dvr_stream.m3u8")
    assert len(uris(live)) == 3
    assert uris(dvr)[-3:] == uris(live)
    assert len(uris(dvr)) == 9
    for uri in uris(dvr):
        reply = stage.get(f"/{uri}")
        assert isinstance(reply, Bytes)
        assert reply.status == 200
    assert number("MEDIA-SEQUENCE", dvr) == number("MEDIA-SEQUENCE", live) - 6
    assert uris(text(stage, "/dvr.m3u8", {"key": "k"})) == ["dvr_stream.m3u8?key=k"]


def test_joiners_find_a_keyframe_after_longer_groups_of_pictures_came() -> None:
    stage = Stage()
    stage.output.start()
    stage.play([boundary(1), *pictures(100, 50), *pictures(900, 150, start=100 * FRAME)])
    playlist = text(stage, "/main_stream.m3u8")
    assert "INDEPENDENT" not in playlist
    found = re.search(r"#EXT-X-START:TIME-OFFSET=-([0-9.]+)", playlist)
    assert found
    packager = stage.output.packager
    end = packager.window.listed[-1].end
    at = end - float(found[1]) * 90_000
    begun = [s for s in packager.window.listed if s.start <= at < s.end]
    assert [segment.independent for segment in begun] == [True]
    assert float(found[1]) >= 5.9


def test_on_demand_works_from_the_first_request_until_nobody_asked_for_long() -> None:
    stage = Stage(ON_DEMAND)
    stage.output.start()
    assert stage.view.reader is None
    assert isinstance(stage.get("/index.m3u8"), Wait)
    stage.play([boundary(1), *pictures(101, 50)])
    stage.clock.advance(25)
    [*_, last] = uris(text(stage, "/main_stream.m3u8"))
    stage.clock.advance(29)
    assert stage.view.reader is not None
    assert isinstance(stage.get(f"/{last}"), Bytes)
    stage.clock.advance(29)
    assert stage.view.reader is not None
    stage.clock.advance(2)
    assert stage.view.reader is None
    assert stage.output.status()["bytes"] == 0


def test_on_demand_starts_again_with_higher_numbers() -> None:
    stage = Stage(ON_DEMAND)
    stage.output.start()
    stage.get("/index.m3u8")
    stage.play([boundary(1), *pictures(101, 50)])
    before = text(stage, "/main_stream.m3u8")
    stage.clock.advance(60)
    wait = stage.get("/main_stream.m3u8")
    assert isinstance(wait, Wait)
    assert not wait.event.is_set()
    stage.play([boundary(1), *pictures(101, 50, start=9_000_000)])
    assert wait.event.is_set()
    after = text(stage, "/main_stream.m3u8")
    assert number("MEDIA-SEQUENCE", after) == number("MEDIA-SEQUENCE", before) + 2
    assert after.count("#EXT-X-DISCONTINUITY\n") == 1


def test_on_demand_answers_at_once_from_history() -> None:
    history: list[Item] = [boundary(1), *pictures(251, 50)]
    stage = Stage(ON_DEMAND, FakeView(history=history))
    stage.output.start()
    assert len(uris(text(stage, "/main_stream.m3u8"))) == 5


def test_what_was_left_is_forgotten_and_waited_for_anew() -> None:
    stage = on_air()
    before = text(stage, "/main_stream.m3u8")
    stage.output.forget()
    assert stage.output.status()["bytes"] == 0
    assert isinstance(stage.get("/main_stream.m3u8"), Wait)
    stage.play([boundary(2), *pictures(101, 50, start=9_000_000)])
    after = text(stage, "/main_stream.m3u8")
    assert number("MEDIA-SEQUENCE", after) > number("MEDIA-SEQUENCE", before) + 2
    stage.output.adjust(HlsOptions(history_s=60))
    stage.output.forget()
    assert text(stage, "/main_stream.m3u8") == after, "a history is kept"


def test_long_targets_hold_the_pin_longer() -> None:
    stage = Stage(HlsOptions(start="on_demand", segment_s=20))
    stage.output.start()
    stage.get("/index.m3u8")
    stage.play([boundary(1), *pictures(501, 50)])
    stage.get("/index.m3u8")
    stage.clock.advance(59)
    assert stage.view.reader is not None
    stage.clock.advance(2)
    assert stage.view.reader is None


@pytest.mark.anyio
async def test_many_viewers_can_wait_for_the_same_segment() -> None:
    stage = Stage()
    stage.output.start()
    stage.play([boundary(1), *pictures(10, 50)])
    statuses: list[int] = []

    async def viewer() -> None:
        wait = stage.get("/index.m3u8")
        assert isinstance(wait, Wait)
        await wait.event.wait()
        answer = wait.then()
        assert isinstance(answer, Bytes)
        statuses.append(answer.status)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(viewer)
        await anyio.wait_all_tasks_blocked()
        stage.play(pictures(60, 50, start=50 * FRAME))
    assert statuses == [200] * 5


def segments(stage: Stage) -> list[bytes]:
    """The bytes of every listed segment."""
    found = []
    for uri in uris(text(stage, "/main_stream.m3u8")):
        reply = stage.get(f"/{uri}")
        assert isinstance(reply, Bytes)
        found.append(b"".join(reply.body) if isinstance(reply.body, tuple) else b"")
    return found


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(seconds=9, gop=25, bframes=2),
        Recipe(seconds=9, fps=Fraction(30000, 1001), gop=30, sample_rate=44_100),
        Recipe(seconds=9, video=False, sample_rate=44_100),
        Recipe(seconds=9, gop=10, audio=False),
    ],
    ids=["b-frames", "29.97 and 44.1", "audio only", "video only"],
)
def test_real_media_comes_out_whole_and_starts_every_segment(
    media: MediaCache, recipe: Recipe
) -> None:
    stage, path = Stage(), media(recipe).path
    stage.output.start()
    for items in Lane().epoch(path, 1, 900_000):
        stage.write(items, 0.1)
    found = segments(stage)
    assert len(found) == 4
    for data in found:
        alone, verdict = inspect(data), judge(data)
        assert alone.first_pids[0] == 0
        assert not alone.continuity_errors
        assert not verdict.decode_errors
        assert verdict.starts_with_key or not recipe.video
        assert verdict.frames == round(verdict.video_s * float(recipe.fps))
    whole = judge(b"".join(found))
    assert not whole.decode_errors
    assert (whole.missing, whole.repeated, whole.dts_disorder) == (0, 0, 0)
    assert not whole.video_gaps
    assert not whole.audio_gaps
    assert not inspect(b"".join(found)).continuity_errors
    listed = parse(text(stage, "/main_stream.m3u8")).segments
    total = sum(segment.duration_s for segment in listed)
    assert abs(total - (whole.video_s if recipe.video else whole.duration_s)) < 0.05


def test_a_publisher_that_comes_back_is_one_clean_splice(media: MediaCache) -> None:
    stage, path = Stage(), media(Recipe(seconds=5, gop=25, bframes=2)).path
    stage.output.start()
    lane = Lane()
    for epoch, offset in ((1, 900_000), (2, 1_800_000)):
        for items in lane.epoch(path, epoch, offset):
            stage.write(items, 0.1)
    listed = parse(text(stage, "/main_stream.m3u8")).segments
    assert [segment.discontinuity for segment in listed] == [False] * 3 + [True, False]
    assert [round(segment.duration_s, 2) for segment in listed] == [2.0, 2.0, 1.0, 2.0, 2.0]
    data = segments(stage)
    report = inspect(b"".join(data))
    assert not report.continuity_errors
    assert inspect(data[3]).first_pids[0] == 0
    assert not judge(data[3] + data[4]).decode_errors


def test_groups_longer_than_the_target_are_cut_into_valid_streams(media: MediaCache) -> None:
    stage, lane = Stage(), Lane()
    stage.output.start()
    short, long = Recipe(seconds=3, gop=50), Recipe(seconds=9, gop=1000, bframes=2)
    for epoch, recipe in ((1, short), (2, long)):
        for items in lane.epoch(media(recipe).path, epoch, 900_000 * epoch):
            stage.write(items, 0.1)
    assert "INDEPENDENT" not in text(stage, "/main_stream.m3u8")
    assert number("TARGETDURATION", text(stage, "/main_stream.m3u8")) == 2
    data = segments(stage)[2:]
    assert len(data) >= 3
    assert all(inspect(one).first_pids[0] == 0 for one in data)
    assert not inspect(b"".join(data)).continuity_errors
    whole = judge(b"".join(data))
    assert not whole.decode_errors
    assert (whole.missing, whole.repeated) == (0, 0)


def test_a_segment_is_one_response_for_all() -> None:
    stage = on_air()
    [first, *_] = uris(text(stage, "/main_stream.m3u8"))
    assert stage.get(f"/{first}") is stage.get(f"/{first}")
