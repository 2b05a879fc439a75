from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streamctl.config.model import WebhookConfig
from streamctl.engine.courier import TooLarge
from streamctl.engine.webhook import Webhook, signature
from streamctl.errors import StreamctlError
from streamctl.net.http_client import Refused
from streamctl.schema import Event
from tests.support.webhooks import receiving

if TYPE_CHECKING:
    from streamctl.schema import Event as Told

pytestmark = pytest.mark.anyio


def events(count: int) -> list[Told]:
    return [
        Event(id=number, type="stream.on_air", stream="news", time="t", payload={"tracks": ["é"]})
        for number in range(count)
    ]


def made(url: str, **keys: Any) -> Webhook:
    return Webhook(WebhookConfig.model_validate({"name": "alarm", "url": url, **keys}))


async def test_events_are_an_array_with_headers_that_say_what_it_is() -> None:
    with receiving() as receiver:
        assert await made(receiver.url()).deliver(events(3)) == "answered 204"
    [call] = receiver.calls
    assert [Event.model_validate(one) for one in call.events] == events(3)
    assert call.headers["content-type"] == "application/json"
    assert call.headers["x-streamctl-batch-size"] == "3"
    assert call.headers["x-streamctl-hook"] == "alarm"
    assert "x-streamctl-signature" not in call.headers


async def test_the_body_is_signed_with_the_secret() -> None:
    with receiving() as receiver:
        await made(receiver.url(), secret="s1gn").deliver(events(1))
    [call] = receiver.calls
    assert call.signed_with("s1gn")
    assert not call.signed_with("other")


async def test_a_server_that_wants_less_at_once_is_told_apart() -> None:
    with receiving() as receiver:
        receiver.answers = [413, 400]
        with pytest.raises(TooLarge, match="answers 413"):
            await made(receiver.url()).deliver(events(2))
        with pytest.raises(Refused, match="answers 400"):
            await made(receiver.url()).deliver(events(2))


def test_the_signature_is_the_usual_one() -> None:
    """The example that GitHub documents for receivers of its own."""
    assert signature(b"Hello, World!", "It's a Secret to Everybody") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


async def test_a_login_in_the_url_is_used_and_not_shown() -> None:
    with receiving() as receiver:
        url = receiver.url("/s3cr3t?key=s3cr3t").replace("//", "//ann:s3cr3t@")
        hook = made(url)
        receiver.answers = [204, 500]
        await hook.deliver(events(1))
        with pytest.raises(StreamctlError) as caught:
            await hook.deliver(events(1))
    assert receiver.calls[0].headers["authorization"] == "Basic YW5uOnMzY3IzdA=="
    assert hook.target == f"http://127.0.0.1:{receiver.port}/***"
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint} {hook.config!r}"
