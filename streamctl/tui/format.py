"""Numbers and states as short, coloured text for narrow columns.

Some texts come from peers (user agents, names, errors): :func:`clean` keeps their control
characters from reaching the terminal, and nothing here is read as markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from streamctl.schema import SessionStatus, StreamStatus, TrackStatus

GOOD = "#4cc38a"
WARN = "#f0b13d"
BAD = "#ff6b6b"
SOFT = "#8b95a7"

STATES = {
    "active": GOOD,
    "ok": GOOD,
    "degraded": WARN,
    "stopped": SOFT,
    "down": BAD,
}
"""Colours of states; the word beside the colour says the same."""

SLOW_S = 3.0
"""A viewer this far behind the newest item is worth a look."""


def clean(text: str) -> str:
    """The text with what could steer a terminal made visible."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def bitrate(kbps: float) -> str:
    """A bitrate with its unit; empty when there is none."""
    if kbps <= 0:
        return ""
    return f"{kbps / 1000:.2f} Mbit/s" if kbps >= 1000 else f"{kbps:.0f} kbit/s"


def size(count: int) -> str:
    """A number of bytes in three digits or so."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """A duration as a clock shows it; empty when there is none."""
    if seconds <= 0:
        return ""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}h"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def state(status: str) -> Text:
    """A state as a coloured mark and its word."""
    return Text(f"● {status}", style=STATES.get(status, SOFT))


def picture(stream: StreamStatus) -> str:
    """The video codec and the height of the picture."""
    _, _, height = stream.resolution.partition("x")
    return clean(
        " ".join(part for part in (stream.video_codec, f"{height}p" if height else "") if part)
    )


def causes(stream: StreamStatus) -> str:
    """The names of the causes, as words."""
    return clean(", ".join(cause.name.replace("_", " ") for cause in stream.causes))


def track(one: TrackStatus) -> str:
    """A track in a line."""
    parts = [one.codec]
    if one.width:
        parts.append(f"{one.width}x{one.height}")
    if one.fps:
        parts.append(f"{one.fps:.4g} fps")
    if one.sample_rate:
        parts.append(f"{one.sample_rate / 1000:g} kHz")
    if one.channels:
        parts.append({1: "mono", 2: "stereo"}.get(one.channels, f"{one.channels} ch"))
    parts.extend(part for part in (bitrate(one.bitrate_kbps), one.language) if part)
    return clean(" ".join(parts))


def lag(session: SessionStatus) -> Text:
    """How far a viewer is behind; coloured when that is far."""
    if session.action == "publish":
        return Text("")
    return number(f"{session.lag_s:.1f} s", WARN if session.lag_s >= SLOW_S else "")


def skips(session: SessionStatus) -> Text:
    """How often a viewer was moved forward, and what it lost by that."""
    if not session.skips:
        return number("")
    return number(f"{session.skips} ({session.skipped_s:.0f} s)", BAD)


def number(text: str, style: str = "") -> Text:
    """A right-aligned cell."""
    return Text(text, style=style, justify="right")
