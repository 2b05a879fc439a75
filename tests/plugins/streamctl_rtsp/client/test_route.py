"""Ways to a camera: over TLS, through HTTP, and none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anyio import to_thread

from tests.plugins.streamctl_rtsp.client.world import failure, pulling
from tests.support.certificates import self_signed
from tests.support.rtsp_camera import Camera
from tests.support.rtsp_peers import CameraServer

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.anyio

FEW = 30


async def test_a_tunnel_through_http_is_used() -> None:
    with CameraServer(Camera(audio=True)) as server:
        async with pulling(server, transport="http") as pull:
            await pull.pictures(FEW)
        assert server.connections == 2


async def test_a_tunnel_that_is_refused_is_said() -> None:
    with CameraServer(Camera(tunnel_status=404)) as server:
        error = await failure(server, transport="http")
        assert "opens no tunnel: 404" in error.message
        assert "leave out `transport`" in error.hint


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("transport", ["auto", "http"])
async def test_a_camera_over_tls_must_be_trusted(tmp_path: Path, transport: str) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)
    with CameraServer(Camera(), tls=pair) as server:
        error = await failure(server, transport=transport)
        assert "certificate not trusted" in error.message
        assert "tls_ca" in error.hint
        for keys in ({"tls_ca": pair.cert}, {"tls_insecure": True}):
            async with pulling(server, transport=transport, **keys) as pull:
                await pull.pictures(1)


async def test_nobody_there_is_said() -> None:
    server = CameraServer(Camera())
    server.listening.close()
    error = await failure(server)
    assert "connection refused" in error.message
