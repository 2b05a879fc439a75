"""Prometheus metrics, made from plain counters when somebody asks for them.

A custom collector costs the media paths nothing: they count in plain integers, and a scrape reads
those. Specification: Prometheus text exposition format and OpenMetrics 1.0.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, get_args

from prometheus_client import Metric
from prometheus_client.registry import Collector

from streamctl import __version__
from streamctl.schema import InputStateName, PushStateName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamctl.api.control import Control
    from streamctl.counters import HookCounters, StreamCounters

STREAM_METRICS = (
    ("on_air", "gauge", "Whether an epoch is running.", "on_air"),
    ("degraded", "gauge", "Whether a cause keeps the stream from being active.", "degraded"),
    ("bytes_received", "counter", "Bytes received from inputs.", "bytes_received"),
    ("packets_received", "counter", "Packets received from inputs.", "packets_received"),
    ("bytes_sent", "counter", "Bytes sent to viewers.", "bytes_sent"),
    ("viewers", "gauge", "Viewers now.", "viewers"),
    ("skips", "counter", "Times a slow viewer was moved forward.", "skips"),
    ("refused", "counter", "Refused requests for the stream.", "refused"),
    ("epochs", "counter", "Uninterrupted runs of an input.", "epochs"),
    ("timestamp_jumps", "counter", "Jumps of the input's timestamps.", "timestamp_jumps"),
    ("dropped_packets", "counter", "Packets that could not be put on air.", "dropped_packets"),
    ("lost_packets", "counter", "Packets of MPEG-TS that never came.", "lost_packets"),
    ("bitrate_bps", "gauge", "Bits per second over the last 3 s.", "bitrate_bps"),
    ("fps", "gauge", "Video frames per second over the last 3 s.", "fps"),
    ("memory_bytes", "gauge", "Bytes that the stream's lanes and segments hold.", "memory_bytes"),
)
"""Name after ``streamctl_stream_``, type, help and the counter that each shows."""
INPUT_METRICS = (
    ("on_air", "gauge", "Whether viewers see this input.", "on_air"),
    ("bitrate_bps", "gauge", "Bits per second over the last 3 s.", "bitrate_bps"),
    ("fps", "gauge", "Video frames per second over the last 3 s.", "fps"),
    ("loss_ratio", "gauge", "Part of the packets lost in the last 10 s.", "loss_ratio"),
    ("attempts", "counter", "Times the input was connected to.", "attempts"),
)
"""The same after ``streamctl_input_``."""
PUSH_METRICS = (
    ("bytes_sent", "counter", "Bytes sent to the destination.", "bytes_sent"),
    ("packets_sent", "counter", "Packets sent to the destination.", "packets_sent"),
    ("skips", "counter", "Times a slow destination was moved forward.", "skips"),
    ("connections", "counter", "Times the destination began to take media.", "connections"),
)
"""The same after ``streamctl_push_``."""
HOOK_METRICS = (
    ("delivered", "counter", "Events delivered, or commands that went well.", "delivered"),
    ("failed", "counter", "Attempts, or commands, that went wrong.", "failed"),
    ("dropped", "counter", "Events lost because too many waited.", "dropped"),
    ("queue", "gauge", "Events that wait.", "queue"),
)
"""The same after ``streamctl_hook_``."""
INPUT_STATES = get_args(InputStateName)
PUSH_STATES = get_args(PushStateName)


class ServerCollector(Collector):
    """Reads the server's counters at each scrape."""

    def __init__(self, control: Control, api_refused: Mapping[int, int]) -> None:
        self.control = control
        self.api_refused = api_refused

    def collect(self) -> Iterable[Metric]:
        """Every metric family of the server."""
        counters = self.control.counters()
        yield family("streamctl_build", "info", "Version of the server.", version=__version__)
        yield single("streamctl_uptime_seconds", "gauge", "Time since start.", counters.uptime_s)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield single(
            "process_cpu_seconds",
            "counter",
            "CPU time of the server process.",
            usage.ru_utime + usage.ru_stime,
        )
        yield single(
            "streamctl_loop_lag_seconds",
            "gauge",
            "Worst lateness of the event loop in the last minute.",
            counters.loop_lag_s,
        )
        yield single(
            "streamctl_loop_stalls",
            "counter",
            "Times the event loop was more than 50 ms late.",
            counters.loop_stalls,
        )
        yield single(
            "streamctl_copies_bytes",
            "gauge",
            "Bytes of media held a second time, for the system to send to many.",
            counters.copies_bytes,
        )
        yield single(
            "streamctl_reload_refused",
            "gauge",
            "1 while the newest configuration is refused and the one before it in force.",
            int(counters.reload_refused),
        )
        yield single(
            "streamctl_streams_failed",
            "gauge",
            "Streams that could not be started or changed, and are tried again.",
            counters.streams_failed,
        )
        yield pairs(
            ("streamctl_sessions", "gauge", "Open sessions."),
            ("protocol", "action"),
            counters.sessions,
        )
        yield pairs(
            ("streamctl_refused", "counter", "Refused requests of publishers and viewers."),
            ("protocol", "reason"),
            counters.refused,
        )
        refused = Metric("streamctl_api_refused", "Refused calls of the API.", "counter")
        for status, count in self.api_refused.items():
            refused.add_sample("streamctl_api_refused_total", {"status": str(status)}, count)
        yield refused
        yield from stream_families(counters.streams)
        yield from input_families(counters.streams)
        yield from push_families(counters.streams)
        yield from hook_families(counters.hooks)


class Families(Collector):
    """Families that were collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = list(families)

    def collect(self) -> Iterable[Metric]:
        """The families as they were."""
        return self.families


def family(name: str, kind: str, summary: str, **labels: str) -> Metric:
    """A family of one sample that is always 1."""
    metric = Metric(name, summary, kind)
    metric.add_sample(f"{name}_info", labels, 1)
    return metric


def single(name: str, kind: str, summary: str, value: float) -> Metric:
    """A family of one sample without labels."""
    metric = Metric(name, summary, kind)
    metric.add_sample(sample_name(name, kind), {}, value)
    return metric


def pairs(
    head: tuple[str, str, str], labels: tuple[str, str], values: Mapping[tuple[str, str], int]
) -> Metric:
    """A family with two labels; ``head`` is its name, type and help."""
    name, kind, summary = head
    metric = Metric(name, summary, kind)
    for (first, second), value in values.items():
        metric.add_sample(sample_name(name, kind), {labels[0]: first, labels[1]: second}, value)
    return metric


def stream_families(streams: Iterable[StreamCounters]) -> Iterable[Metric]:
    """The families that have one sample per stream."""
    labelled = [({"stream": stream.code}, stream) for stream in streams]
    yield from attributes("streamctl_stream", STREAM_METRICS, labelled)


def input_families(streams: Iterable[StreamCounters]) -> Iterable[Metric]:
    """The families that have samples per input, which is named by its priority."""
    known = list(streams)
    switches = Metric("streamctl_stream_switches", "Times an input went on air.", "counter")
    for stream in known:
        for reason, count in stream.switches.items():
            labels = {"stream": stream.code, "reason": reason}
            switches.add_sample("streamctl_stream_switches_total", labels, count)
    yield switches
    labelled = [
        ({"stream": stream.code, "input": str(one.priority), "role": one.role}, one)
        for stream in known
        for one in stream.inputs
    ]
    states = Metric("streamctl_input_state", "State of the input: 1 = this one.", "gauge")
    for labels, one in labelled:
        for state in INPUT_STATES:
            value = float(one.state == state)
            states.add_sample("streamctl_input_state", {**labels, "state": state}, value)
    yield states
    yield from attributes("streamctl_input", INPUT_METRICS, labelled)


def push_families(streams: Iterable[StreamCounters]) -> Iterable[Metric]:
    """The families that have samples per destination."""
    labelled = [
        ({"stream": stream.code, "push": push.name}, push)
        for stream in streams
        for push in stream.pushes
    ]
    states = Metric("streamctl_push_state", "State of the destination: 1 = this one.", "gauge")
    for labels, push in labelled:
        for state in PUSH_STATES:
            value = float(push.state == state)
            states.add_sample("streamctl_push_state", {**labels, "state": state}, value)
    yield states
    yield from attributes("streamctl_push", PUSH_METRICS, labelled)


def hook_families(hooks: Iterable[HookCounters]) -> Iterable[Metric]:
    """The families that have one sample per hook."""
    labelled = [({"hook": hook.name}, hook) for hook in hooks]
    yield from attributes("streamctl_hook", HOOK_METRICS, labelled)


def attributes(
    prefix: str,
    metrics: Iterable[tuple[str, str, str, str]],
    labelled: Sequence[tuple[Mapping[str, str], object]],
) -> Iterable[Metric]:
    """A family for each attribute of labelled things, after the tables at the top."""
    for suffix, kind, summary, attribute in metrics:
        name = f"{prefix}_{suffix}"
        metric = Metric(name, summary, kind)
        sample = sample_name(name, kind)
        for labels, one in labelled:
            metric.add_sample(sample, dict(labels), float(getattr(one, attribute)))
        yield metric


def sample_name(name: str, kind: str) -> str:
    """Counters' samples end in ``_total``, their families do not."""
    return f"{name}_total" if kind == "counter" else name
