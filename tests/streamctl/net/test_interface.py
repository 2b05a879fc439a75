"""Interfaces by name and by address."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net import interface
from streamctl.net.interface import addresses, interface_address, interface_index

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = "lo"


def test_an_interface_has_a_name_and_an_address() -> None:
    index = socket.if_nametoindex(LOOPBACK)
    assert interface_index(LOOPBACK) == interface_index("127.0.0.1") == index
    assert interface_address(index) == "127.0.0.1"


def test_all_addresses_are_known() -> None:
    assert (LOOPBACK, IPv4Address("127.0.0.1")) in addresses()


def test_addresses_of_ipv6_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "if_inet6"
    table.write_text("00000000000000000000000000000001 01 80 10 80       lo\n")
    monkeypatch.setattr(interface, "IPV6_ADDRESSES", table)
    assert (LOOPBACK, IPv6Address("::1")) in addresses()
    assert interface_index("::1") == interface_index("::1%lo") == interface_index(LOOPBACK)


def test_a_machine_without_ipv6_has_no_addresses_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "IPV6_ADDRESSES", tmp_path / "none")
    assert all(isinstance(address, IPv4Address) for _, address in addresses())


@pytest.mark.parametrize("text", ["eth99", "203.0.113.7", "2001:db8::7", ""])
def test_what_is_not_there_is_said_with_what_is(text: str) -> None:
    with pytest.raises(ConnectionFailed, match=f"no network interface `{text}`") as caught:
        interface_index(text)
    assert f"`{LOOPBACK}`" in caught.value.hint
