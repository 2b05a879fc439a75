from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from streamctl.config.model import EventFileConfig
from streamctl.engine.eventfile import EventFile
from streamctl.errors import StreamctlError
from streamctl.schema import Event

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def event(number: int) -> Event:
    return Event(id=number, type="x", stream="news", time="t", payload={"a": "b\nc"})


def made(path: Path | str) -> EventFile:
    return EventFile(EventFileConfig(name="journal", file=str(path)))


def read(path: Path) -> list[Event]:
    text = path.read_text()
    assert text.endswith("\n")
    return [Event.model_validate_json(line) for line in text.splitlines()]


async def test_each_event_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(event(1).model_dump_json() + "\n")
    file = made(path)
    await file.deliver([event(2), event(3)])
    await file.deliver([event(4)])
    assert read(path) == [event(number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("how", ["rename", "remove"])
async def test_a_file_that_was_moved_is_followed_by_a_new_one(tmp_path: Path, how: str) -> None:
    path, old = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    file = made(path)
    await file.deliver([event(1)])
    path.rename(old)
    if how == "remove":
        old.unlink()
    await file.deliver([event(2)])
    assert read(path) == [event(2)]
    if how == "rename":
        assert read(old) == [event(1)]


async def test_a_file_that_was_cut_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = made(path)
    await file.deliver([event(1)])
    os.truncate(path, 0)
    await file.deliver([event(2)])
    assert read(path) == [event(2)]


async def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StreamctlError, match=r"can't write `.*`: no such file or directory"):
        await made(tmp_path / "no" / "x").deliver([event(1)])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StreamctlError, match="can't write"):
        await made(tmp_path / "pipe").deliver([event(1)])
    with pytest.raises(StreamctlError, match="no space left"):
        await made("/dev/full").deliver([event(1)])


async def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    file = made(path)
    await file.deliver([event(1)])
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    with pytest.raises(StreamctlError, match="no space left"):
        await file.deliver([event(2)])
    monkeypatch.undo()
    await file.deliver([event(2)])
    assert read(path) == [event(1), event(2)]
