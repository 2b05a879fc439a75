"""Signs of life, and servers that don't care for them."""

from __future__ import annotations

import pytest

from tests.plugins.streamctl_rtsp.client.world import LOGIN, Pull, failure, pulling
from tests.support.rtsp_camera import Answer, Asked, Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.anyio


async def test_a_nonce_that_is_used_up_is_replaced() -> None:
    with CameraServer(Camera(auth="digest", nonce_uses=1, timeout_s=1)) as server:
        async with pulling(server, LOGIN) as pull:
            await until(lambda: len(server.requests("GET_PARAMETER")) > 2)
            assert pull.error is None


@pytest.mark.parametrize("methods", [{"OPTIONS"}, {"GET_PARAMETER"}])
async def test_a_session_is_kept_alive(methods: set[str]) -> None:
    camera = Camera(timeout_s=1, reaps=True, keep_alive=frozenset(methods), pictures=1)
    with CameraServer(camera) as server:
        async with pulling(server) as pull:
            await until(lambda: len(server.requests(min(methods))) > 4 or pull.error)
            assert pull.error is None


async def test_a_method_that_is_not_known_is_not_repeated() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(501) if asked.method == "GET_PARAMETER" else None

    with CameraServer(Camera(timeout_s=1, script=script)) as server:
        async with pulling(server) as pull:
            await until(lambda: len(server.requests("OPTIONS")) > 3 or pull.error)
            assert len(server.requests("GET_PARAMETER")) == 1


async def test_a_session_that_is_lost_is_said() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(454) if asked.method == "GET_PARAMETER" else None

    with CameraServer(Camera(timeout_s=1, script=script)) as server:
        assert "lost the session" in (await failure(server)).message


async def signs(server: CameraServer, count: int, pull: Pull) -> None:
    await until(lambda: len(server.requests("GET_PARAMETER")) >= count or pull.error)


async def test_signs_of_life_that_are_not_answered_are_no_end() -> None:
    camera = Camera(timeout_s=1, silent=frozenset({"GET_PARAMETER"}))
    with CameraServer(camera) as server:
        async with pulling(server) as pull:
            for count in (1, 2, 3):
                await signs(server, count, pull)
                pull.clock.advance(PATIENCE_S)
            assert pull.error is None


async def test_a_login_that_is_withdrawn_ends_the_pull() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(401) if asked.method == "GET_PARAMETER" else None

    with CameraServer(Camera(timeout_s=1, script=script)) as server:
        assert (await failure(server)).permanent
