"""Choosing of MPEG-TS."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamctl.sdk.transport import TransportOptions
from tests.plugins.streamctl_udp.lane import Writer


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        (TransportOptions(), []),
        (TransportOptions(program=2), [(2, ())]),
        (TransportOptions(pids=(256, 257)), [(None, (256, 257))]),
        (TransportOptions(program=1, pids=(0,)), [(1, (0,))]),
    ],
)
def test_an_epoch_is_told_what_is_chosen(options: TransportOptions, selected: object) -> None:
    writer = Writer()
    options.choose(writer)
    assert writer.selected == selected
    assert options.selective is bool(selected)


@pytest.mark.parametrize(
    "keys", [{"program": -1}, {"program": 65_536}, {"pids": [8191]}, {"pids": [-1]}, {"pids": "1"}]
)
def test_numbers_that_mpeg_ts_has_not_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TransportOptions.model_validate(keys)
