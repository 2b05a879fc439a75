"""The JSON documents of the control API, shared by the server and its clients.

Every number here is measured by the engine; a value that is not known is 0, an empty string or
absent from its list, never a guess. Times are RFC 3339 in UTC, durations seconds.

What is at the end is no document of the API: the text of a configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from streamctl.errors import ConfigError

StreamState = Literal["stopped", "active", "degraded"]
InputStateName = Literal["idle", "connecting", "active", "standby", "degraded", "stopped"]
PushStateName = Literal["waiting", "starting", "active", "reconnecting", "failed", "done"]
IngestState = Literal["connecting", "active", "paused", "error", "closed"]


class TrackStatus(BaseModel):
    """One elementary stream of the running epoch."""

    id: int
    media: Literal["video", "audio", "data"]
    codec: str
    profile: str = Field("", description="RFC 6381 codec string, such as avc1.64001f")
    width: int = 0
    height: int = 0
    fps: float = Field(0.0, description="measured over the last 3 s")
    sample_rate: int = 0
    channels: int = 0
    bitrate_kbps: float = Field(0.0, description="measured over the last 3 s")
    language: str = ""


class Cause(BaseModel):
    """Why a stream is not simply active."""

    name: str = Field(description="such as no_publisher, input_failed, no_packets, gop_too_long")
    detail: str
    since: str


class ElementaryStatus(BaseModel):
    """One elementary stream of a program of MPEG-TS."""

    pid: int = Field(description="as it comes in")
    kind: str = Field(description="such as H.264, teletext or DSM-CC")
    language: str = ""
    packets: int = 0
    lost_packets: int = Field(0, description="missing by their counters, at least")
    scrambled_packets: int = Field(0, description="which pass untouched, and can't be read")
    left_out: str = Field(
        "", description="why it is no track, and only MPEG-TS carries it; empty = it is one"
    )


class TransportStatus(BaseModel):
    """What is found in an input of MPEG-TS without taking it apart."""

    program: int = Field(0, description="program number; 0 = none yet")
    name: str = Field("", description="as the service description calls it")
    reason: str = Field("", description="why there is no program yet")
    scrambled: bool = False
    packets: int = 0
    lost_packets: int = Field(0, description="missing by their counters, at least")
    loss_pct: float = Field(0.0, description="over the last 10 s")
    repeated_packets: int = 0
    damaged_packets: int = Field(0, description="marked by somebody on the way")
    skipped_bytes: int = Field(0, description="that belonged to no packet")
    resyncs: int = Field(0, description="how often packets had to be searched for")
    fps: float = Field(0.0, description="by the times of the pictures")
    gop_s: float = 0.0
    gop_frames: int = 0
    clock_jumps: int = Field(
        0, description="clock references (PCR) that go back or far ahead without notice"
    )
    clock_gaps: int = Field(0, description="clock references that come more than 100 ms apart")
    untimed_units: int = Field(
        0, description="pictures, or units of sound without them, that tell no time (PTS)"
    )
    faults: dict[str, int] = Field(
        default_factory=dict,
        description="what was wrong with access units, and how often, while somebody reads them",
    )
    streams: list[ElementaryStatus] = Field(
        default_factory=list, description="of the program, in its order"
    )


class InputStatus(BaseModel):
    """One input of a stream."""

    priority: int
    url: str = Field(description="secrets replaced by ***")
    kind: str
    role: Literal["input", "slate"] = "input"
    status: InputStateName
    on_air: bool = Field(False, description="a degraded input may be, if there is no better one")
    peer: str = Field("", description="ip:port of the publisher or upstream")
    bitrate_kbps: float = 0.0
    fps: float = 0.0
    loss_pct: float = Field(0.0, description="packets lost in the last 10 s, where that is known")
    held_bytes: int = Field(0, description="media held while another input is on air")
    bytes_received: int = 0
    packets_received: int = 0
    reconnects: int = 0
    complaint: str = Field("", description="what is wrong with what it delivers")
    last_error: str = ""
    errors: list[str] = Field(default_factory=list, description="since it last worked")
    last_packet_at: str = ""
    last_switch_at: str = Field("", description="when it last went on air")
    tracks: list[TrackStatus] = Field(
        default_factory=list, description="what it delivers, or did last, as it declares it"
    )
    link: dict[str, object] = Field(
        default_factory=dict, description="what the protocol measures of the connection"
    )
    transport: TransportStatus | None = Field(None, description="of MPEG-TS")


class SwitchStatus(BaseModel):
    """One change of what is on air."""

    at: str
    before: int = Field(description="priority of the input before; -1 = there was none")
    after: int
    reason: str = Field(description="initial, error, timeout, manual, failback, recovery, slate …")
    detail: str = ""


class OutputStatus(BaseModel):
    """One way to watch a stream."""

    kind: str
    url: str = Field("", description="HOST stands for the name that the server is reached by")
    viewers: int = 0
    running: bool = Field(False, description="whether the lane behind it is being produced")
    details: dict[str, object] = Field(default_factory=dict)


class PushStatus(BaseModel):
    """One destination that a stream is sent to."""

    name: str
    url: str = Field(description="secrets, such as stream keys, replaced by ***")
    kind: str
    state: PushStateName
    attempt: int = Field(0, description="since it last took media; 0 while it does")
    next_attempt_s: float = Field(0.0, description="until the next attempt; 0 = none is awaited")
    connected_since: str = Field("", description="also while a held connection waits")
    connections: int = Field(0, description="how often it began to take media")
    bitrate_kbps: float = Field(0.0, description="measured over the last 3 s")
    bytes_sent: int = 0
    packets_sent: int = 0
    lag_s: float = Field(0.0, description="media that it has not been sent yet")
    skips: int = Field(0, description="how often it was too slow and was moved forward")
    skipped_packets: int = 0
    skipped_s: float = 0.0
    left_out: str = Field("", description="tracks that it is not sent, as it can't carry them")
    last_error: str = Field("", description="the newest failure, also after it was overcome")
    errors: list[str] = Field(
        default_factory=list, description="failures since it last took media, newest last"
    )
    link: dict[str, object] = Field(
        default_factory=dict, description="what the protocol measures of the connection"
    )


class LaneStatus(BaseModel):
    """One lane of a stream."""

    format: str
    items: int
    bytes: int
    seconds: float
    readers: int


class MediaStatus(BaseModel):
    """What is on air."""

    epoch: int = 0
    epochs: int = Field(0, description="epochs since the stream started")
    gop_s: float = Field(0.0, description="length of the last complete group of pictures")
    av_offset_ms: float = Field(0.0, description="audio minus video timestamp at arrival")
    dropped_packets: int = Field(0, description="also units of the source that can't be read")
    timestamp_jumps: int = 0
    tracks: list[TrackStatus] = Field(default_factory=list)
    lanes: list[LaneStatus] = Field(default_factory=list)
    notes: dict[str, str] = Field(default_factory=dict)


class StreamStats(BaseModel):
    """Counters of a stream since it started."""

    bytes_received: int = 0
    packets_received: int = 0
    bytes_sent: int = 0
    viewers: int = 0
    refused: int = 0
    skips: int = 0


class SessionStatus(BaseModel):
    """One connected peer."""

    id: str
    stream: str
    protocol: str
    action: Literal["publish", "play"]
    peer: str
    user_agent: str = ""
    opened_at: str
    uptime_s: float
    bytes_in: int
    bytes_out: int
    lag_s: float = 0.0
    skips: int = 0
    skipped_items: int = 0
    skipped_s: float = 0.0
    last_request_at: str = Field("", description="of viewers who ask for every piece, such as HLS")
    link: dict[str, object] = Field(
        default_factory=dict, description="what the protocol measures of the connection"
    )


class StreamStatus(BaseModel):
    """Everything about one stream."""

    id: str = Field(description="the stream's code")
    title: str = ""
    type: str = Field("", description="kind of the active input: rtmp, file, …")
    source_addr: str = ""
    status: StreamState
    ingest_status: IngestState
    created_at: str
    template: str = Field("", description="the template that it has keys of")
    runtime: bool = Field(False, description="it was made of the template, and is in no file")
    last_heartbeat: str = Field("", description="when the last packet arrived")
    uptime_s: float = 0.0
    video_codec: str = ""
    resolution: str = ""
    bitrate: float = Field(0.0, description="kbit/s, measured over the last 3 s")
    frame_rate: float = 0.0
    stats: StreamStats = Field(default_factory=StreamStats)
    causes: list[Cause] = Field(default_factory=list)
    inputs: list[InputStatus] = Field(default_factory=list)
    switches: list[SwitchStatus] = Field(default_factory=list, description="the newest first")
    outputs: list[OutputStatus] = Field(default_factory=list)
    pushes: list[PushStatus] = Field(default_factory=list)
    sessions: list[SessionStatus] = Field(default_factory=list)
    media: MediaStatus = Field(default_factory=MediaStatus)


class StreamList(BaseModel):
    """``GET /api/v1/streams``."""

    streams: list[StreamStatus]
    count: int
    time: str
    faults: list[str] = Field(
        default_factory=list,
        description="what is wrong with the server itself, such as a reload that failed",
    )


class InputList(BaseModel):
    """``GET /api/v1/streams/{code}/inputs``."""

    inputs: list[InputStatus]
    switches: list[SwitchStatus]
    count: int
    time: str


class PushList(BaseModel):
    """``GET /api/v1/streams/{code}/pushes``."""

    pushes: list[PushStatus]
    count: int
    time: str


class SessionList(BaseModel):
    """``GET /api/v1/sessions``."""

    sessions: list[SessionStatus]
    count: int
    time: str


class Event(BaseModel):
    """One thing that happened, in order."""

    id: int
    type: str = Field(description="such as stream.started, input.connected, session.opened")
    stream: str = ""
    time: str
    payload: dict[str, object] = Field(default_factory=dict)

    @cached_property
    def json_text(self) -> str:
        """The event as JSON, made once for all who are told."""
        return self.model_dump_json()


class PlanStep(BaseModel):
    """What a change of configuration does to one stream."""

    stream: str
    action: Literal["start", "stop", "restart", "update"]
    reason: str
    notices: str = Field("", description="who notices, in words")


class ServerStep(BaseModel):
    """What a change of configuration does to the server itself."""

    part: str = Field(description="such as listeners.rtmp, http, templates.tv")
    action: Literal["open", "close", "move", "change"]
    reason: str
    notices: str = Field("", description="who notices, in words")


class Plan(BaseModel):
    """What a change of configuration does; empty steps mean nothing to do."""

    server: list[ServerStep] = Field(default_factory=list)
    steps: list[PlanStep] = Field(default_factory=list)
    failures: dict[str, str] = Field(
        default_factory=dict, description="streams that could not be changed, with the reason"
    )


class ConfigFault(BaseModel):
    """One thing that is wrong with a configuration."""

    message: str
    hint: str = ""
    file: str = Field("", description="empty = the text that was sent")
    key: str = ""
    line: int = 0


def faults_of(error: ConfigError) -> list[ConfigFault]:
    """Everything that an error says is wrong."""
    errors: tuple[ConfigError, ...] = getattr(error, "errors", (error,))
    return [
        ConfigFault(message=one.message, hint=one.hint, file=one.file, key=one.key, line=one.line)
        for one in errors
    ]


class ConfigReport(BaseModel):
    """``POST /api/v1/config/check``."""

    ok: bool
    streams: int = 0
    faults: list[ConfigFault] = Field(default_factory=list)
    remarks: list[str] = Field(
        default_factory=list, description="what works, but not as one may expect"
    )
    unknown: list[str] = Field(
        default_factory=list, description="slates that could not be compared, and why"
    )


class RequirementStatus(BaseModel):
    """Something beside Python packages that a plugin can't work without."""

    name: str
    version: str = Field("", description="what was found; empty = nothing that can be used")
    error: str = Field("", description="why it can't be used; empty when it can")
    hint: str = Field("", description="what to do about that")


class PluginStatus(BaseModel):
    """One installed protocol plugin."""

    kind: str
    summary: str
    capabilities: list[str] = Field(
        description="of pull, probe, push, publish, play (the last two at a listener) and http"
    )
    schemes: list[str]
    urls: list[str] = Field([], description="how URLs of the kind begin or end")
    ports: dict[str, int] = Field({}, description="default ports by scheme")
    requirements: list[RequirementStatus] = []
    distribution: str = ""
    version: str = ""
    error: str = Field("", description="why it can't be used; empty when it can")


class PluginList(BaseModel):
    """``GET /api/v1/plugins``."""

    plugins: list[PluginStatus]
    count: int
    time: str


class Check(BaseModel):
    """One health check."""

    name: str
    status: Literal["ok", "degraded", "down"]
    message: str = ""


class Health(BaseModel):
    """``GET /health``."""

    status: Literal["ok", "degraded", "down"]
    version: str
    time: str
    uptime_s: float
    checks: list[Check] = Field(default_factory=list)


class Liveness(BaseModel):
    """``GET /live`` and ``GET /ready``."""

    status: Literal["alive", "ready", "not_ready"]
    time: str


class Version(BaseModel):
    """``GET /version``."""

    version: str
    python: str
    os: str
    arch: str


class Problem(BaseModel):
    """The one shape of every error."""

    error: str
    message: str
    hint: str = ""
    time: str
    faults: list[ConfigFault] = Field(
        default_factory=list, description="of `invalid_config`: everything that is wrong"
    )


@dataclass(frozen=True, slots=True)
class ConfigDocument:
    """The text of a configuration; secrets are replaced by ``***``."""

    text: str
    file: str
    """Where it stands; empty = in memory."""
    version: str
    """Names the content."""
