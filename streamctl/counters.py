"""Plain numbers that a scrape of the metrics reads; they are no documents of the API.

Every number here is counted by the engine, as those of :mod:`streamctl.schema` are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamctl.schema import InputStateName, PushStateName


@dataclass(slots=True)
class HookCounters:
    """One hook's numbers for a scrape."""

    name: str
    delivered: int
    failed: int
    dropped: int
    queue: int


@dataclass(slots=True)
class InputCounters:
    """One input's numbers for a scrape."""

    priority: int
    role: str
    state: InputStateName
    on_air: bool
    bitrate_bps: float
    fps: float
    loss_ratio: float
    """Packets lost in the last 10 s, of all that were sent."""
    attempts: int
    """How often it was connected to."""


@dataclass(slots=True)
class PushCounters:
    """One destination's numbers for a scrape."""

    name: str
    state: PushStateName
    bytes_sent: int
    packets_sent: int
    skips: int
    connections: int


@dataclass(slots=True)
class StreamCounters:
    """One stream's numbers for a scrape."""

    code: str
    on_air: bool = False
    """Whether an epoch is running."""
    degraded: bool = False
    """Whether any cause keeps the stream from being simply active."""
    bytes_received: int = 0
    packets_received: int = 0
    bytes_sent: int = 0
    viewers: int = 0
    skips: int = 0
    refused: int = 0
    epochs: int = 0
    timestamp_jumps: int = 0
    dropped_packets: int = 0
    lost_packets: int = 0
    bitrate_bps: float = 0.0
    fps: float = 0.0
    memory_bytes: int = 0
    """Bytes that the stream's lanes and outputs hold."""
    switches: dict[str, int] = field(default_factory=dict)
    """How often an input went on air, by every reason that there is."""
    inputs: list[InputCounters] = field(default_factory=list)
    """In order of priority."""
    pushes: list[PushCounters] = field(default_factory=list)


@dataclass(slots=True)
class ServerCounters:
    """The whole server's numbers for a scrape."""

    uptime_s: float = 0.0
    loop_lag_s: float = 0.0
    """Worst lateness of the event loop in the last minute."""
    loop_stalls: int = 0
    """How often the loop was more than 50 ms late."""
    copies_bytes: int = 0
    """Media held a second time, for the system to send to many."""
    reload_refused: bool = False
    """Whether the newest configuration is not the one in force."""
    streams_failed: int = 0
    """Streams that are not as they are configured, and are tried again."""
    sessions: dict[tuple[str, str], int] = field(default_factory=dict)
    """Open sessions by protocol and action."""
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    """Refused requests by protocol and reason, also those that name no stream."""
    streams: list[StreamCounters] = field(default_factory=list)
    hooks: list[HookCounters] = field(default_factory=list)
