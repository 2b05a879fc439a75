"""The ports."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.net.tls import ServerTls
from streamctl_rtsp.server.listener import RtspListener
from streamctl_rtsp.server.options import ListenerOptions, TlsListenerOptions
from tests.plugins.streamctl_rtsp.server.world import RtspWorld
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.sdk.endpoints import Address

pytestmark = pytest.mark.anyio
HOST = "127.0.0.1"


async def test_a_taken_port_is_said_with_its_key() -> None:
    world = RtspWorld()
    with socket.create_server((HOST, 0)) as taken:
        where = taken.getsockname()
        listener = RtspListener(where, ListenerOptions(), world.ctx.as_context)
        with pytest.raises(ConnectionFailed) as caught:
            await listener.serve(world, ready=print)
    assert "listeners.rtsp" in f"{caught.value} {caught.value.hint}"


async def test_a_certificate_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    tls = ServerTls(tmp_path / "cert.pem", tmp_path / "key.pem", setting="listeners.rtsps")
    options = TlsListenerOptions(tls_cert=tls.cert, tls_key=tls.key)
    world = RtspWorld()
    listener = RtspListener((HOST, 0), options, world.ctx.as_context, tls)
    with pytest.raises(ConfigError, match=r"cert\.pem"):
        await listener.serve(world, ready=print)


async def test_a_port_can_be_served_again() -> None:
    world = RtspWorld()
    listener = RtspListener((HOST, 0), ListenerOptions(), world.ctx.as_context)
    for _ in range(3):
        addresses: list[Address] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(listener.serve, world, ready=addresses.append))
            await until(addresses.__len__)
            with anyio.fail_after(PATIENCE_S):
                client = await anyio.connect_tcp(*addresses[0])
                await client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                assert (await client.receive()).startswith(b"RTSP/1.0 200 OK")
                await client.aclose()
            tasks.cancel_scope.cancel()


async def test_garbage_closes_its_own_connection_only() -> None:
    world = RtspWorld()
    listener = RtspListener((HOST, 0), ListenerOptions(), world.ctx.as_context)
    addresses: list[Address] = []
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await listener.serve(world, ready=addresses.append)

        tasks.start_soon(serve)
        await until(lambda: addresses)
        with anyio.fail_after(PATIENCE_S):
            good = await anyio.connect_tcp(*addresses[0])
            bad = await anyio.connect_tcp(*addresses[0])
            await bad.send(b"\x16\x03\x01\x00\x00")
            assert (await bad.receive()).startswith(b"RTSP/1.0 400 Bad Request")
            await bad.aclose()
            await good.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            answer = await good.receive()
            assert answer.startswith(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n")
            assert b"Public: OPTIONS, DESCRIBE, ANNOUNCE" in answer
            await good.aclose()
        await until(lambda: not world.connections)
        tasks.cancel_scope.cancel()
