from __future__ import annotations

from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from streamctl.api.metrics import (
    HOOK_METRICS,
    INPUT_METRICS,
    PUSH_METRICS,
    STREAM_METRICS,
    Families,
    ServerCollector,
)
from streamctl.counters import HookCounters, InputCounters, PushCounters, StreamCounters
from tests.support.control import FakeControl


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_exposition_parses_and_holds_the_counters() -> None:
    read = samples(generate_latest(ServerCollector(FakeControl(), {401: 4})).decode())
    news = frozenset({("stream", "news")})
    assert read["streamctl_stream_bytes_received_total", news] == 1000
    assert read["streamctl_stream_on_air", news] == 1
    assert read["streamctl_stream_on_air", frozenset({("stream", "sport")})] == 0
    assert read["streamctl_stream_viewers", news] == 2
    errors = frozenset({("stream", "news"), ("reason", "error")})
    assert read["streamctl_stream_switches_total", errors] == 2
    state = {("stream", "news"), ("input", "0"), ("role", "input")}
    assert read["streamctl_input_state", frozenset({*state, ("state", "active")})] == 1
    assert read["streamctl_input_state", frozenset({*state, ("state", "degraded")})] == 0
    assert read["streamctl_input_on_air", frozenset(state)] == 1
    assert read["streamctl_input_attempts_total", frozenset(state)] == 3
    state = {("stream", "news"), ("push", "yt")}
    assert read["streamctl_push_state", frozenset({*state, ("state", "active")})] == 1
    assert read["streamctl_push_state", frozenset({*state, ("state", "failed")})] == 0
    assert read["streamctl_push_bytes_sent_total", frozenset(state)] == 500
    play = frozenset({("protocol", "rtmp"), ("action", "play")})
    assert read["streamctl_sessions", play] == 3
    refused = frozenset({("protocol", "rtmp"), ("reason", "unauthorized")})
    assert read["streamctl_refused_total", refused] == 2
    assert read["streamctl_api_refused_total", frozenset({("status", "401")})] == 4
    hook = frozenset({("hook", "alarm")})
    assert read["streamctl_hook_delivered_total", hook] == 7
    assert read["streamctl_hook_dropped_total", hook] == 1
    assert read["streamctl_hook_queue", hook] == 3
    assert read["streamctl_loop_lag_seconds", frozenset()] == 0.004
    assert read["streamctl_copies_bytes", frozenset()] == 70_000
    assert read["streamctl_reload_refused", frozenset()] == 1
    assert read["streamctl_streams_failed", frozenset()] == 2
    assert read["process_cpu_seconds_total", frozenset()] > 0


def test_openmetrics_parses_with_its_strict_parser() -> None:
    families = Families(ServerCollector(FakeControl(), {}).collect())
    text = generate_openmetrics(families).decode()  # type: ignore[no-untyped-call]
    names = {family.name for family in read_openmetrics(text)}  # type: ignore[no-untyped-call]
    assert {f"streamctl_stream_{suffix}" for suffix, *_ in STREAM_METRICS} <= names


def test_every_counter_of_a_stream_is_shown() -> None:
    shown = {attribute for *_, attribute in STREAM_METRICS}
    beside = {"code", "switches", "inputs", "pushes"}
    assert shown == set(StreamCounters.__dataclass_fields__) - beside
    shown = {attribute for *_, attribute in INPUT_METRICS}
    assert shown == set(InputCounters.__dataclass_fields__) - {"priority", "role", "state"}
    shown = {attribute for *_, attribute in PUSH_METRICS}
    assert shown == set(PushCounters.__dataclass_fields__) - {"name", "state"}
    shown = {attribute for *_, attribute in HOOK_METRICS}
    assert shown == set(HookCounters.__dataclass_fields__) - {"name"}
