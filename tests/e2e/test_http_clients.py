"""The HTTP server with clients that others wrote."""

from __future__ import annotations

import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.streamctl.net.site import LARGE, SMALL, Pages, serving
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
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    await anyio.run_process(
        [
            *(tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        stderr=subprocess.DEVNULL,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    trust = ssl.create_default_context(cafile=str(certificate))
    async with (
        serving(Pages(), tls=context) as (host, port),
        httpx.AsyncClient(verify=trust) as client,
    ):
        assert (await client.get(f"https://{host}:{port}/large")).content == LARGE
        with socket.create_connection((host, port), timeout=5) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answer = await anyio.to_thread.run_sync(plain.recv, 1)
            assert answer in (b"", b"\x15"), "closed, perhaps with a TLS alert"
        assert (await client.get(f"https://{host}:{port}/small")).content == SMALL
