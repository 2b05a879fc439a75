"""Logins, compared with what FFmpeg answers to the same challenges."""

from __future__ import annotations

import pytest

from streamctl_rtmp.wire.auth import Login, LoginRefused, next_query

JOE = Login("joe", "pa55word")
ASKED = "[ AccessManager.Reject ] : [ code=403 need auth; authmod={} ] : "
ADOBE = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=joe&salt=c2FsdA=="
LLNW = "[ AccessManager.Reject ] : [ authmod=llnw ] : ?reason=needauth&user=joe&nonce=abc123nonce"


def query(description: str, *, challenge: str = "00000000", login: Login = JOE) -> str:
    return next_query(description, "live", login, lambda size: bytes.fromhex(challenge)[:size])


@pytest.mark.parametrize("method", ["adobe", "llnw"])
def test_the_user_is_named_when_the_server_asks(method: str) -> None:
    assert query(ASKED.format(method)) == f"authmod={method}&user=joe"


@pytest.mark.parametrize(
    ("description", "challenge", "answer"),
    [
        (
            f"{ADOBE}&challenge=Q0hBTA==&opaque=b3BhcQ==",
            "c0efcc80",
            "authmod=adobe&user=joe&challenge=c0efcc80"
            "&response=zHyMDVtZI8NusWFddlxz1A==&opaque=b3BhcQ==",
        ),
        (
            f"{ADOBE}&challenge=Q0hBTA==",
            "20def313",
            "authmod=adobe&user=joe&challenge=20def313&response=gXnib065eZJDEGDrk7OPxQ==",
        ),
        (
            LLNW,
            "609afd87",
            "authmod=llnw&user=joe&nonce=abc123nonce&cnonce=609afd87&nc=00000001"
            "&response=055227abcd1354c66faa66d41ec9083c",
        ),
    ],
)
def test_challenges_are_answered(description: str, challenge: str, answer: str) -> None:
    assert query(description, challenge=challenge) == answer


def test_an_application_with_an_instance_is_answered_for_as_it_is() -> None:
    digests = {next_query(LLNW, app, JOE, bytes) for app in ("live", "live/_definst_", "live/x")}
    assert len(digests) == 2


def test_users_are_escaped() -> None:
    assert query(ASKED.format("adobe"), login=Login("a&b=c", "x")).endswith("user=a%26b%3Dc")


@pytest.mark.parametrize(
    "description", ["", "no such application", "[ authmod=adobe ] : ?reason=other", "authmod=basic"]
)
def test_other_refusals_are_final(description: str) -> None:
    assert query(description) == ""


@pytest.mark.parametrize(
    ("description", "login", "reason"),
    [
        (ASKED.format("adobe"), Login("", ""), "USER:PASSWORD"),
        ("[ authmod=adobe ] : ?reason=authfailed&opaque=x", JOE, "password is wrong"),
        ("[ authmod=llnw ] : ?reason=nosuchuser", JOE, "no such user"),
    ],
)
def test_a_login_that_can_not_work_is_said(description: str, login: Login, reason: str) -> None:
    with pytest.raises(LoginRefused, match=reason):
        query(description, login=login)
