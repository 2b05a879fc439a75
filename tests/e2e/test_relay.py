"""Codecs beyond H.264 and AAC, and several tracks, pushed to a server and pulled from it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.test_enhanced_rtmp import WATCHED_S, assert_part, ffmpeg, merge, publish, sums
from tests.support.media import Recipe
from tests.support.peers import HOST, Streamctl, stream_toml
from tests.support.process import eventually
from tests.support.upstream import node_media_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media import MediaCache

__all__ = ["ffmpeg"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PAIRS = [("hevc", "aac"), ("av1", "opus"), ("h264", "flac")]


def there_and_back(url: str) -> str:
    """A stream that is pushed to a URL, and one that is pulled from it."""
    push = f'[[streams.news.push]]\nname = "there"\nurl = "{url}"\n'
    return f'{stream_toml()}{push}[streams.back]\ninputs = ["{url}"]\n'


def compare(server: Streamctl, ffmpeg: str, source: Path) -> None:
    """What comes back is what was published."""
    limit = ("-t", str(WATCHED_S))
    played = sums(ffmpeg, server.rtmp("back"), "-map", "0:v", *limit)
    heard = sums(ffmpeg, server.rtmp("back"), "-map", "0:a", "-c", "copy", *limit)
    assert_part(played, sums(ffmpeg, str(source), "-map", "0:v"), 25 * WATCHED_S - 5)
    sounds = sums(ffmpeg, str(source), "-map", "0:a", "-c", "copy")
    assert_part(heard, sounds, 10 * WATCHED_S)


@pytest.mark.parametrize(("video", "audio"), PAIRS)
def test_codecs_go_to_node_media_server_and_back(
    tmp_path: Path, media: MediaCache, ffmpeg: str, video: str, audio: str
) -> None:
    recipe = Recipe(seconds=24, video_codec=video, audio_codec=audio, container="mkv")
    source = media(recipe).path
    with (
        node_media_server(tmp_path / "nms") as port,
        Streamctl(tmp_path, there_and_back(f"rtmp://{HOST}:{port}/live/copy")) as server,
        publish(ffmpeg, source, server.rtmp()),
    ):
        server.wait_on_air("back", 30)
        tracks = server.stream("back")["media"]["tracks"]
        assert [track["codec"] for track in tracks] == [video, audio]
        compare(server, ffmpeg, source)


def test_all_tracks_go_to_another_server_of_ours(
    tmp_path: Path, media: MediaCache, ffmpeg: str
) -> None:
    (tmp_path / "there").mkdir()
    first = media(Recipe(seconds=24, container="mkv")).path
    further = Recipe(seconds=24, video_codec="hevc", audio_codec="opus", container="mkv")
    source = merge(ffmpeg, tmp_path, first, media(further).path)
    streams = ("0:v:0", "0:v:1", "0:a:0", "0:a:1")
    with (
        Streamctl(tmp_path / "there", stream_toml("copy")) as there,
        Streamctl(tmp_path, there_and_back(there.rtmp("copy"))) as server,
        publish(ffmpeg, source, server.rtmp(), *streams),
    ):
        server.wait_on_air("back", 30)
        eventually(lambda: len(server.stream("back")["media"]["tracks"]) == 4, 30, "four tracks")
        codecs = [track["codec"] for track in server.stream("back")["media"]["tracks"]]
        assert sorted(codecs) == ["aac", "h264", "hevc", "opus"]
