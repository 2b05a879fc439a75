from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from streamctl.api import requests
from streamctl.api.requests import MAX_BODY_BYTES, json_object

if TYPE_CHECKING:
    from starlette.types import Message

    from tests.support.asgi import AppClient

URL = "/api/v1/streams/new"


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe\xfd", 400, "not JSON"),
        (b"[" * 200_000, 400, "too deeply"),
        (b'{"title": "\\ud800", "inputs": ["publish:"]}', 400, "surrogates"),
        (b"[]", 400, "object"),
        (b"null", 400, "object"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "at most"),
    ],
)
def test_a_body_that_is_no_object_is_refused(
    client: AppClient, body: bytes, status: int, word: str
) -> None:
    response = client.put(URL, content=body)
    assert response.status_code == status
    assert word in response.json()["message"]


def test_an_object_is_read(client: AppClient) -> None:
    assert client.put(URL, content=b'{"inputs": ["publish:"]}').status_code == 200


@pytest.mark.anyio
async def test_a_body_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_TIMEOUT_S", 0.01)

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    request = Request({"type": "http", "method": "PUT", "path": "/", "headers": []}, receive)
    with pytest.raises(HTTPException) as caught:
        await json_object(request)
    assert caught.value.status_code == 408
