from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from streamctl.errors import ConnectionFailed
from streamctl.net.http_client import Refused
from streamctl.net.http_post import post
from streamctl.net.http_target import Target
from streamctl.net.tls import client_context
from tests.support.certificates import self_signed
from tests.support.webhooks import receiving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_body_is_posted_with_its_headers() -> None:
    with receiving() as receiver:
        target = Target.of(receiver.url("/a b?key=1"))
        assert await post(target, b"[1]", {"X-One": "1"}) == 204
    [call] = receiver.calls
    assert (call.path, call.body) == ("/a%20b?key=1", b"[1]")
    assert call.headers["x-one"] == "1"
    assert call.headers["content-length"] == "3"


async def test_a_large_body_arrives_whole() -> None:
    body = b"x" * 5_000_000
    with receiving() as receiver:
        await post(Target.of(receiver.url()), body, {})
    assert receiver.calls[0].body == body


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_a_refusal_is_told(status: int) -> None:
    with receiving() as receiver:
        receiver.answers = [status]
        with pytest.raises(Refused, match=f"answers {status}") as caught:
            await post(Target.of(receiver.url("/s3cr3t?key=s3cr3t")), b"", {})
    assert "s3cr3t" not in str(caught.value)


async def test_no_redirect_is_followed() -> None:
    with receiving() as receiver, receiving() as other:
        receiver.answers, receiver.location = [307], other.url()
        with pytest.raises(Refused, match="answers 307") as caught:
            await post(Target.of(receiver.url()), b"", {"X-Signature": "1"})
    assert "redirects are not followed" in caught.value.hint
    assert other.calls == []


async def test_a_server_that_never_answers_is_left() -> None:
    with receiving() as receiver:
        receiver.answers = [-1]
        with pytest.raises(ConnectionFailed, match=r"no answer within 0.2 s"):
            await post(Target.of(receiver.url()), b"", {}, timeout_s=0.2)


async def test_a_server_that_closes_without_an_answer_is_told() -> None:
    with receiving() as receiver:
        receiver.answers = [0]
        with pytest.raises(ConnectionFailed, match="gave no answer"):
            await post(Target.of(receiver.url()), b"", {})


async def test_who_speaks_something_else_is_told() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)

    async def talk(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.send(b"220 mail.example ESMTP\r\n")
            await anyio.sleep(1)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, talk)
        with pytest.raises(ConnectionFailed, match="no http response"):
            await post(Target.of(f"http://127.0.0.1:{port}/"), b"", {})
        tasks.cancel_scope.cancel()


async def test_nobody_there_is_told() -> None:
    with receiving() as receiver:
        port = receiver.port
    with pytest.raises(ConnectionFailed, match="connection refused"):
        await post(Target.of(f"http://127.0.0.1:{port}/"), b"", {})


async def test_certificates_are_checked(tmp_path: Path) -> None:
    pair = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    trust = await to_thread.run_sync(client_context, pair.cert)
    with receiving(context) as receiver:
        target = Target.of(receiver.url())
        with pytest.raises(ConnectionFailed, match="certificate not trusted"):
            await post(target, b"[]", {}, tls=client_context())
        assert receiver.calls == []
        assert await post(target, b"[]", {}, tls=trust) == 204
