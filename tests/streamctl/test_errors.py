from __future__ import annotations

import inspect

import pytest

from streamctl import errors
from streamctl.errors import (
    ConfigError,
    ConfigErrors,
    ConnectionFailed,
    LocalProtocolError,
    MediaError,
    MissingLibrary,
    NotFound,
    NotReady,
    ProtocolError,
    RemoteProtocolError,
    StaleEpoch,
    StreamctlError,
    UnknownScheme,
    Unsupported,
)

EXIT_CODES = {
    StreamctlError: 1,
    ConfigError: 2,
    ConfigErrors: 2,
    Unsupported: 2,
    UnknownScheme: 2,
    MissingLibrary: 2,
    ConnectionFailed: 3,
    ProtocolError: 4,
    RemoteProtocolError: 4,
    LocalProtocolError: 4,
    MediaError: 5,
    NotFound: 1,
    NotReady: 1,
    StaleEpoch: 1,
}


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_every_branch_has_its_exit_code(kind: type[StreamctlError]) -> None:
    assert kind.exit_code == EXIT_CODES[kind]
    assert issubclass(kind, StreamctlError)


def test_the_tree_is_drawn_whole_with_the_right_codes() -> None:
    assert errors.__doc__ is not None
    drawn = {
        line.strip("│├└─ ").split()[0]: int(line.rpartition("exit ")[2])
        for line in errors.__doc__.splitlines()
        if "exit " in line and "exit code" not in line
    }
    known = inspect.getmembers(errors, inspect.isclass)
    assert drawn == {
        name: kind.exit_code for name, kind in known if issubclass(kind, StreamctlError)
    }


def test_a_message_may_have_a_hint_and_be_final() -> None:
    error = ConnectionFailed("refused", hint="is it up?", permanent=True)
    assert (str(error), error.message, error.hint, error.permanent) == (
        "refused",
        "refused",
        "is it up?",
        True,
    )
    assert not ConnectionFailed("refused").permanent
    assert StreamctlError("x").hint == ""


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "bad value"),
        ({"key": "http.address"}, "http.address: bad value"),
        ({"file": "s.toml"}, "s.toml: bad value"),
        ({"file": "s.toml", "line": 7}, "s.toml:7: bad value"),
        ({"line": 7, "key": "k"}, "line 7: k: bad value"),
        ({"file": "s.toml", "line": 7, "key": "k"}, "s.toml:7: k: bad value"),
    ],
)
def test_an_error_of_the_configuration_says_where_it_stands(
    place: dict[str, object], text: str
) -> None:
    error = ConfigError("bad value", hint="try 1", **place)  # type: ignore[arg-type] # a table
    assert str(error) == text
    assert (error.message, error.hint) == ("bad value", "try 1")


def test_errors_of_usage_can_not_be_helped_by_trying_again() -> None:
    assert ConfigError("x").permanent
    assert Unsupported("x", hint="y").permanent
    assert UnknownScheme("x").permanent
    assert Unsupported("x", hint="y").hint == "y"


def test_a_violation_by_the_peer_carries_what_to_answer() -> None:
    error = RemoteProtocolError("bad", hint="h", reply=b"400")
    assert (error.reply, error.hint, error.permanent) == (b"400", "h", False)
    assert RemoteProtocolError("bad").reply == b""
