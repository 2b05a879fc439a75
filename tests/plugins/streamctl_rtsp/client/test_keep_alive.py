"""Signs of life, and servers that don't care for them."""

from __future__ import annotations

import pytest

from tests.plugins.streamctl_rtsp.client.world import LOGIN, Pull, failure, pulling
from tests.support.rtsp_camera import Answer, Asked, Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.anyio

HURRY_S = 0.02
"""Goes by at each look: what is waited for here is time."""


async def signs(server: CameraServer, pull: Pull, method: str, count: int) -> None:
    """Return when so many signs of life have come, or the pull has ended."""

    def came() -> bool:
        if pull.source.session is not None:
            pull.clock.advance(HURRY_S)
        return len(server.requests(method)) >= count or pull.error is not None

    await until(came)


async def test_a_nonce_that_is_used_up_is_replaced() -> None:
    with CameraServer(Camera(auth="digest", nonce_uses=1, timeout_s=1)) as server:
        async with pulling(server, LOGIN) as pull:
            await signs(server, pull, "GET_PARAMETER", 3)
            assert pull.error is None


@pytest.mark.parametrize("methods", [{"OPTIONS"}, {"GET_PARAMETER"}])
async def test_a_session_is_kept_alive(methods: set[str]) -> None:
    camera = Camera(timeout_s=1, reaps=True, keep_alive=frozenset(methods), pictures=1)
    with CameraServer(camera) as server:
        async with pulling(server) as pull:
            await signs(server, pull, min(methods), 5)
            assert pull.error is None


async def test_a_method_that_is_not_known_is_not_repeated() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(501) if asked.method == "GET_PARAMETER" else None

    with CameraServer(Camera(timeout_s=1, script=script)) as server:
        async with pulling(server) as pull:
            await signs(server, pull, "OPTIONS", 4)
            assert len(server.requests("GET_PARAMETER")) == 1


async def test_a_session_that_is_lost_is_said() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(454) if asked.method == "GET_PARAMETER" else None

    with CameraServer(Camera(timeout_s=1, script=script)) as server:
        assert "lost the session" in (await failure(server)).message


async def test_signs_of_life_that_are_not_answered_are_no_end() -> None:
    camera = Camera(timeout_s=1, silent=frozenset({"GET_PARAMETER"}))
    with CameraServer(camera) as server:
        async with pulling(server) as pull:
            for count in (1, 2, 3):
                await signs(server, pull, "GET_PARAMETER", count)
                pull.clock.advance(PATIENCE_S)
            assert pull.error is None


async def test_a_login_that_is_withdrawn_ends_the_pull() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(401) if asked.method == "GET_PARAMETER" else None

    with CameraServer(Camera(timeout_s=1, script=script)) as server:
        assert (await failure(server)).permanent
