"""The examples in the documents do what they say."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_core import PydanticUndefined

from streamctl.api.app import OPERATIONS
from streamctl.config.eventtypes import EVENT_TYPES
from streamctl.config.load import parse
from streamctl.engine.services import converter_specs
from streamctl.engine.webhook import signature
from streamctl.errors import ConfigError
from streamctl.media.codecs import TITLES
from streamctl.registry import Registry
from streamctl.sdk.url import StreamURL
from streamctl.testing.conformance import check_plugin
from streamctl.testing.gate import BareContext

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamctl.media.packet import Packet, Track

ROOT = Path(__file__).parents[1]

ENVIRON = {
    "SECURE_KEY": "x",
    "ANN_PASSWORD": "x",
    "YOUTUBE_URL": "rtmps://a.example/live2/x",
    "PUBLISH_PASSPHRASE": "ten letters",
    "READ_PASSPHRASE": "ten letters",
    "FIELD_PASSPHRASE": "ten letters",
    "PARTNER_PASSPHRASE": "ten letters",
    "ORIGIN_KEY": "x",
    "STATISTICS_URL": "https://statistics.example/players",
    "STATISTICS_SECRET": "x",
}
"""What the examples read from the environment."""


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text()
    return re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)


@pytest.fixture
def example() -> Iterator[ModuleType]:
    """The plugin of docs/plugins.md as an imported module."""
    module = ModuleType("streamctl_beep")
    code = blocks("docs/plugins.md", "python")[0]
    sys.modules[module.__name__] = module
    exec(compile(code, "docs/plugins.md", "exec"), module.__dict__)
    yield module
    del sys.modules[module.__name__]


class Recorder:
    """An epoch writer that keeps what it is given."""

    def __init__(self) -> None:
        self.announced: list[Track] = []
        self.packets: list[Packet] = []

    def tracks(self, tracks: Sequence[Track]) -> None:
        self.announced = list(tracks)

    def put(self, packets: list[Packet], now: float) -> None:
        self.packets += packets


class QuickClock:
    """Sleeps without waiting."""

    monotonic = 0.0

    def now(self) -> float:
        return self.monotonic

    async def sleep(self, delay_s: float) -> None:
        self.monotonic += delay_s


def test_the_example_plugin_keeps_the_contract(example: Any) -> None:
    assert check_plugin(example.BeepPlugin(), "beep") == []


@pytest.mark.anyio
async def test_the_example_plugin_delivers(example: Any) -> None:
    context, clock, recorder = BareContext(), QuickClock(), Recorder()
    context.clock = clock  # type: ignore[assignment]
    source = example.BeepPlugin().source(StreamURL.parse("beep://2"), None, context)
    await source.run(recorder)
    assert recorder.announced[0].config
    assert len(recorder.packets) == 2 * 48_000 // 1024
    assert clock.monotonic == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    "document",
    [
        *("README.md", "docs/tutorial.md", "docs/hls.md", "docs/relay.md", "docs/srt.md"),
        "docs/access.md",
        "docs/events.md",
        "docs/failover.md",
        "docs/rtp.md",
        "docs/rtsp.md",
        "docs/templates.md",
        "docs/udp.md",
    ],
)
def test_stream_examples_are_valid(document: str) -> None:
    examples = blocks(document, "toml")
    read = [parse(text, document, Registry(), ENVIRON) for text in examples]
    assert any(config.streams for config in read)


def documented() -> Iterator[tuple[str, str, str, object]]:
    """Kind, place, key and default of each row of docs/options.md."""
    for section in (ROOT / "docs/options.md").read_text().split("\n## ")[1:]:
        kind = section.partition("\n")[0]
        for line in section.splitlines():
            if not line.startswith("| `"):
                continue
            key, places, default, _ = (cell.strip(" `") for cell in line.strip("|").split("|"))
            known = {"": None, "needed": PydanticUndefined}
            value = known[default] if default in known else tomllib.loads(f"x = {default}")["x"]
            for place in places.split(", "):
                yield kind, place.strip("`[]"), key, value


def existing() -> Iterator[tuple[str, str, str, object]]:
    """The same of the option models of what is installed."""
    for plugin in Registry().load_all()[0]:
        models = {
            "input": plugin.InputOptions,
            "push": plugin.PushOptions,
            "stream": plugin.OutputOptions,
            "listener": plugin.ListenerOptions,
            **{f"listeners.{name}": model for name, model in plugin.listeners.items()},
        }
        for place, model in models.items():
            for key, field in model.model_fields.items():
                default = field.get_default(call_default_factory=True, validated_data={})
                value = list(default) if isinstance(default, tuple) else default
                yield plugin.kind, place, key, value


def test_the_tables_of_options_are_true() -> None:
    rows = list(documented())
    assert len({row[:3] for row in rows}) == len(rows)
    assert {row[:3]: row[3] for row in rows} == {row[:3]: row[3] for row in existing()}


def test_the_table_of_codecs_is_true() -> None:
    text = (ROOT / "docs/codecs.md").read_text()
    head, _, *rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    plugins, _ = Registry().load_all()
    specs = converter_specs(plugins)
    outputs = {plugin.kind: plugin.play_format for plugin in plugins if plugin.play_format}
    assert sorted(head[1:]) == sorted(outputs)
    for title, *cells in rows:
        [codec] = [codec for codec, name in TITLES.items() if name == title]
        said = {kind for kind, cell in zip(head[1:], cells, strict=True) if cell == "yes"}
        assert said == {kind for kind, fmt in outputs.items() if codec in specs[fmt].codecs}, title


def test_the_table_of_events_is_true() -> None:
    section = (
        (ROOT / "docs/events.md").read_text().partition("\n## Types\n")[2].partition("\n## ")[0]
    )
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    said = {kind.strip("`"): tuple(re.findall(r"`(\w+)`", keys)) for kind, keys, _ in rows}
    assert len(said) == len(rows)
    assert said == EVENT_TYPES


def test_receivers_can_check_signatures_as_documented() -> None:
    made: dict[str, Any] = {}
    exec(blocks("docs/events.md", "python")[0], made)
    header = signature(b"[]", "s3cr3t")
    assert made["genuine"](b"[]", header, b"s3cr3t")
    assert not made["genuine"](b"[1]", header, b"s3cr3t")


def test_every_call_of_the_api_is_listed() -> None:
    text = "".join((ROOT / "docs" / name).read_text() for name in ("api.md", "configuration.md"))
    for one in OPERATIONS:
        path = one.path.replace("{code}", "CODE").replace("{id}", "ID").replace("{name}", "NAME")
        # Tables name several calls of one path, and the ends of neighbours.
        ways = (f"`{one.method} {path}`", f"`{one.method}", f"`/{path.rpartition('/')[2]}`")
        assert ways[0] in text or (ways[1] in text and f" {path}`" in text) or ways[2] in text, path


def test_the_api_is_configured_as_told() -> None:
    (example,) = blocks("docs/api.md", "toml")
    with pytest.raises(ConfigError, match="can't be read"):
        parse(example, "docs/api.md", Registry(), {})
    config = parse(example.replace("file:/run/secrets/ops", "x"), "", Registry(), {})
    assert [one.scope for one in config.api.tokens] == ["control"]
