"""The port."""

from __future__ import annotations

import gc
import socket
from typing import TYPE_CHECKING

import pytest
from anyio import get_running_tasks, to_thread

from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.net.tls import ServerTls
from streamctl_rtmp.listener import RtmpListener
from streamctl_rtmp.session import RtmpSession
from tests.plugins.streamctl_rtmp.running import HOST, serving
from tests.plugins.streamctl_rtmp.world import World
from tests.support.certificates import self_signed
from tests.support.steady import SteadyClock
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.anyio
async def test_a_taken_port_is_said_with_its_key() -> None:
    world = World(SteadyClock())
    with socket.create_server((HOST, 0)) as taken:
        listener = RtmpListener(taken.getsockname(), world.ctx.as_context)
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


@pytest.mark.anyio
async def test_a_certificate_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    tls = ServerTls(tmp_path / "cert.pem", tmp_path / "key.pem", setting="listeners.rtmps")
    world = World(SteadyClock())
    listener = RtmpListener((HOST, 0), world.ctx.as_context, tls)
    with pytest.raises(ConfigError, match=r"cert\.pem") as caught:
        await listener.serve(world, ready=lambda address: None)
    assert caught.value.key == "listeners.rtmps.tls_cert"


@pytest.mark.anyio
async def test_a_taken_tls_port_is_said_with_its_key(tmp_path: Path) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)
    world = World(SteadyClock())
    tls = ServerTls(pair.cert, pair.key)
    with socket.create_server((HOST, 0)) as taken:
        listener = RtmpListener(taken.getsockname(), world.ctx.as_context, tls)
        with pytest.raises(ConnectionFailed) as caught:
            await listener.serve(world, ready=lambda address: None)
    assert "listeners.rtmps" in f"{caught.value} {caught.value.hint}"


@pytest.mark.anyio
async def test_clients_that_drop_leave_neither_tasks_nor_sessions() -> None:
    async with serving() as (world, port):
        tasks, sessions = len(get_running_tasks()), living_sessions()
        for number in range(60):
            with socket.create_connection((HOST, port)) as client:
                client.sendall((b"\x03" + bytes(3072))[: 1 + number * 60])
        await until(lambda: not world.connections)
        await until(lambda: len(get_running_tasks()) == tasks)
        assert living_sessions() == sessions


def living_sessions() -> int:
    gc.collect()
    return sum(type(one) is RtmpSession for one in gc.get_objects())
