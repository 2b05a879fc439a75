from __future__ import annotations

from ipaddress import ip_network

import pytest

from streamctl.engine.proxies import HOPS_MAX, Proxies
from streamctl.sdk.endpoints import HttpRequest

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("::1/128")])


def seen(header: str | None, ip: str = "10.0.0.1", proxies: Proxies = PROXIES) -> str:
    headers = {} if header is None else {"x-forwarded-for": header}
    return proxies.seen_through(HttpRequest("GET", "/", {}, headers, ip, 7)).ip


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.9, 10.0.0.8", "192.0.2.1"),
        ("10.0.0.9", "10.0.0.9"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, ::ffff:10.0.0.9", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:4711", "192.0.2.1"),
        ("unknown", "10.0.0.1"),
        ("unknown, 10.0.0.9", "10.0.0.9"),
        ("", "10.0.0.1"),
        (None, "10.0.0.1"),
        ("192.0.2.1" + ", 10.0.0.1" * HOPS_MAX, "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(header: str | None, client: str) -> None:
    assert seen(header) == client


@pytest.mark.parametrize("ip", ["::1", "::ffff:10.1.1.1"])
def test_proxies_are_known_by_every_form_of_their_address(ip: str) -> None:
    assert seen("192.0.2.1", ip) == "192.0.2.1"


def test_nobody_else_is_believed() -> None:
    assert seen("192.0.2.1", "192.0.2.200") == "192.0.2.200"
    assert seen("192.0.2.1", "10.0.0.1", Proxies()) == "10.0.0.1"
    assert seen("192.0.2.1", "not an address") == "not an address"
    assert not Proxies().trusts("10.0.0.1")


def test_the_port_of_the_proxy_is_not_the_clients() -> None:
    headers = {"x-forwarded-for": "192.0.2.1"}
    request = HttpRequest("GET", "/", {}, headers, "10.0.0.1", 7)
    assert PROXIES.seen_through(request).port == 0
