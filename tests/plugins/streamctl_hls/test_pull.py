"""Pulling playlists into an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC

from streamctl.errors import ConfigError, ConnectionFailed, MediaError, RemoteProtocolError
from streamctl.media.aac import AacConfig, adts_header
from streamctl.media.packet import TIMESCALE, Codec, Media
from streamctl.net.tls import ServerTls
from streamctl_hls import feed as feed_module
from streamctl_hls import loader as loader_module
from streamctl_hls import mixer as mixer_module
from streamctl_hls.pull import OTHER_VARIANT
from streamctl_hls.unpack import CLOCK
from streamctl_hls.wire.counters import Counters
from streamctl_hls.wire.follow import TAGGED
from tests.plugins.streamctl_hls.upstream import (
    SECONDS,
    Writer,
    answer,
    listed,
    playlist,
    source,
    ts,
    variants,
)
from tests.streamctl.media.fmp4.files import box, movie, picture_entry, track, usual_movie
from tests.streamctl.media.fmp4.test_demux import segment
from tests.streamctl.net.test_http_client import Site, visited
from tests.support.certificates import self_signed
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

PARTS = [ts(number) for number in range(4)]
CONFIG = AacConfig(2, 48_000, 2)
FILES = {f"/{number}.ts": answer(data) for number, data in enumerate(PARTS)}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "FIRST_PAUSE_S", 0.01)


def continued(*parts: bytes) -> bytes:
    """Segments whose counters begin anew, as they are passed on."""
    counters = Counters()
    out = b""
    for part in parts:
        counters.begin()
        out += counters.take(part)
    return out


async def pulled(answers: dict[str, bytes], path: str = "/x.m3u8", **keys: object) -> Writer:
    """What a playlist brings that has an end."""
    writer = Writer()
    async with visited(Site(FILES | answers)) as site:
        with anyio.fail_after(PATIENCE_S):
            await source(site.url(path), **keys).run(writer)
    return writer


async def test_segments_pass_as_they_are_as_fast_as_they_play() -> None:
    writer = await pulled({"/x.m3u8": playlist(*listed("0.ts", "1.ts", "2.ts"))})
    assert writer.data == continued(PARTS[0], PARTS[1], PARTS[2])
    assert writer.times[-1] - writer.times[0] > 2 * SECONDS
    assert writer.breaks == []


async def test_a_discontinuity_is_an_epoch() -> None:
    other = answer(ts(0, at=500 * TIMESCALE))
    lines = [*listed("0.ts"), "#EXT-X-DISCONTINUITY", *listed("other.ts")]
    writer = await pulled({"/x.m3u8": playlist(*lines), "/other.ts": other})
    assert writer.breaks == [TAGGED]
    assert writer.data == PARTS[0] + ts(0, at=500 * TIMESCALE)
    assert writer.times[-1] - writer.times[0] < 10, "the times between them are not waited for"


async def test_byte_ranges_are_cut_out() -> None:
    lines = []
    for data in PARTS[:2]:
        lines += [f"#EXTINF:{SECONDS},", f"#EXT-X-BYTERANGE:{len(data)}", "all.ts"]
    writer = await pulled(
        {"/x.m3u8": playlist(*lines), "/all.ts": answer(b"".join(PARTS))}, low_latency=False
    )
    assert writer.data == continued(PARTS[0], PARTS[1])


async def test_program_and_streams_are_chosen() -> None:
    writer = await pulled({"/x.m3u8": playlist(*listed("0.ts"))}, program=1, pids=[256])
    assert writer.selected == [(1, (256,))]


async def test_a_playlist_can_be_played_for_ever() -> None:
    writer = Writer()
    here = Site({**FILES, "/x.m3u8": playlist(*listed("0.ts"))})
    async with visited(here) as site, anyio.create_task_group() as tasks:
        tasks.start_soon(source(site.url("/x.m3u8"), loop=True).run, writer)
        await until(lambda: len(writer.breaks) >= 2)
        tasks.cancel_scope.cancel()
    assert set(writer.breaks) == {feed_module.LOOPED}


async def test_fragmented_mp4_is_taken_apart() -> None:
    lines = ['#EXT-X-MAP:URI="init.mp4"', "#EXTINF:0.1,", "0.m4s", "#EXTINF:0.1,", "1.m4s"]
    writer = await pulled(
        {
            "/x.m3u8": playlist(*lines),
            "/init.mp4": answer(usual_movie()),
            "/0.m4s": answer(segment(0, 0)),
            "/1.m4s": answer(segment(1024, 2048)),
        }
    )
    assert [track.codec for track in writer.announced[-1]] == [Codec.H264, Codec.AAC]
    assert [p.dts for p in writer.packets if p.track == 0] == [0, 3600, 7200, 10_800]
    assert [p.dts for p in writer.packets if p.track == 1] == [0, 1920, 3840, 5760]


async def test_tracks_and_times_change_at_a_discontinuity() -> None:
    lines = ['#EXT-X-MAP:URI="init.mp4"', "#EXTINF:0.1,", "0.m4s", "#EXT-X-DISCONTINUITY"]
    far = 12_800 * 700
    writer = await pulled(
        {
            "/x.m3u8": playlist(*lines, "#EXTINF:0.1,", "1.m4s"),
            "/init.mp4": answer(usual_movie()),
            "/0.m4s": answer(segment(0, 0)),
            "/1.m4s": answer(segment(far, far // 4 * 15)),
        }
    )
    assert writer.breaks == [TAGGED]
    assert [p.dts for p in writer.packets if p.track == 0][2:] == [63_000_000, 63_003_600]
    assert writer.times[-1] - writer.times[0] < 10


@pytest.mark.parametrize("names", [("0.m4s",), ("0.m4s", "1.m4s", "2.m4s", "3.m4s")])
async def test_segments_of_which_nothing_can_be_read_are_an_error(names: tuple[str, ...]) -> None:
    damaged = answer(segment(0, 0)[:-5])
    lines = ['#EXT-X-MAP:URI="init.mp4"', *listed(*names)]
    with pytest.raises(ExceptionGroup) as caught:
        await pulled(
            {
                "/x.m3u8": playlist(*lines),
                "/init.mp4": answer(usual_movie()),
                **{f"/{name}": damaged for name in names},
            }
        )
    assert caught.group_contains(MediaError, match="is cut off")


async def test_tracks_that_can_not_be_read_are_named(caplog: pytest.LogCaptureFixture) -> None:
    section = movie(track(1, 12_800, picture_entry()), track(2, 48_000, box("enca")))
    lines = ['#EXT-X-MAP:URI="init.mp4"', *listed("0.m4s")]
    answers = {"/init.mp4": answer(section), "/0.m4s": answer(segment(0, 0))}
    writer = await pulled({"/x.m3u8": playlist(*lines), **answers})
    assert [each.codec for each in writer.announced[-1]] == [Codec.H264]
    assert "x.m3u8: left out: `enca` is encrypted" in caplog.text


async def test_a_damaged_segment_is_left_out() -> None:
    lines = ['#EXT-X-MAP:URI="init.mp4"', *listed("0.m4s", "1.m4s")]
    writer = await pulled(
        {
            "/x.m3u8": playlist(*lines),
            "/init.mp4": answer(usual_movie()),
            "/0.m4s": answer(segment(0, 0)[:-5]),
            "/1.m4s": answer(segment(1024, 2048)),
        }
    )
    assert [p.dts for p in writer.packets if p.track == 0] == [7200, 10_800]


SOUND = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="English",LANGUAGE="en",URI="s.m3u8"'
TALKING = [SOUND, '#EXT-X-STREAM-INF:BANDWIDTH=9,AUDIO="s"', "v.m3u8"]


async def test_sound_of_another_playlist_is_mixed_by_time() -> None:
    writer = await pulled(
        {
            "/x.m3u8": variants(*TALKING),
            "/v.m3u8": playlist(*listed("v0.ts", "v1.ts")),
            "/s.m3u8": playlist(*listed("s0.ts", "s1.ts")),
            **{f"/v{n}.ts": answer(ts(n, audio=False)) for n in range(2)},
            **{f"/s{n}.ts": answer(ts(n, video=False)) for n in range(2)},
        }
    )
    kinds = {track.id: track for track in writer.announced[-1]}
    assert {track.media for track in kinds.values()} == {Media.VIDEO, Media.AUDIO}
    assert next(t.language for t in kinds.values() if t.media is Media.AUDIO) == "en"
    assert [p.dts for p in writer.packets] == sorted(p.dts for p in writer.packets)
    seen = [kinds[p.track].media for p in writer.packets]
    assert seen.count(Media.VIDEO) == 20
    assert seen.count(Media.AUDIO) >= 36


@pytest.mark.parametrize("gone", [True, False])
async def test_sound_that_never_comes_does_not_keep_pictures(
    gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixer_module, "START_PATIENCE_S", 0.2)
    monkeypatch.setattr(mixer_module, "PATIENCE_S", 0.1)
    answers = {
        "/x.m3u8": variants(*TALKING),
        "/v.m3u8": playlist(*listed("v0.ts")),
        "/v0.ts": answer(ts(0, audio=False)),
    }
    if gone:
        answers["/s.m3u8"] = answer(b"", status="404 Not Found")
    writer = await pulled(answers)
    assert len(writer.packets) == 10


async def test_sound_without_a_container_is_mixed_too() -> None:
    frames = b"".join(adts_header(CONFIG, 100) + bytes((33,)) + bytes(99) for _ in range(20))
    tag = b"PRIV" + (45 + 8).to_bytes(4, "big") + b"\0\0" + CLOCK + TIMESCALE.to_bytes(8, "big")
    sound = b"ID3\x04\0\0\0\0\0" + bytes((len(tag),)) + tag + frames
    writer = await pulled(
        {
            "/x.m3u8": variants(*TALKING),
            "/v.m3u8": playlist(*listed("v0.ts")),
            "/v0.ts": answer(ts(0, audio=False)),
            "/s.m3u8": playlist(*listed("s0.aac")),
            "/s0.aac": answer(sound),
        }
    )
    tracks = {track.id: track for track in writer.announced[-1]}
    times = [p.dts for p in writer.packets if tracks[p.track].codec is Codec.AAC]
    assert times == [TIMESCALE + n * 1920 for n in range(len(times))]
    ends = max(p.dts + p.dur for p in writer.packets if tracks[p.track].codec is Codec.H264)
    assert times[-1] + 1920 >= ends


async def test_encrypted_segments_are_decrypted() -> None:
    key, vector = b"k" * 16, (7).to_bytes(16, "big")
    padded = PARTS[0] + bytes((16 - len(PARTS[0]) % 16,)) * (16 - len(PARTS[0]) % 16)
    cipher = Cipher(AES128(key), CBC(vector)).encryptor()
    sealed = cipher.update(padded) + cipher.finalize()
    lines = ["#EXT-X-MEDIA-SEQUENCE:7", '#EXT-X-KEY:METHOD=AES-128,URI="key"', *listed("s.ts")]
    writer = await pulled(
        {"/x.m3u8": playlist(*lines), "/s.ts": answer(sealed), "/key": answer(key)}
    )
    assert writer.data == PARTS[0]


async def test_a_variant_that_fails_is_left_for_the_next_best() -> None:
    lines = []
    for bandwidth, name in ((3, "gone"), (2, "empty"), (1, "good")):
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}000", f"{name}.m3u8"]
    writer = Writer()
    answers = {
        "/x.m3u8": variants(*lines),
        "/gone.m3u8": answer(b"", status="404 Not Found"),
        "/empty.m3u8": answer(b"nothing"),
        "/good.m3u8": playlist(*listed("0.ts")),
    }
    async with visited(Site(FILES | answers)) as site:
        found = source(site.url("/x.m3u8"))
        assert found.waiting.startswith("fetching `http://")
        assert found.measure() == {}
        await found.run(writer)
    assert writer.data == PARTS[0]
    told = found.measure()
    assert (told["switches"], told["variant"], told["fetched"]) == (2, "1 kbps", 1)
    assert found.duration_s == pytest.approx(SECONDS)
    assert found.waiting == ""


async def test_another_variant_goes_on_where_the_one_before_failed() -> None:
    lines = []
    for bandwidth, name in ((2, "a"), (1, "b")):
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}000", f"{name}.m3u8"]
    gone = answer(b"", status="404 Not Found")
    writer = await pulled(
        {
            "/x.m3u8": variants(*lines),
            "/a.m3u8": playlist(*listed("0.ts", "a1.ts", "a2.ts", "a3.ts")),
            **{f"/a{number}.ts": gone for number in range(1, 4)},
            "/b.m3u8": playlist(*listed("b0.ts", "1.ts", "2.ts", "3.ts")),
        }
    )
    assert writer.breaks == [OTHER_VARIANT]
    assert writer.data == PARTS[0] + continued(*PARTS[1:])


async def test_what_was_allowed_before_may_be_again() -> None:
    closed = answer(b"", status="403 Forbidden")
    with pytest.raises(ExceptionGroup) as caught:
        await pulled({"/x.m3u8": playlist(*listed("0.ts", "z.ts")), "/z.ts": closed})
    assert caught.group_contains(ConnectionFailed, match="answers 403")
    assert not getattr(caught.value.exceptions[0], "permanent", True)


async def test_the_last_variant_that_fails_is_the_error() -> None:
    lines = ["#EXT-X-STREAM-INF:BANDWIDTH=1", "gone.m3u8"]
    gone = answer(b"", status="404 Not Found")
    with pytest.raises(ExceptionGroup) as caught:
        await pulled({"/x.m3u8": variants(*lines), "/gone.m3u8": gone})
    assert caught.group_contains(ConnectionFailed, match="answers 404")


async def test_segments_that_fail_are_left_out_until_there_are_too_many() -> None:
    gone = answer(b"", status="404 Not Found")
    lines = listed("0.ts", "gone.ts", "1.ts")
    writer = await pulled({"/x.m3u8": playlist(*lines), "/gone.ts": gone})
    assert writer.data == continued(PARTS[0], PARTS[1])
    lines = listed("0.ts", "gone.ts", "gone.ts", "gone.ts", "1.ts")
    with pytest.raises(ExceptionGroup) as caught:
        await pulled({"/x.m3u8": playlist(*lines), "/gone.ts": gone})
    assert caught.group_contains(ConnectionFailed, match="segment 3: .* answers 404")


@pytest.mark.parametrize(
    ("answers", "error", "words"),
    [
        ({"/x.m3u8": answer(b"", status="404 No")}, ConnectionFailed, "answers 404"),
        ({"/x.m3u8": answer(b"", status="403 No")}, ConnectionFailed, "answers 403"),
        ({"/x.m3u8": answer(b"<html>")}, RemoteProtocolError, "not a playlist"),
        (
            {"/x.m3u8": playlist('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"', *listed("0.ts"))},
            MediaError,
            "encrypted with `SAMPLE-AES`",
        ),
        (
            {"/x.m3u8": playlist(*listed("t")), "/t": answer(b"WEBVTT")},
            MediaError,
            "the segments are text",
        ),
        (
            {"/x.m3u8": playlist(*listed("t")), "/t": answer(bytes(5000))},
            MediaError,
            "no media that can be read",
        ),
        (
            {"/x.m3u8": playlist(*listed("t")), "/t": answer(b"\x47" + bytes(90_000))},
            MediaError,
            "no MPEG-TS",
        ),
    ],
)
async def test_what_asking_again_can_not_help_is_permanent(
    answers: dict[str, bytes], error: type[Exception], words: str
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await pulled(answers)
    assert caught.group_contains(error, match=words)
    found = caught.value.exceptions[0]
    assert getattr(found, "permanent", False)


async def test_logins_headers_and_names_are_sent_for_everything() -> None:
    async with visited(Site({**FILES, "/x.m3u8": playlist(*listed("0.ts"))})) as site:
        url = site.url("/x.m3u8").replace("http://", "hls+http://us:pw@")
        await source(url, headers={"X-Key": "k"}, user_agent="TV/1").run(Writer())
    assert len(site.requests) == 2
    for request in site.requests:
        assert b"\r\nAuthorization: Basic dXM6cHc=\r\n" in request
        assert b"\r\nX-Key: k\r\n" in request
        assert b"\r\nUser-Agent: TV/1\r\n" in request


async def test_a_live_playlist_is_loaded_again_until_nothing_new_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "STALL_TARGETS", 1)
    monkeypatch.setattr(feed_module, "MIN_STALL_S", 0.1)
    writer = Writer()
    begin = playlist(*listed("0.ts"), ended=False)
    later = playlist(*listed("0.ts", "1.ts"), ended=False)
    async with visited(Site({**FILES, "/x.m3u8": begin})) as site:
        found = source(site.url("/x.m3u8"))
        clock = found.ctx.clock
        clock.call_later(0.6, lambda: site.answers.update({"/x.m3u8": later}))
        with (
            anyio.fail_after(PATIENCE_S),
            pytest.raises(ConnectionFailed, match="nothing new for 1 s"),
        ):
            await found.run(writer)
    assert writer.data == continued(PARTS[0], PARTS[1])
    assert found.duration_s == 0


async def test_an_epoch_that_has_ended_ends_the_source() -> None:
    writer = Writer(stale=True)
    async with visited(Site({**FILES, "/x.m3u8": playlist(*listed("0.ts"))})) as site:
        with pytest.raises(Exception, match="the epoch has ended"):
            await source(site.url("/x.m3u8")).run(writer)


async def test_tls_is_trusted_as_the_options_say(tmp_path: Path) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)
    answers = {**FILES, "/x.m3u8": playlist(*listed("0.ts"))}
    async with visited(Site(answers), ServerTls(pair.cert, pair.key)) as site:
        url = site.url("/x.m3u8", "https")
        with pytest.raises(ConnectionFailed, match="not trusted"):
            await source(url).run(Writer())
        writer = Writer()
        await source(url, tls_ca=pair.cert).run(writer)
    assert writer.data == PARTS[0]


@pytest.mark.parametrize(
    ("url", "keys"), [("hls+http:///x", {}), ("http://h/x.m3u8", {"headers": {"Host": "x"}})]
)
async def test_what_can_not_be_asked_for_is_refused(url: str, keys: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        source(url, **keys)
