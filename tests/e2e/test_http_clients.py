"""The HTTP server with clients that others wrote."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx
import pytest

from streamctl.net.tls import ServerTls
from tests.streamctl.net.site import LARGE, SMALL, Pages, serving
from tests.support.certificates import self_signed
from tests.support.tools import tool

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["--http1.0", "--http1.1", "--http2"])
async def test_curl_downloads(version: str, tmp_path: Path) -> None:
    curl = tool("curl")
    async with serving(Pages()) as (host, port):
        target = tmp_path / "large"
        url = f"http://{host}:{port}/large"
        await anyio.run_process([curl, "-sf", version, "--max-time", "10", "-o", target, url])
    assert target.read_bytes() == LARGE


@pytest.mark.anyio
async def test_curl_reads_an_endless_response_as_it_comes() -> None:
    curl = tool("curl")
    app = Pages()
    async with serving(app) as (host, port):
        url = f"http://{host}:{port}/live"
        async with await anyio.open_process([curl, "-sN", "--max-time", "10", url]) as process:
            assert process.stdout is not None
            assert await process.stdout.receive() == b"<start>"
            (viewer,) = app.viewers
            viewer.wire.write(b"media")
            assert await process.stdout.receive() == b"media"
            viewer.close("the stream ended")
            assert await process.wait() == 0
    assert viewer.calls == ["closed: the stream ended"]


@pytest.mark.anyio
async def test_tls_serves_the_same(tmp_path: Path) -> None:
    pair = await anyio.to_thread.run_sync(self_signed, tmp_path)
    trust = ssl.create_default_context(cafile=str(pair.cert))
    async with (
        serving(Pages(), tls=ServerTls(pair.cert, pair.key)) as (host, port),
        httpx.AsyncClient(verify=trust) as client,
    ):
        assert (await client.get(f"https://{host}:{port}/large")).content == LARGE
        with socket.create_connection((host, port), timeout=15) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answer = await anyio.to_thread.run_sync(plain.recv, 1000)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.endswith(b"write `https://` in the address\n")
        assert (await client.get(f"https://{host}:{port}/small")).content == SMALL
