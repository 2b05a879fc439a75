"""Builds the status of a stream's inputs, and the history of its switches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.counters import InputCounters
from streamctl.engine.choice import State
from streamctl.engine.events import rfc3339
from streamctl.engine.transportstatus import transport_status
from streamctl.media.codecs import codec_string
from streamctl.media.packet import Media
from streamctl.schema import InputStatus, SwitchStatus, TrackStatus

if TYPE_CHECKING:
    from streamctl.engine.epoch import Epoch
    from streamctl.engine.ingest import Input
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Track


def inputs_status(stream: Stream) -> list[InputStatus]:
    """Every input, in order of priority."""
    return [input_status(stream, place, one) for place, one in enumerate(stream.inputs.order)]


def switches_status(stream: Stream) -> list[SwitchStatus]:
    """What went on air and why, the newest first."""
    return [
        SwitchStatus(
            at=at(stream, switch.at),
            before=switch.before,
            after=switch.after,
            reason=switch.reason.value,
            detail=switch.detail,
        )
        for switch in stream.inputs.machine.switches
    ]


def input_counters(stream: Stream, place: int, one: Input) -> InputCounters:
    """Plain numbers of an input for a scrape."""
    status = input_status(stream, place, one)
    return InputCounters(
        priority=place,
        role=status.role,
        state=status.status,
        on_air=status.on_air,
        bitrate_bps=status.bitrate_kbps * 1000,
        fps=status.fps,
        loss_ratio=status.loss_pct / 100,
        attempts=one.attempts,
    )


def input_status(stream: Stream, place: int, one: Input) -> InputStatus:
    """One input."""
    machine, intake, url = stream.inputs.machine, one.intake, one.config.url
    state = machine.state(machine.find(one.number))
    shown = State.STOPPED if stream.closed else state
    switched = next((switch.at for switch in machine.switches if switch.after == place), None)
    epoch = intake.epoch if intake is not None else None
    reading = intake.reading() if intake is not None else None
    tracks = (intake.carried if intake is not None else ()) or one.tracks
    size, items = payload(epoch) if epoch is not None else (reading.bytes if reading else 0, 0)
    return InputStatus(
        priority=place,
        url=url.redacted,
        kind=url.kind,
        role=one.config.role,
        status=shown.value,
        on_air=machine.active is not None and machine.active.spec.id == one.number,
        peer=one.peer,
        bitrate_kbps=round(bit_rate(epoch) if epoch is not None else one.health.kbps, 1),
        fps=frame_rate(epoch) if epoch is not None else round(one.health.fps, 2),
        loss_pct=round(one.health.loss_pct, 2),
        held_bytes=intake.held_bytes if intake is not None else 0,
        bytes_received=size,
        packets_received=items,
        reconnects=max(0, one.attempts - 1),
        complaint=one.complaint.words,
        last_error=one.last_error,
        errors=list(one.health.errors),
        last_packet_at=at(stream, intake.last_packet) if intake is not None else "",
        last_switch_at=at(stream, switched),
        tracks=[declared(track) for track in tracks],
        link=one.measure(),
        transport=transport_status(stream.graph, epoch.transport)
        if epoch is not None and epoch.transport
        else None,
    )


def declared(track: Track) -> TrackStatus:
    """One track as its source declares it."""
    return TrackStatus(
        id=track.id,
        media=track.media.value,
        codec=track.codec.value,
        profile=codec_string(track),
        width=track.width,
        height=track.height,
        fps=round(track.fps, 3),
        sample_rate=track.sample_rate,
        channels=track.channels,
        bitrate_kbps=round(track.bitrate / 1000, 1),
        language=track.language,
    )


def at(stream: Stream, moment: float | None) -> str:
    """A monotonic time as a date; empty if there was none."""
    if moment is None:
        return ""
    return rfc3339(stream.clock.wall() - (stream.clock.now() - moment))


def bit_rate(epoch: Epoch) -> float:
    """Measured kbit/s of a running epoch."""
    return epoch.meter.rates()[0] / 1000


def payload(epoch: Epoch | None) -> tuple[int, int]:
    """Payload bytes and access units of a running epoch."""
    if epoch is None:
        return 0, 0
    meters = epoch.tracks_meter.values()
    return sum(m.bytes for m in meters), sum(m.items for m in meters)


def frame_rate(epoch: Epoch | None) -> float:
    """Measured frames per second of the first video track; 0 without one."""
    track = epoch.init.first(Media.VIDEO) if epoch and epoch.init else None
    if epoch is None or track is None or track.id not in epoch.tracks_meter:
        return 0.0
    return round(epoch.tracks_meter[track.id].rates()[1], 2)
