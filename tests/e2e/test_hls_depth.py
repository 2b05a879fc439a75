"""HLS beyond the plain case: disks, long groups of pictures, odd rates, sessions, reloads."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.browser import Browser
from tests.support.clients import current_ffmpeg
from tests.support.hls import HlsClient, faults, parse
from tests.support.judge import judge
from tests.support.media import MediaCache, Recipe
from tests.support.peers import CONFIG, Streamctl, ffmpeg_publish, ffmpeg_record, stream_toml
from tests.support.process import Process, eventually
from tests.support.tools import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.needs("ffmpeg"), pytest.mark.timeout(240)]

PLAIN = Recipe(seconds=60, gop=25, bframes=2)
RATES = {
    "low": Recipe(seconds=60, fps=Fraction(25, 2), gop=25, audio=False),
    "ntsc": Recipe(seconds=60, fps=Fraction(30000, 1001), gop=60, sample_rate=44_100),
    "high": Recipe(seconds=60, fps=Fraction(60), gop=120, bframes=2),
    "varying": Recipe(seconds=60, fps=Fraction(50), steps=(1, 2, 1, 4), gop=25),
    "sound": Recipe(seconds=60, video=False, sample_rate=44_100),
}

CODECS = {
    "hevc": ("hevc", "aac", r"hvc1\.[0-9A-F.L]+,mp4a\.40\.2"),
    "dolby": ("h264", "ac3", r"avc1\.[0-9a-f]{6},ac-3"),
    "plus": ("hevc", "eac3", r"hvc1\.[0-9A-F.L]+,ec-3"),
    "mp3": ("h264", "mp3", r"avc1\.[0-9a-f]{6},mp4a\.40\.34"),
    "mute": ("h264", "flac", r"avc1\.[0-9a-f]{6}"),
}
"""Video and audio by stream, and what the multivariant playlist calls them."""


def hls_toml(code: str, *lines: str) -> str:
    """A stream with options of its HLS output."""
    return stream_toml(code) + "\n".join([f"[streams.{code}.hls]", *lines, ""])


def get(url: str, agent: str = "viewer", **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    request = Request(url, headers={"User-Agent": agent, **headers})
    try:
        with urlopen(request, timeout=15) as answer:
            return answer.status, answer.read().decode("latin-1")
    except HTTPError as error:
        return error.code, error.read().decode()


def details(server: Streamctl, code: str = "news") -> dict[str, Any]:
    """What the HLS output says of itself."""
    rows = server.stream(code)["outputs"]
    found: dict[str, Any] = next(row["details"] for row in rows if row["kind"] == "hls")
    return found


@contextmanager
def on_air(server: Streamctl, path: Path, *codes: str) -> Iterator[list[Process]]:
    """A publisher for each stream."""
    with ExitStack() as stack:
        running = [stack.enter_context(ffmpeg_publish(path, server.rtmp(code))) for code in codes]
        for code in codes:
            server.wait_on_air(code)
        yield running


def test_segments_lie_on_a_disk_that_is_left_clean(tmp_path: Path, media: MediaCache) -> None:
    folder = tmp_path / "segments" / "news"
    folder.mkdir(parents=True)
    for name in ("s1_1.ts", "s1_2.ts.part", "mine.ts"):
        (folder / name).write_bytes(b"left over")
    options = ('storage = "disk"', f'directory = "{tmp_path}/segments"', "window = 4")
    toml = hls_toml("news", *options, "segment_s = 1")
    path = media(PLAIN).path
    with Streamctl(tmp_path, toml) as server, on_air(server, path, "news"):
        with HlsClient(server.http("/news/index.m3u8")) as viewer:
            assert viewer.wait_for_segments(12, 30)
            names = {entry.name for entry in folder.iterdir()}
            status = details(server)
            recording = viewer.stop()
        assert "mine.ts" in names
        assert not any(name.startswith("s1_") for name in names)
        assert 8 <= len(names) <= 12
        assert status["disk_bytes"] > 3 * status["memory_bytes"] / 2
        first = recording.listed[min(recording.listed)]
        server.stop(signal.SIGKILL)
    assert faults(recording) == []
    assert len(list(folder.iterdir())) > 4, "a killed server leaves its segments"
    (tmp_path / "again").mkdir()
    with Streamctl(tmp_path / "again", toml) as server:
        with on_air(server, path, "news"), HlsClient(server.http("/news/index.m3u8")) as viewer:
            assert viewer.wait_for_segments(8, 30)
            again = viewer.stop()
            names = {entry.name for entry in folder.iterdir()}
        assert faults(again) == []
        assert min(again.listed) > max(recording.listed)
        generation = again.listed[min(again.listed)].uri.rpartition("/")[2].partition("_")[0]
        assert first.uri.rpartition("/")[2].partition("_")[0] != generation
        assert {name.partition("_")[0] for name in names - {"mine.ts"}} == {generation}
        server.stop(signal.SIGTERM)
    assert [entry.name for entry in folder.iterdir()] == ["mine.ts"]


def test_a_disk_that_takes_nothing_is_a_cause_and_no_viewer_notices(
    tmp_path: Path, media: MediaCache
) -> None:
    (tmp_path / "file").write_text("not a folder")
    options = ('storage = "disk"', f'directory = "{tmp_path}/file"')
    with (
        Streamctl(tmp_path, hls_toml("news", *options, "segment_s = 1")) as server,
        on_air(server, media(PLAIN).path, "news"),
        HlsClient(server.http("/news/index.m3u8")) as viewer,
    ):
        assert viewer.wait_for_segments(6, 20)
        causes = {cause["name"]: cause["detail"] for cause in server.stream()["causes"]}
        assert "segments stay in memory" in causes["hls_storage"]
        assert faults(viewer.stop()) == []


def test_every_frame_rate_makes_segments_that_are_as_long_as_they_say(
    tmp_path: Path, media: MediaCache
) -> None:
    with (
        Streamctl(tmp_path, "".join(stream_toml(code) for code in RATES)) as server,
        ExitStack() as stack,
    ):
        viewers = {}
        for code, recipe in RATES.items():
            stack.enter_context(ffmpeg_publish(media(recipe).path, server.rtmp(code)))
        for code in RATES:
            server.wait_on_air(code)
            viewer = HlsClient(server.http(f"/{code}/index.m3u8"))
            viewers[code] = stack.enter_context(viewer)
        for viewer in viewers.values():
            assert viewer.wait_for_segments(5, 30)
        seen = {code: viewer.stop() for code, viewer in viewers.items()}
    for code, recording in seen.items():
        assert faults(recording) == [], code
        whole = judge(recording.media)
        listed = sum(recording.listed[number].duration_s for number in recording.bodies)
        has = whole.video_s if RATES[code].video else whole.duration_s
        assert abs(listed - has) < 0.06, code
        assert (whole.missing, whole.repeated, whole.audio_gaps) == (0, 0, []), code
    rates = {code: re.findall(r"FRAME-RATE=([0-9.]+)", one.master) for code, one in seen.items()}
    assert rates["low"] == ["12.500"]
    assert rates["ntsc"] == ["29.970"]
    assert rates["high"] == ["60.000"]
    assert rates["sound"] == []
    assert 'CODECS="mp4a.40.2"' in seen["sound"].master
    assert "mp4a" not in seen["low"].master


def test_every_codec_that_segments_carry_is_named_and_decodes(
    tmp_path: Path, media: MediaCache
) -> None:
    program = current_ffmpeg()
    if not program:
        missing("the Python package `imageio-ffmpeg`")
    with (
        Streamctl(tmp_path, "".join(stream_toml(code) for code in CODECS)) as server,
        ExitStack() as stack,
    ):
        viewers = {}
        for code, (video, audio, _) in CODECS.items():
            recipe = Recipe(
                seconds=40, gop=50, video_codec=video, audio_codec=audio, container="mkv"
            )
            source = ["-re", "-i", str(media(recipe).path), "-c", "copy", "-f", "flv"]
            stack.enter_context(Process([program, "-v", "error", *source, server.rtmp(code)]))
        for code in CODECS:
            server.wait_on_air(code)
            viewer = HlsClient(server.http(f"/{code}/index.m3u8"))
            viewers[code] = stack.enter_context(viewer)
        for viewer in viewers.values():
            assert viewer.wait_for_segments(3, 30)
        seen = {code: viewer.stop() for code, viewer in viewers.items()}
    for code, (video, audio, named) in CODECS.items():
        recording = seen[code]
        assert faults(recording) == [], code
        assert re.search(rf'CODECS="{named}"', recording.master), recording.master
        carried = (video, audio) if audio != "flac" else (video,)
        assert judge(recording.media).codecs == carried


@pytest.mark.needs("chromium")
def test_joiners_see_a_picture_at_once_though_keyframes_became_rare(
    tmp_path: Path, media: MediaCache
) -> None:
    rare = Recipe(seconds=60, gop=150, bframes=2)
    with (
        Streamctl(tmp_path, stream_toml()) as server,
        HlsClient(server.http("/news/index.m3u8")) as viewer,
    ):
        with on_air(server, media(Recipe(seconds=60, gop=50)).path, "news"):
            assert viewer.wait_for_segments(2, 20)
        server.wait_off_air()
        with on_air(server, media(rare).path, "news"):
            assert viewer.wait_for_segments(8, 40)
            taken = tmp_path / "joined.ts"
            with ffmpeg_record(server.http("/news/index.m3u8"), taken, seconds=4) as player:
                assert player.wait(30) == 0
            with Browser() as browser:
                browser.open(server.http("/news"))
                eventually(lambda: browser.playing().frames > 75, 30, "three seconds of picture")
                page = browser.playing()
            recording = viewer.stop()
    text = recording.playlists[-1].text
    assert "INDEPENDENT" not in text
    assert "#EXT-X-START:TIME-OFFSET=-" in text
    assert faults(replace(recording, bodies={})) == [], "segments don't decode alone any more"
    joined = judge(taken)
    assert joined.decode_errors == []
    assert joined.missing == 0
    assert page.errors == []
    assert page.waits == 0


def test_viewers_seek_back_in_the_history(tmp_path: Path, media: MediaCache) -> None:
    options = ("window = 3", "history_s = 30", "segment_s = 1")
    with (
        Streamctl(tmp_path, hls_toml("news", *options)) as server,
        on_air(server, media(PLAIN).path, "news"),
        HlsClient(server.http("/news/dvr.m3u8")) as viewer,
    ):
        assert viewer.wait_for_segments(12, 30)
        live = parse(get(server.http("/news/main_stream.m3u8"))[1])
        recording = viewer.stop()
    assert len(live.segments) == 3
    assert len(recording.playlists[-1].segments) >= 8
    assert faults(recording) == []


def test_a_first_request_on_demand_waits_for_the_first_segment(
    tmp_path: Path, media: MediaCache
) -> None:
    with (
        Streamctl(tmp_path, hls_toml("news", 'start = "on_demand"')) as server,
        ffmpeg_publish(media(PLAIN).path, server.rtmp()),
    ):
        server.wait_on_air()
        assert details(server)["segments"] == 0
        status, text = get(server.http("/news/main_stream.m3u8"))
        assert status == 200
        assert parse(text).segments


def test_a_changed_window_disturbs_nobody_and_other_keys_only_viewers_of_hls(
    tmp_path: Path, media: MediaCache
) -> None:
    taken = tmp_path / "taken.flv"
    with (
        Streamctl(tmp_path, hls_toml("news", "window = 12", "segment_s = 1")) as server,
        on_air(server, media(PLAIN).path, "news") as [publisher],
        ffmpeg_record(server.rtmp(), taken) as player,
        HlsClient(server.http("/news/index.m3u8")) as viewer,
    ):
        assert viewer.wait_for_segments(5, 20)
        server.rewrite(hls_toml("news", "window = 3", "history_s = 20", "segment_s = 1"))
        eventually(lambda: details(server)["segments"] == 3, 30, "three segments")
        assert viewer.wait_for_segments(8, 20)
        recording = viewer.stop()
        assert faults(recording) == []
        assert not any(segment.discontinuity for segment in recording.listed.values())
        server.rewrite(hls_toml("news", "window = 3", "history_s = 20", "segment_s = 2"))
        eventually(lambda: details(server)["target_duration"] == 2, 30, "longer segments")
        after = parse(get(server.http("/news/main_stream.m3u8"))[1])
        assert after.sequence > max(recording.listed)
        assert publisher.running()
        assert player.running()
        assert server.stream()["media"]["epochs"] == 1
        player.stop(signal.SIGINT)
    whole = judge(taken)
    assert (whole.missing, whole.decode_errors, whole.video_gaps) == (0, [], [])


def test_a_viewer_is_one_session_and_a_kick_lasts(tmp_path: Path, media: MediaCache) -> None:
    head = CONFIG.replace("[http]", '[http]\ntrusted_proxies = ["127.0.0.1"]')
    toml = stream_toml("news", 'read_key = "s3cret"', "max_viewers = 3")
    path = media(PLAIN).path
    with Streamctl(tmp_path, toml, head=head) as server, on_air(server, path, "news"):
        url = server.http("/news/index.m3u8?key=s3cret")
        eventually(lambda: get(url)[0] == 200, 30, "a playlist")
        assert get(server.http("/news/main_stream.m3u8"))[0] == 401
        _, text = get(server.http("/news/main_stream.m3u8?key=s3cret"))
        segment = parse(text).segments[-1].uri
        size = len(get(server.http(f"/news/{segment}"))[1])
        [one] = [row for row in server.sessions() if row["protocol"] == "hls"]
        assert one["bytes_out"] > size > 1000
        assert one["user_agent"] == "viewer"
        assert one["last_request_at"]
        for client in ("192.0.2.1", "192.0.2.2"):
            assert get(url, **{"X-Forwarded-For": client})[0] == 200
        assert get(url, **{"X-Forwarded-For": "192.0.2.3"})[0] == 503
        peers = {row["peer"] for row in server.sessions() if row["protocol"] == "hls"}
        assert {"192.0.2.1", "192.0.2.2"} < peers
        assert server.ask(f"/api/v1/sessions/{one['id']}", "DELETE")[0] == 200
        assert get(url)[0] == 403
        assert get(server.http(f"/news/{segment}"))[0] == 403
        assert get(url, **{"X-Forwarded-For": "192.0.2.1"})[0] == 200
