"""Fifty viewers of one stream see nothing of what is done to everything else."""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from streamctl.config.model import LimitsConfig, StreamConfig
from tests.support.hls import faults
from tests.support.media import MediaCache, Recipe
from tests.support.peers import CONFIG, HOST, HttpRecorder, Streamctl, ffmpeg_publish, stream_toml
from tests.support.ports import free_port
from tests.support.process import eventually
from tests.support.ts import inspect, whole_units
from tests.support.viewers import Viewers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.needs("ffmpeg", "rtmpdump"),
    pytest.mark.timeout(300),
]

RECIPE = Recipe(seconds=90, video_kbps=300, gop=25)
NEWS = stream_toml("news")
CROWD = 46
"""Beside one judged viewer of each kind."""
COMMANDS = ("on_publish", "on_unpublish", "on_play", "on_play_end", "on_down")
LIMITS = ("sessions", "sessions_per_ip", "runtime_streams", "guesses_per_ip", "handshake_s")
MEMORY = "memory_bytes = 900_000_000\nstream_memory_bytes = 300_000_000\n"
SAMPLE = 18_800
"""So many bytes are enough to find one recording in another."""


class Operator:
    """Changes a running server, by its file and by its API, and keeps what that did."""

    def __init__(self, server: Streamctl, media: Path) -> None:
        self.server = server
        self.head = server.head
        self.looped = {"url": f"file:{media}", "loop": True}
        self.tail = ""
        """What follows the streams in the file."""
        self.api_port = server.port("api")
        self.keys: set[str] = set()
        """Of the other stream, as far as they were changed."""
        self.done: set[tuple[str, str]] = set()
        """Parts of the server, and what was done to each."""
        self.reasons = ""

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a call; its answer."""
        connection = http.client.HTTPConnection(HOST, self.api_port, timeout=20)
        headers = {"content-type": "application/json", "authorization": "Bearer hush"}
        connection.request(method, f"/api/v1/{path}", json.dumps(body or {}), headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, document
        return document

    def note(self, plan: Any) -> str:
        """Keep what was done, which must not be to the stream that is watched."""
        assert {step["stream"] for step in plan["steps"]} <= {"b"}, plan
        assert plan["failures"] == {}
        self.done |= {(step["part"].split(".")[0], step["action"]) for step in plan["server"]}
        self.done |= {("streams", step["action"]) for step in plan["steps"]}
        said = [step["reason"] for step in plan["server"] + plan["steps"]]
        self.reasons += "; ".join(said) + "\n"
        return f"{said}"

    def patch(self, **keys: object) -> str:
        """Change keys of the other stream."""
        self.keys |= keys.keys()
        return self.note(self.call("PATCH", "streams/b", keys))

    def file(self, more: str = "", *, old: str = "", new: str = "") -> str:
        """Have the server read another head and another end of the file."""
        before = self.server.config.read_text().removesuffix(self.tail)
        assert old in before
        self.tail = more
        text = before.replace(old, new, 1) if old else before
        aside = self.server.config.with_suffix(".new")
        aside.write_text(text + more)
        aside.rename(self.server.config)
        return self.note(self.call("POST", "config/reload"))

    def changes(self) -> Iterator[str]:
        """Everything that can happen to a stream or to the server, one after the other."""
        b = {"inputs": [self.looped, "publish:"]}
        yield self.note(self.call("PUT", "streams/b?new=1", b))
        yield from (self.patch(**keys) for keys in self.patches())
        yield from self.inputs()
        for word in ("restart", "disable", "enable"):
            self.keys.add("disabled")
            yield self.note(self.call("POST", f"streams/b/{word}"))
        yield from self.sections()
        yield from self.tables()
        yield self.note(self.call("DELETE", "streams/b"))

    def patches(self) -> Iterator[dict[str, Any]]:
        """Each key of a stream with another value, and some taken away again."""
        push = {"name": "out", "url": f"rtmp://{HOST}:9/live/key"}
        user = {"name": "u", "password": "p", "publish": True}
        yield from (
            {"title": "B"},
            {"publish_key": "k", "read_key": "r"},
            {"publish_key": None, "read_key": None, "users": [user]},
            {"users": None, "read_from": ["127.0.0.0/8"], "publish_from": ["127.0.0.0/8"]},
            {"buffer_s": 20, "buffer_bytes": 20_000_000, "merge_ms": 50, "max_viewers": 3},
            {"packet_timeout_s": 9, "slow_viewer_timeout_s": 9, "probe_after_s": 3},
            {"failback_after_s": 3, "degrade": {"min_kbps": 1}, "slate_after_s": 2},
            {"slate": self.looped["url"]},
            {"slate": None, "standby": "hot"},
            {"hls": {"window": 5}, "srt": {"latency_ms": 300}},
            {"hls": {"segment_s": 4}, "srt": None},
            {"outputs": ["rtmp", "hls"]},
            {"outputs": ["http-ts"]},
            {"outputs": None, "hls": None},
            {"push": [push]},
            {"push": [{**push, "name": "far", "retry_s": 9, "retries": 3, "hold": False}]},
            {"push": [{**push, "tls_insecure": True}]},
            {"push": [{**push, "url": push["url"] + "2"}]},
            {"push": None},
        )

    def inputs(self) -> Iterator[str]:
        """Inputs that come, move, change and go."""
        for inputs in (
            ["publish:", self.looped],
            ["publish:", {**self.looped, "loop": False}],
            [self.looped, {"url": "publish:", "override": True}, f"rtmp://{HOST}:9/live/x"],
            [self.looped],
        ):
            yield self.patch(inputs=inputs)
        yield self.patch(on_demand=True, close_after_s=1)
        yield self.patch(on_demand=None)

    def sections(self) -> Iterator[str]:
        """The parts of the server."""
        rtsp = f'[listeners.rtsp]\naddress = "{HOST}:0"\n'
        moved = f'[listeners.rtsp]\naddress = "{HOST}:{free_port()}"\n'
        limits = "[limits]\n" + "".join(f"{key} = 900\n" for key in LIMITS) + MEMORY
        yield self.file(rtsp + limits)
        yield self.file(rtsp + "session_timeout_s = 30\n" + limits)
        yield self.file(moved, old='level = "info"', new='level = "debug"')
        yield self.file(old="[server]\n", new="[server]\nshutdown_s = 9\n")
        yield self.file(
            old="[http]\n",
            new='[http]\ncors = ["https://a.example"]\ntrusted_proxies = ["192.0.2.1"]\n',
        )
        self.head = f'[listeners.rtmp]\naddress = "{HOST}:'
        yield self.file(old=f"{self.head}0", new=f"{self.head}{free_port()}")
        token = 'tokens = [{ name = "t", value = "hush", scope = "control" }]\n'
        yield self.file(old="[api]\n", new=f"[api]\n{token}")
        port, api = free_port(), f'{token}address = "{HOST}:'
        yield self.file(old=f"{api}0", new=f"{api}{port}")
        self.api_port = port

    def tables(self) -> Iterator[str]:
        """Templates with their streams, hooks, and commands."""
        tv = '[templates.tv]\ntitle = "T"\n'
        self.keys |= {"template", *COMMANDS}
        yield self.file(tv, old="[streams.b]\n", new='[streams.b]\ntemplate = "tv"\n')
        yield self.file(tv.replace("T", "V") + 'prefix = "tv/"\n')
        yield self.file(tv.replace("T", "W") + 'prefix = "tv/"\n')
        yield self.file(tv + 'prefix = "on/"\n')
        yield self.file(tv)
        commands = "".join(f'{key} = "true"\n' for key in COMMANDS)
        yield self.file(tv, old="[streams.b]\n", new=f"[streams.b]\n{commands}")
        hook = f'[[hooks]]\nname = "log"\nfile = "{self.server.config}.jsonl"\n'
        yield self.file(tv + hook)
        yield self.file(tv + hook + 'events = ["stream.*"]\n')
        yield self.file(tv)


def test_a_crowd_sees_nothing_of_changes_elsewhere(tmp_path: Path, media: MediaCache) -> None:
    made = media(RECIPE)
    head = CONFIG.replace("[api]", f'[server]\nmedia_roots = ["{made.path.parent}"]\n[api]')
    # The port stays the same when what listens there changes.
    head = head.replace(
        '[http]\naddress = "127.0.0.1:0', f'[http]\naddress = "{HOST}:{free_port()}'
    )
    with (
        Streamctl(tmp_path, NEWS, head=head) as server,
        ffmpeg_publish(made.path, server.rtmp()) as publisher,
        ExitStack() as stack,
    ):
        server.wait_on_air()
        viewers = stack.enter_context(Viewers(server, tmp_path))
        crowd = [stack.enter_context(HttpRecorder(server.http("/news.ts"))) for _ in range(CROWD)]
        eventually(lambda: all(len(one.data) > SAMPLE for one in crowd), 40, "bytes for all")
        before = server.stream()
        operator = Operator(server, made.path)
        for change in operator.changes():
            assert publisher.running(), change
            viewers.receiving()
        viewers.wait_media(2)
        after = operator.call("GET", "streams/news")
        sessions = operator.call("GET", "sessions?stream=news")["sessions"]
        assert after["created_at"] == before["created_at"]
        assert after["media"]["epochs"] == before["media"]["epochs"]
        assert after["stats"]["skips"] == 0
        assert len(sessions) == len({one["id"] for one in sessions}) >= CROWD + 5
        taken = [one.stop() for one in crowd]
        seen = viewers.stop()
    everything_was_changed(operator)
    for name, verdict in seen.verdicts.items():
        assert verdict.decode_errors == [], name
        assert verdict.restarts == verdict.video_gaps == [], name
        assert verdict.missing == 0, name
    assert faults(seen.hls) == []
    same_bytes(taken)


def everything_was_changed(operator: Operator) -> None:
    """Every key of a stream, and every part of a server in every way, occurred."""
    internal = {"code", "runtime", "outputs_options"}
    assert {*StreamConfig.model_fields} - internal <= operator.keys
    assert operator.done >= {
        *(("streams", action) for action in ("start", "stop", "restart", "update")),
        *(("listeners", action) for action in ("open", "change", "move", "close")),
        *(("templates", action) for action in ("open", "change", "move", "close")),
        *(("hooks", action) for action in ("open", "change", "close")),
        *((part, "change") for part in ("server", "log", "limits", "http", "api")),
        ("api", "move"),
    }
    for said in (
        *("input added", "input removed", "push added", "push removed"),
        *(key for key in LimitsConfig.model_fields),
        *("`rtmp` removed", "all others added", "hls.window", "(loop)", "order", "tls_insecure"),
        *("retry_s", "cors", "trusted_proxies", "shutdown_s", "tokens", "session_timeout_s"),
    ):
        words = said.split()
        assert any(all(word in line for word in words) for line in operator.reasons.split("\n")), (
            said
        )


def same_bytes(taken: list[bytes]) -> None:
    """Every recording is a part of the same endless bytes, and those are continuous."""
    reference = max(taken, key=len)
    assert inspect(whole_units(reference)).continuity_errors == []
    for number, data in enumerate(taken):
        # What a viewer joins with is its own; what follows is everybody's.
        begin = len(data) // 2
        place = reference.find(data[begin : begin + SAMPLE])
        assert place >= 0, number
        length = min(len(data) - begin, len(reference) - place)
        assert data[begin : begin + length] == reference[place : place + length], number
        assert inspect(whole_units(data)).continuity_errors == [], number
