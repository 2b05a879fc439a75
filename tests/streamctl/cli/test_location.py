from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from streamctl.cli.location import destinations, source
from streamctl.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b.mp4").touch()
    assert source("a b.mp4") == str(tmp_path / "a b.mp4")
    assert source(f"{tmp_path}/a b.mp4") == f"{tmp_path}/a b.mp4"


def test_a_file_that_is_not_there_is_named_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("gone.mp4", "127.0.0.1/live/news"):
        with pytest.raises(MediaError) as caught:
            source(name)
        assert caught.value.message == f"can't read `{tmp_path}/{name}`: no such file or directory"
        assert "rtmp://" in caught.value.hint


def test_a_file_with_a_colon_in_its_name_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "take:1.mp4").touch()
    assert source("take:1.mp4") == str(tmp_path / "take:1.mp4")


@pytest.mark.parametrize("url", ["rtmp://x/y", "file:a.mp4?loop=false", "hls+https://x/y"])
def test_a_url_stays(url: str) -> None:
    assert source(url) == url


def test_urls_come_from_variables_and_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YT", "rtmp://yt/key")
    monkeypatch.setattr("sys.stdin", io.StringIO("# mine\nrtmp://a/1\n\n rtmp://b/2 \n"))
    assert destinations(["rtmp://x/y", "env:YT", "-", "rtmp://x/y"]) == [
        "rtmp://x/y",
        "rtmp://yt/key",
        "rtmp://a/1",
        "rtmp://b/2",
    ]
    assert source("env:YT") == "rtmp://yt/key"


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(ConfigError, match="no destination on standard input"):
        destinations(["-"])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), "utf-8"))
    with pytest.raises(ConfigError, match="standard input is not UTF-8"):
        destinations(["-"])
    with pytest.raises(ConfigError, match="`NO_SUCH` is not set"):
        source("env:NO_SUCH")
    with pytest.raises(ConfigError, match="the source is an empty argument: `''`"):
        source("")
    with pytest.raises(ConfigError, match="the destination is an empty argument: `''`"):
        destinations(["rtmp://x/y", ""])
