"""Sockets that receive: addresses, groups, sources, buffers."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net import udp_socket
from streamctl.net.udp_socket import (
    Reception,
    is_group,
    kernel_drops,
    receive_buffer,
    receiving_socket,
    resolved,
)

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address

HOST = "127.0.0.1"
GROUP = "239.255.77.1"
OTHER_GROUP = "239.255.77.2"
LOOPBACK = "lo"


def send(where: Address, data: bytes = b"media", *, source: str = HOST) -> None:
    """One datagram, by the loopback interface if it is for a group."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
        sender.bind((source, 0))
        sender.sendto(data, where)


def received(found: socket.socket) -> list[bytes]:
    datagrams = []
    try:
        while True:
            datagrams.append(found.recv(65536))
    except BlockingIOError:
        return datagrams


def port_of(found: socket.socket) -> int:
    port: int = found.getsockname()[1]
    return port


@pytest.mark.parametrize("host", [HOST, "", "0.0.0.0", "localhost"])
def test_an_address_of_this_machine_is_received_at(host: str) -> None:
    with receiving_socket(Reception((host, 0))) as found:
        if host != "localhost" or found.family == socket.AF_INET:
            send((HOST, port_of(found)))
            assert received(found) == [b"media"]


def test_all_addresses_are_those_of_both_families() -> None:
    with receiving_socket(Reception(("", 0))) as found:
        if found.family != socket.AF_INET6:
            pytest.skip("no IPv6 here")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"six", ("::1", port_of(found)))
        send((HOST, port_of(found)), b"four")
        assert received(found) == [b"six", b"four"]


def test_a_machine_without_ipv6_receives_by_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(address: Address) -> tuple[int, Address]:
        if address[0] == "::":
            raise OSError(errno.EAFNOSUPPORT, "address family not supported")
        return socket.AF_INET, address

    monkeypatch.setattr(udp_socket, "lookup", lookup)
    with receiving_socket(Reception(("", 0))) as found:
        assert found.family == socket.AF_INET
        taken = Reception(("", port_of(found)))
        with pytest.raises(ConnectionFailed, match="address already in use"):
            receiving_socket(taken)


def test_all_addresses_are_taken_once() -> None:
    with (
        receiving_socket(Reception(("", 0))) as found,
        pytest.raises(ConnectionFailed, match="address already in use"),
    ):
        receiving_socket(Reception(("", port_of(found))))


def test_one_interface_may_be_all_that_is_received_by() -> None:
    with receiving_socket(Reception(("", 0), LOOPBACK)) as found:
        name = found.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
        assert name.rstrip(b"\0") == LOOPBACK.encode()
        send((HOST, port_of(found)))
        assert received(found) == [b"media"]


def test_a_port_is_taken_once() -> None:
    with (
        receiving_socket(Reception((HOST, 0))) as found,
        pytest.raises(ConnectionFailed, match="address already in use"),
    ):
        receiving_socket(Reception((HOST, port_of(found))))


def test_an_address_of_another_machine_can_not_be_received_at() -> None:
    with pytest.raises(ConnectionFailed, match="no interface of this machine has the address"):
        receiving_socket(Reception(("203.0.113.7", 5000)))


@pytest.mark.parametrize("interface", [LOOPBACK, HOST])
def test_a_group_is_joined(interface: str) -> None:
    with receiving_socket(Reception((GROUP, 0), interface)) as found:
        send((GROUP, port_of(found)))
        assert received(found) == [b"media"]


def test_several_may_receive_one_group() -> None:
    with receiving_socket(Reception((GROUP, 0), LOOPBACK)) as first:
        reception = Reception((GROUP, port_of(first)), LOOPBACK)
        with receiving_socket(reception) as second:
            send((GROUP, port_of(first)))
            assert received(first) == received(second) == [b"media"]


def test_groups_that_others_have_joined_are_not_received() -> None:
    with receiving_socket(Reception((GROUP, 0), LOOPBACK)) as ours:
        port = port_of(ours)
        with receiving_socket(Reception((OTHER_GROUP, port), LOOPBACK)) as theirs:
            send((OTHER_GROUP, port))
            send((HOST, port))
            assert received(theirs) == [b"media"]
            assert received(ours) == []


def test_a_group_is_not_received_by_interfaces_where_others_have_joined_it() -> None:
    """Without IP_MULTICAST_ALL = 0 the membership of any socket of the machine counts."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with found, receiving_socket(Reception((GROUP, 0), LOOPBACK)) as theirs:
        found.setblocking(False)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp_socket.only_joined(found)
        found.bind((GROUP, port_of(theirs)))
        send((GROUP, port_of(theirs)))
        assert received(theirs) == [b"media"]
        assert received(found) == []


def test_a_group_is_joined_for_one_source() -> None:
    with receiving_socket(Reception((GROUP, 0), LOOPBACK, "127.0.0.2")) as found:
        send((GROUP, port_of(found)), b"stranger")
        send((GROUP, port_of(found)), b"source", source="127.0.0.2")
        assert received(found) == [b"source"]


def ipv6_interface() -> str:
    """An interface that carries multicast of IPv6."""
    for _, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            try:
                index = socket.if_nametoindex(name)
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
                probe.connect(("ff15::7701", 9))
            except OSError:
                continue
            return name
    pytest.skip("no interface carries multicast of IPv6")


@pytest.mark.parametrize("group", ["ff15::7701", "ff12::7702"])
def test_a_group_of_ipv6_is_joined(group: str) -> None:
    name = ipv6_interface()
    index = socket.if_nametoindex(name)
    with (
        receiving_socket(Reception((group, 0), name)) as found,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender,
    ):
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sender.connect((group, port_of(found)))
        own = sender.getsockname()[0]
        sender.send(b"media")
        assert received(found) == [b"media"]
    if group.startswith("ff12"):
        with receiving_socket(Reception((f"{group}%{name}", 0))) as found:
            assert found.getsockname()[3] == index
    for source, expected in ((own, [b"media"]), ("2001:db8::7", [])):
        with (
            receiving_socket(Reception((group, 0), name, source.partition("%")[0])) as found,
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender,
        ):
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sender.sendto(b"media", (group, port_of(found)))
            assert received(found) == expected


def test_a_group_without_a_route_asks_for_an_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_route(*_: object) -> None:
        raise OSError(errno.ENODEV, "no such device")

    monkeypatch.setattr(udp_socket, "join", no_route)
    with pytest.raises(ConnectionFailed, match="no such device") as caught:
        receiving_socket(Reception((GROUP, 5000)))
    assert "`interface`" in caught.value.hint


def test_an_interface_that_is_not_there_is_said() -> None:
    with pytest.raises(ConnectionFailed, match="no network interface `eth99`"):
        receiving_socket(Reception((GROUP, 5000), "eth99"))


def test_the_kernel_is_asked_for_a_buffer() -> None:
    with receiving_socket(Reception((HOST, 0), buffer_bytes=150_000)) as found:
        assert receive_buffer(found) == 150_000


def test_without_privileges_the_kernel_gives_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_socket, "SO_RCVBUFFORCE", 9999)
    wanted = 1 << 30
    with receiving_socket(Reception((HOST, 0), buffer_bytes=wanted)) as found:
        assert 0 < receive_buffer(found) < wanted


def test_what_the_kernel_drops_is_known() -> None:
    with receiving_socket(Reception((HOST, 0), buffer_bytes=65_536)) as found:
        for _ in range(400):
            send((HOST, port_of(found)), bytes(1316))
        kept = len(received(found))
        assert 0 < kept < 400
        assert kernel_drops(found) == 400 - kept


@pytest.mark.parametrize(
    ("host", "expected"),
    [("239.1.2.3", True), ("ff12::1%lo", True), ("127.0.0.1", False), ("example", False)],
)
def test_groups_are_known_by_their_address(host: str, expected: bool) -> None:
    assert is_group(host) is expected


@pytest.mark.anyio
async def test_names_are_looked_up() -> None:
    assert (await resolved("localhost", 7))[0] in {"127.0.0.1", "::1"}
    assert await resolved("127.0.0.1", 7) == ("127.0.0.1", 7)
    assert await resolved("ff12::1%lo", 7) == ("ff12::1%1", 7)


@pytest.mark.anyio
async def test_an_unknown_name_is_said() -> None:
    with pytest.raises(ConnectionFailed, match=r"`no\.such\.invalid`: unknown host"):
        await resolved("no.such.invalid", 7)
    with pytest.raises(ConnectionFailed, match=r"`no\.\.invalid`: unknown host"):
        await resolved("no..invalid", 7)


def test_a_reception_is_a_value() -> None:
    assert replace(Reception(("", 1)), interface="lo") == Reception(("", 1), "lo")
