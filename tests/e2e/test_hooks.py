"""A real server tells what happens to web servers, files, programs and a command that watches."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.media import Recipe
from tests.support.peers import CONFIG, Streamctl, ffmpeg_publish, ffmpeg_record, stream_toml
from tests.support.process import Process, eventually, family
from tests.support.webhooks import receiving

if TYPE_CHECKING:
    from tests.support.media import MediaCache

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.needs("ffmpeg")]

SECRET = "s1gned-by-us"
SHORT = ("on_publish", "on_unpublish", "on_play", "on_play_end", "on_down")
PAIRS = [
    ("stream.started", "session.opened"),
    ("session.opened", "input.connected"),
    ("input.connected", "stream.on_air"),
    ("stream.on_air", "session.closed"),
    ("session.closed", "stream.off_air"),
    ("stream.off_air", "stream.stopped"),
]
LASTING = "echo begin >> {log}; trap 'echo end >> {log}; exit' TERM; sleep 300 & wait"


def hook(name: str, *lines: str) -> str:
    return "\n".join(["[[hooks]]", f'name = "{name}"', *lines, ""])


def script(text: str) -> str:
    return f'command = ["sh", "-c", {json.dumps(text)}]'


def types(events: list[dict[str, Any]], stream: str = "news") -> list[str]:
    return [event["type"] for event in events if event["stream"] == stream]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def stubborn(stack: ExitStack) -> str:
    """Hooks of servers that never answer, refuse for ever, and close."""
    hooks = ""
    for name, answer in (("mute", -1), ("sick", 500), ("rude", 0)):
        receiver = stack.enter_context(receiving())
        receiver.answers = [answer] * 1000
        hooks += hook(name, f'url = "{receiver.url()}"')
    return hooks


def watching(server: Streamctl) -> Process:
    """The command that watches."""
    api = f"http://127.0.0.1:{server.port('api')}"
    command = [sys.executable, "-m", "streamctl", "events", "--json", "--since", "0"]
    return Process([*command, "--server", api])


def check_states(server: Streamctl) -> None:
    """Those who fail are said to, and nothing is shown that is secret."""
    states = {one["name"]: one for one in server.ask("/api/v1/hooks")[1]["hooks"]}
    failing = {name for name, one in states.items() if one["state"] == "failing"}
    assert failing <= {"mute", "sick", "rude"}
    assert states["sick"]["failed"] > 0
    assert states["sick"]["delivered"] == 0
    assert "s3cr3t" not in str(states)


def test_everybody_is_told_the_same_while_a_stream_comes_and_goes(
    tmp_path: Path, media: MediaCache
) -> None:
    source = media(Recipe(seconds=20)).path
    journal, log, shorts = tmp_path / "journal", tmp_path / "log", tmp_path / "shorts"
    note = ["sh", "-c", f"echo $STREAMCTL_EVENT $STREAMCTL_STREAM $STREAMCTL_ACTION >> {shorts}"]
    stream = stream_toml("news", *(f"{key} = {json.dumps(note)}" for key in SHORT))
    with ExitStack() as stack:
        good = stack.enter_context(receiving())
        hooks = stubborn(stack) + hook("journal", f'file = "{journal}"')
        hooks += hook("good", f'url = "{good.url("/s3cr3t-path")}"', f'secret = "{SECRET}"')
        hooks += hook("lasting", script(LASTING.format(log=log)), 'during = "on_air"')
        server = stack.enter_context(Streamctl(tmp_path, stream, head=CONFIG + hooks))
        watcher = stack.enter_context(watching(server))
        with ffmpeg_publish(source, server.rtmp()):
            server.wait_on_air()
            eventually(lambda: "begin" in lines(log), 30, "the lasting program")
            with ffmpeg_record(server.rtmp(), tmp_path / "seen.flv", seconds=2) as record:
                assert record.wait() == 0
        eventually(lambda: "stream.off_air" in types(good.told), 30, "off air")
        eventually(lambda: lines(log) == ["begin", "end"], 30, "the end of the program")
        eventually(lambda: len(lines(shorts)) == 5, 30, "all short forms")
        check_states(server)
        server.stop()
        watched = [json.loads(line) for line in watcher.output.splitlines() if line[:1] == "{"]
    kept = [json.loads(line) for line in lines(journal)]
    check_order(kept)
    assert good.told == kept
    assert all(call.signed_with(SECRET) for call in good.calls)
    assert watched == kept[: len(watched)]
    assert watched
    assert lines(shorts)[0] == "session.opened news publish"
    assert "s3cr3t" not in server.output
    assert SECRET not in server.output


def check_order(kept: list[dict[str, Any]]) -> None:
    """Events follow each other as things do."""
    ids = [event["id"] for event in kept]
    assert ids == sorted(set(ids))
    found = types(kept)
    for first, second in PAIRS:
        assert found.index(first) < found.index(second), (first, second, found)
    assert kept[-1]["type"] == "server.stopping"
    [connected] = [one for one in kept if one["type"] == "input.connected"]
    assert connected["payload"]["input"] == 0


def test_a_reload_changes_hooks_and_a_killed_server_leaves_no_program(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    lasting = script(f"sleep 300 & echo $$ $! > {pids}; wait")
    with receiving() as receiver:
        hooks = hook("alarm", f'url = "{receiver.url()}"', 'events = ["stream.created"]')
        with Streamctl(tmp_path, stream_toml(), head=CONFIG + hooks) as server:
            api = ["--server", f"http://127.0.0.1:{server.port('api')}"]
            program = [sys.executable, "-m", "streamctl", "hooks"]
            with Process([*program, "test", "alarm", *api]) as test:
                assert test.wait() == 0
                assert "alarm works: answered 204" in test.output
            more = hook("starts", lasting, 'events = ["stream.created"]')
            server.rewrite(stream_toml() + stream_toml("more"), head=CONFIG + hooks + more)
            eventually(lambda: len(receiver.calls) == 2, 30, "the event")
            assert types(receiver.told, "more") == ["stream.created"]
            eventually(lambda: len(lines(pids)) == 1, 30, "the program")
            running = [int(pid) for pid in pids.read_text().split()]
            assert set(running) <= set(family(server.pid))
            server.kill()
            eventually(lambda: not any(map(alive, running)), 30, "the end of the program")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
