from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from streamctl.cli.app import run

if TYPE_CHECKING:
    import pytest

    from tests.support.control import FakeControl


def test_lists_what_is_installed_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "--server", ""]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[2:]}
    assert set(lines) >= {"file", "hls", "http-ts", "rtmp"}
    assert "pull probe push publish play" in lines["rtmp"]
    assert "rtmp://…:1935 rtmps://…:443" in lines["rtmp"]
    assert "streamctl " in lines["rtmp"]
    assert "pull probe http" in lines["hls"]
    assert "http(s)://….m3u8" in lines["hls"]
    assert "libsrt" in lines["srt"]


def test_prints_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "--server", "", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["kind"] for one in found} >= {"file", "hls", "http-ts", "rtmp"}
    assert not any(one["error"] for one in found)
    [rtsp] = [one for one in found if one["kind"] == "rtsp"]
    assert rtsp["capabilities"] == ["pull", "probe", "push", "publish", "play"]
    assert (rtsp["ports"]["rtsp"], rtsp["ports"]["rtsps"]) == (554, 322)
    assert rtsp["urls"] == ["rtsp://", "rtsps://"]


def test_what_is_missing_is_told_with_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMCTL_LIBSRT", "/nowhere/libsrt.so")
    assert run(["plugins", "--server", ""]) == 0
    out = capsys.readouterr().out
    assert "libsrt (missing)" in out
    assert "srt: SRT needs libsrt, which is not installed: `/nowhere/libsrt.so`\n  hint: " in out
    assert run(["plugins", "--server", "", "--json"]) == 0
    [srt] = [one for one in json.loads(capsys.readouterr().out) if one["kind"] == "srt"]
    [need] = srt["requirements"]
    assert (need["name"], need["version"]) == ("libsrt", "")
    assert "apt install" in need["hint"]


def test_asks_a_server(control: FakeControl, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "--server", os.environ["STREAMCTL_SERVER"], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == [one.model_dump(mode="json") for one in control.plugins()]
