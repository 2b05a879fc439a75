from __future__ import annotations

import pytest

from streamctl.config.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":1935", "", 1935),
        ("127.0.0.1:9997", "127.0.0.1", 9997),
        ("[::1]:80", "::1", 80),
        ("[::]:0", "::", 0),
        ("localhost:0", "localhost", 0),
    ],
)
def test_reads_and_writes(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert address == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "1935", "host", "host:", ":http", ":65536", "::1:80", "[::1]", "[x]:1", ":-1", ":²"],
)
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        (":1", False),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("example.org:1", False),
    ],
)
def test_knows_what_only_this_machine_reaches(text: str, loopback: bool) -> None:
    assert Address.parse(text).loopback is loopback
