"""The sample at the top of the repository is the reference of every key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamctl.config.load import SECTIONS, parse
from streamctl.config.model import (
    CommandConfig,
    Config,
    DegradeConfig,
    EventFileConfig,
    ListenerConfig,
    PublishKeys,
    PushKeys,
    StreamKeys,
    TokenConfig,
    UserConfig,
    WebhookConfig,
)
from streamctl.errors import ConfigError
from streamctl.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

SAMPLE = Path(__file__).parents[1] / "streams.toml"
TEXT = SAMPLE.read_text("utf-8")
REGISTRY = Registry()
ENVIRON = {"FIELD_PASSPHRASE": "10 to 79 characters", "STUDIO_PASSWORD": "s3cret"}
COMPLETE = re.sub(r"(?m)^#: ", "", TEXT)


def test_loads_as_it_is() -> None:
    config = parse(TEXT, "streams.toml", REGISTRY, {})
    assert list(config.streams) == ["news", "region/secure"]
    assert config.streams["news"].publish_key is None
    assert config.streams["region/secure"].publish_key is not None


def test_loads_with_every_inactive_line_active() -> None:
    config = parse(COMPLETE, "streams.toml", REGISTRY, ENVIRON)
    assert list(config.streams) == [
        "news",
        "region/secure",
        "relay",
        "field",
        "camera",
        "fetched",
        "tv",
        "studio",
        "encoder",
        "big",
        "cam/door",
        "copied",
        "mixed",
        "loop",
        "told",
    ]
    assert [hook.name for hook in config.hooks] == ["alarm", "journal", "record"]


def test_needs_no_file_and_no_other_host() -> None:
    config = parse(TEXT, "streams.toml", REGISTRY, {})
    kinds = {entry.url.kind for stream in config.streams.values() for entry in stream.inputs}
    assert kinds == {"publish"}


def test_shows_defaults_where_it_says_so() -> None:
    complete = parse(COMPLETE, "streams.toml", REGISTRY, ENVIRON)
    default = Config()
    assert complete.server == default.server
    assert complete.log == default.log
    assert complete.limits == default.limits
    http = complete.http.model_copy(update={"tls_cert": None, "tls_key": None})
    assert http == default.http
    [push] = complete.streams["relay"].push
    for key in ("retry_s", "retries", "hold"):
        assert getattr(push, key) == PushKeys.model_fields[key].default
    alarm, _, record = complete.hooks
    assert isinstance(alarm, WebhookConfig)
    assert isinstance(record, CommandConfig)
    for key in ("where", "batch_s", "timeout_s"):
        assert getattr(alarm, key) == WebhookConfig.model_fields[key].default
    for key in ("max_runs", "timeout_s"):
        assert getattr(record, key) == CommandConfig.model_fields[key].default
    big = complete.streams["big"]
    for key in ("standby", "probe_after_s", "failback_after_s", "slate_after_s"):
        assert getattr(big, key) == StreamKeys.model_fields[key].default
    news = complete.streams["news"]
    same = {
        "on_demand",
        "close_after_s",
        "packet_timeout_s",
        "slow_viewer_timeout_s",
        "buffer_s",
        "buffer_bytes",
        "merge_ms",
    }
    for key in same:
        assert getattr(news, key) == StreamKeys.model_fields[key].default


def keys() -> Iterator[tuple[str, str]]:
    models: dict[str, type[BaseModel]] = {
        **SECTIONS,
        "token": TokenConfig,
        "user": UserConfig,
        "stream": StreamKeys,
        "push": PushKeys,
        "listener": ListenerConfig,
        "publish input": PublishKeys,
        "degrade": DegradeConfig,
        "webhook": WebhookConfig,
        "event file": EventFileConfig,
        "command": CommandConfig,
    }
    for plugin in REGISTRY.load_all()[0]:
        models[f"{plugin.kind} input"] = plugin.InputOptions
        models[f"{plugin.kind} output"] = plugin.OutputOptions
        models[f"{plugin.kind} push"] = plugin.PushOptions
        models[f"{plugin.kind} listener"] = plugin.ListenerOptions
        models |= {f"{name} listener": model for name, model in plugin.listeners.items()}
    for name, model in models.items():
        for key in model.model_fields.keys() - {"options"}:
            yield name, key
    yield "input", "url"
    yield "template", "prefix"
    yield "push", "url"
    yield "stream", "inputs"


@pytest.mark.parametrize(("model", "key"), sorted(keys()))
def test_mentions_every_key(model: str, key: str) -> None:
    assert re.search(rf"(?m)(^|[{{, ]){key} = ", COMPLETE), f"{key} of {model} is not in the sample"


JUNK = [
    *("1", "-1", "1e400", "nan", "true", "1979-05-27", "'x'", "''", "'env:'", "'file:'"),
    *("[]", "[1]", "[[]]", "['publish:']", "{}", "{a = 1}", "[{url = 5}]", "['rtmp://[::1']"),
    *(
        "['file:']",
        "['rtmp://x:99999/y']",
        "['https://x']",
        "'\\ud7ff\\u0000'",
        "':0'",
        "'[::1]:1'",
    ),
]


@pytest.mark.parametrize("junk", JUNK)
def test_no_value_of_any_key_is_more_than_a_fault(junk: str) -> None:
    lines = COMPLETE.splitlines()
    for number, line in enumerate(lines):
        if not (found := re.match(r"\w+ = ", line)):
            continue
        text = "\n".join([*lines[:number], found.group() + junk, *lines[number + 1 :]])
        try:
            parse(text, "x.toml", REGISTRY, {})
        except ConfigError as error:
            for fault in getattr(error, "errors", [error]):
                assert fault.message
                assert fault.line or not fault.file
