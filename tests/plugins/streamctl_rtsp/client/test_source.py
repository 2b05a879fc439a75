"""Pulling from cameras, good and bad."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread

from streamctl.errors import (
    ConfigError,
    ConnectionFailed,
    MediaError,
    RemoteProtocolError,
    StaleEpoch,
)
from streamctl.media.packet import Codec, Kind
from tests.plugins.streamctl_rtsp.client.world import LOGIN, failure, pulling, source_of, until
from tests.support.certificates import self_signed
from tests.support.peers import HOST
from tests.support.rtsp_camera import GOP, Answer, Asked, Camera
from tests.support.rtsp_peers import CameraServer

if TYPE_CHECKING:
    from pathlib import Path

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
        await until(lambda: server.methods()[-1] == "TEARDOWN")
    assert server.connections == 1


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


async def test_a_nonce_that_is_used_up_is_replaced() -> None:
    with CameraServer(Camera(auth="digest", nonce_uses=1, timeout_s=1)) as server:
        async with pulling(server, LOGIN) as pull:
            await until(lambda: len(server.requests("GET_PARAMETER")) > 2)
            assert pull.error is None


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


async def test_another_transport_is_asked_for_when_one_is_refused() -> None:
    with CameraServer(Camera(transports=frozenset({"udp"}), audio=True)) as server:
        async with pulling(server) as pull:
            await pull.pictures(FEW)
            whole(pull)
            assert pull.source.measure()["transport"] == "udp"
        asked = [one.headers["transport"] for one in server.requests("SETUP")]
        assert ["TCP" in text for text in asked] == [True, False, False]
    assert server.connections == 1


async def test_a_chosen_transport_that_is_refused_is_said() -> None:
    with CameraServer(Camera(transports=frozenset({"tcp"}))) as server:
        error = await failure(server, transport="udp")
        assert "refuses udp" in error.message
        assert "leave out `transport`" in error.hint
        assert error.permanent


async def test_no_transport_at_all_is_said() -> None:
    with CameraServer(Camera(transports=frozenset())) as server:
        assert "refuses tcp and udp and multicast" in (await failure(server)).message


async def test_channels_that_were_not_agreed_on_are_heard_where_they_were_asked_for() -> None:
    def script(asked: Asked) -> Answer | None:
        given = {"Session": "x", "Transport": "RTP/AVP/TCP;interleaved=8-9"}
        return Answer(200, given) if asked.method in {"SETUP", "PLAY"} else None

    with CameraServer(Camera(script=script)) as server:
        async with pulling(server) as pull:
            await until(lambda: server.requests("PLAY") or pull.error)
            (talk,) = server.open
            talk.channels[0] = 0
            await pull.pictures(FEW)


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
        error = await failure(server, handshake_s=0.3)
        assert "no answer to DESCRIBE within 0.3 s" in error.message


async def test_what_is_no_description_is_said() -> None:
    with CameraServer(Camera(description="<html>")) as server:
        error = await failure(server)
        assert isinstance(error, RemoteProtocolError)
        assert "describes no stream" in error.message


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


async def test_a_tunnel_through_http_is_used() -> None:
    with CameraServer(Camera(audio=True)) as server:
        async with pulling(server, transport="http") as pull:
            await pull.pictures(FEW)
            whole(pull)
        assert server.connections == 2


async def test_a_tunnel_that_is_refused_is_said() -> None:
    with CameraServer(Camera(tunnel_status=404)) as server:
        error = await failure(server, transport="http")
        assert "opens no tunnel: 404" in error.message
        assert "leave out `transport`" in error.hint


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("transport", ["auto", "http"])
async def test_a_camera_over_tls_must_be_trusted(tmp_path: Path, transport: str) -> None:
    pair = await to_thread.run_sync(self_signed, tmp_path)
    with CameraServer(Camera(), tls=pair) as server:
        error = await failure(server, transport=transport)
        assert "certificate not trusted" in error.message
        assert "tls_ca" in error.hint
        for keys in ({"tls_ca": pair.cert}, {"tls_insecure": True}):
            async with pulling(server, transport=transport, **keys) as pull:
                await pull.pictures(1)


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
            assert len(server.requests("PLAY")) == 3


async def test_a_second_track_that_is_refused_is_said() -> None:
    def script(asked: Asked) -> Answer | None:
        second = asked.method == "SETUP" and asked.uri.endswith("1")
        return Answer(461) if second else None

    with CameraServer(Camera(script=script, audio=True)) as server:
        assert "refuses tcp" in (await failure(server)).message


@pytest.mark.parametrize(
    ("transport", "given", "text"),
    [
        ("tcp", "RTP/AVP;unicast;client_port=1-2", "another transport"),
        ("tcp", "nothing", "no transport of RTP"),
        ("udp", "RTP/AVP/TCP;interleaved=0-1", "another transport"),
        ("multicast", "RTP/AVP;multicast", "no multicast group"),
        ("multicast", "RTP/AVP;multicast;destination=10.0.0.1;port=6-7", "no multicast group"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_said(transport: str, given: str, text: str) -> None:
    def script(asked: Asked) -> Answer | None:
        answer = Answer(200, {"Session": "x", "Transport": given})
        return answer if asked.method == "SETUP" else None

    with CameraServer(Camera(script=script)) as server:
        error = await failure(server, transport=transport)
        assert isinstance(error, RemoteProtocolError)
        assert text in error.message
        assert server.url() in error.message


async def test_an_answer_without_a_transport_is_taken() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(200) if asked.method in {"SETUP", "PLAY"} else None

    with CameraServer(Camera(script=script)) as server:
        async with pulling(server) as pull:
            await until(lambda: server.requests("PLAY") or pull.error)
            (talk,) = server.open
            talk.channels[0] = 0
            await pull.pictures(GOP)
        # Without a session there is none to end.
        assert server.requests("TEARDOWN") == []


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
async def test_the_sender_that_is_named_is_heard(source: str) -> None:
    with CameraServer(Camera(source=source)) as server:
        async with pulling(server, transport="udp") as pull:
            if source == HOST:
                await pull.pictures(1)
            else:
                await until(lambda: pull.source.measure() or pull.error)
                assert pull.source.session is not None
                pair = pull.source.session.carriage.pairs[0]
                await until(lambda: pair.media.refused > 3)
                assert pull.out.packets == []


async def test_a_multicast_group_is_joined() -> None:
    with CameraServer(Camera(transports=frozenset({"multicast"}), audio=True)) as server:
        async with pulling(server, interface="lo") as pull:
            await pull.pictures(FEW)
            assert pull.source.measure()["transport"] == "multicast"


async def test_signs_of_life_that_are_not_answered_are_no_end() -> None:
    camera = Camera(timeout_s=1, silent=frozenset({"GET_PARAMETER"}))
    with CameraServer(camera) as server:
        async with pulling(server, handshake_s=0.2) as pull:
            await until(lambda: len(server.requests("GET_PARAMETER")) > 2 or pull.error)
            assert pull.error is None


async def test_a_login_that_is_withdrawn_ends_the_pull() -> None:
    def script(asked: Asked) -> Answer | None:
        return Answer(401) if asked.method == "GET_PARAMETER" else None

    with CameraServer(Camera(timeout_s=1, script=script)) as server:
        assert (await failure(server)).permanent


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


async def test_nobody_there_is_said() -> None:
    server = CameraServer(Camera())
    server.listening.close()
    error = await failure(server)
    assert "connection refused" in error.message
