"""Tables of streams, tracks and sessions for commands that print to a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rich import box
from rich.table import Table
from rich.text import Text

from streamctl.log import VISIBLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from streamctl.schema import (
        InputStatus,
        PushStatus,
        SessionStatus,
        StreamStatus,
        SwitchStatus,
        TrackStatus,
    )

STATE_STYLE = {"active": "green", "standby": "cyan", "degraded": "yellow", "stopped": "dim"}
PUSH_STYLE = {"active": "green", "reconnecting": "yellow", "failed": "red", "waiting": "dim"}
GAP = (0, 1, 0, 0)
UNITS = ("B", "kB", "MB", "GB", "TB")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[RenderableType]],
    *,
    right: Sequence[str] = (),
    wrap: Sequence[str] = (),
) -> Table:
    """A table without frames; columns in ``right`` hold numbers, those in ``wrap`` give way."""
    made = Table(
        box=box.SIMPLE_HEAD, padding=GAP, pad_edge=False, show_edge=False, header_style="bold"
    )
    for column in columns:
        side: Literal["left", "right"] = "right" if column in right else "left"
        # What gives way goes on in the next line: half a URL is none.
        made.add_column(column, justify=side, no_wrap=column not in wrap, overflow="fold")
    for row in rows:
        made.add_row(*(cell.translate(VISIBLE) if isinstance(cell, str) else cell for cell in row))
    return made


def streams(found: Iterable[StreamStatus]) -> Table:
    """One line per stream."""
    rows = [
        (
            stream.id,
            standing(stream),
            f"{stream.type} {stream.source_addr}".strip(),
            f"{stream.video_codec} {stream.resolution}".strip(),
            kbps(stream.bitrate),
            f"{stream.frame_rate:.1f}" if stream.frame_rate else "",
            str(stream.stats.viewers),
            duration(stream.uptime_s),
            causes(stream),
        )
        for stream in found
    ]
    columns = ("STREAM", "STATE", "INPUT", "VIDEO", "KBIT/S", "FPS", "VIEWERS", "UPTIME", "CAUSE")
    return table(
        columns,
        rows,
        right=("KBIT/S", "FPS", "VIEWERS", "UPTIME"),
        wrap=("INPUT", "VIDEO", "CAUSE"),
    )


def tracks(found: Iterable[TrackStatus]) -> Table:
    """One line per track."""
    rows = [
        (
            str(track.id),
            track.media,
            track.profile or track.codec,
            shape(track),
            f"{track.fps:.2f}" if track.fps else "",
            kbps(track.bitrate_kbps),
            track.language,
        )
        for track in found
    ]
    columns = ("TRACK", "MEDIA", "CODEC", "FORMAT", "FPS", "KBIT/S", "LANGUAGE")
    return table(columns, rows, right=("TRACK", "FPS", "KBIT/S"))


def inputs(found: Iterable[InputStatus]) -> Table:
    """One line per input, in order of priority."""
    rows = [
        (
            f"{one.priority}{' on air' if one.on_air else ''}",
            Text(one.status, style=STATE_STYLE.get(one.status, "")),
            f"{one.url} {one.peer}".strip() + (" (slate)" if one.role == "slate" else ""),
            kbps(one.bitrate_kbps),
            f"{one.fps:.1f}" if one.fps else "",
            f"{one.loss_pct:.1f}" if one.loss_pct else "",
            one.complaint or one.last_error,
        )
        for one in found
    ]
    columns = ("INPUT", "STATE", "URL", "KBIT/S", "FPS", "LOSS %", "NOTE")
    return table(columns, rows, right=("KBIT/S", "FPS", "LOSS %"), wrap=("URL", "NOTE"))


def switches(found: Iterable[SwitchStatus]) -> Table:
    """One line per change of what was on air, the newest first."""
    rows = [
        (
            one.at,
            f"{'-' if one.before < 0 else one.before} → {one.after}",
            one.reason,
            one.detail,
        )
        for one in found
    ]
    return table(("SWITCHED AT", "INPUT", "REASON", "NOTE"), rows, wrap=("NOTE",))


def pushes(found: Iterable[PushStatus]) -> Table:
    """One line per destination."""
    rows = [
        (
            push.name,
            Text(push.state, style=PUSH_STYLE.get(push.state, "")),
            push.url,
            str(push.attempt or ""),
            size(push.bytes_sent),
            kbps(push.bitrate_kbps),
            f"{push.lag_s:.1f} s" if push.connected_since else "",
            str(push.skips or ""),
            remark(push),
        )
        for push in found
    ]
    columns = ("PUSH", "STATE", "URL", "TRY", "BYTES", "KBIT/S", "LAG", "SKIPS", "NOTE")
    return table(
        columns, rows, right=("TRY", "BYTES", "KBIT/S", "LAG", "SKIPS"), wrap=("URL", "NOTE")
    )


def remark(push: PushStatus) -> str:
    """What is wrong with a destination, or not sent there."""
    if push.state != "active":
        return push.last_error
    return f"can't carry {push.left_out}: left out" if push.left_out else ""


def sessions(found: Iterable[SessionStatus]) -> Table:
    """One line per connected peer."""
    rows = [
        (
            session.id,
            session.protocol,
            session.action,
            session.peer,
            duration(session.uptime_s),
            size(session.bytes_in + session.bytes_out),
            f"{session.lag_s:.1f} s" if session.lag_s else "",
            str(session.skips or ""),
            session.user_agent,
        )
        for session in found
    ]
    columns = ("SESSION", "KIND", "ACTION", "PEER", "SINCE", "BYTES", "LAG", "SKIPS", "CLIENT")
    return table(
        columns, rows, right=("SINCE", "BYTES", "LAG", "SKIPS"), wrap=("SESSION", "CLIENT")
    )


def state(name: str) -> Text:
    """A state, coloured for terminals."""
    return Text(name, style=STATE_STYLE.get(name, ""))


def standing(stream: StreamStatus) -> Text:
    """The state of a stream, and whether it is in no file."""
    found = state(stream.status)
    return found.append(" runtime", style="dim") if stream.runtime else found


def causes(stream: StreamStatus) -> str:
    """Why a stream isn't simply active, by name."""
    return ", ".join(cause.name for cause in stream.causes)


def shape(track: TrackStatus) -> str:
    """Picture size, or sampling rate and channels."""
    if track.width:
        return f"{track.width}x{track.height}"
    return f"{track.sample_rate} Hz, {track.channels} ch" if track.sample_rate else ""


def kbps(value: float) -> str:
    """A rate; empty while it is unknown."""
    return f"{value:.0f}" if value else ""


def duration(seconds: float) -> str:
    """``0:05``, ``1:02:03``, ``3d 04:05:06``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def size(count: float) -> str:
    """Bytes in decimal units."""
    unit = 0
    while count >= 1000 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 else f"{count:.1f} {UNITS[unit]}"
