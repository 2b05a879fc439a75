"""Publishers are asked who they are, and the answers of our own client are understood."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl_rtmp.wire.asking import LIFETIME_S, SIGNED, Asker, parameters, proof
from streamctl_rtmp.wire.auth import Login, next_query

NOW = 1_800_000_000.0
IP = "192.0.2.7"
JOE = Login("joe", "pa55 wörd/+&=")


def noise(size: int) -> bytes:
    return random.Random(3).randbytes(size)


@pytest.fixture
def asker() -> Asker:
    return Asker(noise)


def publishing(app: str) -> dict[str, object]:
    return {"app": app, "type": "nonprivate"}


def answered(asker: Asker, login: Login = JOE) -> str:
    """The application of a client that has been through it all."""
    app = "live"
    for _ in range(2):
        said = asker.refusal(publishing(app), IP, NOW)
        app = f"live?{next_query(said, 'live', login, noise)}"
    return app


@pytest.mark.parametrize("login", [JOE, Login("a&b=c", "x"), Login("bob", "")])
def test_a_client_with_a_user_gets_in_at_its_third_connection(asker: Asker, login: Login) -> None:
    app = answered(asker, login)
    assert asker.refusal(publishing(app), IP, NOW + 1) == ""
    knows = proof(app)
    assert knows is not None
    assert knows(login.password)
    assert not knows(login.password + "x")
    assert not knows("ungültig")


@pytest.mark.parametrize(
    "properties",
    [
        {"app": "live"},
        {"app": "live", "type": "private"},
        {"type": 5},
        publishing("live?key=in"),
        publishing("live?user=ann&pass=x"),
    ],
)
def test_players_and_those_who_have_said_a_key_are_not_asked(
    asker: Asker, properties: dict[str, object]
) -> None:
    assert asker.refusal(properties, IP, NOW) == ""


@pytest.mark.parametrize(
    ("ip", "later_s"), [("192.0.2.8", 0.0), (IP, LIFETIME_S + 1.0), (IP, -10.0)]
)
def test_an_answer_counts_from_its_address_and_in_its_time(
    asker: Asker, ip: str, later_s: float
) -> None:
    said = asker.refusal(publishing(answered(asker)), ip, NOW + later_s)
    assert "reason=needauth&user=joe&salt=" in said


def test_challenges_of_others_are_not_taken(asker: Asker) -> None:
    app = answered(asker)
    other = Asker(random.Random(4).randbytes)
    assert "needauth" in other.refusal(publishing(app), IP, NOW)
    opaque = parameters(app)["opaque"]
    forged = f"{'0' * 8}{opaque[8:]}"
    assert "needauth" in asker.refusal(publishing(app.replace(opaque, forged)), IP, NOW)
    assert len(opaque) > SIGNED


@pytest.mark.parametrize("app", ["live", "live?key=x", "live?authmod=adobe&user=joe", "?", ""])
def test_without_an_answer_there_is_no_proof(app: str) -> None:
    assert proof(app) is None


@given(st.text(max_size=200))
def test_whatever_is_said_is_no_error(text: str) -> None:
    asker = Asker(noise)
    for query in (text, f"authmod=adobe&{text}", f"authmod=adobe&response=x&opaque={text}"):
        app = f"live?{query}"
        assert isinstance(asker.refusal(publishing(app), IP, NOW), str)
        knows = proof(app)
        assert knows is None or not knows(text)
