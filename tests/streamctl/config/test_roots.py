from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.config.load import parse, read_document
from streamctl.config.model import Config
from streamctl.errors import ConfigErrors
from streamctl.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = Registry()


def config(url: str, *roots: Path | str) -> str:
    names = ", ".join(f'"{root}"' for root in roots)
    return f'[server]\nmedia_roots = [{names}]\n[streams.a]\ninputs = ["{url}"]\n'


@pytest.mark.parametrize("url", ["file:{0}/../secret", "file:../secret", "/etc/passwd"])
def test_an_input_outside_the_roots_is_refused_with_its_line(tmp_path: Path, url: str) -> None:
    root = tmp_path / "media"
    with pytest.raises(ConfigErrors, match="outside the media roots") as caught:
        parse(config(url.format(root), root), "s.toml", REGISTRY, {})
    assert (caught.value.file, caught.value.line) == ("s.toml", 4)
    assert caught.value.key == "streams.a.inputs[0]"
    assert "server.media_roots" in caught.value.hint


def test_the_same_goes_for_a_stream_of_the_api() -> None:
    with pytest.raises(ConfigErrors, match="outside the media roots"):
        read_document("a", {"inputs": ["file:/etc/passwd"]}, Config(), REGISTRY, {})


def test_files_that_may_come_later_are_taken(tmp_path: Path) -> None:
    for url in ("file:later.mp4", f"file:{tmp_path}/deep/later.mp4", f"file:{tmp_path}/a/../b"):
        assert parse(config(url, "/nowhere", tmp_path), "s.toml", REGISTRY, {}).streams


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for url, root in (("real", "link"), ("link", "real")):
        text = config(f"file:{tmp_path / url}/a.mp4", tmp_path / root)
        assert parse(text, "s.toml", REGISTRY, {}).streams


def test_without_a_home_a_tilde_is_no_path() -> None:
    with pytest.raises(ConfigErrors, match="no usable path"):
        parse(config("file:~nobody-of-this-name/a.mp4", "."), "s.toml", REGISTRY, {})
