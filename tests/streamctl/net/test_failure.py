from __future__ import annotations

import errno
import socket
import ssl

import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net.failure import connect_failed, describe, listen_failed

MODULES = {"builtins", "socket", "ssl"}


def every_class(kind: type[OSError]) -> list[type[OSError]]:
    """The class and those below it that sockets can raise, whatever else is imported."""
    below = [kind for kind in kind.__subclasses__() if kind.__module__ in MODULES]
    return [kind, *(deeper for one in below for deeper in every_class(one))]


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_number_has_words(number: int) -> None:
    failed = connect_failed(OSError(number, ""), "host:1")
    assert isinstance(failed, ConnectionFailed)
    assert failed.message.startswith("can't connect to `host:1`: ")
    assert str(number) not in failed.message.removeprefix("can't connect to `host:1`: ")


@pytest.mark.parametrize("kind", every_class(OSError))
def test_every_class_of_errors_has_words(kind: type[OSError]) -> None:
    assert describe(kind.__new__(kind)) != ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "unknown host"),
        (TimeoutError(), "timed out"),
        (OSError(errno.EMFILE, "x"), "too many open files"),
        (OSError(errno.ENOTCONN, "x"), "transport endpoint is not connected"),
        (OSError("something else"), "something else"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version"), "TLS failed"),
    ],
)
def test_words(error: OSError, words: str) -> None:
    assert describe(error) == words


@pytest.mark.parametrize(
    "error",
    [socket.gaierror(socket.EAI_NONAME, "x"), ssl.SSLCertVerificationError(1, "x"), TimeoutError()],
)
def test_what_the_network_lacks_today_may_be_there_tomorrow(error: OSError) -> None:
    assert not connect_failed(error, "host:1").permanent


def test_a_taken_address_names_the_setting_to_change() -> None:
    failed = listen_failed(OSError(errno.EADDRINUSE, "x"), ":1935", "listeners.rtmp.address")
    assert failed.message == "can't listen on `:1935`: address already in use"
    assert failed.hint == "stop the other program or change `listeners.rtmp.address`"


def test_any_other_listen_error_names_the_setting_too() -> None:
    assert "http.address" in listen_failed(OSError(errno.EIO, "x"), ":1", "http.address").hint
