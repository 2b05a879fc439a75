"""Logins, redirects, refusals and descriptions."""

from __future__ import annotations

import pytest

from streamctl.errors import (
    ConnectionFailed,
    RemoteProtocolError,
)
from tests.plugins.streamctl_rtsp.client.world import LOGIN, failure, pulling
from tests.support.rtsp_camera import Answer, Asked, Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("auth", ["basic", "digest", "sha256", "both"])
async def test_a_login_is_used(auth: str) -> None:
    with CameraServer(Camera(auth=auth)) as server:
        async with pulling(server, LOGIN) as pull:
            await pull.pictures(1)
        proof = server.requests("PLAY")[0].headers["authorization"]
        assert proof.startswith("Basic" if auth == "basic" else "Digest")
        # The challenge is asked for once.
        assert len(server.requests("DESCRIBE")) == 2
        assert len(server.requests("SETUP")) == 1
    assert server.connections == 1


@pytest.mark.parametrize("auth", ["basic", "digest", "sha256"])
async def test_a_wrong_login_is_said_for_good(auth: str) -> None:
    with CameraServer(Camera(auth=auth)) as server:
        error = await failure(server, "admin:wr0ng")
        assert isinstance(error, ConnectionFailed)
        assert error.permanent
        assert "refuses the login" in error.message
        assert "wr0ng" not in error.message
        assert "USER:PASSWORD" in error.hint
        assert len(server.requests("DESCRIBE")) == 2


async def test_a_login_that_is_missing_is_asked_of_the_user() -> None:
    with CameraServer(Camera(auth="digest")) as server:
        error = await failure(server)
        assert error.permanent
        assert "wants a login" in error.message


async def test_a_login_of_an_unknown_kind_is_said() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(401, {"WWW-Authenticate": 'NTLM realm="x"'})

    with CameraServer(Camera(script=script)) as server:
        error = await failure(server, LOGIN)
        assert error.permanent
        assert "unknown kind" in error.message


@pytest.mark.parametrize(
    ("status", "lasting"), [(403, True), (404, False), (453, False), (500, False), (999, False)]
)
async def test_a_refusal_is_told(status: int, lasting: bool) -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(status) if asked.method == "DESCRIBE" else None

    with CameraServer(Camera(script=script)) as server:
        error = await failure(server)
        assert isinstance(error, ConnectionFailed)
        assert error.permanent is lasting
        assert f"answers {status} " in error.message
        assert server.url() in error.message


@pytest.mark.parametrize("method", ["SETUP", "PLAY"])
async def test_a_refusal_in_the_middle_is_told(method: str) -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(500) if asked.method == method else None

    with CameraServer(Camera(script=script)) as server:
        assert f"to {method}" in (await failure(server)).message


async def test_a_redirect_is_followed_with_the_login() -> None:
    with CameraServer(Camera(auth="digest")) as there:
        location = there.url("other")

        def script(asked: Asked) -> Answer | None:
            moved = Answer(302, {"Location": location})
            return moved if asked.method == "DESCRIBE" else None

        with CameraServer(Camera(script=script)) as here:
            async with pulling(here, LOGIN) as pull:
                await pull.pictures(1)
            assert there.requests("PLAY")[0].uri == f"{location}/"
            assert here.connections == there.connections == 1


async def test_a_circle_of_redirects_is_left() -> None:
    def script(asked: Asked) -> Answer | None:
        if asked.method != "DESCRIBE":
            return None
        return Answer(301, {"Location": f"{asked.uri}x"})

    with CameraServer(Camera(script=script)) as server:
        assert "in a circle" in (await failure(server)).message
        assert 3 < server.connections < 10


async def test_what_is_no_description_is_said() -> None:
    with CameraServer(Camera(description="<html>")) as server:
        error = await failure(server)
        assert isinstance(error, RemoteProtocolError)
        assert "describes no stream" in error.message


@pytest.mark.parametrize("refusal", [457, 400])
async def test_a_stream_without_a_beginning_is_played(refusal: int) -> None:
    def script(asked: Asked) -> Answer | None:
        early = asked.method == "PLAY" and "range" in asked.headers
        return Answer(refusal) if early else None

    with CameraServer(Camera(script=script)) as server:
        async with pulling(server) as pull:
            await pull.pictures(1)


async def test_tracks_are_played_one_by_one_where_that_is_wanted() -> None:
    def script(asked: Asked) -> Answer | None:
        whole = asked.method == "PLAY" and "trackID" not in asked.uri
        return Answer(459) if whole else None

    with CameraServer(Camera(script=script, audio=True)) as server:
        async with pulling(server) as pull:
            await pull.pictures(1)
            # The first track may play before the second one is asked for.
            await until(lambda: len(server.requests("PLAY")) == 3 or pull.error)
            assert pull.error is None
