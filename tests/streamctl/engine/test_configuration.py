from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread

from streamctl.config.file import ConfigFile
from streamctl.config.load import parse
from streamctl.engine.server import Server
from streamctl.errors import ConfigError, Conflict, NotFound, Unsupported
from streamctl.registry import Registry
from streamctl.testing.clock import FakeClock
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

REGISTRY = Registry()
REGISTRY.statuses()
HEAD = """\
# The head.
[http]
address = "127.0.0.1:0"

[listeners.rtmp]
address = "127.0.0.1:0"

"""
NEWS = """\
[streams.news]   # the main one
inputs = ["publish:"]  # wait
publish_key = "hush"
"""
OFF = '\n[streams.off]\ninputs = ["publish:"]\ndisabled = true\n'


class World:
    """A server with its file, not running."""

    def __init__(self, path: Path, text: str = HEAD + NEWS + OFF) -> None:
        self.path = path
        path.write_text(text)
        file = ConfigFile(path)
        self.server = Server(file.load(REGISTRY), REGISTRY, FakeClock(), file=file)
        self.configuration = self.server.configuration

    def lines(self, before: str) -> list[str]:
        """The lines of the file that were not there before."""
        known = before.splitlines()
        return [line for line in self.path.read_text().splitlines() if line not in known]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "streams.toml")


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Server]:
    up = anyio.Event()

    async def run() -> None:
        await world.server.run(started=up.set)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(PATIENCE_S):
            await up.wait()
        yield world.server
        tasks.cancel_scope.cancel()


async def test_a_file_that_was_written_is_applied_once(world: World) -> None:
    assert await world.configuration.noticed() is None
    world.path.write_text(HEAD + NEWS + "title = 'N'\n" + OFF)
    plan = await world.configuration.noticed()
    assert plan is not None
    assert [step.reason for step in plan.steps] == ["changed: title"]
    assert await world.configuration.noticed() is None
    assert world.server.config.streams["news"].title == "N"


async def test_asking_for_it_reads_the_file_and_the_secrets_that_it_names_again(
    world: World, tmp_path: Path
) -> None:
    secret = tmp_path / "key"
    secret.write_text("old")
    world.path.write_text(HEAD + NEWS.replace("hush", f"file:{secret}"))
    await world.configuration.reload()
    assert (await world.configuration.reload()).steps == []
    secret.write_text("new")
    assert await world.configuration.noticed() is None
    plan = await world.configuration.reload()
    assert [step.reason for step in plan.steps] == ["changed: publish_key"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + NEWS + "titel = 1\n", "unknown key"),
        (HEAD + NEWS + "[streams.x\n", "not valid TOML"),
        (HEAD, "no streams"),
        ("", "no streams"),
    ],
)
async def test_a_bad_file_changes_nothing_and_is_told_until_a_good_one(
    world: World, text: str, said: str
) -> None:
    good = world.path.read_text()
    world.path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        await world.configuration.noticed()
    assert await world.configuration.noticed() is None
    assert list(world.server.config.streams) == ["news", "off"]
    assert said in world.server.reload_error
    since = world.server.reload_failed_at
    world.server.clock.advance(60)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=said):
        await world.configuration.reload()
    assert world.server.reload_failed_at == since
    [check] = [one for one in world.server.health().checks if one.name == "configuration"]
    assert check.message.startswith("reload failed since 20")
    assert said in check.message
    with pytest.raises(Conflict):
        await world.configuration.patch_stream("news", {"title": "N"}, dry_run=False)
    world.path.write_text(good)
    assert await world.configuration.noticed() is not None
    assert world.server.reload_error == ""


async def test_a_file_that_is_gone_is_told_too(world: World) -> None:
    world.path.unlink()
    with pytest.raises(ConfigError, match="can't be read"):
        await world.configuration.noticed()
    assert "can't be read" in world.server.reload_error


@pytest.mark.parametrize("bad", ["", HEAD + NEWS + "titel = 1\n"])
async def test_a_bad_file_that_was_gone_meanwhile_is_judged_again(world: World, bad: str) -> None:
    good = world.path.read_text()
    for text in (bad, good):
        world.path.write_text(text)
        if text is bad:
            with pytest.raises(ConfigError):
                await world.configuration.noticed()
        else:
            await world.configuration.noticed()
    world.path.unlink()
    with pytest.raises(ConfigError, match="can't be read"):
        await world.configuration.noticed()
    world.path.write_text(bad)
    with pytest.raises(ConfigError):
        await world.configuration.noticed()
    assert "can't be read" not in world.server.reload_error


async def test_an_edit_is_applied_and_written_and_not_read_again(world: World) -> None:
    before = world.path.read_text()
    plan = await world.configuration.patch_stream("news", {"title": "N"}, dry_run=False)
    assert [(step.stream, step.action) for step in plan.steps] == [("news", "update")]
    assert world.server.config.streams["news"].title == "N"
    assert world.lines(before) == ['title = "N"']
    assert await world.configuration.noticed() is None


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (lambda c: c.put_stream("a/b", {"inputs": ["publish:"]}, dry_run=False),
         ['[streams."a/b"]']),
        (lambda c: c.put_stream("news", {"inputs": ["publish:"], "title": "N"}, dry_run=False),
         ['title = "N"']),
        (lambda c: c.patch_stream("news", {"disabled": True}, dry_run=False), []),
        (lambda c: c.patch_stream("off", {"disabled": False}, dry_run=False),
         ["disabled = false"]),
        (lambda c: c.delete_stream("off", dry_run=False), []),
    ],
)  # fmt: skip
async def test_each_edit_writes_its_lines(world: World, edit: Any, lines: list[str]) -> None:
    before = world.path.read_text()
    await edit(world.configuration)
    assert world.lines(before) == lines
    assert world.server.config == parse(world.path.read_text(), str(world.path), REGISTRY)


async def test_a_dry_run_tells_and_does_nothing(world: World) -> None:
    before = world.path.read_text()
    config = world.server.config
    for plan in (
        await world.configuration.put_stream("x", {"inputs": ["publish:"]}, dry_run=True),
        await world.configuration.patch_stream("news", {"title": "N"}, dry_run=True),
        await world.configuration.delete_stream("news", dry_run=True),
        await world.configuration.restart_stream("news", dry_run=True),
        await world.configuration.put(before.replace("hush", "new"), dry_run=True),
    ):
        assert plan.steps
    assert world.path.read_text() == before
    assert world.server.config is config


async def test_edits_at_the_same_time_are_all_made(world: World) -> None:
    put = world.configuration.put_stream
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            document = {"inputs": ["publish:"], "title": str(number), "disabled": True}
            tasks.start_soon(lambda n, d: put(f"s{n}", d, dry_run=False), number, document)
    assert set(world.server.config.streams) == {"news", "off", *(f"s{n}" for n in range(10))}
    assert world.server.config == parse(world.path.read_text(), str(world.path), REGISTRY)


@pytest.mark.parametrize("memory", [False, True])
async def test_edits_are_made_in_the_order_in_which_they_were_asked_for(
    world: World, memory: bool
) -> None:
    server = in_memory() if memory else world.server
    edit = server.configuration
    refused: list[str] = []

    async def ask(number: int) -> None:
        document = {"inputs": ["publish:"], "title": str(number), "disabled": True}
        try:
            await edit.put_stream("x", document, dry_run=False, new=number < 3)
            await edit.put_stream(f"s{number}", document, dry_run=False)
        except Conflict as error:
            refused.append(str(error))

    async def remove() -> None:
        await edit.delete_stream("news", dry_run=False)

    async def enable() -> None:
        with pytest.raises(NotFound, match="`news`"):
            await edit.patch_stream("news", {"disabled": False}, dry_run=False)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(ask, number)
        tasks.start_soon(remove)
        tasks.start_soon(enable)
    assert refused == ["there is a stream `x` already"] * 2
    streams = server.config.streams
    assert set(streams) - {"off"} == {"x", "s0", "s3", "s4"}
    assert streams["x"].title == "4"


async def test_a_stream_is_replaced_in_place_of_the_version_that_was_read(world: World) -> None:
    edit = world.configuration
    version = (await edit.document()).version
    document = {"inputs": ["publish:"], "title": "N"}
    await edit.put_stream("news", document, dry_run=False, expected=version)
    with pytest.raises(Conflict, match="since it was read"):
        await edit.put_stream("news", document, dry_run=False, expected=version)


async def test_what_was_shown_as_a_secret_is_put_back_and_never_taken_for_one(
    world: World,
) -> None:
    shown = {"inputs": ["publish:"], "publish_key": "***", "title": "*** LIVE ***"}
    await world.configuration.put_stream("news", shown, dry_run=False)
    assert 'publish_key = "hush"' in world.path.read_text()
    assert world.server.config.streams["news"].title == "*** LIVE ***"
    with pytest.raises(ConfigError, match="not known here"):
        await world.configuration.put_stream("x", shown, dry_run=False)
    with pytest.raises(ConfigError, match="only stands for a secret"):
        await in_memory().configuration.put_stream("news", shown, dry_run=False)


async def test_the_same_text_does_not_hide_that_the_file_is_wrong(world: World) -> None:
    text = (await world.configuration.document()).text
    world.path.write_text("titel = 1\n")
    with pytest.raises(ConfigError):
        await world.configuration.noticed()
    with pytest.raises(Conflict):
        await world.configuration.put(text)
    assert "titel" in world.server.reload_error


@pytest.mark.parametrize("text", ["", HEAD])
async def test_a_text_that_was_cut_off_stops_nothing(world: World, text: str) -> None:
    before = world.path.read_text()
    with pytest.raises(ConfigError, match="looks truncated"):
        await world.configuration.put(text)
    assert world.path.read_text() == before
    template = f'{HEAD}[templates.tv]\nprefix = "tv/"\n'
    templates = await to_thread.run_sync(World, world.path, template)
    world.path.write_text(text)
    with pytest.raises(ConfigError, match="looks truncated"):
        await templates.configuration.noticed()


async def test_a_file_that_can_not_be_taken_back_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(world) as server:
        taken = server.addresses["http"][1]
        before = world.path.read_text()
        moved = before.replace('rtmp]\naddress = "127.0.0.1:0"',
                               f'rtmp]\naddress = "127.0.0.1:{taken}"')  # fmt: skip
        become = server.doors.become

        async def edit_meanwhile(*arguments: Any) -> None:
            await anyio.Path(world.path).write_text(before + "title = 'by hand'\n")
            await become(*arguments)

        monkeypatch.setattr(server.doors, "become", edit_meanwhile)
        with pytest.raises(ConfigError, match="in use"):
            await world.configuration.put(moved)
        assert "in use" in server.reload_error
        assert "by hand" in world.path.read_text()
        monkeypatch.undo()
        assert await world.configuration.noticed() is not None
        assert server.reload_error == ""


@pytest.mark.parametrize("patch", [{"titel": "N"}, {"inputs": []}, {"buffer_s": 0}])
async def test_what_would_not_be_right_is_not_written(
    world: World, patch: dict[str, object]
) -> None:
    before = world.path.read_text()
    with pytest.raises(ConfigError) as caught:
        await world.configuration.patch_stream("news", patch, dry_run=False)
    # Places in the file would be those of a text that was never there.
    assert str(caught.value).startswith(f"streams.news.{next(iter(patch))}")
    assert world.path.read_text() == before
    assert world.server.reload_error == ""


async def test_a_file_that_was_changed_by_hand_is_not_overwritten(world: World) -> None:
    world.path.write_text(HEAD + NEWS + "title = 'by hand'\n")
    for edit in (
        world.configuration.put_stream("x", {"inputs": ["publish:"]}, dry_run=False),
        world.configuration.patch_stream("news", {"title": "N"}, dry_run=True),
        world.configuration.delete_stream("news", dry_run=False),
        world.configuration.put(HEAD + NEWS),
    ):
        with pytest.raises(Conflict, match="was changed"):
            await edit
    assert "by hand" in world.path.read_text()


async def test_unknown_streams_are_named_with_the_known(world: World) -> None:
    for edit in (
        world.configuration.patch_stream("x", {"title": "N"}, dry_run=False),
        world.configuration.delete_stream("x", dry_run=False),
        world.configuration.restart_stream("x", dry_run=False),
    ):
        with pytest.raises(NotFound, match="no stream `x`") as caught:
            await edit
        assert "news, off" in caught.value.hint


async def test_a_whole_text_takes_the_place_of_the_old_one(world: World) -> None:
    document = await world.configuration.document()
    assert "hush" not in document.text
    assert "# the main one" in document.text
    text = document.text.replace("# wait", "# for the studio") + "title = 'Off'\n"
    assert (await world.configuration.check(text)).ok
    assert (await world.configuration.diff(text)).steps == []
    await world.configuration.put(text, expected=document.version)
    written = world.path.read_text()
    assert 'publish_key = "hush"' in written
    assert "# for the studio" in written
    with pytest.raises(Conflict, match="since it was read"):
        await world.configuration.put(text, expected=document.version)


async def test_a_version_is_that_of_the_text_it_comes_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await world.configuration.document()

    def slow(text: str, names: frozenset[str]) -> str:
        assert world.configuration.file is not None
        world.configuration.file.text += "# meanwhile\n"
        return text

    monkeypatch.setattr("streamctl.engine.configuration.hidden", slow)
    document = await world.configuration.document()
    assert document.version == before.version
    assert "meanwhile" not in document.text


async def test_a_text_is_judged_without_being_taken(world: World) -> None:
    report = await world.configuration.check(HEAD + "[streams.a]\ninpts = []\ntitle = 1\n")
    assert not report.ok
    assert {(fault.line, fault.key) for fault in report.faults} == {
        (8, "streams.a.inputs"),
        (9, "streams.a.inpts"),
        (10, "streams.a.title"),
    }
    report = await world.configuration.check(NEWS.replace('"hush"', '"***"').replace("news", "b"))
    assert [fault.key for fault in report.faults] == ["streams.b.publish_key"]
    with pytest.raises(ConfigError, match="values stand too deep"):
        await world.configuration.diff("a = '***'\nb = " + "[" * 9000 + "]" * 9000)
    with pytest.raises(ConfigError, match="line 2: nothing: unknown key"):
        await world.configuration.diff("\nnothing = 1")
    assert list(world.server.config.streams) == ["news", "off"]


async def test_what_is_in_force_is_shown_without_secrets(world: World) -> None:
    shown: Any = await world.configuration.resolved()
    assert shown["streams"]["news"]["publish_key"] == "***"
    assert shown["streams"]["off"]["disabled"] is True
    assert shown["listeners"]["rtmp"]["address"] == "127.0.0.1:0"


async def test_a_stream_is_restarted_with_what_it_is_configured_to_be(world: World) -> None:
    async with serving(world) as server:
        before = server.running["news"]
        plan = await world.configuration.restart_stream("news", dry_run=False)
        assert [(step.stream, step.action) for step in plan.steps] == [("news", "restart")]
        assert before.closed
        assert server.running["news"].config is server.config.streams["news"]
        with pytest.raises(Conflict, match="disabled"):
            await world.configuration.restart_stream("off", dry_run=False)


async def test_a_listener_that_can_not_bind_takes_everything_back(world: World) -> None:
    async with serving(world) as server:
        taken = server.addresses["http"][1]
        addresses = dict(server.addresses)
        text = world.path.read_text()
        moved = text.replace('rtmp]\naddress = "127.0.0.1:0"',
                             f'rtmp]\naddress = "127.0.0.1:{taken}"')  # fmt: skip
        before = server.running["news"]
        with pytest.raises(ConfigError, match="in use"):
            await world.configuration.put(moved + "title = 'x'\n")
        assert world.path.read_text() == text
        world.path.write_text(moved + "title = 'x'\n")
        with pytest.raises(ConfigError, match="in use"):
            await world.configuration.noticed()
        assert "in use" in server.reload_error
        assert server.addresses == addresses
        assert server.running["news"] is before
        assert server.config.streams["off"].title == ""


async def test_listeners_limits_and_streams_change_together(world: World) -> None:
    async with serving(world) as server:
        old = server.addresses["rtmp"]
        text = HEAD.replace('rtmp]\naddress = "127.0.0.1:0"', 'rtsp]\naddress = "127.0.0.1:0"')
        world.path.write_text(text + "[limits]\nsessions = 7\n" + NEWS + "merge_ms = 50\n" + OFF)
        plan = await world.configuration.noticed()
        assert plan is not None
        assert [(one.part, one.action) for one in plan.server] == [
            ("limits", "change"),
            ("listeners.rtmp", "close"),
            ("listeners.rtsp", "open"),
        ]
        assert set(server.addresses) == {"rtsp", "http"}
        assert server.sessions_table.total == 7
        with pytest.raises(OSError, match="connection"):
            await anyio.connect_tcp(*old)


def in_memory() -> Server:
    return Server(parse(HEAD + NEWS, "", REGISTRY, {}), REGISTRY, FakeClock())


async def test_without_a_file_changes_live_in_memory() -> None:
    server = in_memory()
    configuration = server.configuration
    plan = await configuration.put_stream(
        "x", {"inputs": ["publish:"], "disabled": True}, dry_run=False
    )
    assert plan.steps == []
    assert list(server.config.streams) == ["news", "x"]
    await configuration.patch_stream("news", {"disabled": True}, dry_run=False)
    assert server.config.streams["news"].disabled
    await configuration.delete_stream("x", dry_run=False)
    with pytest.raises(Unsupported, match="as a whole"):
        await configuration.patch_stream("news", {"title": "N"}, dry_run=False)
    with pytest.raises(Unsupported, match="without a file"):
        await configuration.reload()
    text = (await configuration.document()).text
    assert "hush" not in text
    assert "[streams.news]" in text
    await configuration.put(HEAD + OFF)
    assert list(server.config.streams) == ["off"]


async def test_programs_are_run_for_those_alone_who_write_the_file(world: World) -> None:
    command = {"inputs": ["publish:"], "on_publish": ["notify", "up"]}
    with pytest.raises(ConfigError, match="through the API"):
        await world.configuration.put_stream("x", command, dry_run=True)
    with pytest.raises(ConfigError, match="through the API"):
        await in_memory().configuration.put_stream("x", command, dry_run=False)
    hook = '[[hooks]]\nname = "log"\nfile = "events.jsonl"\n'
    with pytest.raises(ConfigError, match="through the API"):
        await world.configuration.put(hook + HEAD + NEWS)
    world.path.write_text(hook + HEAD + NEWS + "on_publish = 'notify up'\n")
    assert await world.configuration.noticed() is not None
    await world.configuration.put_stream("x", command, dry_run=False)
    assert world.server.config.streams["x"].on_publish == ("notify", "up")
