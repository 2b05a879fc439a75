from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net import address
from streamctl.net.address import is_this_machine, listening_sockets, show

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (("", 80), ":80"),
        (("localhost", 80), "localhost:80"),
        (("::1", 80), "[::1]:80"),
    ],
)
def test_show(where: Address, text: str) -> None:
    assert show(where) == text


@pytest.mark.anyio
async def test_every_interface_shares_one_port_over_both_families() -> None:
    sockets = await listening_sockets(("", 0), backlog=8, key="k")
    with contextlib.ExitStack() as stack:
        for one in sockets:
            stack.enter_context(one)
        assert len({one.getsockname()[1] for one in sockets}) == 1
        port = sockets[0].getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        assert sockets[0].family == socket.AF_INET
        if socket.has_ipv6:
            assert [one.family for one in sockets[1:]] in ([], [socket.AF_INET6])


def resolving(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Every name has these addresses."""

    async def found(self: object, host: str, port: int, **more: object) -> list[object]:
        families = {one: socket.AF_INET6 if ":" in one else socket.AF_INET for one in hosts}
        return [(family, 1, 6, "", (one, port)) for one, family in families.items()]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", found)


@pytest.mark.anyio
async def test_a_name_is_listened_at_by_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ``localhost`` IPv6 mostly comes first, and players come to 127.0.0.1."""
    resolving(monkeypatch, "203.0.113.77", "::1", "127.0.0.1", "127.0.0.2")
    sockets = await listening_sockets(("localhost", 0), backlog=8, key="k")
    with contextlib.ExitStack() as stack:
        for one in sockets:
            stack.enter_context(one)
        assert len({one.getsockname()[1] for one in sockets}) == 1
        hosts = [one.getsockname()[0] for one in sockets]
        assert hosts[:2] == ["127.0.0.1", "127.0.0.2"]
        assert hosts[2:] in ([], ["::1"])
        port = sockets[0].getsockname()[1]
        with pytest.raises(ConnectionFailed, match="already in use"):
            await listening_sockets(("localhost", port), backlog=8, key="k")


@pytest.mark.anyio
async def test_a_name_whose_addresses_are_all_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, "203.0.113.77", "203.0.113.78")
    with pytest.raises(ConnectionFailed, match="no interface of this machine"):
        await listening_sockets(("elsewhere", 0), backlog=8, key="k")


@pytest.mark.anyio
async def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    bind = address.one_socket

    def without_ipv6(
        family: socket.AddressFamily, where: tuple[str, int], *, backlog: int
    ) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return bind(family, where, backlog=backlog)

    monkeypatch.setattr(address, "one_socket", without_ipv6)
    (only,) = await listening_sockets(("", 0), backlog=8, key="k")
    with only:
        assert only.family == socket.AF_INET


@pytest.mark.anyio
@pytest.mark.parametrize(("failures", "found"), [(2, True), (address.EPHEMERAL_ATTEMPTS, False)])
async def test_a_free_port_is_free_over_both_families(
    failures: int, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind = address.one_socket

    def taken_over_ipv6(
        family: socket.AddressFamily, where: tuple[str, int], *, backlog: int
    ) -> socket.socket:
        nonlocal failures
        if family == socket.AF_INET:
            return bind(family, where, backlog=backlog)
        failures -= 1
        if failures >= 0:
            raise OSError(errno.EADDRINUSE, "taken")
        return bind(socket.AF_INET, ("", 0), backlog=backlog)

    monkeypatch.setattr(address, "one_socket", taken_over_ipv6)
    with contextlib.ExitStack() as stack:
        if found:
            for one in await listening_sockets(("", 0), backlog=8, key="k"):
                stack.enter_context(one)
        else:
            with pytest.raises(ConnectionFailed, match="address already in use"):
                await listening_sockets(("", 0), backlog=8, key="k")


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost"])
async def test_a_taken_port_is_named_with_its_setting(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConnectionFailed, match=rf"can't listen on `{host}:{port}`") as caught:
            await listening_sockets((host, port), backlog=8, key="http.address")
    assert "http.address" in caught.value.hint


@pytest.mark.anyio
async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConnectionFailed, match="no interface of this machine"):
        await listening_sockets(("192.0.2.1", 0), backlog=8, key="k")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", True),
        ("192.0.2.1", False),
        ("nowhere.invalid", False),
        ("no..where", False),
    ],
)
async def test_hosts_that_are_this_machine_are_known(host: str, own: bool) -> None:
    assert await is_this_machine(host) == own
