from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streamctl.cli.app import run
from streamctl.schema import InputStatus, TrackStatus
from tests.support.control import stream
from tests.support.media import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.control import FakeControl
    from tests.support.media import Media, MediaCache

SOUND = TrackStatus(id=1, media="audio", codec="aac", sample_rate=48_000, channels=2)


@pytest.fixture
def slate(media: MediaCache) -> Media:
    return media(Recipe(seconds=2))


def written(folder: Path, slate: Path, more: str = "", inputs: str = '"publish:"') -> Path:
    path = folder / "s.toml"
    path.write_text(
        f'[server]\nmedia_roots = ["{slate.parent}"]\n'
        f'[streams.news]\ninputs = [{inputs}]\nslate = "file:{slate}"\n{more}'
    )
    return path


def picture(**more: object) -> TrackStatus:
    values = {"id": 0, "media": "video", "codec": "h264", "width": 320, "height": 180, "fps": 25.0}
    return TrackStatus.model_validate({**values, **more})


def delivers(control: FakeControl, *tracks: TrackStatus, fps: float = 25.0) -> None:
    """The running stream has an input with these tracks, and a slate with others."""
    main = InputStatus(
        priority=0,
        url="publish:",
        kind="publish",
        status="active",
        on_air=True,
        fps=fps,
        tracks=list(tracks),
    )
    other = main.model_copy(update={"role": "slate", "on_air": False, "tracks": [SOUND]})
    control.all_streams["news"] = stream("news", inputs=[main, other])


def check(file: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert run(["config", "check", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{file}: right, 1 stream\n"
    return said.err.replace(f"{file}: ", "").splitlines()


def test_a_slate_like_what_is_on_air_is_not_mentioned(
    control: FakeControl, slate: Media, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delivers(control, picture(), SOUND)
    assert check(written(tmp_path, slate.path), capsys) == []


def test_what_differs_from_what_is_on_air_is_warned_of(
    control: FakeControl, slate: Media, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, slate.path, '[[streams.news.push]]\nname="p"\nurl="rtmp://h/a/b"\n')
    other = SOUND.model_copy(update={"sample_rate": 44_100, "channels": 1})
    delivers(control, picture(codec="hevc", width=1280, height=720, fps=0.0), other, fps=50.1)
    words = "warning: stream news: the slate's"
    assert check(file, capsys) == [
        f"{words} pictures have the codec h264, the stream's hevc",
        f"{words} pictures have the size 320x180, the stream's 1280x720",
        f"{words} pictures have the frame rate 25, the stream's 50.1",
        f"{words} sound has the sampling rate 48000, the stream's 44100",
        f"{words} sound has the channels 2, the stream's 1",
        "warning: stream news: services that the stream is pushed to may drop it when it changes"
        " like this",
    ]
    assert run(["config", "check", str(file), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["remarks"]) == 6


def test_a_file_among_the_inputs_tells_what_no_server_does(
    slate: Media, media: MediaCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = media(Recipe(seconds=2, width=640, height=360)).path
    inputs = f'"file:{tmp_path}/gone.mp4", "file:{main}"'
    text = written(tmp_path, slate.path, inputs=inputs).read_text()
    file = tmp_path / "s.toml"
    file.write_text(text.replace("media_roots = [", f'media_roots = ["{tmp_path}", '))
    assert check(file, capsys) == [
        "warning: stream news: the slate's pictures have the size 320x180, the stream's 640x360"
    ]


def test_what_nobody_knows_is_said_to_be_unknown(
    media: MediaCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mute = media(Recipe(seconds=2, audio=False)).path
    assert check(written(tmp_path, mute), capsys) == [
        "warning: stream news: the slate has no sound: players of a stream that has some may wait"
        " for it",
        "note: stream news: the slate is not compared: "
        "can't reach the server at `http://127.0.0.1:1`: connection refused",
    ]


def test_a_server_that_has_seen_nothing_says_so(
    control: FakeControl, slate: Media, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert control.all_streams["news"].inputs[0].tracks == []
    assert check(written(tmp_path, slate.path), capsys) == [
        "note: stream news: the slate is not compared: the server has seen no input of it"
    ]


def test_a_slate_that_cannot_be_shown_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, text = tmp_path / "gone.mp4", tmp_path / "text.mp4"
    text.write_text("no media")
    for path, words in ((gone, "no such file"), (text, "invalid data")):
        [said] = check(written(tmp_path, path), capsys)
        assert said.startswith("warning: stream news: the slate can't be shown: ")
        assert words in said.lower()


def test_a_slate_that_is_no_file_is_not_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[streams.news]\ninputs = ["publish:"]\nslate = "rtmp://127.0.0.1:1/a/b"\n')
    words = "stream news: the slate is not compared: it is no file, and can't reach the server at"
    [said] = check(file, capsys)
    assert said.startswith(f"note: {words}")
    assert run(["config", "check", str(file), "--json"]) == 0
    [unknown] = json.loads(capsys.readouterr().out)["unknown"]
    assert unknown.startswith(words)
