"""The port."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.net.clock import LoopClock
from streamctl_rtmp.listener import RtmpListener, tls_context
from streamctl_rtmp.options import ListenerOptions
from tests.plugins.streamctl_rtmp.running import HOST, serving, until
from tests.plugins.streamctl_rtmp.world import World
from tests.support.tools import tool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.anyio
async def test_a_taken_port_is_said_with_its_key() -> None:
    world = World(LoopClock())
    with socket.create_server((HOST, 0)) as taken:
        listener = RtmpListener(taken.getsockname(), ListenerOptions(), world.ctx.as_context)
        with pytest.raises(ConnectionFailed) as caught:
            await listener.serve(world, ready=lambda address: None)
    assert "listeners.rtmp" in f"{caught.value} {caught.value.hint}"


@pytest.mark.anyio
async def test_garbage_closes_its_own_connection_only() -> None:
    async with serving() as (world, port):
        with (
            socket.create_connection((HOST, port)) as bad,
            socket.create_connection((HOST, port)),
        ):
            await until(lambda: len(world.connections) == 2)
            bad.sendall(b"GET / HTTP/1.1\r\n\r\n")
            bad.shutdown(socket.SHUT_WR)
            await until(lambda: len(world.connections) == 1)
    assert world.connections == []


def test_certificate_and_key_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        ListenerOptions(tls_cert=tmp_path / "cert.pem")
    assert tls_context(ListenerOptions()) is None


def test_a_certificate_that_can_not_be_loaded_is_named(tmp_path: Path) -> None:
    options = ListenerOptions(tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")
    with pytest.raises(ConfigError, match=r"cert\.pem"):
        tls_context(options)


def test_a_certificate_makes_the_port_speak_tls(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    assert tls_context(ListenerOptions(tls_cert=cert, tls_key=key)) is not None
