"""Builds the status documents from the engine's plain counters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streamctl.counters import PushCounters, StreamCounters
from streamctl.engine import causes as cause
from streamctl.engine.events import rfc3339
from streamctl.engine.inputstatus import (
    declared,
    frame_rate,
    input_counters,
    inputs_status,
    payload,
    switches_status,
)
from streamctl.engine.memory import held
from streamctl.media.packet import TIMESCALE, Media
from streamctl.schema import (
    Cause,
    LaneStatus,
    MediaStatus,
    OutputStatus,
    PushStatus,
    SessionStatus,
    StreamStats,
    StreamStatus,
    TrackStatus,
)
from streamctl.sdk.endpoints import Measured
from streamctl.sdk.plugin import Cap
from streamctl.sdk.session import Action

if TYPE_CHECKING:
    from streamctl.config.model import StreamConfig
    from streamctl.engine.epoch import Epoch
    from streamctl.engine.lane import Lane
    from streamctl.engine.push import Push
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Format, Track
    from streamctl.schema import IngestState
    from streamctl.sdk.endpoints import HttpOutput
    from streamctl.sdk.plugin import ProtocolPlugin
    from streamctl.sdk.session import Session

log = logging.getLogger("streamctl.status")


def session_status(session: Session, wall: float) -> SessionStatus:
    """One session as a document."""
    return SessionStatus(
        id=session.id,
        stream=session.code,
        protocol=session.protocol,
        action=session.action.value,
        peer=session.peer,
        user_agent=session.user_agent,
        opened_at=rfc3339(session.opened_at),
        uptime_s=round(wall - session.opened_at, 3),
        bytes_in=session.bytes_in,
        bytes_out=session.bytes_out,
        lag_s=round(session.lag, 3),
        skips=session.skips,
        skipped_items=session.skipped_items,
        skipped_s=round(session.skipped_time / TIMESCALE, 3),
        last_request_at=rfc3339(session.asked_at) if session.asked_at else "",
        link=dict(session.measure()),
    )


def stream_status(stream: Stream) -> StreamStatus:
    """One stream as a document."""
    stream.account()
    wall = stream.clock.wall()
    sessions = [session_status(s, wall) for s in stream.services.sessions.of(stream.code)]
    media = media_status(stream)
    video = next((track for track in media.tracks if track.media == "video"), None)
    shown = stream.inputs.active or stream.inputs.order[0]
    publisher = stream.publisher if shown.config.publish else None
    return StreamStatus(
        id=stream.code,
        title=stream.config.title or stream.code,
        type=publisher.protocol if publisher else shown.config.url.kind,
        source_addr=publisher.peer if publisher else shown.config.url.redacted,
        status="degraded" if stream.causes else "active",
        ingest_status=ingest_state(stream),
        created_at=rfc3339(stream.created_at),
        template=stream.config.template,
        runtime=stream.config.runtime,
        last_heartbeat=last_heartbeat(stream),
        uptime_s=round(stream.clock.now() - stream.started, 3),
        video_codec=video.codec if video else "",
        resolution=f"{video.width}x{video.height}" if video and video.width else "",
        bitrate=round(sum(track.bitrate_kbps for track in media.tracks), 1),
        frame_rate=video.fps if video else 0.0,
        stats=stream_stats(stream),
        causes=[
            Cause(name=name, detail=detail, since=rfc3339(since))
            for name, (detail, since) in stream.causes.active.items()
        ],
        inputs=inputs_status(stream),
        switches=switches_status(stream),
        outputs=outputs(stream),
        pushes=[push_status(push) for push in stream.pushes],
        sessions=sessions,
        media=media,
    )


def stream_stats(stream: Stream) -> StreamStats:
    """The counters of a stream, ended epochs and sessions included."""
    epoch = stream.epoch
    sessions = stream.services.sessions.of(stream.code)
    return StreamStats(
        bytes_received=stream.bytes_received + payload(epoch)[0],
        packets_received=stream.packets_received + payload(epoch)[1],
        bytes_sent=stream.bytes_sent + sum(s.bytes_out for s in sessions),
        viewers=sum(s.action is Action.PLAY for s in sessions),
        refused=stream.refused,
        skips=stream.skips + sum(s.skips for s in sessions),
    )


def counters(stream: Stream) -> StreamCounters:
    """Plain numbers of a stream for a scrape."""
    stream.account()
    stats = stream_stats(stream)
    epoch = stream.epoch
    bits, _ = epoch.meter.rates() if epoch else (0.0, 0.0)
    return StreamCounters(
        code=stream.code,
        on_air=stream.on_air(),
        degraded=bool(stream.causes),
        bytes_received=stats.bytes_received,
        packets_received=stats.packets_received,
        bytes_sent=stats.bytes_sent,
        viewers=stats.viewers,
        skips=stats.skips,
        refused=stats.refused,
        epochs=stream.epochs,
        timestamp_jumps=stream.jumps + (epoch.jumps if epoch else 0),
        dropped_packets=stream.dropped + (epoch.lost if epoch else 0),
        lost_packets=stream.missing + (epoch.missing if epoch else 0),
        bitrate_bps=bits,
        fps=frame_rate(epoch),
        memory_bytes=held(stream),
        switches={reason.value: n for reason, n in stream.inputs.machine.switched.items()},
        inputs=[input_counters(stream, n, one) for n, one in enumerate(stream.inputs.order)],
        pushes=[push_counters(push) for push in stream.pushes],
    )


def media_status(stream: Stream) -> MediaStatus:
    """What is on air."""
    epoch = stream.epoch
    tracks = epoch.init.tracks if epoch and epoch.init else ()
    return MediaStatus(
        epoch=epoch.number if epoch else 0,
        epochs=stream.epochs,
        gop_s=round(stream.graph.base.newest_gop / TIMESCALE, 3) if epoch else 0.0,
        av_offset_ms=av_offset_ms(stream),
        dropped_packets=stream.dropped + (epoch.lost if epoch else 0),
        timestamp_jumps=stream.jumps + (epoch.jumps if epoch else 0),
        tracks=[track_status(track, epoch) for track in tracks],
        lanes=[lane_status(stream, lane) for lane in stream.graph.lanes()],
        notes=dict(stream.notes),
    )


def av_offset_ms(stream: Stream) -> float:
    """End of the newest audio minus end of the newest video; 0 unless both are on air."""
    epoch = stream.epoch
    init = epoch.init if epoch and epoch.on_air else None
    if init is None or not (init.first(Media.VIDEO) and init.first(Media.AUDIO)):
        return 0.0
    return round((stream.timeline.audio_end - stream.timeline.video_end) / 90, 1)


def track_status(track: Track, epoch: Epoch | None) -> TrackStatus:
    """One track with its measured rates."""
    meter = epoch.tracks_meter.get(track.id) if epoch else None
    bits, items = meter.rates() if meter else (0.0, 0.0)
    measured = {
        "fps": round(items, 2) if track.media is Media.VIDEO else 0.0,
        "bitrate_kbps": round(bits / 1000, 1),
    }
    return declared(track).model_copy(update=measured)


def lane_status(stream: Stream, lane: Lane) -> LaneStatus:
    """One lane."""
    users = stream.graph.entry(lane.format).users
    return LaneStatus(
        format=lane.format.value,
        items=len(lane.items),
        bytes=lane.bytes,
        seconds=round(lane.seconds, 3),
        readers=users,
    )


def ingest_state(stream: Stream) -> IngestState:
    """How the input stands."""
    if stream.closed or stream.inputs.finished:
        return "closed"
    if stream.on_air():
        return "active"
    if cause.IDLE in stream.causes:
        return "paused"
    if cause.INPUT_FAILED in stream.causes:
        return "error"
    return "connecting"


def link(end: object) -> dict[str, object]:
    """What a source or a sink measures of its connection."""
    return dict(end.measure()) if isinstance(end, Measured) else {}


def last_heartbeat(stream: Stream) -> str:
    """When the last packet arrived; empty if none did in this epoch."""
    epoch = stream.epoch
    if epoch is None or epoch.last_packet is None:
        return ""
    return rfc3339(stream.clock.wall() - (stream.clock.now() - epoch.last_packet))


def outputs(stream: Stream) -> list[OutputStatus]:
    """The ways to watch a stream."""
    rows = []
    for kind, plugin in stream.services.plugins.items():
        if not plugin.caps & (Cap.HTTP | Cap.LISTEN) or not stream.config.serves(kind):
            continue
        output = stream.outputs.get(kind)
        sessions = stream.services.sessions.of(stream.code, Action.PLAY)
        rows.append(
            OutputStatus(
                kind=kind,
                url=stream.services.url_of(plugin, stream.code),
                viewers=sum(s.protocol == kind for s in sessions),
                running=any(map(stream.lane_running, play_formats(plugin))),
                details=output_details(output) if output else {},
            )
        )
    return rows


def play_formats(plugin: ProtocolPlugin) -> set[Format]:
    """The lanes that viewers of a plugin may read: the usual one, and those that it makes."""
    found = {spec.target for spec in plugin.converters()}
    return found if plugin.play_format is None else {*found, plugin.play_format}


def push_status(push: Push) -> PushStatus:
    """One destination."""
    clock = push.stream.clock
    bits, _ = push.meter.rates()
    cursor, counts = push.cursor, push.counts
    return PushStatus(
        name=push.destination.name,
        url=push.url.redacted,
        kind=push.url.kind,
        state=push.state.value,
        attempt=push.attempt,
        next_attempt_s=(
            0.0 if push.next_attempt is None else round(push.next_attempt - clock.now(), 1)
        ),
        connected_since="" if push.connected_at is None else rfc3339(push.connected_at),
        connections=push.connections,
        bitrate_kbps=round(bits / 1000, 1),
        bytes_sent=push.bytes_sent,
        packets_sent=counts.items,
        lag_s=round((cursor.lane.newest - cursor.time) / TIMESCALE, 3) if cursor else 0.0,
        skips=counts.skips,
        skipped_packets=counts.skipped_items,
        skipped_s=round(counts.skipped_time / TIMESCALE, 3),
        left_out=push.left_out,
        last_error=push.last_error,
        errors=list(push.errors),
        link=link(push.sink),
    )


def push_counters(push: Push) -> PushCounters:
    """Plain numbers of a destination for a scrape."""
    return PushCounters(
        name=push.destination.name,
        state=push.state.value,
        bytes_sent=push.bytes_sent,
        packets_sent=push.counts.items,
        skips=push.counts.skips,
        connections=push.connections,
    )


def output_details(output: HttpOutput) -> dict[str, object]:
    """What an output says of itself; its failure to do so is its own."""
    try:
        return dict(output.status())
    except Exception as error:
        log.exception("no status of %s", type(output).__name__)
        return {"error": f"{type(error).__name__}: {error}"}


def stopped_status(config: StreamConfig, failure: str = "") -> StreamStatus:
    """A stream that is configured but does not run; ``failure`` says why, if it should."""
    first = config.inputs[0].url
    return StreamStatus(
        id=config.code,
        title=config.title or config.code,
        type=first.kind,
        source_addr=first.redacted,
        status="stopped",
        ingest_status="error" if failure else "closed",
        created_at="",
        causes=[Cause(name=cause.START_FAILED, detail=failure, since="")] if failure else [],
    )
