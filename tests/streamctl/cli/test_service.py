from __future__ import annotations

import io
import logging
import os
import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.cli.service import Service
from streamctl.config.file import ConfigFile
from streamctl.config.watch import SETTLE_S
from streamctl.engine.server import Server
from streamctl.registry import Registry
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamctl.config.model import Config

pytestmark = pytest.mark.anyio

QUIET = '[log]\nlevel = "error"\n[api]\naddress = "127.0.0.1:0"\n[http]\naddress = "127.0.0.1:0"\n'
NEWS = '[streams.news]\ninputs = ["publish:"]\n'
MORE = '[streams.more]\ninputs = ["publish:"]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.toml"
    path.write_text(QUIET + NEWS)
    return path


@pytest.fixture
def registry() -> Registry:
    """Imported before the event loop runs, as in the program."""
    registry = Registry()
    registry.statuses()
    return registry


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Leaves the log level as it was."""
    ours = logging.getLogger("streamctl")
    before = ours.level
    yield
    ours.setLevel(before)


def read(registry: Registry, file: Path) -> tuple[Config, ConfigFile]:
    """What the program does before its loop runs."""
    source = ConfigFile(file)
    source.text = QUIET + NEWS
    return source.parse(source.text, registry), source


def service(registry: Registry, file: Path) -> Service:
    config, source = read(registry, file)
    return Service(Server(config, registry, FakeClock(), file=source), file)


async def test_a_right_file_is_applied(registry: Registry, file: Path) -> None:
    running = service(registry, file)
    file.write_text(QUIET + '[streams.more]\ndisabled = true\ninputs = ["publish:"]\n')
    await running.take(running.server.configuration.noticed)
    assert list(running.server.config.streams) == ["more"]
    assert running.server.reload_error == ""


async def test_a_faulty_file_says_so_once(
    registry: Registry, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = service(registry, file)
    file.write_text(QUIET + NEWS + "titel = 1\nbuffer_s = 0\n")
    for _ in range(3):
        await running.take(running.server.configuration.noticed)
    assert list(running.server.config.streams) == ["news"]
    said = [record.getMessage() for record in caplog.records if record.name == "streamctl.serve"]
    assert len(said) == 2
    assert said[0].endswith("streams.news.titel: unknown key (did you mean `title`?)")


async def test_a_fault_of_our_own_takes_no_server_down(
    registry: Registry,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = service(registry, file)

    def parse(*arguments: object) -> object:
        raise KeyError("oops")

    with monkeypatch.context() as broken:
        broken.setattr("streamctl.engine.configuration.parse", parse)
        file.write_text(QUIET + NEWS + MORE)
        await running.take(running.server.configuration.noticed)
    assert "configuration not applied" in caplog.text
    assert running.server.reload_error == "KeyError: 'oops'"
    assert list(running.server.config.streams) == ["news"]


async def test_signals_to_reload_are_gathered_and_hold_up_no_other(
    registry: Registry, file: Path
) -> None:
    config, source = read(registry, file)
    server = Server(config, registry, file=source)
    running = Service(server, file)
    begun, go_on, reloads = anyio.Event(), anyio.Event(), 0

    async def reload() -> None:
        nonlocal reloads
        reloads += 1
        begun.set()
        await go_on.wait()

    server.configuration.reload = reload  # type: ignore[method-assign, assignment]
    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.run)
            await until(lambda: bool(server.addresses.get("http")))
            os.kill(os.getpid(), signal.SIGHUP)
            await begun.wait()
            for _ in range(50):
                os.kill(os.getpid(), signal.SIGHUP)
            await until(running._hangups.is_set)
            await anyio.sleep(0.05)
            go_on.set()
            await until(lambda: reloads == 2)
            go_on = anyio.Event()
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: reloads == 3)
            # The third reload never ends, and the server stops all the same.
            os.kill(os.getpid(), signal.SIGTERM)
    assert reloads == 3


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await anyio.sleep(0.01)


async def test_a_file_that_cannot_be_watched_is_no_reason_to_stop(
    registry: Registry,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def changes(*arguments: object) -> object:
        raise OSError("inotify watch limit reached")
        yield

    monkeypatch.setattr("streamctl.cli.service.changes", changes)
    await service(registry, file).follow_file()
    assert "send SIGHUP" in caplog.text


async def test_serves_says_so_and_follows_the_file(registry: Registry, file: Path) -> None:
    config, source = read(registry, file)
    server = Server(config, registry, file=source)
    out = io.StringIO()
    running = Service(server, file, announce=out)
    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.run)
            while "news" not in out.getvalue():
                await anyio.sleep(0.01)
            # The watch begins at a moment that can't be seen from here: write until it saw one.
            text = QUIET + NEWS + MORE
            while "more" not in server.config.streams:
                await anyio.Path(file).write_text(text := text + "\n")
                with anyio.move_on_after(3 * SETTLE_S):
                    while "more" not in server.config.streams:
                        await anyio.sleep(0.01)
            server.stop()
    assert out.getvalue().startswith("streamctl ")
