from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streamctl.config.hooks import reach, refuse_reach, short_hooks
from streamctl.config.load import parse
from streamctl.config.model import CommandConfig, EventFileConfig, WebhookConfig
from streamctl.config.show import hidden, resolved, restored, secret_names
from streamctl.errors import ConfigError
from streamctl.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.config.model import Config

REGISTRY = Registry()
HOOKS = """
[[hooks]]
name = "alarm"
url = "https://chat.example/services/T0/B1/s3cr3t?key=also"
secret = "env:SIGNING"
events = ["input.*", "push.failed"]
except_streams = ["test/*"]

[[hooks]]
name = "journal"
file = "events.jsonl"

[[hooks]]
name = "record"
command = "record --name 'of the day'"
during = "on_air"
environment = { TOKEN = "t0k3n" }
"""


def load(text: str) -> Config:
    return parse(text, "x.toml", REGISTRY, {"SIGNING": "s1gn"})


def test_a_hook_is_what_its_key_says() -> None:
    alarm, journal, record = load(HOOKS).hooks
    assert isinstance(alarm, WebhookConfig)
    assert alarm.secret is not None
    assert alarm.secret.get_secret_value() == "s1gn"
    assert alarm.events == ("input.*", "push.failed")
    assert isinstance(journal, EventFileConfig)
    assert isinstance(record, CommandConfig)
    assert record.command == ("record", "--name", "of the day")
    assert record.environment["TOKEN"].get_secret_value() == "t0k3n"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('url = "https://h"\nfile = "x"', "x.toml:1: hooks[0]: does several things"),
        ("", "x.toml:1: hooks[0]: does nothing"),
        ('url = "ftp://s3cr3t"', "x.toml:3: hooks[0].url: leads to no HTTP server"),
        ('url = "s3cr3t"', "x.toml:3: hooks[0].url: leads to no HTTP server"),
        ('url = "env:NOTHING"', "the environment variable `NOTHING` is not set"),
        ('file = "x"\nevents = ["input.faild"]', "events[0]: there are no such events"),
        (
            'file = "x"\nwhere = { acton = "play" }',
            "x.toml:4: hooks[0].where.acton: none of these events says `acton`",
        ),
        ('file = "x"\nevents = ["input.*"]\nwhere = { peer = "x" }', "none of these events says"),
        ('file = "x"\nstreams = ["a", "b c"]', "streams[1]: no stream is called that: `b c`"),
        ('file = "x"\nexcept_streams = [""]', "except_streams[0]: no stream is called that"),
        ('file = "x"\nstreams = ["a"]\nexcept_streams = ["b"]', "exclude each other"),
        ('file = "x"\nsecret = "y"', "hooks[0].secret: unknown key"),
        ('file = ""', "hooks[0].file"),
        ("command = []", "`command` names no program"),
        ('command = ""', "`command` names no program"),
        ('command = "say \'hello"', "no closing quotation"),
        ('command = ["a\\u0000b"]', "can't hold a NUL"),
        ('command = "x"\nenvironment = { "1" = "y" }', "a name that no variable has: `1`"),
        ('command = "x"\nduring = "play"\nevents = ["*"]', "`during` chooses the events"),
        ('command = "x"\nmax_runs = true', "write a number"),
    ],
)
def test_what_is_wrong_is_named(table: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f'[[hooks]]\nname = "a"\n{table}\n')
    assert said in str(caught.value)
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("written", ["hooks = 3", "hooks = [3]", "[hooks.a]\nfile = 'x'"])
def test_hooks_are_a_list_of_tables(written: str) -> None:
    with pytest.raises(ConfigError, match="write a"):
        load(written)


@pytest.mark.parametrize("name", ["a b", "", "a/b", "news.on_publish", "x" * 65])
def test_names_fit_into_paths_and_labels(name: str) -> None:
    with pytest.raises(ConfigError, match="consists of letters"):
        load(f'[[hooks]]\nname = "{name}"\nfile = "x"\n')


def test_names_are_told_apart() -> None:
    with pytest.raises(ConfigError, match=r"hooks\[1\].name: another hook has this name: `a`"):
        load('[[hooks]]\nname = "a"\nfile = "x"\n' * 2)


def test_no_secret_of_a_hook_is_shown() -> None:
    config = load(HOOKS)
    shown = [str(config), str(resolved(config)), hidden(HOOKS, secret_names(REGISTRY))]
    for text in shown:
        assert not [word for word in ("s3cr3t", "also", "s1gn", "t0k3n") if word in text], text
    assert 'secret = "env:SIGNING"' in shown[2]
    assert restored(shown[2], HOOKS, secret_names(REGISTRY)) == HOOKS


def test_keys_of_a_stream_are_short_for_hooks() -> None:
    config = load(
        '[defaults]\non_down = ["alarm", "down"]\n'
        '[streams.news]\ninputs = ["publish:"]\non_publish = "say hello"\n'
        '[streams.quiet]\ninputs = ["publish:"]\non_down = []\n'
    )
    first, second = short_hooks(config.streams["news"])
    assert (first.name, first.command) == ("news.on_publish", ("say", "hello"))
    assert first.streams == ("news",)
    assert (first.events, first.where) == (("session.opened",), {"action": "publish"})
    assert (second.name, second.command) == ("news.on_down", ("alarm", "down"))
    assert second.events == ("stream.off_air",)
    assert short_hooks(config.streams["quiet"]) == ()


KNOWN: dict[str, Any] = {
    "hooks": [{"name": "a", "command": "x"}, {"name": "b", "url": "https://h"}],
    "templates": {"t": {"on_publish": "say hello"}},
}


@pytest.mark.parametrize(
    "new",
    [
        {},
        {"hooks": [{"name": "c", "command": "x", "events": ["push.*"]}]},
        {"hooks": [{"name": "b", "url": "https://other"}]},
        {"streams": {"news": {"on_play": "say hello"}}},
        {"streams": {"news": {"on_play": ["say", "hello"]}}},
    ],
)
def test_what_is_done_already_may_be_done_elsewhere(new: dict[str, Any]) -> None:
    refuse_reach(KNOWN, new)


@pytest.mark.parametrize(
    "new",
    [
        {"hooks": [{"name": "a", "command": "y"}]},
        {"hooks": [{"name": "a", "command": "x", "environment": {"LD_PRELOAD": "y"}}]},
        {"hooks": [{"name": "a", "file": "/etc/passwd"}]},
        {"streams": {"news": {"on_play": ["rm"]}}},
        {"defaults": {"on_down": "rm"}},
    ],
)
def test_nobody_runs_other_programs_from_a_distance(new: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="can't be set through the API"):
        refuse_reach(KNOWN, new)


def test_a_document_of_anything_does_nothing() -> None:
    assert reach({"hooks": 3, "streams": [1, {"a": None}], "x": {"hooks": [1, {}]}}) == frozenset()


def test_a_certificate_file_is_a_path(tmp_path: Path) -> None:
    text = f'[[hooks]]\nname = "a"\nurl = "https://h"\ntls_ca = "{tmp_path}/ca.pem"\n'
    [hook] = load(text).hooks
    assert isinstance(hook, WebhookConfig)
    assert hook.tls_ca == tmp_path / "ca.pem"
