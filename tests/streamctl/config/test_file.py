from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from streamctl.config.file import ConfigFile, version
from streamctl.errors import ConfigError, Conflict
from streamctl.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = Registry()
TEXT = '[streams.news]\r\ninputs = ["publish:"]\r\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "streams.toml"
    path.write_bytes(TEXT.encode())
    return path


def names(directory: Path) -> list[str]:
    return [one.name for one in directory.iterdir()]


def loaded(path: Path) -> ConfigFile:
    file = ConfigFile(path)
    file.load(REGISTRY)
    return file


def test_the_text_is_kept_as_it_stands(path: Path) -> None:
    file = ConfigFile(path)
    assert list(file.load(REGISTRY).streams) == ["news"]
    assert file.text == TEXT
    assert version(file.text) == version(TEXT) != version(TEXT + " ")


def test_what_is_wrong_names_the_file_and_changes_nothing(path: Path) -> None:
    file = loaded(path)
    path.write_text("[streams.news]\ninpts = []\n")
    with pytest.raises(ConfigError, match=r"streams\.toml"):
        file.load(REGISTRY)
    assert file.text == TEXT
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        file.look()


def test_a_pipe_in_its_place_is_not_waited_for(path: Path) -> None:
    file = loaded(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="not a regular file"):
        file.look()
    with pytest.raises(Conflict):
        file.replace("# ours\n")


def test_a_replacement_is_whole_and_keeps_mode_and_owner(path: Path) -> None:
    file = loaded(path)
    path.chmod(0o640)
    before = path.stat()
    file.replace("# other\n")
    after = path.stat()
    assert path.read_bytes() == b"# other\n"
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert names(path.parent) == ["streams.toml"]
    file.replace("# once more\n")
    assert file.text == "# once more\n"


def test_the_target_of_a_link_is_replaced_and_not_the_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "etc" / "current.toml"
    link.parent.mkdir()
    link.symlink_to("../streams.toml")
    file = loaded(link)
    file.replace("# other\n")
    assert link.is_symlink()
    assert path.read_bytes() == b"# other\n"


@pytest.mark.parametrize("change", ["edited", "gone", "other link"])
def test_a_file_that_was_changed_since_is_left_alone(
    path: Path, tmp_path: Path, change: str
) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    file = loaded(link)
    if change == "edited":
        path.write_text("# by hand\n")
    elif change == "gone":
        link.unlink()
    else:
        other = tmp_path / "other.toml"
        other.write_text("# by hand\n")
        link.unlink()
        link.symlink_to(other)
    with pytest.raises(Conflict, match="was changed"):
        file.replace("# ours\n")
    assert file.text == TEXT
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_a_change_while_it_is_written_is_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = loaded(path)
    sync = os.fsync

    def fsync(number: int) -> None:
        path.write_text("# by hand\n")
        sync(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Conflict):
        file.replace("# ours\n")
    assert path.read_text() == "# by hand\n"
    assert names(path.parent) == ["streams.toml"]


@pytest.mark.parametrize("text", ["# ours\n", TEXT + "# ours\n", ""])
def test_a_file_that_is_mounted_is_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    file = loaded(path)

    def replace(*arguments: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr("pathlib.Path.replace", replace)
    before = path.stat().st_ino
    file.replace(text)
    assert path.read_bytes() == text.encode()
    assert path.stat().st_ino == before
    assert names(path.parent) == ["streams.toml"]


@pytest.mark.parametrize("call", ["fchown", "fsync", "fchmod"])
def test_what_can_not_be_written_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    file = loaded(path)

    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(ConfigError, match="can't be written: operation not permitted"):
        file.replace("# ours\n")
    assert path.read_bytes() == TEXT.encode()
    assert names(path.parent) == ["streams.toml"]
