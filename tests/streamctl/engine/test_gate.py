from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.errors import NotCarried, StreamctlError
from streamctl.media.packet import Codec, Format, Track
from streamctl.sdk.session import Action, Grant, Refusal, RefusalCode
from tests.streamctl.engine.rig import (
    SOUND,
    VIDEO,
    Rig,
    ScreenPlugin,
    ScriptPlugin,
    gop,
    request,
    stream_config,
)

if TYPE_CHECKING:
    from streamctl.sdk.lane import EpochWriter

ANN = {"name": "ann", "password": "a", "read": True}
SUM_OF_P = "sha256:FI3pxaekTRnlbNmuGlVL9nhHr7DFj24S+imsfd/KmUA="


def refusal(rig: Rig, path: str, action: Action = Action.PLAY, **fields: Any) -> RefusalCode:
    answer = rig.gate.check(request(path, action, **fields))
    assert isinstance(answer, Refusal)
    return answer.code


@pytest.mark.parametrize("path", ["news", "live/news", "/live/news/"])
def test_a_path_means_the_code_with_or_without_live(path: str) -> None:
    rig = Rig()
    rig.stream()
    assert isinstance(rig.gate.check(request(path)), Grant)


def test_the_exact_code_wins_over_the_lenient_one() -> None:
    rig = Rig()
    rig.stream("live/a")
    assert rig.gate.find("live/a") == "live/a"
    assert rig.gate.find("a") is None


def test_unknown_disabled_and_closing_are_told_apart() -> None:
    rig = Rig()
    rig.stream()
    rig.gate.disabled = frozenset({"off"})
    assert refusal(rig, "nowhere") is RefusalCode.NOT_FOUND
    assert refusal(rig, "off") is RefusalCode.DISABLED
    rig.gate.closing = True
    assert refusal(rig, "news") is RefusalCode.SHUTDOWN
    assert rig.gate.refused["words", "not_found"] == 1


def test_a_key_in_a_wrong_place_of_the_path_is_not_repeated() -> None:
    answer = Rig().gate.check(request("news;key=change-me"))
    assert isinstance(answer, Refusal)
    assert answer.message == "no stream `news…`"


@pytest.mark.parametrize(
    ("action", "given", "allowed"),
    [
        (Action.PUBLISH, {"key": "p"}, True),
        (Action.PUBLISH, {"user": "u", "password": "p"}, True),
        (Action.PUBLISH, {"key": "r"}, False),
        (Action.PUBLISH, {}, False),
        (Action.PUBLISH, {"key": "ü"}, False),
        (Action.PLAY, {"key": "r"}, True),
        (Action.PLAY, {"key": "p"}, False),
    ],
)
def test_publishers_and_viewers_have_their_own_keys(
    action: Action, given: dict[str, str], *, allowed: bool
) -> None:
    rig = Rig()
    stream = rig.stream(publish_key="p", read_key="r")
    answer = rig.gate.check(request("news", action, **given))
    assert isinstance(answer, Grant) is allowed
    assert stream.refused == (not allowed)
    if isinstance(answer, Refusal):
        assert answer.code is RefusalCode.UNAUTHORIZED
        assert "`p`" not in answer.message


@pytest.mark.parametrize(("known", "allowed"), [("p", True), ("r", False)])
def test_a_key_may_be_known_without_being_said(known: str, *, allowed: bool) -> None:
    rig = Rig()
    rig.stream(publish_key="p")
    asked = replace(request("news", Action.PUBLISH), proof=lambda secret: secret == known)
    answer = rig.gate.check(asked)
    assert isinstance(answer, Grant) is allowed
    if isinstance(answer, Refusal):
        assert answer.message == "wrong key for publish"


@pytest.mark.parametrize(
    ("ip", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.168.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_networks_admit_their_addresses_only(ip: str, *, allowed: bool) -> None:
    rig = Rig()
    rig.stream(publish_from=["10.0.0.0/8"])
    answer = rig.gate.check(request("news", Action.PUBLISH, ip=ip))
    assert isinstance(answer, Grant) is allowed


def test_outputs_that_are_switched_off_are_refused() -> None:
    rig = Rig()
    rig.stream(outputs=("rtmp",))
    assert refusal(rig, "news") is RefusalCode.UNSUPPORTED
    assert isinstance(rig.gate.check(request("news", protocol="rtmp")), Grant)


def test_a_second_publisher_is_refused_while_the_first_delivers() -> None:
    rig = Rig()
    stream = rig.stream()
    session, writer, closed = rig.publisher(stream)
    writer.put([], rig.clock.now())
    rig.clock.advance(0.9)
    assert refusal(rig, "news", Action.PUBLISH) is RefusalCode.BUSY
    rig.clock.advance(0.2)
    ghost = session
    second, _, _ = rig.publisher(stream, port=2)
    assert stream.publisher is second
    assert closed
    rig.gate.close(ghost, "gone at last")
    assert stream.publisher is second


def test_a_publisher_that_has_sent_nothing_gives_way_soon() -> None:
    rig = Rig()
    stream = rig.stream()
    _, _, closed = rig.publisher(stream)
    rig.clock.advance(0.9)
    assert refusal(rig, "news", Action.PUBLISH) is RefusalCode.BUSY
    rig.clock.advance(0.2)
    second, _, _ = rig.publisher(stream, port=2)
    assert stream.publisher is second
    assert closed


def test_a_race_of_two_granted_publishers_has_one_winner() -> None:
    rig = Rig()
    stream = rig.stream()
    first = rig.gate.check(request("news", Action.PUBLISH, port=1))
    second = rig.gate.check(request("news", Action.PUBLISH, port=2))
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    rig.gate.publish(first, rig.gate.open(first, print)).put([], rig.clock.now())
    with pytest.raises(StreamctlError, match="already has a publisher"):
        rig.gate.publish(second, rig.gate.open(second, print))
    assert stream.epochs == 1


def test_a_pulled_stream_takes_no_publisher() -> None:
    rig = Rig()
    rig.stream(url="words://somewhere")
    assert refusal(rig, "news", Action.PUBLISH) is RefusalCode.FORBIDDEN


def test_connection_limits_are_counted_as_refusals() -> None:
    rig = Rig(per_ip=1)
    assert rig.gate.admit("words", "a") is None
    assert rig.gate.admit("words", "a") is not None
    rig.gate.release("words", "a")
    assert rig.gate.admit("words", "a") is None
    assert rig.gate.refused["words", "limit"] == 1
    rig.gate.closing = True
    assert rig.gate.admit("words", "b") is not None


def test_a_session_is_announced_once_and_taken_back_once() -> None:
    rig = Rig()
    stream = rig.stream()
    grant = rig.gate.check(request("news"))
    assert isinstance(grant, Grant)
    session = rig.gate.open(grant, print)
    playback = rig.gate.play(grant, session, Format.RTMP)
    assert stream.lane_running(Format.RTMP)
    session.bytes_out = 10
    playback.cursor.close()
    rig.gate.close(session, "left")
    rig.gate.close(session, "left again")
    assert stream.bytes_sent == 10
    assert rig.types().count("session.opened") == rig.types().count("session.closed") == 1
    rig.clock.advance(6)
    assert not stream.lane_running(Format.RTMP)


def test_a_viewer_learns_the_tracks_of_what_is_on_air_only() -> None:
    rig = Rig()
    stream = rig.stream()
    grant = rig.gate.check(request("news"))
    assert isinstance(grant, Grant)
    viewer = rig.gate.open(grant, print)
    found = rig.gate.play(grant, viewer, Format.RTMP)
    assert (found.init, found.absent) == (None, "nobody publishes it")
    session, writer, _ = rig.publisher(stream)
    found = rig.gate.play(grant, viewer, Format.RTMP)
    assert (found.init, found.absent) == (None, ""), "it is about to begin"
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    init = rig.gate.play(grant, viewer, Format.RTMP).init
    assert init is not None
    assert [track.id for track in init.tracks] == [0, 1]
    rig.gate.close(session, "left")
    assert rig.gate.play(grant, viewer, Format.RTMP).init is None


@pytest.mark.anyio
async def test_a_stream_that_is_pulled_for_its_viewer_is_not_absent() -> None:
    async def nothing(out: EpochWriter) -> None:
        await anyio.sleep_forever()

    rig = Rig(ScriptPlugin(nothing))
    stream = rig.stream("cam", "script://x", on_demand=True)
    grant = rig.gate.check(request("cam"))
    assert isinstance(grant, Grant)
    viewer = rig.gate.open(grant, print)
    assert rig.gate.play(grant, viewer, Format.RTMP).absent == ""
    rig.gate.close(viewer, "left")
    rig.clock.advance(60)
    stream.tick(rig.clock.now())
    assert stream.absent == "its input is not there"


def test_a_flood_of_refusals_is_counted_in_full_but_logged_sparingly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    with caplog.at_level("INFO", "streamctl.gate"):
        for _ in range(500):
            rig.gate.check(request("nowhere"))
    assert rig.gate.refused["words", "not_found"] == 500
    assert 0 < len(caplog.records) <= 20


def test_a_session_belongs_to_the_stream_that_it_was_opened_for() -> None:
    rig = Rig()
    old = rig.stream()
    grant = rig.gate.check(request("news"))
    assert isinstance(grant, Grant)
    session = rig.gate.open(grant, print)
    session.bytes_out = 10
    old.close("changed")
    new = rig.stream()
    rig.gate.close(session, "the connection is gone at last")
    assert (old.bytes_sent, new.bytes_sent) == (10, 0)


def test_the_end_of_a_session_is_told_even_when_its_stream_is_gone() -> None:
    rig = Rig()
    stream = rig.stream()
    session, _, _ = rig.publisher(stream)
    del rig.streams["news"]
    stream.close("removed")
    rig.gate.close(session, "left")
    assert rig.types().count("session.closed") == 1
    assert rig.sessions.by_id == {}


def test_a_stopped_stream_takes_nobody_who_was_granted_before() -> None:
    rig = Rig()
    stream = rig.stream()
    publish, play = request("news", Action.PUBLISH), request("news")
    granted = [rig.gate.check(wish) for wish in (publish, play)]
    grants = [grant for grant in granted if isinstance(grant, Grant)]
    publisher, viewer = [rig.gate.open(grant, print) for grant in grants]
    stream.close("removed")
    with pytest.raises(StreamctlError, match="was stopped"):
        rig.gate.publish(grants[0], publisher)
    with pytest.raises(StreamctlError, match="was stopped"):
        rig.gate.play(grants[1], viewer, Format.RTMP)
    assert stream.epoch is None


def test_opening_a_session_of_a_stream_that_is_gone_leaves_nothing_behind() -> None:
    rig = Rig()
    rig.stream()
    grant = rig.gate.check(request("news"))
    assert isinstance(grant, Grant)
    del rig.streams["news"]
    with pytest.raises(StreamctlError, match="was stopped"):
        rig.gate.open(grant, print)
    assert rig.sessions.by_id == {}


def test_the_event_of_a_publishers_end_has_its_bytes() -> None:
    rig = Rig()
    stream = rig.stream()
    session, writer, _ = rig.publisher(stream)
    writer.tracks([VIDEO, SOUND])
    writer.put(gop(0), rig.clock.now())
    rig.gate.close(session, "left")
    closed = next(event for event in rig.events.history if event.type == "session.closed")
    assert closed.payload["bytes_in"] == 25 * 110


def test_without_networks_or_keys_everybody_may() -> None:
    rig = Rig()
    rig.stream("v6", read_from=["2001:db8::/32"])
    assert isinstance(rig.gate.check(request("v6", ip="2001:db8::1")), Grant)
    assert refusal(rig, "v6", ip="fe80::1%eth0") is RefusalCode.FORBIDDEN


def test_a_viewer_whose_output_can_not_carry_the_video_is_told_which_can() -> None:
    rig = Rig(ScreenPlugin())
    stream = rig.stream()
    grant = rig.gate.check(request("news"))
    assert isinstance(grant, Grant)
    viewer = rig.gate.open(grant, print)
    rig.gate.play(grant, viewer, Format.RTMP).cursor.close()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([Track(0, Codec.VP9, b""), SOUND])
    writer.put(gop(0), rig.clock.now())
    with pytest.raises(NotCarried, match="RTMP can't carry VP9 video: use screen"):
        rig.gate.play(grant, viewer, Format.RTMP)
    rig.gate.play(grant, viewer, Format.CMAF).cursor.close()
    stream.end("the publisher left")
    rig.gate.play(grant, viewer, Format.RTMP)


def test_a_look_through_the_door_answers_the_same_and_counts_nothing() -> None:
    rig = Rig()
    stream = rig.stream(publish_key="p")
    wrong = request("news", Action.PUBLISH, key="q")
    answer = rig.gate.peek(wrong)
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.UNAUTHORIZED
    assert (stream.refused, dict(rig.gate.refused)) == (0, {})
    rig.gate.refuse(wrong, answer)
    assert (stream.refused, rig.gate.refused["words", "unauthorized"]) == (1, 1)
    assert isinstance(rig.gate.peek(request("news", Action.PUBLISH, key="p")), Grant)


def test_a_look_through_the_door_sees_a_full_house() -> None:
    rig = Rig()
    rig.stream()
    rig.services.sessions.total = 0
    answer = rig.gate.peek(request("news"))
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.LIMIT
    assert rig.services.sessions.refused == 0


def test_a_grant_brings_what_the_stream_says_about_the_protocol() -> None:
    rig = Rig()
    rig.stream()
    answer = rig.gate.check(request("news"))
    assert isinstance(answer, Grant)
    plugin = rig.services.plugins["words"]
    assert isinstance(answer.options, plugin.OutputOptions)


@pytest.mark.parametrize(
    ("change", "leaves"),
    [
        ({}, []),
        ({"users": [ANN]}, []),
        ({"publish_key": "p2"}, ["publisher"]),
        ({"read_key": "r2"}, ["viewer"]),
        ({"read_key": "r2", "users": [ANN]}, []),
        ({"publish_key": SUM_OF_P}, []),
        ({"publish_from": ["192.0.2.0/24"]}, ["publisher"]),
        ({"read_from": ["192.0.2.0/24"]}, ["viewer"]),
        ({"outputs": ("rtmp",)}, ["viewer"]),
    ],
)
def test_those_who_may_no_more_leave_when_the_configuration_changes(
    change: dict[str, Any], leaves: list[str]
) -> None:
    rig = Rig()
    keys: dict[str, Any] = {"publish_key": "p", "read_key": "r"}
    stream = rig.stream(**keys)
    rig.stream("other", **keys)
    left: list[str] = []
    for code, action, given in (
        ("news", Action.PUBLISH, {"key": "p"}),
        ("news", Action.PLAY, {"key": "r", "user": "ann", "password": "a"}),
        ("other", Action.PLAY, {"key": "r"}),
    ):
        grant = rig.gate.check(request(code, action, **given))
        assert isinstance(grant, Grant)
        name = {"other": "other"}.get(code, "viewer" if action is Action.PLAY else "publisher")

        def closing(reason: str, name: str = name) -> None:
            assert reason.startswith("the configuration changed: ")
            left.append(name)

        rig.gate.open(grant, closing)
    stream.update(stream_config(**{**keys, **change}))
    rig.gate.review("news")
    assert left == leaves


def test_a_session_that_has_ended_is_not_judged_again() -> None:
    rig = Rig()
    stream = rig.stream(read_key="r")
    grant = rig.gate.check(request("news", key="r"))
    assert isinstance(grant, Grant)
    closed: list[str] = []
    session = rig.gate.open(grant, closed.append)
    rig.gate.close(session, "left")
    stream.update(stream_config(read_key="other"))
    rig.gate.review("news")
    assert closed == []


def test_who_guesses_is_not_heard_for_a_while() -> None:
    rig = Rig()
    rig.stream(publish_key="p")
    rig.stream("free")
    rig.gate.guesses.limit = 3
    wrong = RefusalCode.UNAUTHORIZED
    for word in "abc":
        assert refusal(rig, "news", Action.PUBLISH, key=word) is wrong
    assert refusal(rig, "news", Action.PUBLISH, key="p") is RefusalCode.LIMIT
    assert refusal(rig, "news", Action.PUBLISH) is wrong
    assert isinstance(rig.gate.check(request("free", key="d")), Grant)
    assert isinstance(rig.gate.check(request("news", Action.PUBLISH, key="p", ip="b")), Grant)
    rig.clock.advance(61)
    assert isinstance(rig.gate.check(request("news", Action.PUBLISH, key="p")), Grant)


def test_a_look_through_the_door_is_no_guess() -> None:
    rig = Rig()
    rig.stream(publish_key="p")
    rig.gate.guesses.limit = 1
    for word in "abc":
        rig.gate.peek(request("news", Action.PUBLISH, key=word))
    assert isinstance(rig.gate.peek(request("news", Action.PUBLISH, key="p")), Grant)


def test_a_request_does_not_show_its_secrets() -> None:
    asked = request("news", key="s1", user="s2", password="s3", query={"key": "s4"})
    assert not any(secret in repr(asked) for secret in ("s1", "s2", "s3", "s4"))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "no stream `nowhere`"),
        ("live/a?key=s3cret", "no stream `live/a…`"),
        ("a%3Fkey%3Ds3cret", "no stream `a…`"),
        ("?s3cret", "no stream `…`"),
        ("a" * 300, f"no stream `{'a' * 128}…`"),
    ],
)
def test_what_can_be_no_path_is_not_repeated(path: str, said: str) -> None:
    answer = Rig().gate.check(request(path))
    assert isinstance(answer, Refusal)
    assert answer.message == said
