"""Who may come in: logins that are asked for, keys, and guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl_rtsp.wire.auth import Login, parse_challenges
from tests.plugins.streamctl_rtsp.server.world import SDP, TCP, Client, RtspWorld, listening

if TYPE_CHECKING:
    from streamctl_rtsp.wire.message import Response

pytestmark = pytest.mark.anyio
SECURE = "rtsp://127.0.0.1:8554/region/secure"


@pytest.fixture
def world() -> RtspWorld:
    return RtspWorld()


def challenged(response: Response) -> list[str]:
    return response.headers.all("WWW-Authenticate")


@pytest.mark.parametrize("scheme", ["Digest", "Basic"])
async def test_a_login_is_asked_for_once(world: RtspWorld, scheme: str) -> None:
    async with listening(world) as port:
        client = Client(port)
        first = await client.ask("ANNOUNCE", SECURE, SDP)
        assert first.status == 401
        assert world.requests == [], "the first request is no refusal"
        found = next(one for one in parse_challenges(challenged(first)) if one.scheme == scheme)
        wrong = Login("me", "wrong").authorize(found, "ANNOUNCE", SECURE, "")
        assert (await client.ask("ANNOUNCE", SECURE, SDP, Authorization=wrong)).status == 401
        right = Login("me", "change-me").authorize(found, "ANNOUNCE", SECURE, "")
        assert (await client.ask("ANNOUNCE", SECURE, SDP, Authorization=right)).status == 200
        answer = await client.ask("SETUP", SECURE + "/streamid=0", Transport=TCP.format(0, 1))
        assert answer.status == 200
        assert (await client.ask("RECORD", SECURE)).status == 200


async def test_a_key_may_stand_in_the_url(world: RtspWorld) -> None:
    async with listening(world) as port:
        assert (await Client(port).ask("ANNOUNCE", SECURE + "?key=change-me", SDP)).status == 200


async def test_guessing_ends(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        found = [
            (await client.ask("ANNOUNCE", SECURE + f"?key={number}", SDP)).status
            for number in range(9)
        ]
        assert found == [401] * 8 + [403]
