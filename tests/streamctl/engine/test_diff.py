from __future__ import annotations

from typing import Any, ClassVar

import pytest

from streamctl.config.address import Address
from streamctl.config.load import parse
from streamctl.config.model import (
    ApiConfig,
    Config,
    HttpConfig,
    InputConfig,
    LimitsConfig,
    ListenerConfig,
    LogConfig,
    PushConfig,
    ServerConfig,
    StreamConfig,
)
from streamctl.engine.diff import UPDATED_KEYS, diff, input_changes, inputs_lost, stream_step
from streamctl.registry import Registry
from streamctl.sdk.plugin import Options
from streamctl.sdk.url import StreamURL
from tests.streamctl.engine.rig import stream_config


class Colours(Options):
    hue: int = 0


def config(**streams: dict[str, Any]) -> Config:
    return Config(streams={code: stream_config(code, **keys) for code, keys in streams.items()})


@pytest.mark.parametrize(
    ("old", "new", "action"),
    [
        ({}, {"a": {}}, "start"),
        ({"a": {}}, {}, "stop"),
        ({"a": {}}, {"a": {"disabled": True}}, "stop"),
        ({"a": {"disabled": True}}, {"a": {}}, "start"),
        ({"a": {}}, {"a": {"title": "A"}}, "update"),
        ({"a": {}}, {"a": {"merge_ms": 100}}, "update"),
        ({"a": {}}, {"a": {"buffer_s": 30.0, "buffer_bytes": 2_000_000}}, "update"),
        ({"a": {}}, {"a": {"packet_timeout_s": 9, "slow_viewer_timeout_s": 9}}, "update"),
        ({"a": {}}, {"a": {"url": "words://x"}}, "update"),
        ({"a": {}}, {"a": {"standby": "hot", "probe_after_s": 3.0}}, "update"),
        ({"a": {}}, {"a": {"failback_after_s": 9.0, "slate_after_s": 4.0}}, "update"),
    ],
)
def test_each_change_has_its_action(old: dict[str, Any], new: dict[str, Any], action: str) -> None:
    (step,) = diff(config(**old), config(**new)).steps
    assert (step.stream, step.action) == ("a", action)
    assert step.reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": {}, "b": {}}, {"b": {}, "a": {}}),
        ({}, {"a": {"disabled": True}}),
        ({"a": {"disabled": True}}, {}),
        ({"a": {"disabled": True}}, {"a": {"disabled": True, "title": "x"}}),
    ],
)
def test_what_does_not_run_and_did_not_run_needs_nothing(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert diff(config(**old), config(**new)).steps == []


def test_a_change_of_one_stream_names_no_other() -> None:
    old = config(a={}, b={}, c={})
    new = config(a={}, b={"publish_key": "new"}, c={})
    assert [(s.stream, s.reason) for s in diff(old, new).steps] == [("b", "changed: publish_key")]


def test_who_may_no_more_is_all_that_a_change_of_access_concerns() -> None:
    was = config(a={"publish_key": "old"})
    will = config(a={"publish_key": "new", "max_viewers": 3})
    (step,) = diff(was, will).steps
    assert (step.action, step.notices) == ("update", "who may no more is disconnected")


class Port(Options):
    """Options of a listener whose peers stay."""

    keeps_peers: ClassVar[bool] = True
    limit: int = 5


class Datagrams(Options):
    """Options of a listener whose peers can't."""


def listener(port: int, options: Options | None = None) -> ListenerConfig:
    return ListenerConfig(address=Address("127.0.0.1", port), options=options or Port())


LEFT = "its publishers and viewers are disconnected"
MOVED = "who connects anew needs the new address"


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ({}, {}, []),
        (
            {"api": ApiConfig(), "log": LogConfig()},
            {"api": ApiConfig(address=Address("127.0.0.1", 1)), "log": LogConfig(level="debug")},
            [
                ("log", "change", "changed: level", "nobody"),
                ("api", "move", "127.0.0.1:9997 to 127.0.0.1:1", MOVED),
            ],
        ),
        (
            {},
            {"api": ApiConfig(tokens=({"name": "a", "value": "hush"},))},
            [("api", "change", "changed: tokens", "clients whose token is gone are refused")],
        ),
        (
            {"limits": LimitsConfig()},
            {"limits": LimitsConfig(sessions=1, sessions_per_ip=1)},
            [("limits", "change", "changed: sessions, sessions_per_ip", "nobody")],
        ),
        (
            {"http": HttpConfig(), "server": ServerConfig()},
            {"http": HttpConfig(cors=()), "server": ServerConfig(shutdown_s=1)},
            [
                ("server", "change", "changed: shutdown_s", "nobody"),
                ("http", "change", "changed: cors", "nobody"),
            ],
        ),
        (
            {},
            {"http": HttpConfig(address=Address("", 1), tls_cert="c", tls_key="k")},
            [
                (
                    "http",
                    "move",
                    ":8888 to :1; changed: tls_cert, tls_key",
                    f"{MOVED}; who connects anew needs https",
                )
            ],
        ),
        (
            {"http": HttpConfig(tls_cert="c", tls_key="k")},
            {},
            [("http", "change", "changed: tls_cert, tls_key", "who connects anew needs http")],
        ),
        (
            {"http": HttpConfig(tls_cert="c", tls_key="k")},
            {"http": HttpConfig(tls_cert="d", tls_key="k")},
            [("http", "change", "changed: tls_cert", "nobody")],
        ),
        (
            {"listeners": {"a": listener(1), "b": listener(2)}},
            {"listeners": {"b": listener(2), "c": listener(3)}},
            [
                ("listeners.a", "close", "removed", LEFT),
                ("listeners.c", "open", "added: 127.0.0.1:3", ""),
            ],
        ),
        (
            {"listeners": {"a": listener(1), "b": listener(2)}},
            {"listeners": {"a": listener(3), "b": listener(2, Port(limit=6))}},
            [
                ("listeners.a", "move", "127.0.0.1:1 to 127.0.0.1:3", MOVED),
                ("listeners.b", "change", "changed: limit", "nobody"),
            ],
        ),
        (
            {"listeners": {"a": listener(1, Datagrams())}},
            {"listeners": {"a": listener(3, Datagrams())}},
            [("listeners.a", "move", "127.0.0.1:1 to 127.0.0.1:3", LEFT)],
        ),
    ],
)
def test_what_happens_to_the_server_itself(
    old: dict[str, Any], new: dict[str, Any], steps: list[tuple[str, ...]]
) -> None:
    plan = diff(Config(**old), Config(**new))
    assert [(one.part, one.action, one.reason, one.notices) for one in plan.server] == steps
    assert plan.steps == []
    assert "hush" not in plan.model_dump_json()


class Tuned(Options):
    """Options of which one changes under viewers."""

    live: ClassVar[frozenset[str]] = frozenset({"window"})
    window: int = 12
    segment_s: int = 2


@pytest.mark.parametrize(
    ("old", "new", "reason", "notices"),
    [
        ({}, {"hls": Tuned(window=5)}, "changed: hls.window", "nobody"),
        ({"hls": Tuned(window=5)}, {}, "changed: hls.window", "nobody"),
        (
            {"hls": Tuned()},
            {"hls": Tuned(window=5, segment_s=4)},
            "changed: hls.window, hls.segment_s",
            "its viewers over hls start anew",
        ),
    ],
)
def test_options_of_an_output_concern_its_viewers_at_most(
    old: dict[str, Any], new: dict[str, Any], reason: str, notices: str
) -> None:
    was, will = config(a={"outputs_options": old}), config(a={"outputs_options": new})
    (step,) = diff(was, will).steps
    assert (step.action, step.reason, step.notices) == ("update", reason, notices)


def test_spelling_a_default_out_changes_nothing_for_viewers() -> None:
    was, will = config(a={}), config(a={"outputs_options": {"hls": Tuned()}})
    assert [step.notices for step in diff(was, will).steps] in ([], ["nobody"])


def test_what_a_running_stream_does_not_know_restarts_it() -> None:
    class Later(StreamConfig):
        """A stream with a key that nobody takes over yet."""

        ladder: int = 0

    was = config(a={"outputs_options": {"hls": Tuned()}})
    keys = dict(config(a={"outputs_options": {"hls": Tuned(window=5)}}).streams["a"])
    old, new = Later(**dict(was.streams["a"])), Later(**keys, ladder=1)
    step = stream_step("a", old, new)
    assert step is not None
    assert step.action == "restart"
    assert step.reason == "changed: ladder, hls.window"
    assert step.notices == "its publisher and viewers are disconnected"


def test_every_key_of_a_stream_is_taken_while_it_runs() -> None:
    elsewhere = {"code", "disabled"}
    assert set(StreamConfig.model_fields) - UPDATED_KEYS == elsewhere


@pytest.mark.parametrize(
    ("old", "new", "reason", "notices"),
    [
        (None, ("hls",), "outputs all others removed",
         "its viewers over all other outputs are disconnected"),
        (("hls", "rtmp"), ("rtmp",), "outputs `hls` removed",
         "its viewers over hls are disconnected"),
        (("hls",), ("hls", "rtmp"), "outputs `rtmp` added", "nobody"),
        (("hls",), None, "outputs all others added", "nobody"),
        (("hls",), ("rtmp",), "outputs `rtmp` added, outputs `hls` removed",
         "its viewers over hls are disconnected"),
    ],
)  # fmt: skip
def test_outputs_come_and_go_one_by_one(
    old: tuple[str, ...] | None, new: tuple[str, ...] | None, reason: str, notices: str
) -> None:
    was, will = config(a={"outputs": old}), config(a={"outputs": new})
    (step,) = diff(was, will).steps
    assert (step.action, step.reason, step.notices) == ("update", f"changed: {reason}", notices)


def test_outputs_in_another_order_are_the_same() -> None:
    was, will = config(a={"outputs": ("hls", "rtmp")}), config(a={"outputs": ("rtmp", "hls")})
    assert diff(was, will).steps == []


def entry(url: str, **options: int) -> InputConfig:
    return InputConfig(url=StreamURL.parse(url), options=Colours(**options))


A, B, C = entry("words://a"), entry("words://user:secret@b"), entry("words://c", hue=1)


@pytest.mark.parametrize(
    ("new", "changes", "lost"),
    [
        ([A, B, C], [], []),
        ([A, B], ["`words://c` removed"], ["`words://c`"]),
        ([B, C], ["`words://a` removed"], ["`words://a`"]),
        ([A, B, entry("words://d"), C], ["`words://d` added"], []),
        ([C, B, A], ["order"], []),
        ([A, B, entry("words://c", hue=2)], ["`words://c` (hue)"], ["`words://c`"]),
        (
            [entry("words://d"), A, B],
            ["`words://d` added", "`words://c` removed"],
            ["`words://c`"],
        ),
        ([A, A, B, C], ["`words://a` added"], []),
    ],
)
def test_inputs_are_told_apart_by_what_they_are(
    new: list[InputConfig], changes: list[str], lost: list[str]
) -> None:
    old = [A, B, C]
    assert input_changes(old, new) == changes
    assert inputs_lost(old, new) == lost
    assert "secret" not in str(input_changes(old, [A]))


def push(name: str, url: str = "", **keys: Any) -> PushConfig:
    parsed = StreamURL.parse(url or f"sink://{name}.example/live/secret-key").as_destination()
    return PushConfig(name=name, url=parsed, **{"options": Colours(), **keys})


@pytest.mark.parametrize(
    ("new", "reason", "notices"),
    [
        ([push("a"), push("b"), push("c")], "push `c` added", "nobody"),
        ([push("a")], "push `b` removed", "`b` is left"),
        ([push("a"), push("b", retry_s=9, hold=False)], "push `b` (retry_s, hold)", "nobody"),
        ([push("a"), push("c", push("b").url.raw)], "push `b` (name)", "nobody"),
        (
            [push("a"), push("b", "sink://other.example/x")],
            "push `b` added, push `b` removed",
            "`b` is left",
        ),
        ([push("a"), push("b", options=Colours(hue=1))], "push `b` (hue)", "`b` is left"),
    ],
)
def test_pushes_change_without_a_restart(new: list[PushConfig], reason: str, notices: str) -> None:
    old = config(a={"push": (push("a"), push("b"))})
    (step,) = diff(old, config(a={"push": tuple(new)})).steps
    assert (step.action, step.reason) == ("update", f"changed: {reason}")
    assert step.notices == notices
    assert "secret" not in str(step)


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("", 'prefix = "tv/"', ("open", "streams under `tv/`", "")),
        ('prefix = "tv/"', "", ("close", "removed", "who comes under `tv/` finds no stream")),
        ('prefix = "tv/"', 'prefix = "tv/"\ntitle = "T"', ("change", "changed", "nobody")),
        (
            'prefix = "tv/"',
            'prefix = "on/"',
            ("move", "`tv/` to `on/`", "who comes under `tv/` finds no stream"),
        ),
        ("", 'title = "T"', None),
        ('title = "S"', 'title = "T"', None),
    ],
)
def test_prefixes_are_part_of_a_plan(old: str, new: str, step: tuple[str, str, str] | None) -> None:
    registry, head = Registry(), "[templates.live]\n"
    before, after = (parse(head + one if one else "", "x", registry, {}) for one in (old, new))
    steps = [(one.part, one.action, one.reason, one.notices) for one in diff(before, after).server]
    assert steps == ([("templates.live", *step)] if step else [])
    assert not diff(after, after).server


HOOK = '[[hooks]]\nname = "alarm"\n'


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("", 'file = "x"', ("open", "added", "nobody")),
        ('file = "x"', "", ("close", "removed", "what waits for it is dropped")),
        ('file = "x"', 'file = "y"\nevents = ["*"]', ("change", "changed: events, file", "nobody")),
        (
            'command = "x"\nduring = "play"',
            'command = "x"\nduring = "play"\nmax_runs = 9',
            (
                "change",
                "changed: max_runs",
                "its programs are ended, and started anew for what is there",
            ),
        ),
        (
            'file = "x"',
            'command = "x"',
            ("change", "of another kind", "what waits for it is dropped"),
        ),
    ],
)
def test_hooks_are_known_by_name(old: str, new: str, step: tuple[str, str, str]) -> None:
    registry = Registry()
    before, after = (parse(HOOK + one if one else "", "x", registry, {}) for one in (old, new))
    [found] = diff(before, after).server
    assert (found.part, found.action, found.reason) == ("hooks.alarm", *step[:2])
    assert (found.notices or "nobody") == step[2]
    assert not diff(after, after).server
