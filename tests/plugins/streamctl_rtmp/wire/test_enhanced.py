"""What peers say of Enhanced RTMP."""

from __future__ import annotations

import pytest

from streamctl_rtmp.wire.enhanced import Capability, answer, capabilities


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2.0, Capability.MULTITRACK),
        (15.0, Capability(15)),
        (1024.0 + 4, Capability.MOD_EX),
        (0.0, Capability(0)),
        (-2.0, Capability(0)),
        (float("nan"), Capability(0)),
        (True, Capability(0)),
        ("2", Capability(0)),
        (None, Capability(0)),
    ],
)
def test_capabilities_of_a_peer(value: object, said: Capability) -> None:
    assert capabilities({"capsEx": value}) == said
    assert capabilities({}) == Capability(0)


@pytest.mark.parametrize(
    "name", ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"]
)
def test_who_says_anything_is_answered(name: str) -> None:
    assert answer({name: None})["capsEx"] == 14
    assert answer({"app": "live"}) == {}
