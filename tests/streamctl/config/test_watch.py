from __future__ import annotations

import shutil
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from streamctl.config.watch import SETTLE_S, Look, changes, look
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio


def rename_over(file: Path) -> None:
    fresh = file.with_name("fresh")
    fresh.write_text("renamed")
    fresh.rename(file)


def swap_link(file: Path) -> None:
    other = file.parent / "v2"
    other.mkdir()
    (other / "s.toml").write_text("other")
    file.unlink()
    file.symlink_to(other / "s.toml")


def unlock(file: Path) -> None:
    file.chmod(0o600 if file.stat().st_mode & 0o777 == 0o644 else 0o644)


def loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def restore(file: Path) -> None:
    file.unlink()
    file.write_text("restored with another length")


async def write_often(file: Path) -> None:
    """Write with pauses in which the watch may find the file at rest."""
    for number in range(1000):
        await anyio.Path(file).write_text(f"{number}")
        await anyio.sleep(3 * SETTLE_S)


async def first_report(reports: AsyncGenerator[None], file: Path) -> None:
    """Change the file until the watch, which starts at an unknown moment, has seen it."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write_often, file)
        await anext(reports)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "change",
    [lambda file: file.write_text("rewritten"), rename_over, swap_link, restore, unlock, loop],
    ids=["write", "rename", "symlink", "restore", "permissions", "circle of links"],
)
async def test_reports(change: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    async with aclosing(changes(file)) as reports:
        with anyio.fail_after(PATIENCE_S):
            await first_report(reports, file)
            change(file)
            await anext(reports)


async def test_reports_that_the_file_is_gone_and_back(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "s.toml"
    file.parent.mkdir()
    async with aclosing(changes(file)) as reports:
        with anyio.fail_after(PATIENCE_S):
            await first_report(reports, file)
            shutil.rmtree(file.parent)
            await anext(reports)
            file.parent.mkdir()
            file.write_text("back")
            await anext(reports)


@pytest.mark.parametrize(
    "error",
    [OSError("inotify limit reached"), ExceptionGroup("", [RuntimeError("lost")])],
    ids=["limit", "lost"],
)
async def test_where_nothing_can_be_watched_the_file_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def awatch(*arguments: object, **options: object) -> AsyncGenerator[None]:
        raise error
        yield

    monkeypatch.setattr("watchfiles.awatch", awatch)
    file = tmp_path / "s.toml"
    async with aclosing(changes(file)) as reports:
        with anyio.fail_after(PATIENCE_S):
            await first_report(reports, file)
            rename_over(file)
            await anext(reports)


async def test_says_nothing_of_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "s.toml"
    file.write_text("a = 1")
    looks = 0

    def counted(path: Path) -> Look:
        nonlocal looks
        looks += 1
        return look(path)

    async def write_both() -> None:
        for _ in range(2):
            seen = looks
            await anyio.Path(tmp_path / "other").write_text(f"{seen}")
            while looks < seen + 2:
                await anyio.sleep(0.01)
        told.append("nothing")
        await anyio.Path(file).write_text("a = 2")

    monkeypatch.setattr("streamctl.config.watch.look", counted)
    told: list[str] = []
    async with aclosing(changes(file)) as reports, anyio.create_task_group() as tasks:
        with anyio.fail_after(PATIENCE_S):
            tasks.start_soon(write_both)
            await anext(reports)
            tasks.cancel_scope.cancel()
    assert told == ["nothing"]


async def test_a_change_before_the_watch_began_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "streams.toml"
    file.write_text("a = 1")
    since = await anyio.to_thread.run_sync(look, file)
    file.write_text("a = 1\nb = 2")
    async with aclosing(changes(file, since)) as reports:
        with anyio.fail_after(PATIENCE_S):
            await anext(reports)


async def test_a_file_that_is_being_written_is_reported_when_it_rests(tmp_path: Path) -> None:
    file = tmp_path / "streams.toml"
    file.write_text("whole")
    since = await anyio.to_thread.run_sync(look, file)
    written = anyio.Event()

    async def write_slowly() -> None:
        for text in ("", "a = 1\n", "b = 2\n", "c = 3\n", "d = 4\n"):
            with file.open("a" if text else "w") as out:
                out.write(text)
            await anyio.sleep(SETTLE_S / 5)
        written.set()

    async with aclosing(changes(file, since)) as reports:
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(write_slowly)
                await anyio.lowlevel.checkpoint()
                await anext(reports)
    assert written.is_set()
    assert file.read_text() == "a = 1\nb = 2\nc = 3\nd = 4\n"
