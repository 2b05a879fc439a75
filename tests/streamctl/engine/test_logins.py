from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streamctl.engine.logins import guess_of, login
from streamctl.sdk.session import Action, Refusal, RefusalCode
from tests.streamctl.engine.rig import request, stream_config

if TYPE_CHECKING:
    from collections.abc import Callable

SUM_OF_P = "sha256:FI3pxaekTRnlbNmuGlVL9nhHr7DFj24S+imsfd/KmUA="
USERS = (
    {"name": "ann", "password": "a", "publish": True},
    {"name": "bob", "password": "b", "read": True},
    {"name": "eve", "password": SUM_OF_P, "publish": True, "read": True},
)


def judged(keys: dict[str, Any], action: Action, **given: Any) -> Refusal | None:
    return login(stream_config(**keys), request("news", action, **given))


def knows(secret: str) -> Callable[[str], bool]:
    return lambda asked: asked == secret


@pytest.mark.parametrize(
    ("action", "given", "right"),
    [
        (Action.PUBLISH, {"user": "ann", "password": "a"}, True),
        (Action.PLAY, {"user": "ann", "password": "a"}, False),
        (Action.PLAY, {"user": "bob", "password": "b"}, True),
        (Action.PUBLISH, {"user": "bob", "password": "b"}, False),
        (Action.PUBLISH, {"user": "eve", "password": "p"}, True),
        (Action.PLAY, {"user": "eve", "password": "p"}, True),
        (Action.PLAY, {"user": "eve", "password": SUM_OF_P}, False),
        (Action.PUBLISH, {"user": "ann", "password": "b"}, False),
        (Action.PUBLISH, {"user": "bob", "password": "a"}, False),
        (Action.PUBLISH, {"user": "", "password": "a"}, False),
        (Action.PUBLISH, {"key": "a"}, False),
        (Action.PUBLISH, {}, False),
        (Action.PUBLISH, {"user": "ann", "proof": knows("a")}, True),
        (Action.PUBLISH, {"user": "ann", "proof": knows("b")}, False),
        (Action.PUBLISH, {"user": "bob", "proof": knows("a")}, False),
        (Action.PUBLISH, {"user": "eve", "proof": lambda _: True}, False),
    ],
)
def test_users_do_what_they_may_by_their_own_password(
    action: Action, given: dict[str, Any], *, right: bool
) -> None:
    refusal = judged({"users": USERS}, action, **given)
    assert (refusal is None) is right
    if refusal is not None:
        assert refusal.code is RefusalCode.UNAUTHORIZED
        assert refusal.guessed is bool(given)


@pytest.mark.parametrize("place", ["key", "user", "password"])
@pytest.mark.parametrize(("secret", "said"), [("k", "k"), (SUM_OF_P, "p")])
def test_a_key_may_stand_wherever_a_program_has_room_for_it(
    place: str, secret: str, said: str
) -> None:
    assert judged({"read_key": secret}, Action.PLAY, **{place: said}) is None
    assert judged({"read_key": secret}, Action.PLAY, **{place: "x"}) is not None


def test_the_key_goes_on_to_open_beside_users() -> None:
    keys = {"publish_key": "k", "users": USERS}
    assert judged(keys, Action.PUBLISH, key="k") is None
    assert judged(keys, Action.PUBLISH, user="ann", password="a") is None
    assert judged(keys, Action.PUBLISH, user="bob", password="b") is not None


def test_what_nobody_has_a_login_for_is_free() -> None:
    assert judged({"users": USERS[:1]}, Action.PLAY) is None
    assert judged({"users": USERS[:1]}, Action.PLAY, user="ann", password="wrong") is None
    assert judged({}, Action.PUBLISH) is None


@pytest.mark.parametrize(
    ("keys", "plain"),
    [
        ({"users": USERS}, True),
        ({"users": USERS[:2]}, False),
        ({"publish_key": "k"}, False),
        ({"publish_key": SUM_OF_P}, True),
        ({"publish_key": "k", "users": USERS[2:]}, True),
    ],
)
def test_a_refusal_tells_whether_a_proof_would_help(keys: dict[str, Any], *, plain: bool) -> None:
    refusal = judged(keys, Action.PUBLISH)
    assert refusal is not None
    assert refusal.plain is plain


def test_a_name_that_looks_like_a_sum_is_a_name() -> None:
    user = {"name": "sha256:x", "password": "a", "read": True}
    assert judged({"users": [user]}, Action.PLAY, user="sha256:x", password="a") is None


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"key": "old"}, True),
        ({"key": "new"}, False),
        ({"key": "old", "user": "ann"}, False),
        ({"key": "old", "port": 7}, True),
        ({"key": "old", "proof": knows("x")}, False),
    ],
)
def test_the_same_wrong_login_is_the_same_guess(other: dict[str, Any], *, same: bool) -> None:
    first = guess_of(request("news", key="old"))
    assert (first == guess_of(request("news", **other))) is same


def test_no_proof_is_like_another() -> None:
    asked = request("news", user="ann", proof=knows("x"))
    assert len({hash(guess_of(asked)) for _ in range(99)}) == 99
