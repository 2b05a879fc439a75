from __future__ import annotations

import ctypes

import pytest

from streamctl_srt.structs import Perf, Sockaddr, from_sockaddr, to_sockaddr


def test_statistics_have_the_size_that_libsrt_gives_them() -> None:
    assert ctypes.sizeof(Perf) == 496


@pytest.mark.parametrize(
    ("address", "size"),
    [
        (("127.0.0.1", 8890), Sockaddr.SIZE4),
        (("0.0.0.0", 0), Sockaddr.SIZE4),
        (("::1", 65535), Sockaddr.SIZE6),
        (("2001:db8::1", 1), Sockaddr.SIZE6),
    ],
)
def test_addresses_come_back(address: tuple[str, int], size: int) -> None:
    found, counted = to_sockaddr(address)
    assert counted == size
    assert from_sockaddr(found) == address


def test_an_ipv4_peer_of_an_ipv6_socket_is_one_of_ipv4() -> None:
    found, _ = to_sockaddr(("::ffff:10.0.0.1", 5))
    assert from_sockaddr(found) == ("10.0.0.1", 5)


def test_the_interface_of_an_address_is_kept() -> None:
    assert to_sockaddr(("fe80::1%3", 5))[0].scope == 3
    assert to_sockaddr(("fe80::1%eth0", 5))[0].scope == 0


def test_a_name_is_no_address() -> None:
    with pytest.raises(ValueError, match="localhost"):
        to_sockaddr(("localhost", 1))
