"""Fifty viewers of one stream see nothing of what is done to everything else."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

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
    pytest.mark.timeout(150),
]

RECIPE = Recipe(seconds=90, video_kbps=300, gop=25)
NEWS = stream_toml("news")
CROWD = 46
"""Beside one judged viewer of each kind."""
SAMPLE = 18_800
"""So many bytes are enough to find one recording in another."""


class Operator:
    """Changes a running server, by its file and by its API."""

    def __init__(self, server: Streamctl) -> None:
        self.server = server
        self.head = server.head

    def file(self, streams: str) -> None:
        """Save the file, and see that the server has taken it."""
        done = self.server.output.count("configuration applied")
        self.server.rewrite(streams, head=self.head)
        eventually(
            lambda: self.server.output.count("configuration applied") > done, 15, "it is applied"
        )

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Make a call; its answer."""
        connection = http.client.HTTPConnection(HOST, self.server.port("api"), timeout=20)
        headers = {"content-type": "application/json"}
        connection.request(method, f"/api/v1/{path}", json.dumps(body or {}), headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, document
        return document

    def patch(self, **keys: object) -> None:
        """Change keys of the other stream; its plan must not name the one that is watched."""
        plan = self.api("PATCH", "streams/b", keys)
        assert [step["stream"] for step in plan["steps"]] == ["b"], plan
        assert plan["failures"] == {}

    def changes(self, media: Path) -> Iterator[str]:
        """Everything that can happen to a stream or to the server, one after the other."""
        self.file(NEWS + stream_toml("b"))
        yield "b is added"
        push = {"name": "out", "url": f"rtmp://{HOST}:9/live/key"}
        hls = {"window": 5}
        for keys in (
            {"title": "B"},
            {"publish_key": "k"},
            {"publish_key": None, "users": [{"name": "u", "password": "p", "publish": True}]},
            {"users": None, "read_from": ["127.0.0.0/8"], "max_viewers": 3},
            {"buffer_s": 20, "buffer_bytes": 20_000_000, "merge_ms": 50},
            {"packet_timeout_s": 9, "slow_viewer_timeout_s": 9},
            {"hls": hls},
            {"hls": {**hls, "segment_s": 4}},
            {"outputs": ["rtmp", "hls"]},
            {"outputs": ["http-ts"]},
            {"outputs": None},
            {"push": [push]},
            {"push": [{**push, "retry_s": 9}]},
            {"push": None},
            {"inputs": ["publish:", {"url": f"file:{media}", "loop": True}]},
            {"inputs": [{"url": f"file:{media}", "loop": True}, "publish:"]},
            {"inputs": [{"url": f"file:{media}", "loop": False}]},
            {"inputs": ["publish:"], "standby": "hot", "failback_after_s": 3},
        ):
            self.patch(**keys)
            yield f"b: {keys}"
        for word in ("restart", "disable", "enable"):
            self.api("POST", f"streams/b/{word}")
            yield f"b: {word}"
        text = NEWS + stream_toml("b")
        self.head += f'[listeners.rtsp]\naddress = "{HOST}:0"\n[limits]\nsessions = 900\n'
        self.file(text)
        yield "a listener and a limit"
        self.head = self.head.replace("[http]\n", '[http]\ncors = ["https://a.example"]\n')
        self.file(text)
        yield "the media port, where it is"
        rtmp = f'[listeners.rtmp]\naddress = "{HOST}:'
        assert rtmp in self.head
        self.head = self.head.replace(f"{rtmp}0", f"{rtmp}{free_port()}")
        self.file(text)
        yield "the listener of the publisher moves"
        self.api("DELETE", "streams/b")
        yield "b is removed"


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
        eventually(lambda: all(len(one.data) > SAMPLE for one in crowd), 20, "bytes for all")
        before = server.stream()
        operator = Operator(server)
        done = []
        for change in operator.changes(made.path):
            done.append(change)
            assert publisher.running(), change
            viewers.receiving()
        assert len(done) == 26
        time.sleep(1)
        after = server.stream()
        assert after["created_at"] == before["created_at"]
        assert after["media"]["epochs"] == before["media"]["epochs"]
        assert after["stats"]["skips"] == 0
        assert len(server.sessions()) == len({one["id"] for one in server.sessions()}) >= CROWD + 5
        taken = [one.stop() for one in crowd]
        seen = viewers.stop()
    for name, verdict in seen.verdicts.items():
        assert verdict.decode_errors == [], name
        assert verdict.restarts == verdict.video_gaps == [], name
        assert verdict.missing == 0, name
    assert faults(seen.hls) == []
    same_bytes(taken)


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
