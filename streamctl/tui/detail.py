"""The lower half of the screen: all about the selected stream."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import Horizontal, Vertical
from textual.widgets import Sparkline, Static

from streamctl.tui import format as show
from streamctl.tui.table import SessionTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.app import ComposeResult

    from streamctl.schema import PushStatus, StreamStatus

PUSH_STYLE = {"active": show.GOOD, "reconnecting": show.WARN, "failed": show.BAD}
HISTORY = 120
"""Bitrates kept per stream: a minute at two refreshes per second."""


class History:
    """The recent bitrates of every stream."""

    def __init__(self) -> None:
        self.bitrates: dict[str, deque[float]] = {}

    def add(self, streams: Iterable[StreamStatus]) -> None:
        """Note the current bitrates; streams that are gone are forgotten."""
        self.bitrates = {
            stream.id: self.bitrates.get(stream.id, deque(maxlen=HISTORY)) for stream in streams
        }
        for stream in streams:
            self.bitrates[stream.id].append(stream.bitrate)

    def of(self, code: str) -> Sequence[float]:
        """The bitrates of a stream, oldest first."""
        return tuple(self.bitrates.get(code, ()))


class Detail(Vertical):
    """Facts, bitrate curve and sessions of one stream."""

    def __init__(self, *, id: str, host: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.host = host
        self.facts = Static(id="facts")
        self.curve = Sparkline([], id="bitrate")
        self.sessions = SessionTable(id="sessions")

    def compose(self) -> ComposeResult:
        """The parts, from top to bottom."""
        yield self.facts
        with Horizontal(id="curve"):
            yield Static("bitrate, last minute ", id="curve-label")
            yield self.curve
        yield self.sessions

    def show_stream(self, stream: StreamStatus | None, bitrates: Sequence[float]) -> None:
        """Show a stream, or that none is selected."""
        if stream is None:
            self.border_title = "No stream"
            self.facts.update(Text("Nothing matches.", style=show.SOFT))
            self.curve.data = []
            self.sessions.update_sessions([])
            return
        self.border_title = heading(stream)
        self.facts.update(facts(stream, self.host))
        # A curve scales to its extremes; a steady stream must look steady, not wild.
        self.curve.data = [0.0, *bitrates] if bitrates else []
        self.sessions.update_sessions(stream.sessions)
        hidden = len(stream.sessions) - self.sessions.row_count
        self.sessions.border_subtitle = f"and {hidden} more" if hidden > 0 else ""


def heading(stream: StreamStatus) -> Text:
    """Code and title."""
    text = Text(show.clean(stream.id), style="bold")
    if stream.title and stream.title != stream.id:
        text.append(f" · {show.clean(stream.title)}", style="not bold")
    return text


def facts(stream: StreamStatus, host: str) -> Text:
    """What is known, a line per question: from where, what, which doors, what is wrong."""
    lines = [origin(stream), media(stream), doors(stream, host), *map(destination, stream.pushes)]
    lines += [
        Text(show.clean(f"▲ {cause.name.replace('_', ' ')}: {cause.detail}"), style=show.WARN)
        for cause in stream.causes
    ]
    lines += [
        Text(show.clean(f"▲ {one.url} {one.last_error}"), style=show.BAD)
        for one in stream.inputs
        if one.last_error
    ]
    return Text("\n").join(line for line in lines if line.plain)


def destination(push: PushStatus) -> Text:
    """Where a destination stands."""
    text = Text(show.clean(f"▶ {push.name} "))
    text.append(push.state, style=PUSH_STYLE.get(push.state, ""))
    if push.state == "active":
        text.append(f"  {push.bitrate_kbps:.0f} kbit/s")
    elif push.next_attempt_s > 0:
        text.append(f", again in {push.next_attempt_s:.0f} s")
    if push.skips:
        text.append(f"  {push.skips} skips", style=show.WARN)
    if push.left_out:
        text.append(show.clean(f"  without {push.left_out}"), style=show.WARN)
    text.append(show.clean(f"  {push.url}"), style=show.SOFT)
    return text


def origin(stream: StreamStatus) -> Text:
    """Where it comes from and how long it has run."""
    text = show.state(stream.status)
    if stream.source_addr:
        text.append(show.clean(f"  {stream.type} from {stream.source_addr}"), style="default")
    if stream.uptime_s:
        text.append(f"  up {show.duration(stream.uptime_s)}", style="default")
    if stream.media.epochs > 1:
        text.append(f"  epoch {stream.media.epochs}", style=show.SOFT)
    return text


def media(stream: StreamStatus) -> Text:
    """Tracks, and what a player would choke on."""
    parts = [show.track(track) for track in stream.media.tracks]
    if stream.media.gop_s:
        parts.append(f"GOP {stream.media.gop_s:.1f} s")
    if stream.media.av_offset_ms:
        parts.append(f"A/V {stream.media.av_offset_ms:+.0f} ms")
    return Text(" · ".join(parts))


def doors(stream: StreamStatus, host: str) -> Text:
    """Where viewers find the stream, as seen from here."""
    urls = (output.url.replace("//HOST", f"//{host}") for output in stream.outputs if output.url)
    return Text(show.clean("  ".join(urls)), style=show.SOFT)
