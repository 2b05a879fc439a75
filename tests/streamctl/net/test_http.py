from __future__ import annotations

import logging
import socket

import anyio
import anyio.to_thread
import httpx
import pytest

from streamctl.errors import ConnectionFailed
from streamctl.net.http import BODY_BUFFER_BYTES, HttpLimits, serve_http
from streamctl.net.http_request import PIPELINE_MAX
from streamctl.net.memory_file import ASKED
from streamctl.sdk.session import Refusal, RefusalCode
from tests.streamctl.net.site import LARGE, SMALL, Client, Pages, parse, serving
from tests.support.waiting import PATIENCE_S


def test_a_page_is_answered_and_the_connection_stays() -> None:
    client = Client()
    for _ in range(3):
        response = parse(client.get("/small"))
        assert (response.status, response.body) == (200, SMALL)
        assert response.headers["content-length"] == "10"
        assert response.headers["content-type"] == "text/plain"
        assert response.headers["server"] == "streamctl"
        assert response.headers["access-control-allow-origin"] == "*"
        assert "connection" not in response.headers
    assert client.reason == ""


def test_requests_tell_the_app_who_asks_for_what() -> None:
    client = Client()
    client.get("/a%20b?x=1&y=%2F", "X-Two: 1", "X-Two: 2")
    (request,) = client.app.requests
    assert (request.method, request.path, request.version) == ("GET", "/a b", "1.1")
    assert request.query == {"x": "1", "y": "/"}
    assert request.headers == {"host": "a", "x-two": "1, 2"}
    assert (request.ip, request.port) == ("192.0.2.7", 40000)


def test_a_head_request_gets_the_length_without_the_body() -> None:
    response = parse(Client().get("/large", method="HEAD"))
    assert response.headers["content-length"] == str(len(LARGE))
    assert response.body == b""


def test_pipelined_requests_are_answered_in_order() -> None:
    client = Client()
    data = client.ask(
        "".join(f"GET /{page} HTTP/1.1\nHost: a\n\n" for page in ("parts", "x", "small"))
    )
    parts, missing, small = data.split(b"HTTP/1.1 ")[1:]
    assert parts.endswith(b"abcdefghij")
    assert missing.startswith(b"404")
    assert small.endswith(SMALL)


@pytest.mark.parametrize(
    ("version", "field", "stays"),
    [
        ("1.1", "X: y", True),
        ("1.1", "Connection: close", False),
        ("1.0", "X: y", False),
        ("1.0", "Connection: keep-alive", True),
    ],
)
def test_the_client_decides_whether_the_connection_stays(
    version: str, field: str, stays: bool
) -> None:
    client = Client()
    response = parse(client.get("/small", field, version=version))
    assert (client.reason == "") is stays
    said = response.headers.get("connection", "keep-alive")
    assert said == ("keep-alive" if stays else "close")


def test_a_client_that_waits_for_leave_to_send_a_body_gets_it_in_its_turn() -> None:
    client = Client()
    head = "Expect: 100-continue\nContent-Length: 3\n\n"
    sent = client.ask(f"GET /small HTTP/1.1\nHost: a\n\nGET /parts HTTP/1.1\nHost: a\n{head}")
    assert sent.endswith(SMALL + b"HTTP/1.1 100 Continue\r\n\r\n")
    assert parse(client.ask("abc")).body == b"abcdefghij"


def test_nothing_is_served_after_the_last_answer() -> None:
    client = Client()
    client.get("/small", "Connection: close")
    assert client.get("/small") == b""
    assert len(client.app.requests) == 1


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/fails", 500, ""),
        ("/splits", 500, "answered"),
        ("/live-splits", 500, "answered"),
        ("/live-fails", 200, "internal error"),
    ],
)
def test_an_error_of_the_app_is_logged_and_ends_one_response(
    path: str, status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    assert parse(client.get(path)).status == status
    assert client.reason == reason
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_live_response_that_is_refused_ends_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client()
    client.get("/live-refused")
    assert client.reason == "nothing makes this format"
    assert caplog.records == []


def test_a_slow_client_gets_a_large_body_piece_by_piece() -> None:
    client = Client()
    client.room = 300_000
    response = client.get("/large")
    assert len(response) < 600_000
    assert client.get("/small") == b"", "answers keep their order"
    while not response.endswith(SMALL):
        client.make_room(300_000)
        response += client.take()
    first, _, second = response.rpartition(b"HTTP/1.1 ")
    assert parse(first).body == LARGE
    assert second.startswith(b"200")


def test_a_connection_that_carries_segments_gets_a_larger_send_buffer() -> None:
    client = Client()
    client.get("/small")
    assert client.send_buffers == []
    client.get("/large")
    client.get("/large")
    assert client.send_buffers == [BODY_BUFFER_BYTES]


def test_a_connection_closes_only_when_its_last_body_has_left() -> None:
    client = Client()
    client.room = 300_000
    response = client.get("/large", "Connection: close")
    while len(response) < len(LARGE):
        assert client.reason == ""
        client.make_room(300_000)
        response += client.take()
    client.make_room(1000)
    assert client.reason == "answered"
    assert parse(response).body == LARGE


@pytest.mark.parametrize("room", [0, 1 << 20])
def test_too_many_pipelined_requests_end_the_connection(room: int) -> None:
    client = Client()
    client.room = room
    client.ask("GET /small HTTP/1.1\nHost: a\n\n" * (PIPELINE_MAX + 1))
    assert client.reason == "too many requests at once"
    assert client.app.requests == []


# Deadlines.


def test_a_slow_header_is_answered_with_408_although_bytes_trickle_in() -> None:
    client = Client()
    response = b""
    for letter in "GET /small":
        response += client.ask(letter)
        client.clock.advance(1.5)
    assert parse(response).status == 408
    assert client.reason == "request too slow"


def test_a_client_that_says_nothing_is_closed_without_a_word() -> None:
    client = Client()
    client.clock.advance(10)
    assert (client.take(), client.reason) == (b"", "idle")


def test_an_idle_connection_is_closed_after_the_keep_alive_time() -> None:
    client = Client()
    for _ in range(3):
        client.get("/small")
        client.clock.advance(29)
        assert client.reason == ""
    client.clock.advance(2)
    assert client.reason == "idle"


def test_a_client_that_takes_nothing_is_cut() -> None:
    client = Client()
    client.room = 0
    client.get("/large")
    client.clock.advance(59)
    assert not client.aborted
    client.clock.advance(2)
    assert client.aborted


def test_timers_end_with_the_connection() -> None:
    client = Client()
    client.peer.closed("gone")
    client.clock.advance(100)
    assert client.reason == ""
    assert client.app.admitted == []


def sending_a_file() -> Client:
    """A client to whom the rest of a file is being sent."""
    client = Client(sends_files=True)
    client.room = 1 << 40
    for _ in range(ASKED - 1):
        client.get("/large")
    client.room = 300_000
    client.get("/large")
    assert 0 < client.file_left < len(LARGE)
    return client


def test_a_client_that_reads_a_file_slowly_is_not_cut() -> None:
    client = sending_a_file()
    while client.file_left:
        client.clock.advance(59)
        client.read_file(300_000)
    client.clock.advance(29)
    assert (client.reason, client.aborted) == ("", False)
    assert LARGE.endswith(client.take())
    assert parse(client.get("/small")).body == SMALL


def test_a_client_that_stalls_in_a_file_is_cut() -> None:
    client = sending_a_file()
    client.clock.advance(59)
    client.read_file(1000)
    client.clock.advance(59)
    assert not client.aborted
    client.clock.advance(63)
    assert client.aborted


# Admission.


def test_clients_are_counted_while_they_are_connected() -> None:
    client = Client()
    assert client.app.admitted == ["192.0.2.7"]
    client.peer.closed("gone")
    assert client.app.admitted == []


def test_a_client_over_the_limit_is_told_to_come_back() -> None:
    app = Pages(full=Refusal(RefusalCode.LIMIT, "too many connections from your address"))
    client = Client(app)
    response = parse(client.take())
    assert response.status == 503
    assert response.headers["retry-after"] == "5"
    assert client.reason == "too many connections from your address"
    assert client.get("/small") == b""
    client.peer.closed("gone")


# Waiting.


@pytest.mark.anyio
async def test_a_reply_can_wait_for_an_event() -> None:
    client = Client()
    assert client.get("/wait") == b""
    assert client.get("/small") == b"", "the next request waits too"
    client.clock.advance(100)
    assert client.reason == "", "deadlines rest meanwhile"
    client.app.event.set()
    await anyio.wait_all_tasks_blocked()
    waited, small = client.take().split(b"HTTP/1.1 ")[1:]
    assert waited.endswith(b"ready")
    assert small.endswith(SMALL)


@pytest.mark.anyio
async def test_a_wait_ends_in_time_without_the_event() -> None:
    client = Client()
    client.get("/timeout", "Connection: close")
    while not client.reason:
        await anyio.lowlevel.checkpoint()
    assert parse(client.take()).body == b"late"


@pytest.mark.anyio
async def test_a_wait_is_dropped_when_the_client_leaves() -> None:
    client = Client()
    client.get("/wait")
    client.peer.closed("gone")
    client.app.event.set()
    await anyio.wait_all_tasks_blocked()
    assert client.take() == b""


@pytest.mark.anyio
async def test_an_error_after_a_wait_is_answered_with_500() -> None:
    client = Client()
    client.app.event.set()
    client.get("/wait-fails")
    await anyio.wait_all_tasks_blocked()
    assert parse(client.take()).status == 500


# Endless responses.


def test_a_live_response_of_http_1_0_has_no_end_but_the_connection() -> None:
    client = Client()
    response = parse(client.get("/live", version="1.0"))
    assert response.body == b"<start>"
    assert response.headers["content-type"] == "video/mp2t"
    assert response.headers["connection"] == "close"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-a"] == "b"
    assert not {"content-length", "transfer-encoding"} & set(response.headers)
    (viewer,) = client.app.viewers
    assert viewer.wire is client
    viewer.wire.write(b"media")
    viewer.close("ended")
    assert client.take() == b"media"
    client.clock.advance(1000)
    assert client.reason == "ended"


def test_a_live_response_of_http_1_1_comes_in_chunks() -> None:
    client = Client()
    response = parse(client.get("/live"))
    assert response.body == b"7\r\n<start>\r\n"
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    (viewer,) = client.app.viewers
    viewer.wire.write(b"media of some length")
    assert client.take() == b"14\r\nmedia of some length\r\n"
    viewer.close("ended")
    assert client.take() == b"0\r\n\r\n"
    assert client.reason == "ended"


def test_a_live_viewer_hears_of_its_wire() -> None:
    client = Client()
    client.get("/live")
    (viewer,) = client.app.viewers
    client.room = 0
    viewer.wire.write(b"media")
    client.make_room(100)
    client.get("/small")
    viewer.close("kicked")
    assert client.reason == "kicked"
    client.peer.closed("kicked")
    assert viewer.calls == ["paused", "resumed", "closed: kicked"]
    assert len(client.app.requests) == 1, "nothing is served behind an endless response"


def test_requests_behind_one_for_an_endless_response_are_dropped() -> None:
    client = Client()
    client.ask("GET /live HTTP/1.1\nHost: a\n\nGET /small HTTP/1.1\nHost: a\n\n")
    assert [request.path for request in client.app.requests] == ["/live"]


def test_a_live_viewer_may_begin_on_a_full_wire() -> None:
    client = Client()
    client.room = 0
    client.get("/live")
    assert client.app.viewers[0].calls == ["paused"]


def test_a_head_request_for_a_live_response_starts_nothing() -> None:
    client = Client()
    response = parse(client.get("/live", method="HEAD"))
    assert (response.status, response.body) == (200, b"")
    other = parse(Client().get("/live"))
    assert response.headers == other.headers
    assert client.app.viewers == []
    assert client.reason == "answered"


def test_options_is_answered_without_the_app() -> None:
    client = Client()
    assert parse(client.get("/small", method="OPTIONS")).status == 204
    assert client.app.requests == []
    assert client.reason == ""


# Real sockets.


def read_to_end(client: socket.socket) -> bytes:
    data = bytearray()
    while piece := client.recv(1 << 16):
        data += piece
    return bytes(data)


@pytest.mark.anyio
async def test_httpx_keeps_one_connection_for_everything() -> None:
    app = Pages()
    async with serving(app) as (host, port), httpx.AsyncClient() as client:
        url = f"http://{host}:{port}"
        assert (await client.get(f"{url}/small")).content == SMALL
        assert (await client.get(f"{url}/large")).content == LARGE
        assert (await client.head(f"{url}/large")).headers["content-length"] == str(len(LARGE))
        assert (await client.get(f"{url}/small", headers={"Range": "bytes=3-"})).text == "3456789"
        assert (await client.post(f"{url}/small", content=b"x")).status_code == 405
        assert (await client.get(f"{url}/parts")).text == "abcdefghij"
        assert len({request.port for request in app.requests[:-1]}) == 1


@pytest.mark.anyio
async def test_a_stalled_client_pauses_its_viewer_and_resumes_it() -> None:
    app = Pages()
    async with serving(app) as address:
        with socket.create_connection(address, timeout=PATIENCE_S) as client:
            client.sendall(b"GET /live HTTP/1.0\r\n\r\n")
            await app.asked.wait()
            (viewer,) = app.viewers
            written = 0
            while not viewer.calls:
                viewer.wire.write(bytes(100_000))
                written += 100_000
            assert viewer.calls == ["paused"]
            assert viewer.wire.unsent() > 0
            response = b""
            while len(response) < written:
                response += await anyio.to_thread.run_sync(client.recv, 1 << 20)
            while len(viewer.calls) < 2:
                await anyio.lowlevel.checkpoint()
            assert viewer.calls == ["paused", "resumed"]


@pytest.mark.anyio
async def test_a_client_that_stalls_in_a_large_body_holds_one_piece() -> None:
    app = Pages()
    async with serving(app) as address:
        with socket.create_connection(address, timeout=PATIENCE_S) as client:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" * 3)
            await app.asked.wait()
            response = await anyio.to_thread.run_sync(read_to_end, client)
            assert parse(response).body == LARGE
            assert len(app.requests) == 1


@pytest.mark.anyio
async def test_half_a_request_is_timed_out_with_an_answer() -> None:
    async with serving(Pages(), limits=HttpLimits(header_s=0.05)) as address:
        with socket.create_connection(address, timeout=PATIENCE_S) as client:
            client.sendall(b"GET / HT")
            response = await anyio.to_thread.run_sync(read_to_end, client)
    assert parse(response).status == 408


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x03" + bytes(100_000), 400),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 1_000_000, 431),
        (b"PUT / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000), 405),
    ],
)
async def test_bad_clients_can_read_why_they_are_refused(sent: bytes, status: int) -> None:
    app = Pages()
    async with serving(app) as address:
        with socket.create_connection(address, timeout=PATIENCE_S) as client:
            await anyio.to_thread.run_sync(client.sendall, sent)
            response = await anyio.to_thread.run_sync(read_to_end, client)
            assert parse(response).status == status
    assert app.admitted == []


@pytest.mark.anyio
async def test_a_taken_port_names_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        with pytest.raises(ConnectionFailed) as caught:
            await serve_http(address, Pages(), ready=lambda _: None)
    assert caught.value.hint == "stop the other program or change `http.address`"


@pytest.mark.anyio
async def test_a_large_body_is_sent_from_its_file_like_from_memory() -> None:
    async with serving(Pages()) as (host, port), httpx.AsyncClient() as client:
        url = f"http://{host}:{port}/large"
        part = {"Range": "bytes=100000-1900000"}
        for _ in range(ASKED + 2):
            assert (await client.get(url)).content == LARGE
            assert (await client.get(url, headers=part)).content == LARGE[100_000:1_900_001]
            last = await client.get(url, headers={"Connection": "close"})
            assert last.content == LARGE
