"""Keys of the listeners."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamctl_rtsp.server.options import ListenerOptions


@pytest.mark.parametrize("text", ["239.0.114.0/24", "239.1.2.3", "ff15::/112"])
def test_groups_are_networks_of_multicast(text: str) -> None:
    found = ListenerOptions.model_validate({"multicast": text}).multicast
    assert found is not None
    assert found.is_multicast


@pytest.mark.parametrize(
    "keys",
    [
        {"multicast": "10.0.0.0/8"},
        {"multicast": "somewhere"},
        {"multicast": 7},
        {"multicast": True},
        {"multicast_port": 8003},
        {"multicast_port": 80},
        {"session_timeout_s": 1},
        {"multicast_ttl": 256},
        {"tcp": True},
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ListenerOptions.model_validate(keys)
