from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, cast

import pytest

from streamctl.errors import ConnectionFailed
from streamctl_srt.binding import EVERY_IPV4, Binding, is_numeric, numeric
from streamctl_srt.library import SrtError
from streamctl_srt.settings import Settings
from streamctl_srt.structs import from_sockaddr

if TYPE_CHECKING:
    from streamctl_srt.library import Library


class FakeLibrary:
    """Refuses to bind with the errors that it was made with, one after the other."""

    def __init__(self, *errors: tuple[int, int]) -> None:
        self.errors = list(errors)
        self.error_now = (0, 0)
        self.bound: list[tuple[str, int]] = []
        self.closed: list[int] = []
        self.sockets = 0

    def srt_create_socket(self) -> int:
        self.sockets += 1
        return self.sockets

    def srt_setsockflag(self, *arguments: Any) -> int:
        return 0

    def srt_listen_callback(self, *arguments: Any) -> int:
        return 0

    def srt_bind(self, number: int, where: Any, size: int) -> int:
        self.bound.append(from_sockaddr(where._obj))
        if not self.errors:
            return 0
        self.error_now = self.errors.pop(0)
        return -1

    def srt_listen(self, number: int, backlog: int) -> int:
        return 0

    def srt_close(self, number: int) -> int:
        self.closed.append(number)
        return 0

    def error(self) -> tuple[int, int, str]:
        return *self.error_now, "it failed"


def listen(host: str, *errors: tuple[int, int]) -> FakeLibrary:
    library = FakeLibrary(*errors)
    binding = Binding((host, 8890), Settings(), None, "[listeners.srt] address")
    binding.listen(cast("Library", library))
    return library


def test_every_interface_is_one_socket_of_both_families() -> None:
    assert listen("").bound == [("::", 8890)]


def test_without_ipv6_it_is_one_of_ipv4() -> None:
    library = listen("", (1000, errno.EAFNOSUPPORT))
    assert library.bound == [("::", 8890), (EVERY_IPV4, 8890)]
    assert library.closed == [1]


@pytest.mark.parametrize(
    ("host", "error", "said"),
    [
        ("", (1000, errno.EADDRINUSE), "`:8890`: address already in use"),
        ("", (5013, 0), "`:8890`: address already in use"),
        ("127.0.0.1", (1000, errno.EACCES), "`127.0.0.1:8890`: permission denied"),
        ("10.1.1.1", (1000, 0), "`10.1.1.1:8890`: no interface of this machine has the address"),
    ],
)
def test_why_an_address_can_not_be_had_is_said(
    host: str, error: tuple[int, int], said: str
) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        listen(host, error)
    assert caught.value.message == f"can't listen on {said}"
    assert "[listeners.srt] address" in caught.value.hint
    assert isinstance(caught.value.__cause__, OSError)
    assert isinstance(caught.value.__cause__.__cause__, SrtError)


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", False), ("", False)]
)
def test_addresses_and_names_are_told_apart(host: str, *, expected: bool) -> None:
    assert is_numeric(host) is expected


@pytest.mark.anyio
async def test_names_are_looked_up_only_where_they_are_names() -> None:
    assert await numeric(("", 5), "key") == ("", 5)
    assert await numeric(("::1", 5), "key") == ("::1", 5)
    assert (await numeric(("localhost", 5), "key"))[0] in {"127.0.0.1", "::1"}
    with pytest.raises(ConnectionFailed, match="unknown host"):
        await numeric(("nowhere.invalid", 5), "key")
