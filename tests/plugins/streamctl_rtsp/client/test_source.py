"""Pulling from cameras, good and bad."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from streamctl.errors import (
    ConfigError,
    MediaError,
    RemoteProtocolError,
    StaleEpoch,
)
from streamctl.media.packet import Codec, Kind
from streamctl.sdk.endpoints import Numbered
from tests.plugins.streamctl_rtsp.client.world import failure, pulling, source_of
from tests.support.rtsp_camera import GOP, Answer, Asked, Camera
from tests.support.rtsp_peers import CameraServer
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from tests.plugins.streamctl_rtsp.client.world import Pull

pytestmark = pytest.mark.anyio

FEW = 30
STEP = 3600
"""Between two pictures, 90 kHz."""


def whole(pull: Pull) -> None:
    """Every picture came, in order, and the first is one to begin with."""
    pictures = pull.out.of(0)
    assert pictures[0].kind is Kind.KEY
    assert {b.dts - a.dts for a, b in pairwise(pictures)} == {STEP}
    assert pull.out.dropped == 0


def unlike(camera: Camera) -> str:
    """What a camera has that others have not."""
    plain = Camera()
    keys = [field.name for field in fields(Camera)]
    changed = {key: getattr(camera, key) for key in keys}
    return " ".join(f"{k}={v}" for k, v in changed.items() if v != getattr(plain, k)) or "plain"


@pytest.mark.parametrize(
    "camera",
    [
        Camera(),
        Camera(audio=True),
        Camera(audio=True, rtpmap=False),
        Camera(sprop=False),
        Camera(in_band=False),
        Camera(clock_rate=8000),
        Camera(control="absolute"),
        Camera(control="rooted"),
        Camera(control="star"),
        Camera(control="query"),
        Camera(control="missing"),
        Camera(content_base="plain"),
        Camera(content_base="location"),
        Camera(content_base="absent"),
        Camera(content_base="wrong"),
        Camera(channels=40, audio=True),
        Camera(timeout_s=0),
        Camera(early=True),
        Camera(rtp_info=False),
        Camera(rtcp=False, audio=True),
    ],
    ids=unlike,
)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_camera_is_pulled_whatever_it_says(camera: Camera, transport: str) -> None:
    with CameraServer(camera) as server:
        async with pulling(server, transport=transport) as pull:
            await pull.pictures(FEW)
            whole(pull)
            tracks = pull.out.announced[-1]
            assert [track.codec for track in tracks] == [Codec.H264, Codec.G711A][: len(tracks)]
            assert (tracks[0].width, tracks[0].height) == (64, 64)
            if camera.audio:
                await until(lambda: len(pull.out.of(1)) > FEW // 2)
            assert pull.source.measure()["transport"] == transport
            assert isinstance(pull.source, Numbered)
            assert pull.source.transit().came >= FEW
            assert pull.source.transit().lost == 0
        await until(lambda: server.methods()[-1] == "TEARDOWN")
    assert server.connections == 1


@pytest.mark.parametrize(
    ("keys", "selected"), [({}, []), ({"program": 2, "pids": [256]}, [(2, (256,))])]
)
async def test_program_and_streams_are_chosen_before_the_camera_is_asked(
    keys: dict[str, Any], selected: list[object]
) -> None:
    with CameraServer(Camera()) as server:
        async with pulling(server, **keys) as pull:
            await until(lambda: server.connections)
            assert pull.out.selected == selected


async def test_reports_go_back() -> None:
    with CameraServer(Camera()) as server:
        async with pulling(server) as pull:
            await until(lambda: server.reports or pull.error)
            assert server.reports[0][1] == 201
            assert int.from_bytes(server.reports[0][8:12], "big") == 0x1234_5678


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_restart_inside_the_session_is_survived(transport: str) -> None:
    with CameraServer(Camera(restart_at=GOP, audio=True, frames_per_s=40)) as server:
        async with pulling(server, transport=transport) as pull:
            await pull.pictures(2 * GOP + 5)
            assert pull.out.jumps


@pytest.mark.parametrize(("end", "text"), [("close", "closed"), ("bye", "the stream ended")])
async def test_an_end_is_told(end: str, text: str) -> None:
    with CameraServer(Camera(pictures=3, at_end=end, audio=True)) as server:
        error = await failure(server)
        assert text in error.message
        assert not error.permanent


@pytest.mark.parametrize("end", ["garbage", "dollars"])
async def test_endless_garbage_is_cut(end: str) -> None:
    with CameraServer(Camera(pictures=3, at_end=end)) as server:
        async with pulling(server) as pull:
            if end == "garbage":
                await pull.pictures(3)
                return
            await until(lambda: pull.error)
            assert isinstance(pull.error, RemoteProtocolError)
            assert server.url() in pull.error.message


async def test_a_server_that_is_silent_is_given_up() -> None:
    def script(asked: Asked) -> Answer | None:
        raise OSError

    with CameraServer(Camera(script=script)) as server:
        error = await failure(server)
        assert "closed" in error.message
    with CameraServer(Camera(silent=frozenset({"DESCRIBE"}))) as server:
        async with pulling(server) as pull:
            await until(lambda: server.requests("DESCRIBE"))
            pull.clock.advance(PATIENCE_S)
            await until(lambda: pull.error)
        assert f"no answer to DESCRIBE within {PATIENCE_S:g} s" in str(pull.error)


async def test_a_form_of_a_codec_that_cannot_be_read_is_said() -> None:
    lines = ("v=0", "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000")
    sdp = "\r\n".join([*lines, "a=fmtp:96 packetization-mode=2", "a=control:trackID=0", ""])
    with CameraServer(Camera(description=sdp)) as server:
        error = await failure(server)
        assert "interleaved H.264" in error.message
        assert server.url() in error.message


async def test_a_stream_of_unknown_codecs_is_said() -> None:
    sdp = "v=0\r\nm=video 0 RTP/AVP 97\r\na=rtpmap:97 MP4V-ES/90000\r\n"
    with CameraServer(Camera(description=sdp)) as server:
        error = await failure(server)
        assert isinstance(error, MediaError)
        assert "MP4V-ES video" in error.message
        assert error.permanent


async def test_a_track_that_cannot_be_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    more = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
    good = Camera()
    with CameraServer(
        Camera(description=good.sdp("x").replace("a=control", "a=control") + more)
    ) as server:
        async with pulling(server) as pull:
            await pull.pictures(1)
            assert len(server.requests("SETUP")) == 1
    assert "left out: vnd.onvif.metadata application" in caplog.text


async def test_an_epoch_that_has_ended_ends_the_pull() -> None:
    with CameraServer(Camera()) as server:
        async with pulling(server, transport="udp") as pull:
            await pull.pictures(1)
            pull.out.stale = True
            await until(lambda: pull.error)
            assert isinstance(pull.error, StaleEpoch)


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("rtsps://cam/1", {"transport": "udp"}),
        ("rtsps://cam/1", {"transport": "multicast"}),
        ("rtsp+http://cam/1", {"transport": "tcp"}),
        ("rtsp+http://cam/1", {"transport": "udp"}),
        ("rtsp:///1", {}),
    ],
)
async def test_an_impossible_url_is_refused_at_once(url: str, keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        source_of(url, **keys)
