from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.net import dial
from streamctl.net.dial import connected_socket
from streamctl.net.failure import describe
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]


def found(address: tuple[str, int]) -> Found:
    """What the resolver says about an IPv4 address."""
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", address


@pytest.fixture
def listening() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def refusing() -> Iterator[tuple[str, int]]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as filler:
        filler.connect(full.getsockname())  # the queue takes one, the next gets no answer
        yield full.getsockname()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    answer = [found(address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answer)


@pytest.mark.anyio
async def test_a_host_is_reached(listening: tuple[str, int]) -> None:
    with await connected_socket(*listening) as connected:
        assert connected.getpeername() == listening
        assert not connected.getblocking()


@pytest.mark.anyio
async def test_the_next_address_is_tried_when_one_refuses(
    refusing: tuple[str, int], listening: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, refusing, listening)
    with await connected_socket("host", 1) as connected:
        assert connected.getpeername() == listening


@pytest.mark.anyio
async def test_a_silent_address_does_not_hold_up_the_next(
    silent: tuple[str, int], listening: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "ATTEMPT_S", 0.001)
    resolve_to(monkeypatch, silent, listening)
    with anyio.fail_after(PATIENCE_S), await connected_socket("host", 1) as connected:
        assert connected.getpeername() == listening


@pytest.mark.anyio
async def test_when_all_refuse_the_first_one_says_why(
    refusing: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, refusing, refusing)
    with pytest.raises(ConnectionRefusedError):
        await connected_socket("host", 1)


@pytest.mark.anyio
async def test_a_family_that_the_machine_lacks_is_passed_over(
    listening: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard_of = (99, socket.SOCK_STREAM, 0, "", ("::1", 1))
    answer = [unheard_of, found(listening)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answer)
    with await connected_socket("host", 1) as connected:
        assert connected.getpeername() == listening


@pytest.mark.anyio
async def test_an_unknown_host_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: Any, **_options: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror) as caught:
        await connected_socket("nowhere.invalid", 1)
    assert describe(caught.value) == "unknown host"


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example", "\ud800", "a." * 127])
async def test_what_no_host_can_be_called_is_an_unknown_host(host: str) -> None:
    with pytest.raises(socket.gaierror) as caught:
        await connected_socket(host, 1)
    assert describe(caught.value) == "unknown host"


@pytest.mark.anyio
async def test_giving_up_leaves_no_socket_behind(silent: tuple[str, int]) -> None:
    with anyio.move_on_after(0.01) as scope:
        await connected_socket(*silent)
    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_only_one_of_two_that_answer_at_once_is_kept(
    listening: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "ATTEMPT_S", 0)
    resolve_to(monkeypatch, listening, listening)
    with await connected_socket("host", 1) as connected:
        assert connected.getpeername() == listening
