from __future__ import annotations

import base64
import ipaddress
import sys
from typing import Any

import anyio
import pytest

from streamctl.engine.pollers import BAN_S, IDLE_S
from streamctl.engine.proxies import Proxies
from streamctl.engine.stream import Stream
from streamctl.engine.web import ASKED_MAX, CODE_CHARACTERS, WebApp, basic
from streamctl.errors import StreamctlError
from streamctl.media.packet import Codec, Format, Track
from streamctl.sdk.endpoints import Bytes, HttpRequest, Live, Reply, Wait
from streamctl.sdk.session import Action
from tests.streamctl.engine.rig import SOUND, VIDEO, Rig, gop
from tests.streamctl.engine.test_stream import Wire


def get(path: str, ip: str = "10.0.0.1", agent: str = "a", **query: str) -> HttpRequest:
    return HttpRequest("GET", path, query, {"user-agent": agent}, ip, 5)


def app(rig: Rig) -> WebApp:
    return WebApp(rig.gate, rig.clock)


def status(reply: Reply) -> int:
    assert isinstance(reply, Bytes)
    return reply.status


@pytest.mark.parametrize(
    "path",
    ["/news", "/live/news", "/news/pieces/1.ts", "/news/pieces/deep/2.ts", "/live/news/pieces/x"],
)
def test_paths_lead_to_the_handlers_of_the_stream(path: str) -> None:
    rig = Rig()
    rig.stream()
    assert status(app(rig).handle(get(path))) == 200


@pytest.mark.parametrize("path", ["/news.ts", "/news/live", "/live/news.ts"])
def test_live_paths(path: str) -> None:
    rig = Rig()
    rig.stream()
    assert isinstance(app(rig).handle(get(path)), Live)


@pytest.mark.parametrize("path", ["/", "/nothing", "/news/unknown", "/newsx", "/news/", "//news"])
def test_other_paths_are_not_found(path: str) -> None:
    rig = Rig()
    rig.stream()
    assert status(app(rig).handle(get(path))) == 404


def test_nested_codes_win_by_their_length() -> None:
    rig = Rig()
    rig.stream("a")
    rig.stream("a/b", title="inner")
    reply = app(rig).handle(get("/a/b"))
    assert isinstance(reply, Bytes)
    assert reply.body == b"inner"


def test_keys_come_from_the_query_or_basic_authorization() -> None:
    rig = Rig()
    rig.stream(read_key="k")
    web = app(rig)
    refused = web.handle(get("/news"))
    assert isinstance(refused, Bytes)
    assert refused.status == 401
    assert "WWW-Authenticate" in refused.headers
    assert status(web.handle(get("/news", key="k"))) == 200
    token = base64.b64encode(b"anyone:k").decode()
    request = HttpRequest("GET", "/news", {}, {"authorization": f"Basic {token}"}, "10.0.0.1")
    assert status(web.handle(request)) == 200


@pytest.mark.parametrize(
    ("header", "query", "expected"),
    [
        (f"Basic {base64.b64encode(b'ann:p').decode()}", {}, 200),
        ("", {"user": "ann", "pass": "p"}, 200),
        (f"Basic {base64.b64encode(b'ann:q').decode()}", {}, 401),
        (f"Basic {base64.b64encode(b'bob:p').decode()}", {}, 401),
        ("Bearer k", {}, 200),
        ("bearer  k ", {}, 200),
        ("Bearer p", {}, 401),
        ("", {"key": "k"}, 200),
    ],
)
def test_viewers_log_in_by_name_or_by_key(
    header: str, query: dict[str, str], expected: int
) -> None:
    rig = Rig()
    rig.stream(read_key="k", users=[{"name": "ann", "password": "p", "read": True}])
    headers = {"authorization": header} if header else {}
    request = HttpRequest("GET", "/news", query, headers, "10.0.0.1")
    assert status(app(rig).handle(request)) == expected


@pytest.mark.parametrize("header", ["", "Bearer x", "Basic !!!", "Basic /w=="])
def test_headers_that_are_no_basic_authorization_say_nothing(header: str) -> None:
    assert basic(header) == ("", "")


def test_a_polling_viewer_is_one_session_until_it_is_idle() -> None:
    rig = Rig()
    stream = rig.stream()
    web = app(rig)
    for rendition in range(3):
        web.handle(get(f"/news/pieces/{rendition}"))
    web.handle(get("/news/pieces/1", agent="b"))
    web.handle(get("/news"))
    first, second = rig.sessions.of("news", Action.PLAY)
    assert (first.bytes_out, second.bytes_out) == (15, 5)
    rig.clock.advance(IDLE_S / 2)
    web.handle(get("/news/pieces/1"))
    rig.clock.advance(IDLE_S / 2 + 1)
    web.tick(rig.clock.now())
    assert rig.sessions.of("news") == [first]
    assert stream.bytes_sent == 5
    first.close("the stream restarts")
    assert rig.sessions.of("news") == []
    assert status(web.handle(get("/news/pieces/1"))) == 200


def test_a_kicked_polling_viewer_is_refused_for_a_while() -> None:
    rig = Rig()
    rig.stream()
    web = app(rig)
    web.handle(get("/news/pieces/1"))
    (session,) = rig.sessions.of("news")
    web.ban(session)
    session.close("kicked")
    assert status(web.handle(get("/news/pieces/1"))) == 403
    assert status(web.handle(get("/news/pieces/1", agent="other"))) == 200
    rig.clock.advance(BAN_S + 1)
    web.tick(rig.clock.now())
    assert status(web.handle(get("/news/pieces/1"))) == 200


def test_answers_that_come_later_are_counted_then() -> None:
    rig = Rig()
    stream = rig.stream()
    web = app(rig)

    def later(request: HttpRequest) -> Reply:
        return Wait(anyio.Event(), 1.0, lambda: Bytes(b"1234", content_type="video/x"))

    stream.routes["/later"] = ("words", later)
    reply = web.handle(get("/news/later"))
    assert isinstance(reply, Wait)
    assert rig.sessions.of("news") == []
    reply.then()
    assert [session.bytes_out for session in rig.sessions.of("news")] == [4]


def test_a_live_viewer_is_a_session_of_its_connection() -> None:
    rig = Rig()
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    web = app(rig)
    request = get("/news.ts")
    reply = web.handle(request)
    assert isinstance(reply, Live)
    wire = Wire()
    viewer = web.live(request, reply, wire, lambda reason: None)
    assert len(wire.times) == 25
    viewer.paused()
    writer.put(gop(25), rig.clock.now())
    assert len(wire.times) == 25
    viewer.resumed()
    assert len(wire.times) == 50
    assert len(rig.sessions.of("news", Action.PLAY)) == 1
    viewer.closed("left")
    assert rig.sessions.of("news", Action.PLAY) == []
    assert stream.bytes_sent == len(wire.data)


def test_connections_count_against_the_limits() -> None:
    web = app(Rig(total=1))
    assert web.admit("a") is None
    assert web.admit("b") is not None
    web.release("a")
    assert web.admit("b") is None


class Counting(dict[str, Stream]):
    """Streams that count how often they are looked for."""

    looked = 0

    def get(self, code: str, default: object = None) -> Any:
        self.looked += 1
        return super().get(code, default)


@pytest.mark.parametrize("path", ["/" * 16_000, "/news" + "/" * 16_000, "/a" + ".b" * 8_000])
def test_a_long_path_costs_no_more_look_ups_than_a_short_one(path: str) -> None:
    rig = Rig()
    rig.stream()
    rig.gate.streams = counting = Counting(rig.streams)
    assert status(app(rig).handle(get(path))) == 404
    assert counting.looked < 300


def test_the_longest_code_there_can_be_is_found() -> None:
    rig = Rig()
    code = "c" * CODE_CHARACTERS
    rig.stream(code)
    for path in (f"/{code}", f"/live/{code}", f"/{code}/pieces/{'x' * 500}"):
        assert status(app(rig).handle(get(path))) == 200
    assert status(app(rig).handle(get(f"/{code}c"))) == 404


def test_the_longest_wildcard_wins() -> None:
    rig = Rig()
    stream = rig.stream()
    stream.routes["/pieces/deep/*"] = ("words", lambda request: Bytes(b"deep"))
    reply = app(rig).handle(get("/news/pieces/deep/1"))
    assert isinstance(reply, Bytes)
    assert reply.body == b"deep"


def test_one_address_can_not_be_more_viewers_than_it_may_have_connections() -> None:
    rig = Rig(total=4, per_ip=2)
    rig.stream()
    web = app(rig)

    def asked(ip: str, agent: str) -> int:
        return status(web.handle(get("/news/pieces/1", ip, agent)))

    assert [asked("10.0.0.1", agent) for agent in "abc"] == [200, 200, 503]
    assert [asked("10.0.0.2", "a"), asked("10.0.0.3", "a"), asked("10.0.0.4", "a")] == [
        200,
        200,
        503,
    ]
    assert len(rig.sessions.by_id) == 4
    assert rig.gate.refused["words", "limit"] == 2
    rig.clock.advance(IDLE_S + 1)
    web.tick(rig.clock.now())
    assert [asked("10.0.0.1", agent) for agent in "cde"] == [200, 200, 503]


def test_an_answer_that_comes_after_its_stream_is_not_found() -> None:
    rig = Rig()
    stream = rig.stream()
    web = app(rig)
    stream.routes["/later"] = (
        "words",
        lambda request: Wait(anyio.Event(), 1.0, lambda: Bytes(b"1", content_type="video/x")),
    )
    reply = web.handle(get("/news/later"))
    assert isinstance(reply, Wait)
    del rig.streams["news"]
    stream.close("removed")
    assert status(reply.then()) == 404
    assert rig.sessions.by_id == {}


@pytest.mark.parametrize("why", ["no such lane", "gone", "refused"])
def test_a_live_answer_that_can_not_be_played_leaves_no_session(why: str) -> None:
    rig = Rig()
    rig.stream()
    web = app(rig)
    request = get("/news.ts")
    reply = web.handle(request)
    assert isinstance(reply, Live)
    if why == "no such lane":
        reply = Live(Format.CMAF, "video/mp4")
    elif why == "gone":
        del rig.streams["news"]
    else:
        rig.gate.closing = True
    with pytest.raises(StreamctlError):
        web.live(request, reply, Wire(), lambda reason: None)
    assert rig.sessions.by_id == {}


def test_a_live_answer_that_can_not_carry_the_video_is_not_acceptable() -> None:
    rig = Rig()
    _, writer, _ = rig.publisher(rig.stream())
    writer.tracks([Track(0, Codec.VP9, b"")])
    writer.put(gop(0, sound=False), rig.clock.now())
    reply = app(rig).handle(get("/news.ts"))
    assert status(reply) == 406
    assert isinstance(reply, Bytes)
    assert reply.body == b"RTMP can't carry VP9 video: no output of this stream can\n"


def test_polling_viewers_are_told_apart_by_the_stream_and_end_with_it() -> None:
    rig = Rig()
    stream = rig.stream()
    other = rig.stream("other")
    web = app(rig)
    web.handle(get("/news/pieces/1"))
    web.handle(get("/other/pieces/1"))
    del rig.streams["news"]
    stream.close("removed")
    stream = rig.stream()
    assert rig.sessions.of("news") == []
    assert len(rig.sessions.of("other")) == 1
    web.handle(get("/news/pieces/1"))
    assert len(rig.sessions.of("news")) == 1
    web.tick(rig.clock.now())
    assert (stream.bytes_sent, other.bytes_sent) == (0, 0)
    (session,) = rig.sessions.of("news")
    session.close("kicked")
    session.close("kicked again")
    assert stream.bytes_sent == 5


def test_only_what_is_sent_is_counted() -> None:
    rig = Rig()
    stream = rig.stream()
    stream.routes["/whole"] = (
        "words",
        lambda request: Bytes(b"12345678", content_type="video/x", headers={"ETag": '"e"'}),
    )
    web = app(rig)

    def ask(method: str = "GET", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        web.handle(HttpRequest(method, "/news/whole", {}, named, "10.0.0.1"))

    ask()
    (session,) = rig.sessions.of("news")
    counts = [session.bytes_out]
    for method, headers in (
        ("HEAD", {}),
        ("GET", {"if_none_match": '"e"'}),
        ("GET", {"range": "bytes=2-4"}),
        ("GET", {"range": "bytes=90-"}),
        ("GET", {"if_none_match": '"other"'}),
    ):
        ask(method, **headers)
        counts.append(session.bytes_out)
    assert counts == [8, 8, 8, 11, 11, 19]


@pytest.mark.parametrize("path", ["/news/pieces/1", "/news/live"])
def test_who_only_looks_is_no_viewer(path: str) -> None:
    rig = Rig()
    rig.stream()
    request = HttpRequest("HEAD", path, {}, {"user-agent": "a"}, "10.0.0.1")
    reply = app(rig).handle(request)
    assert isinstance(reply, Live) or status(reply) == 200
    assert rig.sessions.of("news") == []


def test_a_stream_takes_so_many_viewers_and_lets_those_go_on_who_watch() -> None:
    rig = Rig()
    stream = rig.stream(max_viewers=1)
    web = app(rig)
    assert status(web.handle(get("/news/pieces/1"))) == 200
    assert status(web.handle(get("/news/pieces/1", agent="b"))) == 503
    assert status(web.handle(get("/news.ts", agent="b"))) == 503
    assert status(web.handle(get("/news/pieces/2"))) == 200
    rig.clock.advance(IDLE_S + 1)
    web.tick(rig.clock.now())
    assert stream.viewers == 0
    assert status(web.handle(get("/news/pieces/1", agent="b"))) == 200
    assert rig.gate.refused["words", "limit"] == 2


def test_viewers_who_wait_together_do_not_pass_the_limit_together() -> None:
    rig = Rig()
    stream = rig.stream(max_viewers=2)
    web = app(rig)
    stream.routes["/later"] = (
        "words",
        lambda request: Wait(anyio.Event(), 1.0, lambda: Bytes(b"1", content_type="video/x")),
    )
    waits = [web.handle(get("/news/later", agent=agent)) for agent in "abc"]
    answers = [wait.then() for wait in waits if isinstance(wait, Wait)]
    assert [status(answer) for answer in answers] == [200, 200, 503]


def test_a_session_knows_when_it_asked_last() -> None:
    rig = Rig()
    rig.stream()
    web = app(rig)
    web.handle(get("/news/pieces/1"))
    (session,) = rig.sessions.of("news")
    rig.clock.advance(7)
    web.handle(get("/news/pieces/2"))
    assert session.asked_at == rig.clock.wall() == session.opened_at + 7


def test_a_long_user_agent_is_one_viewer_by_its_beginning() -> None:
    rig = Rig()
    rig.stream()
    web = app(rig)
    for tail in "abc":
        web.handle(get("/news/pieces/1", agent="x" * 1000 + tail))
    assert len(rig.sessions.of("news")) == 1


def test_viewers_behind_a_proxy_are_told_apart_and_judged_by_their_own_address() -> None:
    rig = Rig(per_ip=1)
    rig.stream(read_from=("192.0.2.0/24",))
    web = WebApp(rig.gate, rig.clock, Proxies([ipaddress.ip_network("10.0.0.0/8")]))

    def ask(client: str, ip: str = "10.0.0.1") -> int:
        headers = {"x-forwarded-for": client}
        return status(web.handle(HttpRequest("GET", "/news/pieces/1", {}, headers, ip)))

    assert [ask("192.0.2.1"), ask("192.0.2.2"), ask("192.0.2.1")] == [200, 200, 200]
    assert sorted(session.ip for session in rig.sessions.of("news")) == ["192.0.2.1", "192.0.2.2"]
    assert ask("198.51.100.1") == 403
    assert ask("192.0.2.1", ip="198.51.100.1") == 403
    assert [web.admit("10.0.0.1") for _ in range(3)] == [None] * 3
    assert web.admit("192.0.2.9") is None
    assert web.admit("192.0.2.9") is not None


def test_who_guesses_through_a_proxy_is_told_apart_from_others() -> None:
    rig = Rig()
    rig.stream(read_key="k")
    rig.gate.guesses.limit = 2
    web = WebApp(rig.gate, rig.clock, Proxies([ipaddress.ip_network("192.0.2.1")]))

    def ask(client: str, key: str) -> int:
        headers = {"x-forwarded-for": client}
        request = HttpRequest("GET", "/news/pieces/1", {"key": key}, headers, "192.0.2.1")
        return status(web.handle(request))

    assert [ask("198.51.100.1", key) for key in "abk"] == [401, 401, 503]
    assert ask("198.51.100.2", "k") == 200


def test_a_request_that_is_repeated_is_judged_anew_but_not_read_anew() -> None:
    rig = Rig()
    rig.stream(read_key="k")
    web = app(rig)
    request = get("/news/pieces/1", key="k")
    assert [status(web.handle(request)) for _ in range(3)] == [200, 200, 200]
    (session,) = rig.sessions.of("news")
    assert session.bytes_out == 15
    rig.gate.closing = True
    assert status(web.handle(request)) == 503


def test_paths_may_lead_elsewhere_when_streams_come_and_go() -> None:
    rig = Rig()
    rig.stream("a")
    web = app(rig)
    request = get("/a/pieces/x")
    first = web.handle(request)
    rig.stream("a/pieces/x", title="inner")
    web.forget()
    inner = web.handle(request)
    assert isinstance(inner, Bytes)
    assert inner.body == b"inner"
    del rig.streams["a/pieces/x"]
    web.forget()
    assert web.handle(request) == first


def test_only_so_many_requests_are_kept() -> None:
    rig = Rig()
    rig.stream()
    web = app(rig)
    for number in range(ASKED_MAX + 10):
        web.handle(get(f"/news/pieces/{number}"))
    assert len(rig.sessions.of("news")) == 1
    assert status(web.handle(get("/news/pieces/1"))) == 200


def test_nothing_is_kept_of_the_request_of_a_live_viewer() -> None:
    rig = Rig()
    rig.publisher(rig.stream())
    web = app(rig)
    request = get("/news.ts")
    before = sys.getrefcount(request)
    reply = web.handle(request)
    assert isinstance(reply, Live)
    web.live(request, reply, Wire(), lambda reason: None)
    assert sys.getrefcount(request) == before
