from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, ClassVar

import pytest

from streamctl.errors import ConfigError, UnknownScheme
from streamctl.media.packet import Format
from streamctl.registry import COMMANDS, PROTOCOLS, Catalog, Registry, abilities
from streamctl.sdk.plugin import Cap, Empty, Options, ProtocolPlugin, Requirement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel


class Secure(Options):
    cert: str


class Good(ProtocolPlugin):
    kind = "good"
    summary = "A good one"
    schemes: ClassVar[tuple[str, ...]] = ("good", "goods")
    ports: ClassVar[Mapping[str, int]] = {"good": 7}
    caps = Cap.PULL | Cap.HTTP
    listeners: ClassVar[Mapping[str, type[BaseModel]]] = {"goods": Secure}

    def requirements(self) -> tuple[Requirement, ...]:
        return (Requirement("libgood", "1.2"),)


class Future(ProtocolPlugin):
    api = 2
    kind = "future"


class Misnamed(ProtocolPlugin):
    kind = "other"


class Failing(ProtocolPlugin):
    kind = "failing"

    def __init__(self) -> None:
        raise OSError("no library")


def entry(name: str, thing: str | None = None) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{thing or name.title()}", PROTOCOLS)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runner imports this module under a name that it does not publish."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Good.__module__])


def test_names_import_nothing() -> None:
    registry = Registry([EntryPoint("b", "absent.module:X", PROTOCOLS), entry("a")])
    assert registry.names() == ("a", "b")


def test_finds_listeners_by_the_names_that_plugins_give() -> None:
    registry = Registry([entry("good"), entry("failing")])
    plugin = registry.load("good")
    assert registry.listener("good") == (plugin, Empty)
    assert registry.listener("goods") == (plugin, Secure)
    with pytest.raises(UnknownScheme, match="no plugin for `godos`") as caught:
        registry.listener("godos")
    assert "did you mean `goods`" in caught.value.hint


def test_loads_a_plugin_once() -> None:
    registry = Registry([entry("good")])
    assert isinstance(registry.load("good"), Good)
    assert registry.load("good") is registry.load("good")


def test_an_unknown_kind_names_the_nearest_and_all() -> None:
    registry = Registry([entry("good"), entry("future")])
    with pytest.raises(UnknownScheme, match="no plugin for `goood`") as caught:
        registry.load("goood")
    assert caught.value.hint == "did you mean `good`? installed: `future`, `good`"
    with pytest.raises(UnknownScheme) as caught:
        Registry([]).load("x")
    assert caught.value.hint == "installed: none"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (EntryPoint("x", "absent.module:X", PROTOCOLS), "ModuleNotFoundError"),
        (entry("x", "Absent"), "AttributeError"),
        (entry("x", "entry"), "not a subclass"),
        (entry("x", "Path"), "can't be loaded"),
        (entry("future"), "speaks plugin interface 2, not 1"),
        (entry("x", "Misnamed"), "names the kind `other`"),
        (entry("failing"), "OSError: no library"),
    ],
)
def test_a_broken_plugin_is_named_with_its_origin(broken: EntryPoint, message: str) -> None:
    registry = Registry([entry("good"), broken])
    with pytest.raises(ConfigError, match=message) as caught:
        registry.load(broken.name)
    assert f"`{broken.name}` from `{broken.value}`" in caught.value.message
    plugins, errors = registry.load_all()
    assert [plugin.kind for plugin in plugins] == ["good"]
    assert len(errors) == 1
    assert "\n" not in errors[0]


def test_two_distributions_must_not_claim_one_kind() -> None:
    registry = Registry([entry("good"), entry("good", "Misnamed")])
    with pytest.raises(ConfigError, match="claimed by several distributions"):
        registry.load("good")


def test_one_distribution_found_twice_is_one() -> None:
    assert isinstance(Registry([entry("good"), entry("good")]).load("good"), Good)


def test_statuses_tell_what_works_and_what_does_not() -> None:
    good, failing = sorted(
        Registry([entry("good"), entry("failing")]).statuses(), key=lambda one: one.error
    )
    assert good.kind == "good"
    assert good.capabilities == ["pull", "probe", "http"]
    assert good.schemes == ["good", "goods"]
    assert (good.urls, good.ports) == (["good://", "goods://"], {"good": 7})
    assert [(need.name, need.version) for need in good.requirements] == [("libgood", "1.2")]
    assert (failing.kind, failing.capabilities) == ("failing", [])
    assert "no library" in failing.error


@pytest.mark.parametrize(
    ("caps", "viewers", "expected"),
    [
        (Cap.NONE, None, []),
        (Cap.PULL | Cap.CONVERT, None, ["pull", "probe"]),
        (Cap.PUSH | Cap.LISTEN, None, ["push", "publish"]),
        (Cap.LISTEN, Format.MPEGTS, ["publish", "play"]),
        (Cap.HTTP, Format.MPEGTS, ["http"]),
    ],
)
def test_capabilities_are_told_in_the_words_of_users(
    caps: Cap, viewers: Format | None, expected: list[str]
) -> None:
    plugin = Good()
    plugin.caps, plugin.play_format = caps, viewers  # type: ignore[misc]
    assert abilities(plugin) == expected


def test_finds_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tmp_path / "acme_sdi-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sdi\nVersion: 1.2\n")
    (facts / "entry_points.txt").write_text(f"[{PROTOCOLS}]\nsdi = acme_sdi:Sdi\n")
    (tmp_path / "acme_sdi.py").write_text(
        "from streamctl.sdk.plugin import ProtocolPlugin\n"
        "class Sdi(ProtocolPlugin):\n    kind = 'sdi'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    assert "acme_sdi" not in sys.modules
    assert {"rtmp", "hls", "http-ts", "file", "sdi"} <= set(registry.names())
    status = registry.status("sdi")
    assert (status.distribution, status.version, status.error) == ("acme-sdi", "1.2", "")


def test_commands_are_found_the_same_way() -> None:
    assert {"serve", "push", "probe", "status"} <= set(Catalog(COMMANDS).names())
    with pytest.raises(KeyError):
        Catalog(COMMANDS, []).load("serve")
