from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread

from streamctl.config.load import parse
from streamctl.engine import configuration
from streamctl.engine.server import Server
from streamctl.engine.slatecheck import Files, Findings, judge
from streamctl.errors import MediaError
from streamctl.media.packet import Codec, Track
from streamctl.registry import Registry
from streamctl.schema import InputStatus, StreamStatus, TrackStatus
from streamctl.testing.clock import FakeClock
from tests.support.control import stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streamctl.config.model import Config

pytestmark = pytest.mark.anyio

REGISTRY = Registry()
REGISTRY.statuses()
SIZES = {"small": (320, 180), "large": (640, 360)}
MUTE = "the slate has no sound: players of a stream that has some may wait for it"
SMALLER = "the slate's pictures have the size 320x180, the stream's 640x360"


class Opener:
    """Implements :class:`streamctl.sdk.context.AvWorker` for files whose name says their size."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    @asynccontextmanager
    async def demux(
        self, path: Path, *, loop: bool = False, start_s: float = 0.0
    ) -> AsyncIterator[Any]:
        self.opened.append(path.stem)
        if path.stem == "stuck":
            await anyio.sleep_forever()
        if path.stem not in SIZES:
            raise MediaError("no media")
        width, height = SIZES[path.stem]
        yield SimpleNamespace(tracks=[Track(0, Codec.H264, width=width, height=height)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*SIZES, "text", "stuck"):
        (tmp_path / f"{name}.mp4").touch()
    return tmp_path


def written(folder: Path, slate: str, *inputs: str) -> str:
    return (
        f"[server]\nmedia_roots = ['{folder}']\n"
        f"[streams.news]\ninputs = {list(inputs) or ['publish:']}\nslate = '{slate}'\n"
    )


def running(*inputs: tuple[str, str, str]) -> dict[str, StreamStatus]:
    """A running stream whose inputs have these roles, URLs, and pictures of these sizes."""
    found = []
    for number, (role, url, size) in enumerate(inputs):
        width, height = SIZES[size]
        picture = TrackStatus(id=0, media="video", codec="h264", width=width, height=height)
        values = {"priority": number, "url": url, "kind": "copy", "role": role, "status": "active"}
        found.append(InputStatus.model_validate({**values, "tracks": [picture]}))
    return {"news": stream("news", inputs=found)}


async def read(text: str) -> Config:
    return await to_thread.run_sync(parse, text, "s.toml", REGISTRY, {})


async def judged(text: str, folder: Path, live: dict[str, StreamStatus]) -> Findings:
    found = Findings()
    await judge(await read(text), Files([str(folder)], Opener()), live, found)
    for said in (found.remarks, found.unknown):
        said[:] = [one.removeprefix("stream news: ") for one in said]
    return found


async def test_a_slate_is_compared_with_what_runs_or_with_a_file(folder: Path) -> None:
    live = running(("slate", "publish:", "small"), ("input", "publish:", "large"))
    text = written(folder, "file:small.mp4")
    assert await judged(text, folder, live) == Findings([SMALLER])
    text = written(folder, "file:small.mp4", "publish:", "file:text.mp4", "file:large.mp4")
    assert await judged(text, folder, {}) == Findings([SMALLER])


async def test_what_a_slate_is_that_is_no_file_the_running_stream_knows(folder: Path) -> None:
    text = written(folder, "copy:other")
    live = running(("input", "publish:", "large"), ("slate", "copy:other", "small"))
    assert await judged(text, folder, live) == Findings([SMALLER])
    for unlike in ({}, running(("slate", "copy:another", "small"))):
        assert await judged(text, folder, unlike) == Findings(
            [], ["the slate is not compared: it is no file, and the server has not seen it"]
        )


async def test_what_nobody_tells_of_is_unknown(folder: Path) -> None:
    assert await judged(written(folder, "file:small.mp4"), folder, {}) == Findings(
        [MUTE], ["the slate is not compared: the server has seen no input of it"]
    )


async def test_each_file_is_opened_once(folder: Path) -> None:
    text = written(folder, "file:small.mp4", "file:large.mp4")
    more = text.partition("[streams.")[2].replace("news", "[streams.more", 1)
    opener = Opener()
    await judge(await read(f"{text}{more}"), Files([str(folder)], opener), {}, Findings())
    assert sorted(opener.opened) == ["large", "small"]


async def server(monkeypatch: pytest.MonkeyPatch, text: str, *, patience_s: float = 1e6) -> Server:
    monkeypatch.setattr(configuration, "AvWorkerClient", Opener)
    monkeypatch.setattr(configuration, "SLATES_S", patience_s)
    return Server(await read(text), REGISTRY, FakeClock())


async def test_a_server_compares_what_it_is_asked_to_judge(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await server(monkeypatch, written(folder, "copy:other"))
    text = written(folder, "file:small.mp4", "file:large.mp4")
    report = await found.configuration.check(text)
    assert (report.ok, report.remarks) == (True, [f"stream news: {SMALLER}"])
    report = await found.configuration.check(written(folder, "file:text.mp4"))
    assert report.remarks == ["stream news: the slate can't be shown: no media"]


async def test_a_text_opens_no_file_that_the_server_would_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = folder / "inside"
    inside.mkdir()
    found = await server(monkeypatch, written(inside, "file:small.mp4"))
    report = await found.configuration.check(written(folder, f"file:{folder}/small.mp4"))
    [remark] = report.remarks
    assert "lies outside the media roots" in remark


async def test_slates_that_take_long_to_open_are_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await server(monkeypatch, written(folder, "file:small.mp4"), patience_s=0.05)
    report = await found.configuration.check(written(folder, "file:stuck.mp4"))
    assert (report.ok, report.remarks) == (True, [])
    assert report.unknown == ["not all slates were opened: that took over 0.05 s"]
