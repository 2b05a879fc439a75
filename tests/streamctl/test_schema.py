from __future__ import annotations

import dataclasses
import inspect

import pytest
from pydantic import BaseModel, ValidationError

from streamctl import schema
from streamctl.counters import ServerCounters, StreamCounters
from streamctl.schema import Event, Plan, PlanStep, StreamStatus

MODELS = [
    kind
    for _, kind in inspect.getmembers(schema, inspect.isclass)
    if issubclass(kind, BaseModel) and kind is not BaseModel
]
SMALLEST = StreamStatus(
    id="news", status="stopped", ingest_status="closed", created_at="2026-01-01T00:00:00.000Z"
)


def test_a_stream_of_which_nothing_is_known_claims_nothing() -> None:
    assert (SMALLEST.bitrate, SMALLEST.frame_rate, SMALLEST.uptime_s) == (0.0, 0.0, 0.0)
    assert (SMALLEST.resolution, SMALLEST.video_codec, SMALLEST.last_heartbeat) == ("", "", "")
    assert (SMALLEST.inputs, SMALLEST.outputs, SMALLEST.sessions, SMALLEST.causes) == (
        [],
        [],
        [],
        [],
    )
    assert set(SMALLEST.stats.model_dump().values()) == {0}


def test_a_document_comes_back_from_json_as_it_was() -> None:
    assert StreamStatus.model_validate_json(SMALLEST.model_dump_json()) == SMALLEST
    event = Event(id=1, type="input.connected", time="t", payload={"tracks": ["h264"]})
    assert Event.model_validate_json(event.model_dump_json()) == event
    plan = Plan(steps=[PlanStep(stream="news", action="start", reason="added")])
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(("field", "value"), [("status", "running"), ("ingest_status", "idle")])
def test_states_are_those_of_the_contract(field: str, value: str) -> None:
    with pytest.raises(ValidationError):
        StreamStatus.model_validate({**SMALLEST.model_dump(), field: value})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_document_is_described(model: type[BaseModel]) -> None:
    assert model.__doc__
    assert model.model_json_schema(mode="serialization")["description"]


def test_documents_share_no_lists() -> None:
    assert Plan().steps is not Plan().steps
    assert ServerCounters().streams is not ServerCounters().streams


def test_counters_start_at_nothing() -> None:
    numbers = dataclasses.asdict(StreamCounters("news"))
    assert numbers.pop("code") == "news"
    assert not any(numbers.values())
