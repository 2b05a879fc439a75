from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from streamctl.api import serve
from streamctl.api.serve import ApiServer, serve_api
from streamctl.errors import ConnectionFailed
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette

    from streamctl.sdk.endpoints import Address

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[Address]:
    """Serve on a free port; leaving stops the server and waits for its end."""
    ready = anyio.Event()
    bound: list[Address] = []

    def on_ready(address: Address) -> None:
        bound.append(address)
        ready.set()

    async def run() -> None:
        await serve_api(app, ("127.0.0.1", 0), ready=on_ready)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(PATIENCE_S):
            await ready.wait()
        yield bound[0]
        tasks.cancel_scope.cancel()


def client_of(address: Address) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{address[0]}:{address[1]}", timeout=PATIENCE_S)


async def exchange(address: Address, *parts: bytes) -> bytes:
    """What the server answers to raw bytes until it closes; an empty part is the end of ours."""
    answer = bytearray()
    async with await anyio.connect_tcp(*address) as stream:
        try:
            for part in parts:
                await (stream.send(part) if part else stream.send_eof())
            with anyio.fail_after(PATIENCE_S):
                async for data in stream:
                    answer += data
        except anyio.BrokenResourceError:
            pass
    return bytes(answer)


async def test_requests_share_a_connection_without_delay(app: Starlette) -> None:
    async with running(app) as address, client_of(address) as client:
        fastest = 1.0
        for _ in range(20):
            start = time.perf_counter()
            assert (await client.get("/live")).status_code == 200
            fastest = min(fastest, time.perf_counter() - start)
    # A delayed acknowledgement would cost each of them 40 ms.
    assert fastest < 0.03


async def test_control_calls_work_over_a_real_connection(app: Starlette) -> None:
    async with running(app) as address, client_of(address) as client:
        response = await client.put("/api/v1/streams/a%2Fb", json={"inputs": ["publish:"]})
        assert response.json()["steps"][0]["stream"] == "a/b"
        assert (await client.delete("/api/v1/sessions/s1")).status_code == 200


async def test_a_large_body_may_come_with_its_head(app: Starlette) -> None:
    async with running(app) as address:
        body = b'{"inputs": ["publish:"]}' + b" " * 100_000
        head = (
            "PUT /api/v1/streams/a HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        answer = await exchange(address, head.encode() + body)
        assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/metrics", 200), ("/nope", 404), ("/api/v1/streams", 200)]
)
async def test_who_closes_its_direction_is_still_answered(
    app: Starlette, path: str, status: int
) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    async with running(app) as address:
        for requests in (1, 2):
            answer = await exchange(address, request * requests, b"")
            assert answer.count(f"HTTP/1.1 {status} ".encode()) == requests


async def test_half_a_request_is_not_waited_for(app: Starlette) -> None:
    head = b"PUT /api/v1/streams/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    head += b"Content-Type: application/json\r\n\r\n{"
    async with running(app) as address:
        assert await exchange(address, head, b"") == b""
        assert await exchange(address, b"GET / HT", b"") == b""


async def test_it_stops_within_a_second_with_an_event_stream_open(app: Starlette) -> None:
    async def follow(address: Address, following: anyio.Event) -> None:
        async with (
            client_of(address) as client,
            client.stream("GET", "/api/v1/events") as response,
        ):
            async for line in response.aiter_lines():
                if line.startswith("retry"):
                    following.set()

    async def stopping() -> float:
        """How long it takes."""
        app.state.event_streams.stopping = anyio.Event()
        async with anyio.create_task_group() as tasks:
            async with running(app) as address:
                tasks.start_soon(follow, address, following := anyio.Event())
                with anyio.fail_after(PATIENCE_S):
                    await following.wait()
                start = time.perf_counter()
            end = time.perf_counter()
        return end - start

    # The machine may stand still meanwhile, but not each time.
    times = [await stopping()]
    while times[-1] >= 1 and len(times) < 5:
        times.append(await stopping())
    assert times[-1] < 1


async def test_an_address_in_use_is_named(app: Starlette) -> None:
    async with running(app) as address:
        with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{address[1]}") as caught:
            await serve_api(app, address, ready=lambda _: None)
    assert "api.address" in caught.value.hint


async def test_the_port_is_free_again_after_the_end(app: Starlette) -> None:
    async with running(app) as address:
        pass
    with pytest.raises(OSError, match="connect"):
        await anyio.connect_tcp(*address)


async def test_garbage_is_answered_with_a_problem(app: Starlette) -> None:
    async with running(app) as address:
        answer = await exchange(address, b"\x03\x00\x00garbage\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b'"error":"bad_request"' in answer


async def test_an_endless_head_is_refused(app: Starlette) -> None:
    async with running(app) as address:
        filler = [b"x: " + b"y" * 8_000 + b"\r\n"] * 12
        answer = await exchange(address, b"GET / HTTP/1.1\r\n", *filler)
        assert answer == b"" or answer.startswith(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        )


@pytest.mark.parametrize("sent", [b"", b"GET /live HT", b"GET /live HTTP/1.1\r\n\r\nGET /li"])
async def test_a_silent_peer_is_closed(
    app: Starlette, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(serve, "HEAD_TIMEOUT_S", 0.05)
    async with running(app) as address:
        answer = await exchange(address, sent)
    assert answer.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


async def test_connections_are_bounded(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "MAX_CONNECTIONS", 1)
    async with running(app) as address, client_of(address) as client:
        await client.get("/live")
        assert (await exchange(address)).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert (await client.get("/live")).status_code == 200


async def test_a_server_that_retires_frees_its_address_and_finishes_what_it_does(
    app: Starlette,
) -> None:
    first = ApiServer(app, ("127.0.0.1", 0))
    bound: list[Address] = []
    ended = anyio.Event()

    async def serve() -> None:
        await first.serve(bound.append)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        with anyio.fail_after(PATIENCE_S):
            while not first._server.started:
                await anyio.sleep(0.01)
        async with client_of(bound[0]) as client:
            assert (await client.get("/live")).status_code == 200
            first.retire()
            second = ApiServer(app, bound[0])
            tasks.start_soon(second.serve, bound.append)
            with anyio.fail_after(PATIENCE_S):
                while len(bound) < 2 or not second._server.started:
                    await anyio.sleep(0.01)
            assert (await client.get("/live")).status_code == 200
            async with client_of(bound[1]) as other:
                assert (await other.get("/live")).status_code == 200
            assert not ended.is_set()
        with anyio.fail_after(PATIENCE_S):
            await ended.wait()
        assert not app.state.event_streams.stopping.is_set()
        tasks.cancel_scope.cancel()
    assert app.state.event_streams.stopping.is_set()
