"""A server as the control API sees it, with nothing behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.counters import (
    HookCounters,
    InputCounters,
    PushCounters,
    ServerCounters,
    StreamCounters,
)
from streamctl.errors import ConfigError, Conflict, NotFound
from streamctl.hookstatus import HookStatus, HookTest
from streamctl.schema import (
    Cause,
    ConfigDocument,
    ConfigFault,
    ConfigReport,
    Event,
    Health,
    InputStatus,
    MediaStatus,
    OutputStatus,
    Plan,
    PluginStatus,
    PushStatus,
    SessionStatus,
    StreamState,
    StreamStats,
    StreamStatus,
    TrackStatus,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

TIME = "2025-06-01T12:00:00.000Z"


def session(session_id: str, stream: str = "news", **more: object) -> SessionStatus:
    values: dict[str, object] = {
        "id": session_id,
        "stream": stream,
        "protocol": "rtmp",
        "action": "play",
        "peer": "192.0.2.7:51234",
        "opened_at": TIME,
        "uptime_s": 12.5,
        "bytes_in": 3_000,
        "bytes_out": 7_000_000,
        **more,
    }
    return SessionStatus.model_validate(values)


def stream(code: str, status: StreamState = "active", **more: object) -> StreamStatus:
    on_air = status != "stopped"
    tracks = [
        TrackStatus(
            id=1, media="video", codec="h264", profile="avc1.64001f", width=1280, height=720,
            fps=25.0, bitrate_kbps=2500.0,
        ),
        TrackStatus(
            id=2, media="audio", codec="aac", profile="mp4a.40.2", sample_rate=48_000, channels=2,
            bitrate_kbps=128.0,
        ),
    ]  # fmt: skip
    values: dict[str, object] = {
        "id": code,
        "title": code.title(),
        "type": "rtmp",
        "source_addr": "192.0.2.1:40000" if on_air else "",
        "status": status,
        "ingest_status": "active" if on_air else "connecting",
        "created_at": TIME,
        "uptime_s": 3725.0 if on_air else 0.0,
        "video_codec": "h264" if on_air else "",
        "resolution": "1280x720" if on_air else "",
        "bitrate": 2628.0 if on_air else 0.0,
        "frame_rate": 25.0 if on_air else 0.0,
        "stats": StreamStats(viewers=2 if on_air else 0),
        "causes": []
        if status == "active"
        else [Cause(name="no_publisher", detail="nobody publishes", since=TIME)],
        "inputs": [InputStatus(priority=0, url="publish:", kind="rtmp", status="active", fps=25.0)],
        "outputs": [
            OutputStatus(kind="hls", url=f"http://HOST:8888/{code}/index.m3u8", running=True),
            OutputStatus(kind="rtmp", url=f"rtmp://HOST/live/{code}", viewers=2),
        ],
        "media": MediaStatus(epoch=int(on_air), gop_s=2.0, tracks=tracks if on_air else []),
        **more,
    }
    return StreamStatus.model_validate(values)


class FakeControl:
    """Keeps documents in dictionaries; broken in the ways a test asks for."""

    def __init__(self) -> None:
        self.all_streams = {
            one.id: one
            for one in (
                stream("news"),
                stream("region/a", "degraded"),
                stream("sport", "stopped"),
            )
        }
        self.all_sessions = {
            one.id: one for one in (session("s1"), session("s2"), session("s3", "region/a"))
        }
        self.switched: list[tuple[str, int | None]] = []
        self.kicked: list[tuple[str, str]] = []
        self.configuration = FakeConfiguration(self)
        self.hooks = FakeHooks()
        self.kept_events = [
            Event(id=number, type="stream.started", stream="news", time=TIME)
            for number in (1, 2, 3)
        ]
        self.more_events = anyio.Event()
        self.report = Health(status="ok", version="0", time=TIME, uptime_s=61.0)
        self.crash: Exception | None = None

    def streams(self, status: str | None = None) -> list[StreamStatus]:
        if self.crash is not None:
            raise self.crash
        return [one for one in self.all_streams.values() if status in (None, one.status)]

    def stream(self, code: str) -> StreamStatus:
        if code not in self.all_streams:
            raise NotFound(f"no stream has this code: `{code}`", hint="see /api/v1/streams")
        return self.all_streams[code]

    def switch(self, code: str, priority: int | None) -> StreamStatus:
        found = self.stream(code)
        if priority is not None and priority >= len(found.inputs):
            raise NotFound(f"no input {priority}")
        self.switched.append((code, priority))
        return found

    def sessions(self, stream: str | None = None) -> list[SessionStatus]:
        return [one for one in self.all_sessions.values() if stream in (None, one.stream)]

    def session(self, session_id: str) -> SessionStatus:
        if session_id not in self.all_sessions:
            raise NotFound(f"no open session has this id: `{session_id}`")
        return self.all_sessions[session_id]

    def kick(self, session_id: str, reason: str) -> SessionStatus:
        found = self.session(session_id)
        del self.all_sessions[session_id]
        self.kicked.append((session_id, reason))
        return found

    def health(self) -> Health:
        return self.report

    def plugins(self) -> list[PluginStatus]:
        return [
            PluginStatus(kind="rtmp", summary="RTMP", capabilities=["publish"], schemes=["rtmp"])
        ]

    def counters(self) -> ServerCounters:
        return ServerCounters(
            uptime_s=61.0,
            loop_lag_s=0.004,
            copies_bytes=70_000,
            reload_refused=True,
            streams_failed=2,
            sessions={("rtmp", "play"): 3},
            refused={("rtmp", "unauthorized"): 2},
            streams=[
                StreamCounters(
                    code,
                    on_air=one.media.epoch > 0,
                    bytes_received=1000,
                    viewers=2,
                    switches={"initial": 1, "error": 2},
                    inputs=[InputCounters(0, "input", "active", True, 2e6, 25.0, 0.01, 3)],
                    pushes=[PushCounters("yt", "active", 500, 5, 0, 1)],
                )
                for code, one in self.all_streams.items()
            ],
            hooks=[HookCounters("alarm", 7, 2, 1, 3)],
        )

    def newest_event(self) -> int:
        return self.kept_events[-1].id

    async def events(
        self, after: int | None, *, live: bool = True
    ) -> AsyncIterator[Sequence[Event]]:
        kept = [event for event in self.kept_events if after is not None and event.id > after]
        if kept:
            yield kept
        if not live:
            return
        await self.more_events.wait()
        yield [Event(id=4, type="session.closed", stream="news", time=TIME, payload={"id": "s1"})]
        await anyio.sleep_forever()


class FakeHooks:
    """Two hooks, one of them out of order."""

    def status(self) -> list[HookStatus]:
        return [
            HookStatus(
                name="alarm", kind="url", target="https://chat.example/***", state="failing",
                error="connection refused", delivered=7, failed=2, dropped=1, queue=3,
            ),
            HookStatus(name="news.on_down", kind="command", target="notify", state="idle"),
        ]  # fmt: skip

    async def test(self, name: str) -> HookTest:
        if name not in {one.name for one in self.status()}:
            raise NotFound(f"no hook `{name}`")
        ok = name != "alarm"
        return HookTest(name=name, ok=ok, detail="exit code 0" if ok else "refused", duration_s=0.2)


class FakeConfiguration:
    """Keeps a text; broken in the ways a test asks for."""

    def __init__(self, control: FakeControl) -> None:
        self.control = control
        self.text = '[streams.news]\ninputs = ["publish:"]\n'
        self.changes: list[tuple[str, str, Mapping[str, object], bool]] = []
        self.error: Exception | None = None

    async def document(self) -> ConfigDocument:
        return ConfigDocument(text=self.text, file="streams.toml", version="v1")

    async def resolved(self) -> Mapping[str, object]:
        return {"streams": {"news": {"inputs": [{"url": "publish:"}]}}}

    async def check(self, text: str) -> ConfigReport:
        if "inputs" in text:
            return ConfigReport(ok=True, streams=1)
        return ConfigReport(ok=False, faults=[ConfigFault(message="is missing", line=1)])

    async def diff(self, text: str) -> Plan:
        return self.plan("diff", "news", {"text": text}, dry_run=True)

    async def put(self, text: str, *, expected: str = "", dry_run: bool = False) -> Plan:
        if expected not in ("", "v1"):
            raise Conflict("the configuration was changed since it was read", hint="read it again")
        return self.plan("config", "news", {"text": text}, dry_run=dry_run)

    async def reload(self) -> Plan:
        return self.plan("reload", "news", {}, dry_run=False)

    async def put_stream(
        self,
        code: str,
        document: Mapping[str, object],
        *,
        dry_run: bool,
        expected: str = "",
        new: bool = False,
    ) -> Plan:
        if expected not in ("", "v1"):
            raise Conflict("the configuration was changed since it was read", hint="read it again")
        if new and code in self.control.all_streams:
            raise Conflict(f"there is a stream `{code}` already", hint="`stream set` changes it")
        if "inputs" not in document:
            raise ConfigError("a stream needs inputs", hint="add `inputs`", key="inputs")
        return self.plan("put", code, document, dry_run=dry_run)

    async def patch_stream(self, code: str, patch: Mapping[str, object], *, dry_run: bool) -> Plan:
        self.control.stream(code)
        return self.plan("patch", code, patch, dry_run=dry_run)

    async def delete_stream(self, code: str, *, dry_run: bool) -> Plan:
        self.control.stream(code)
        return self.plan("delete", code, {}, dry_run=dry_run)

    async def restart_stream(self, code: str, *, dry_run: bool) -> Plan:
        self.control.stream(code)
        return self.plan("restart", code, {}, dry_run=dry_run)

    def plan(self, what: str, code: str, said: Mapping[str, object], *, dry_run: bool) -> Plan:
        """Note a change and answer what it does."""
        if self.error is not None:
            raise self.error
        self.changes.append((what, code, said, dry_run))
        action = {"put": "start", "delete": "stop", "restart": "restart"}.get(what, "update")
        step = {"stream": code, "action": action, "reason": what, "notices": "nobody"}
        return Plan.model_validate({"steps": [step]})


def push(name: str, state: str = "active", **more: object) -> PushStatus:
    values: dict[str, object] = {
        "name": name,
        "url": f"rtmps://{name}.example/live2/***",
        "kind": "rtmp",
        "state": state,
        "bytes_sent": 7_000_000,
        "packets_sent": 900,
        "bitrate_kbps": 2500.0,
        **more,
    }
    return PushStatus.model_validate(values)
