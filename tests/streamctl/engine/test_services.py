from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

import pytest

from streamctl.engine.services import TRUNK, Services, converter_specs
from streamctl.errors import ConfigError
from streamctl.media.packet import Format
from streamctl.sdk.plugin import Cap, Empty, ProtocolPlugin
from tests.streamctl.engine.rig import Rig, ScriptPlugin, WordsPlugin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A media root with one file, beside a secret."""
    made = tmp_path / "media"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "a b.mp4").write_bytes(b"media")
    (tmp_path / "secret").write_bytes(b"secret")
    return made


def resolve(url: str, *roots: Path | str) -> Path:
    services = Rig().services
    services.media_roots = [str(root) for root in roots]
    return services.context("file").resolve_file(url)


@pytest.mark.parametrize(
    "url", ["file:deep/a b.mp4", "file:deep/a%20b.mp4", "file:deep/../deep/a b.mp4?loop=1"]
)
def test_relative_paths_lie_below_a_root(root: Path, url: str) -> None:
    assert resolve(url, root) == root / "deep" / "a b.mp4"


def test_absolute_paths_may_lie_below_any_root(root: Path) -> None:
    path = root / "deep" / "a b.mp4"
    assert resolve(f"file:{path}", "/nowhere", root) == path
    assert resolve(f"file://{path}", root) == path
    assert resolve(str(path), root) == path


def test_the_first_root_that_has_a_relative_path_wins(root: Path, tmp_path: Path) -> None:
    assert resolve("file:deep/a b.mp4", tmp_path, root) == root / "deep" / "a b.mp4"
    with pytest.raises(ConfigError, match="media/none"):
        resolve("file:none", root, tmp_path)


def test_files_that_are_to_be_written_lie_below_a_root(root: Path) -> None:
    services = Rig().services
    services.media_roots = [str(root)]
    context = services.context("file")
    assert context.place_file("file:new.sdp") == root / "new.sdp"
    with pytest.raises(ConfigError, match="outside the media roots"):
        context.place_file("file:../new.sdp")


@pytest.mark.parametrize("url", ["file:../secret", "file:deep/../../secret", "file:%2e%2e/secret"])
def test_nothing_leads_out_of_the_roots(root: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="outside the media roots") as caught:
        resolve(url, root)
    assert str(root) in str(caught.value)
    assert "server.media_roots" in caught.value.hint


def test_absolute_paths_elsewhere_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="outside"):
        resolve(f"file:{tmp_path / 'secret'}", root)
    with pytest.raises(ConfigError, match="outside"):
        resolve(f"file:{root}x", root)
    with pytest.raises(ConfigError, match="outside"):
        resolve("file:anything")


def test_links_are_followed_before_the_roots_are_asked(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "in").symlink_to(root / "deep" / "a b.mp4")
    (tmp_path / "alias").symlink_to(root)
    with pytest.raises(ConfigError, match="outside"):
        resolve("file:out", root)
    assert resolve("file:in", root) == root / "deep" / "a b.mp4"
    assert resolve("file:in", tmp_path / "alias") == root / "deep" / "a b.mp4"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:missing.mp4", "No such file"),
        ("file:deep", "not a file"),
        ("file:" + "x" * 300, "too long"),
        ("file:a%00b", "null byte"),
        ("file:~nobody-of-this-name/x", "home directory"),
        ("file:circle", "(?i)symlink|symbolic links"),
        ("file:pipe", "not a file"),
    ],
)
def test_what_can_not_be_read_is_an_error_of_the_configuration(
    root: Path, url: str, why: str
) -> None:
    (root / "circle").symlink_to(root / "circle")
    os.mkfifo(root / "pipe")
    with pytest.raises(ConfigError, match=why):
        resolve(url, root)


def test_a_file_without_permission_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "deep" / "a b.mp4"

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(ConfigError, match=r"a b\.mp4`: Permission denied"):
        resolve("file:deep/a b.mp4", root)


class Listening(ProtocolPlugin):
    """Viewers reach it on a port of its own."""

    kind = "listening"
    caps = Cap.LISTEN
    listeners: ClassVar[Mapping[str, type[BaseModel]]] = {"listenings": Empty}
    url_template: ClassVar[str] = "listening://{host}:{port}/live/{code}"


def services(**ports: int) -> Services:
    made = Rig().services
    made.ports.update(ports)
    return made


def test_urls_name_the_bound_port_and_nested_codes_go_without_live() -> None:
    made = services(listening=7, http=8)
    assert made.url_of(Listening(), "news", "h") == "listening://h:7/live/news"
    assert made.url_of(Listening(), "a/b") == "listening://HOST:7/a/b"
    assert made.url_of(WordsPlugin(), "a/b", "h") == "http://h:8/a/b/live"


def test_there_is_no_url_without_a_listener_or_a_template() -> None:
    assert services().url_of(Listening(), "news") == ""
    assert services(script=7).url_of(ScriptPlugin(), "news") == ""


def test_converters_are_those_of_the_trunk_and_of_plugins_that_have_some() -> None:
    assert converter_specs([]) == {Format.MPEGTS: TRUNK}
    specs = converter_specs([WordsPlugin(), ScriptPlugin()])
    assert set(specs) == {Format.MPEGTS, Format.RTMP}


def test_a_context_carries_the_services_of_the_process() -> None:
    made = services()
    context = made.context("words")
    assert context.clock is made.clock
    assert context.avworker is made.avworker
    assert context.handshake_s == made.handshake_s
    assert context.log.name == "streamctl.words"


def test_without_a_plain_port_urls_name_the_secure_one() -> None:
    secure = services(listenings=9)
    assert secure.url_of(Listening(), "news", "h") == "listenings://h:9/live/news"
