from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from streamctl_srt.options import InputOptions, LinkOptions, ListenerOptions, OutputOptions


@pytest.mark.parametrize(
    ("model", "values", "reason"),
    [
        (InputOptions, {"passphrase": "x" * 9}, "10 to 79"),
        (InputOptions, {"passphrase": "x" * 80}, "10 to 79"),
        (InputOptions, {"passphrase": "env:NOPE"}, "not set"),
        (InputOptions, {"stream_id": "x" * 513}, "512 bytes at most, this has 513"),
        (InputOptions, {"pids": [8191]}, "8190"),
        (OutputOptions, {"read_passphrase": ""}, "empty"),
        (LinkOptions, {"packet_bytes": 1300}, "multiple of 188"),
        (LinkOptions, {"packet_bytes": 1504}, "1456"),
        (LinkOptions, {"key_length": 64}, "0, 128, 192 or 256"),
        (LinkOptions, {"latency_ms": 120_000}, "30000"),
        (ListenerOptions, {"max_connections": 0}, "greater than or equal to 1"),
        (ListenerOptions, {"passphrase": "0123456789"}, "Extra inputs"),
    ],
)
def test_what_can_not_be_is_refused(model: Any, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values, context={"environ": {}})
    assert reason in str(caught.value)
    assert "xxxxxxxxx" not in str(caught.value.errors(include_input=False))


def test_passphrases_are_secrets_of_the_environment() -> None:
    context = {"environ": {"WORD": "correct horse"}}
    found = OutputOptions.model_validate({"publish_passphrase": "env:WORD"}, context=context)
    assert found.publish_passphrase is not None
    assert found.publish_passphrase.get_secret_value() == "correct horse"
    assert "horse" not in repr(found)


def test_viewers_notice_no_change_of_an_output() -> None:
    assert OutputOptions.live == frozenset(OutputOptions.model_fields)
