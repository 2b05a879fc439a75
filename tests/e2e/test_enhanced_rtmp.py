"""Codecs beyond H.264 and AAC, and several tracks, through a whole server with a current ffmpeg."""

from __future__ import annotations

import random
import socket
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from streamctl.media.packet import Codec
from streamctl_rtmp.wire.client import ClientConnection, Role, Target
from streamctl_rtmp.wire.messages import Message
from tests.support.clients import current_ffmpeg
from tests.support.media import Recipe
from tests.support.peers import HOST, Streamctl, stream_toml
from tests.support.process import Process, eventually
from tests.support.tools import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.media import MediaCache

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PAIRS = [
    ("hevc", "aac"),
    ("av1", "opus"),
    ("vp9", "opus"),
    ("h264", "flac"),
    ("h264", "ac3"),
    ("h264", "eac3"),
    ("h264", "mp3"),
]
WATCHED_S = 3
QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error")
FLV_HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"


@pytest.fixture
def ffmpeg() -> str:
    program = current_ffmpeg()
    if not program:
        missing("the Python package `imageio-ffmpeg`")
    return program


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Streamctl]:
    with Streamctl(tmp_path, stream_toml()) as running:
        yield running


def publish(ffmpeg: str, source: Path, url: str, *maps: str) -> Process:
    chosen = [word for stream in maps for word in ("-map", stream)]
    arguments = ["-re", "-i", str(source), *chosen, "-c", "copy", "-f", "flv", url]
    return Process([ffmpeg, *QUIET, *arguments])


def sums(ffmpeg: str, source: str, *output: str) -> list[str]:
    """The hashes of one stream's frames or packets in order; any complaint fails the test."""
    argv = [ffmpeg, *QUIET, "-threads", "1", "-i", source, *output, "-f", "framemd5", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return [line.rsplit(",", 1)[1].strip() for line in lines]


def assert_part(part: list[str], whole: list[str], least: int) -> None:
    """What came out is a run of what went in, without a hole."""
    assert len(part) >= least
    assert part[0] in whole
    starts = [index for index, value in enumerate(whole) if value == part[0]]
    assert any(whole[start : start + len(part)] == part for start in starts)


@pytest.mark.parametrize(("video", "audio"), PAIRS)
def test_what_is_published_is_what_is_played(
    server: Streamctl, media: MediaCache, ffmpeg: str, video: str, audio: str
) -> None:
    recipe = Recipe(seconds=14, video_codec=video, audio_codec=audio, container="mkv")
    source = media(recipe).path
    pictures = sums(ffmpeg, str(source), "-map", "0:v")
    sounds = sums(ffmpeg, str(source), "-map", "0:a", "-c", "copy")
    limit = ("-t", str(WATCHED_S))
    with publish(ffmpeg, source, server.rtmp()) as publisher:
        server.wait_on_air()
        tracks = server.stream()["media"]["tracks"]
        assert [track["codec"] for track in tracks] == [video, audio]
        assert (tracks[0]["width"], tracks[0]["height"]) == (recipe.width, recipe.height)
        assert tracks[1]["sample_rate"] == recipe.sample_rate
        played = sums(ffmpeg, server.rtmp(), "-map", "0:v", *limit)
        heard = sums(ffmpeg, server.rtmp(), "-map", "0:a", "-c", "copy", *limit)
        assert publisher.output == ""
    assert_part(played, pictures, 25 * WATCHED_S - 5)
    assert_part(heard, sounds, 10 * WATCHED_S)


def test_an_output_that_can_not_carry_the_picture_says_which_can(
    server: Streamctl, media: MediaCache, ffmpeg: str
) -> None:
    recipe = Recipe(seconds=14, video_codec="vp9", audio_codec="flac", container="mkv")
    with publish(ffmpeg, media(recipe).path, server.rtmp()):
        server.wait_on_air()
        for path in ("/news/mpegts", "/news/index.m3u8"):
            status, text = get(server.http(path))
            assert status == 406
            assert "MPEG-TS can't carry VP9 video: use http-flv, rtmp or rtsp" in text
        assert "VP9" in str(server.stream()["media"]["notes"])


def get(url: str) -> tuple[int, str]:
    """Status and body of an HTTP answer."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class TrackRecorder:
    """A player that says that it knows numbered tracks, and keeps what it gets as FLV."""

    def __init__(self, port: int) -> None:
        noise = random.Random(1).randbytes
        target = Target("live", "news", f"rtmp://{HOST}:{port}/live")
        self.connection = ClientConnection(Role.PLAY, target, noise)
        self.socket = socket.create_connection((HOST, port), 20)
        self.connection.open()

    def record(self, seconds: float) -> bytes:
        """The media of that many seconds."""
        tags, times = [FLV_HEADER], list[int]()
        with self.socket:
            while not times or times[-1] - times[0] < seconds * 1000:
                self.socket.sendall(self.connection.data_to_send())
                events = self.connection.receive_data(self.socket.recv(65_536))
                messages = [event for event in events if isinstance(event, Message)]
                tags += map(tag, messages)
                # What describes the media may come with a time of its own.
                times += [one.timestamp for one in messages if one.timestamp]
        return b"".join(tags)


def tag(message: Message) -> bytes:
    """The FLV tag of a message."""
    size = len(message.body).to_bytes(3, "big")
    clock = message.timestamp.to_bytes(4, "big")
    head = bytes((message.type,)) + size + clock[1:] + clock[:1] + bytes(3)
    return head + message.body + (11 + len(message.body)).to_bytes(4, "big")


def merge(ffmpeg: str, folder: Path, *sources: Path) -> Path:
    """One file with the tracks of several."""
    merged = folder / "merged.mkv"
    inputs = [word for source in sources for word in ("-i", str(source))]
    maps = [word for index in range(len(sources)) for word in ("-map", str(index))]
    argv = [ffmpeg, *QUIET, *inputs, *maps, "-c", "copy", str(merged)]
    subprocess.run(argv, timeout=60, check=True)
    return merged


def test_several_tracks_go_to_players_that_know_them(
    server: Streamctl, media: MediaCache, ffmpeg: str, tmp_path: Path
) -> None:
    first = media(Recipe(seconds=14, container="mkv")).path
    further = Recipe(seconds=14, video_codec="hevc", audio_codec="opus", container="mkv")
    source = merge(ffmpeg, tmp_path, first, media(further).path)
    streams = ("0:v:0", "0:v:1", "0:a:0", "0:a:1")
    with publish(ffmpeg, source, server.rtmp(), *streams) as publisher:
        server.wait_on_air()
        eventually(lambda: len(server.stream()["media"]["tracks"]) == 4, 30, "four tracks")
        found = {track["id"]: track["codec"] for track in server.stream()["media"]["tracks"]}
        recorded = tmp_path / "recorded.flv"
        recorded.write_bytes(TrackRecorder(server.port("rtmp")).record(WATCHED_S + 1))
        plain = sums(ffmpeg, server.rtmp(), "-map", "0", "-c", "copy", "-t", "1")
        assert publisher.output == ""
    assert found == {0: Codec.H264, 1: Codec.AAC, 2: Codec.HEVC, 3: Codec.OPUS}
    for stream in ("0:v:0", "0:v:1"):
        pictures = sums(ffmpeg, str(source), "-map", stream)
        assert_part(sums(ffmpeg, str(recorded), "-map", stream), pictures, 25 * WATCHED_S - 5)
    for stream in ("0:a:0", "0:a:1"):
        sounds = sums(ffmpeg, str(source), "-map", stream, "-c", "copy")
        heard = sums(ffmpeg, str(recorded), "-map", stream, "-c", "copy")
        assert_part(heard, sounds, 10 * WATCHED_S)
    whole = sums(ffmpeg, str(source), "-map", "0:v:0", "-map", "0:a:0", "-c", "copy")
    assert set(plain) <= set(whole)
