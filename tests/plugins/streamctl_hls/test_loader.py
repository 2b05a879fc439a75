"""Pulling what does not simply go on: other variants, keys that change, servers that stall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC

from streamctl.errors import ConnectionFailed, MediaError
from streamctl.media.packet import Media
from streamctl_hls import feed as feed_module
from streamctl_hls import loader as loader_module
from streamctl_hls import pull as pull_module
from streamctl_hls.pull import OTHER_VARIANT
from streamctl_hls.wire import choose as choose_module
from streamctl_hls.wire.follow import TAGGED
from tests.plugins.streamctl_hls.upstream import (
    Writer,
    answer,
    listed,
    playlist,
    source,
    ts,
    variants,
)
from tests.streamctl.media.fmp4.files import (
    movie,
    picture_entry,
    sound_entry,
    track,
    usual_movie,
)
from tests.streamctl.media.fmp4.test_demux import segment
from tests.streamctl.net.test_http_client import Site, visited
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from streamctl_hls.pull import HlsSource

pytestmark = pytest.mark.anyio

PARTS = [ts(number) for number in range(6)]
FILES = {f"/{number}.ts": answer(data) for number, data in enumerate(PARTS)}
KEYS = {"/k1": answer(b"1" * 16), "/k2": answer(b"2" * 16)}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "FIRST_PAUSE_S", 0.01)


async def pulled(answers: dict[str, bytes], path: str = "/x.m3u8", **keys: object) -> Writer:
    """What a playlist brings that has an end."""
    writer = Writer()
    async with visited(Site(FILES | KEYS | answers)) as site:
        with anyio.fail_after(PATIENCE_S):
            await source(site.url(path), **keys).run(writer)
    return writer


def sealed(data: bytes, secret: bytes, vector: int) -> bytes:
    """A segment as AES-128 leaves it."""
    rest = 16 - len(data) % 16
    cipher = Cipher(AES128(secret), CBC(vector.to_bytes(16, "big"))).encryptor()
    return cipher.update(data + bytes((rest,)) * rest) + cipher.finalize()


async def test_keys_and_vectors_change_from_segment_to_segment() -> None:
    lines = [
        *("#EXT-X-MEDIA-SEQUENCE:5", '#EXT-X-KEY:METHOD=AES-128,URI="k1"', *listed("a")),
        *('#EXT-X-KEY:METHOD=AES-128,URI="k1",IV=0xFF', *listed("b")),
        *('#EXT-X-KEY:METHOD=AES-128,URI="k2"', *listed("c")),
        *("#EXT-X-KEY:METHOD=NONE", *listed("3.ts")),
    ]
    one, two = b"1" * 16, b"2" * 16
    answers = {
        "/x.m3u8": playlist(*lines),
        "/a": answer(sealed(PARTS[0], one, 5)),
        "/b": answer(sealed(PARTS[1], one, 255)),
        "/c": answer(sealed(PARTS[2], two, 7)),
    }
    plain = await pulled({"/x.m3u8": playlist(*listed("0.ts", "1.ts", "2.ts", "3.ts"))})
    assert (await pulled(answers)).data == plain.data


async def test_another_key_behind_the_same_address_is_fetched() -> None:
    writer = Writer()
    lines = ['#EXT-X-KEY:METHOD=AES-128,URI="k1",IV=0x1', *listed("a", "b")]
    answers = {
        "/x.m3u8": playlist(*lines),
        "/a": answer(sealed(PARTS[0], b"1" * 16, 1)),
        "/b": answer(sealed(PARTS[1], b"2" * 16, 1)),
    }
    async with visited(Site(KEYS | answers)) as site, anyio.create_task_group() as tasks:
        tasks.start_soon(source(site.url("/x.m3u8")).run, writer)
        await until(lambda: any(b"GET /b " in request for request in site.requests))
        site.answers["/k1"] = KEYS["/k2"]
    plain = await pulled({"/x.m3u8": playlist(*listed("0.ts", "1.ts"))})
    assert writer.data == plain.data


async def test_a_plain_section_in_front_of_encrypted_segments_is_read() -> None:
    lines = ['#EXT-X-MAP:URI="init.mp4"', '#EXT-X-KEY:METHOD=AES-128,URI="k1",IV=0x1']
    writer = await pulled(
        {
            "/x.m3u8": playlist(*lines, "#EXTINF:0.1,", "0.m4s"),
            "/init.mp4": answer(usual_movie()),
            "/0.m4s": answer(sealed(segment(0, 0), b"1" * 16, 1)),
        }
    )
    assert [each.dts for each in writer.packets if each.track == 0] == [0, 3600]


async def test_another_section_brings_other_tracks() -> None:
    lines = ['#EXT-X-MAP:URI="a.mp4"', "#EXTINF:0.1,", "0.m4s", "#EXT-X-DISCONTINUITY"]
    lines += ['#EXT-X-MAP:URI="b.mp4"', "#EXTINF:0.1,", "1.m4s"]
    other = movie(track(1, 12_800, picture_entry()), track(2, 44_100, sound_entry()))
    writer = await pulled(
        {
            "/x.m3u8": playlist(*lines),
            "/a.mp4": answer(usual_movie()),
            "/b.mp4": answer(other),
            "/0.m4s": answer(segment(0, 0)),
            "/1.m4s": answer(segment(0, 0)),
        }
    )
    assert writer.breaks == [TAGGED]
    assert len(writer.announced) >= 2
    assert [p.dts for p in writer.packets if p.track == 0] == [0, 3600, 0, 3600]


TALKING = [
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="English",URI="s.m3u8"',
    '#EXT-X-STREAM-INF:BANDWIDTH=9,AUDIO="s"',
    "v.m3u8",
]


async def test_program_and_streams_are_chosen_beside_sound_of_its_own() -> None:
    answers = {
        "/x.m3u8": variants(*TALKING),
        "/v.m3u8": playlist(*listed("0.ts")),
        "/s.m3u8": playlist(*listed("s.ts")),
        "/s.ts": answer(ts(0, video=False)),
    }
    writer = await pulled(answers, program=1, pids=[256])
    kinds = {each.id: each.media for each in writer.announced[-1]}
    assert sorted(kinds.values()) == sorted([Media.VIDEO, Media.AUDIO])
    with pytest.raises(ExceptionGroup) as caught:
        await pulled(answers, program=7)
    assert caught.group_contains(MediaError, match="program `7` is not among those on air: `1`")


async def test_program_and_streams_of_other_formats_are_refused() -> None:
    lines = ['#EXT-X-MAP:URI="init.mp4"', "#EXTINF:0.1,", "0.m4s"]
    answers = {
        "/x.m3u8": playlist(*lines),
        "/init.mp4": answer(usual_movie()),
        "/0.m4s": answer(segment(0, 0)),
    }
    with pytest.raises(ExceptionGroup) as caught:
        await pulled(answers, program=1)
    assert caught.group_contains(MediaError, match="the segments are fragmented MP4")


async def test_variables_of_the_multivariant_playlist_are_imported() -> None:
    lines = ['#EXT-X-DEFINE:NAME="folder",VALUE="deep/er"', "#EXT-X-STREAM-INF:BANDWIDTH=9"]
    inner = ['#EXT-X-DEFINE:IMPORT="folder"', '#EXT-X-DEFINE:QUERYPARAM="key"']
    writer = Writer()
    answers = {
        "/x.m3u8": variants(*lines, "{$folder}/v.m3u8?key=a%2Fb"),
        "/deep/er/v.m3u8": playlist(*inner, *listed("/{$folder}/0.ts?key={$key}")),
        "/deep/er/0.ts": FILES["/0.ts"],
    }
    async with visited(Site(answers)) as site:
        await source(site.url("/x.m3u8")).run(writer)
    assert writer.data == PARTS[0]
    assert b"GET /deep/er/0.ts?key=a/b HTTP" in site.requests[-1]


async def test_playing_begins_where_the_playlist_says() -> None:
    names = [f"{number}.ts" for number in range(6)]
    writer = await pulled({"/x.m3u8": playlist("#EXT-X-START:TIME-OFFSET=-0.8", *listed(*names))})
    plain = await pulled({"/x.m3u8": playlist(*listed(*names[4:]))})
    assert writer.data == plain.data


TWO = variants(
    *("#EXT-X-STREAM-INF:BANDWIDTH=2000", "a.m3u8"), *("#EXT-X-STREAM-INF:BANDWIDTH=1000", "b.m3u8")
)


async def test_a_better_variant_is_fetched_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choose_module, "COOL_S", 0.1)
    names = [f"{number}.ts" for number in range(6)]
    whole = playlist(*listed(*names))
    live = playlist(*listed(*names[:2]), ended=False)
    answers = {"/x.m3u8": TWO, "/b.m3u8": live, "/a.m3u8": answer(b"", status="404 Not Found")}
    writer = Writer()
    async with visited(Site(FILES | answers)) as site, anyio.create_task_group() as tasks:
        found = source(site.url("/x.m3u8"))
        tasks.start_soon(found.run, writer)
        await until(lambda: any(b"GET /1.ts " in request for request in site.requests))
        site.answers["/a.m3u8"] = whole
        await until(lambda: found.feeds[0].retired)
        site.answers["/b.m3u8"] = whole
    assert writer.breaks == [OTHER_VARIANT]
    assert (found.switches, variant(found)) == (2, "2 kbps")
    media = [each for each in site.requests if b".ts " in each]
    assert len(media) == len({each.split()[1] for each in media}) == 6
    assert len(writer.data) == sum(map(len, PARTS))


def variant(found: HlsSource) -> object:
    return found.measure()["variant"]


async def test_a_variant_that_comes_slower_than_it_plays_is_left_for_a_smaller_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "SLOW", -1.0)
    monkeypatch.setattr(feed_module, "AHEAD_S", -1.0)
    names = [f"{number}.ts" for number in range(6)]
    writer = Writer()
    answers = {"/x.m3u8": TWO, "/a.m3u8": playlist(*listed(*names))}
    answers["/b.m3u8"] = answers["/a.m3u8"]
    async with visited(Site(FILES | answers)) as site:
        found = source(site.url("/x.m3u8"))
        with anyio.fail_after(PATIENCE_S):
            await found.run(writer)
    assert writer.breaks == [OTHER_VARIANT]
    assert variant(found) == "1 kbps"


async def test_silence_is_waiting_for_three_targets_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "MIN_STALL_S", 1.0)
    monkeypatch.setattr(pull_module, "QUIET_S", 0.2)
    told: list[str] = []
    async with visited(Site({**FILES, "/x.m3u8": playlist(*listed("0.ts"), ended=False)})) as site:
        found = source(site.url("/x.m3u8"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch, found, told)
            with pytest.raises(ConnectionFailed, match="nothing new for 3 s"):
                await found.run(Writer())
            tasks.cancel_scope.cancel()
    assert told[0].startswith("fetching")
    assert "waiting for the next segment" in told
    assert found.waiting == ""


async def watch(found: HlsSource, told: list[str]) -> None:
    while True:
        if not told or told[-1] != found.waiting:
            told.append(found.waiting)
        await anyio.sleep(0.02)


async def test_an_attempt_goes_on_where_the_one_before_stopped() -> None:
    lines = listed("0.ts", "1.ts")
    first, again = Writer(), Writer()
    async with visited(Site({**FILES, "/x.m3u8": playlist(*lines, ended=False)})) as site:
        attempt, another = source(site.url("/x.m3u8?token=1")), source(site.url("/x.m3u8?token=2"))
        another.marks = attempt.marks
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt.run, first)
            await until(lambda: any(b"GET /1.ts " in request for request in site.requests))
            tasks.cancel_scope.cancel()
        seen = len(site.requests)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(another.run, again)
            await until(lambda: len(site.requests) > seen)
            site.answers["/x.m3u8"] = playlist(*lines, *listed("2.ts", "3.ts"))
            await until(lambda: any(b"GET /3.ts " in request for request in site.requests))
            tasks.cancel_scope.cancel()
        assert [r.split()[1] for r in site.requests[seen:] if b".ts " in r] == [b"/2.ts", b"/3.ts"]
