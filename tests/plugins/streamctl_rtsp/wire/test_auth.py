"""Logins of both kinds, from both sides."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl_rtsp.wire.auth import (
    MAX_FIELD_BYTES,
    Challenge,
    Credentials,
    Login,
    parameters,
    parse_challenges,
    parse_credentials,
)

URL = "rtsp://127.0.0.1:8554/live/a"
LOGIN = Login("Mufasa", "Circle of Life")
DIGEST = Challenge("Digest", "streamctl", "abc123")


def parsed(
    field: str, method: str = "DESCRIBE", url: str = URL, nonce: str = "abc123"
) -> Credentials:
    return parse_credentials(field, method, url, nonce, "streamctl")


def proves(found: Credentials, password: str) -> bool:
    return found.proof is not None and found.proof(password)


@pytest.mark.parametrize(
    "challenge",
    [
        DIGEST,
        Challenge("Digest", "streamctl", "abc123", qop=True),
        Challenge("Digest", "streamctl", "abc123", "SHA-256", opaque='x"y\\', qop=True),
        Challenge("Digest", "streamctl", "abc123", stale=True),
    ],
)
def test_a_digest_proves_the_password_and_no_other(challenge: Challenge) -> None:
    assert parse_challenges([challenge.serialize()]) == [challenge]
    found = parsed(LOGIN.authorize(challenge, "DESCRIBE", URL, "0a4f"))
    assert (found.user, found.password) == ("Mufasa", "")
    assert proves(found, "Circle of Life")
    assert not proves(found, "circle of life")
    assert not proves(found, "")


def test_the_example_of_the_specification() -> None:
    # RFC 7616 section 3.9.1; its realm and nonce, and the responses of both algorithms.
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        field = (
            'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
            f"algorithm={algorithm}, "
            'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
            'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
            f'response="{response}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
        )
        found = parse_credentials(
            field,
            "GET",
            "/dir/index.html",
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            "http-auth@example.org",
        )
        assert proves(found, "Circle of Life")


def test_basic_says_the_password() -> None:
    field = LOGIN.authorize(Challenge("Basic", "x"), "DESCRIBE", URL, "")
    found = parsed(field)
    assert (found.user, found.password, found.proof) == ("Mufasa", "Circle of Life", None)


@pytest.mark.parametrize(
    "field",
    [
        "",
        "Bearer abc",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Digest",
        "Digest " + "x" * MAX_FIELD_BYTES,
        "1",
    ],
)
def test_what_is_no_login_is_an_empty_one(field: str) -> None:
    found = parsed(field)
    assert (found.user, found.password, found.proof) == ("", "", None)


@pytest.mark.parametrize(
    ("nonce", "url"), [("other", URL), ("abc123", "rtsp://h/live/b"), ("abc123", "rtsp://[/x")]
)
def test_a_digest_of_another_nonce_or_place_proves_nothing(nonce: str, url: str) -> None:
    assert parsed(LOGIN.authorize(DIGEST, "DESCRIBE", URL, ""), nonce=nonce, url=url).proof is None


@pytest.mark.parametrize(
    "signed", [URL, URL + "/", URL + "/trackID=1", "/live/a", "/live", "*", URL + "?x=y"]
)
def test_a_digest_may_sign_the_stream_or_its_track(signed: str) -> None:
    field = LOGIN.authorize(DIGEST, "SETUP", signed, "")
    assert proves(parsed(field, "SETUP", URL + "/trackID=1"), "Circle of Life")


def test_a_digest_of_another_method_proves_another_password_only() -> None:
    field = LOGIN.authorize(DIGEST, "DESCRIBE", URL, "")
    found = parsed(field, "PLAY")
    assert found.proof is not None
    assert not proves(found, "Circle of Life")


def test_the_strongest_challenge_comes_first() -> None:
    fields = [
        'Basic realm="a"',
        'Digest realm="a", nonce="n"',
        'Digest realm="a", nonce="n", algorithm="SHA-256", qop="auth-int, auth"',
        "Bearer x",
        "",
        'Digest realm="a", nonce="n", algorithm=SHA-512-256',
        'Digest realm="a", nonce="n", qop="auth-int"',
    ]
    found = parse_challenges(fields)
    assert [(one.scheme, one.algorithm) for one in found] == [
        ("Digest", "SHA-256"),
        ("Digest", "MD5"),
        ("Basic", "MD5"),
    ]
    assert Challenge("Basic", 'a "b"').serialize() == 'Basic realm="a \\"b\\""'


def test_logins_are_not_shown() -> None:
    assert "Circle" not in repr(LOGIN)
    assert "Circle" not in repr(parsed(LOGIN.authorize(Challenge("Basic"), "", "", "")))


@given(st.text(max_size=120), st.text(max_size=30))
def test_nothing_escapes(text: str, url: str) -> None:
    for scheme in ("", "Basic ", "Digest ", 'Digest nonce="abc123",'):
        found = parsed(scheme + text, url=url)
        if found.proof is not None:
            found.proof("x")
    parse_challenges([text, "Digest " + text])


def test_a_long_name_without_a_value_is_read_in_no_time() -> None:
    began = time.thread_time()
    assert not parameters("a" * 60_000)
    assert time.thread_time() - began < 1
