from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from starlette.datastructures import Headers

from streamctl.api.guard import Access, Guard, Token, Verdict, refusal
from streamctl.config.model import ApiConfig

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

JSON = {"content-type": "application/json"}
OPS = Token("ops", b"s3cret", "control")


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers nothing."""


def judge(
    method: str, headers: dict[str, str], *, host: str = "127.0.0.1", tokens: tuple[Token, ...] = ()
) -> str:
    """The refusal's message, empty when the request may come in."""
    guard = Guard(nothing, access=Access(tokens, host), refused=Counter())
    verdict = guard.judge(method, "/api/v1/sessions/x", Headers(headers))
    return "" if verdict is None else f"{verdict.status} {verdict.message}"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9997",
        "127.0.0.1",
        "127.8.8.8:1",
        "localhost:9997",
        "LocalHost",
        "[::1]:9997",
        "[::1]",
        "control.example:9997",
    ],
)
def test_loopback_and_the_configured_host_may_control(host: str) -> None:
    assert judge("PUT", {"host": host, **JSON}, host="Control.example") == ""


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:9997",
        "192.0.2.1",
        "user@127.0.0.1",
        "127.0.0.1/evil",
        "[::1",
        "evil.example#127.0.0.1",
    ],
)
def test_other_hosts_may_not_control(host: str) -> None:
    assert "loopback" in judge("PUT", {"host": host, **JSON})


def test_an_unset_host_of_the_configuration_trusts_nobody() -> None:
    assert judge("DELETE", {"host": ""}, host="") != ""


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:9997", True),
        ("https://evil.example", False),
        ("http://127.0.0.1:8888", False),
        ("null", False),
        ("", False),
        ("http://[::1", False),
    ],
)
@pytest.mark.parametrize("tokens", [(), (OPS,)])
def test_another_sites_page_may_not_control(
    origin: str, allowed: bool, tokens: tuple[Token, ...]
) -> None:
    headers = {"host": "127.0.0.1:9997", "origin": origin, "authorization": "Bearer s3cret"}
    verdict = judge("DELETE", headers, tokens=tokens)
    assert (verdict == "") is allowed


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        ("PUT", JSON, True),
        ("PUT", {"content-type": "Application/JSON; charset=utf-8"}, True),
        ("PUT", {"content-type": "text/plain"}, False),
        ("PUT", {}, False),
        ("POST", {"content-type": "application/x-www-form-urlencoded"}, False),
        ("DELETE", {}, True),
        ("DELETE", {"content-length": "0"}, True),
        ("DELETE", {"content-length": "5", "content-type": "text/plain"}, False),
        ("DELETE", {"transfer-encoding": "chunked"}, False),
        ("GET", {"host": "evil.example"}, True),
    ],
)
def test_a_body_must_be_declared_as_json(
    method: str, headers: dict[str, str], allowed: bool
) -> None:
    assert (judge(method, {"host": "127.0.0.1", **headers}) == "") is allowed


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer s3cret", ""),
        ("bearer  s3cret ", ""),
        ("Bearer s3cre", "401"),
        ("Bearer ", "401"),
        ("Basic s3cret", "401"),
        ("s3cret", "401"),
        ("", "401"),
        ("Bearer \xff\xfe", "401"),
    ],
)
def test_only_a_known_token_reads(authorization: str, status: str) -> None:
    assert judge("GET", {"authorization": authorization}, tokens=(OPS,))[:3] == status


def test_a_token_stands_for_the_host() -> None:
    headers = {"host": "stream.example", "authorization": "Bearer s3cret"}
    assert judge("DELETE", headers, tokens=(OPS,)) == ""


def test_who_tries_different_tokens_has_to_wait() -> None:
    guard = Guard(nothing, access=Access((OPS,)), refused=Counter())
    now = [0.0]
    guard.guesses.now = lambda: now[0]
    guard.guesses.limit = 3

    def status(token: str, ip: str = "192.0.2.1") -> int:
        headers = Headers({"authorization": f"Bearer {token}"} if token else {})
        verdict = guard.judge("GET", "/api/v1/streams", headers, ip)
        return 200 if verdict is None else verdict.status

    assert [status("old") for _ in range(5)] == [401] * 5
    assert [status(token) for token in "ab"] == [401, 401]
    assert status("s3cret") == 429
    assert status("") == 401
    assert status("s3cret", "192.0.2.2") == 200
    now[0] = 61.0
    assert status("s3cret") == 200


def test_a_wait_has_a_name_of_its_own() -> None:
    answer = refusal(Verdict(429, "too many wrong tokens"))
    assert b'"error":"too_many_requests"' in bytes(answer.body)


def test_tokens_change_under_way() -> None:
    access = Access()
    guard = Guard(nothing, access=access, refused=Counter())
    headers = Headers({"host": "127.0.0.1", "authorization": "Bearer s3cret", **JSON})
    assert guard.judge("PUT", "/x", headers) is None
    tokens = [{"name": "a", "value": "s3cret", "scope": "control"}]
    access.adopt(ApiConfig.model_validate({"tokens": tokens}))
    assert guard.judge("PUT", "/x", headers) is None
    access.adopt(ApiConfig.model_validate({"tokens": [{"name": "b", "value": "other"}]}))
    verdict = guard.judge("PUT", "/x", headers)
    assert verdict is not None
    assert verdict.status == 401
    # Tokens that come are asked for before the address moves, those that go until it has moved.
    access.expect(ApiConfig())
    assert guard.judge("PUT", "/x", headers) == verdict
    access.expect(ApiConfig.model_validate({"tokens": tokens}))
    assert guard.judge("PUT", "/x", headers) is None


def test_a_body_in_toml_can_not_come_from_a_form() -> None:
    assert judge("PUT", {"host": "127.0.0.1", "content-type": "application/toml"}) == ""
