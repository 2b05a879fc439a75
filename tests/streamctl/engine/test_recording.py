from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from streamctl.engine.recording import RecordingFile
from streamctl.errors import ConfigError, StreamctlError

if TYPE_CHECKING:
    from pathlib import Path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "a.ts")
    file.open()
    file.write(b"one")
    assert names(tmp_path) == ["a.ts.part"]
    file.write(b"two")
    file.write(b"ON", at=0)
    file.commit()
    file.commit()
    assert names(tmp_path) == ["a.ts"]
    assert (tmp_path / "a.ts").read_bytes() == b"ONetwo"
    assert file.size == 6
    assert file.committed


def test_nothing_leaves_nothing(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "a.ts")
    file.open()
    file.commit()
    assert names(tmp_path) == []
    assert not file.committed


@pytest.mark.parametrize(("name", "what"), [("a.ts", "the file"), ("a.ts.part", "unfinished")])
def test_nothing_is_replaced_unasked(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(ConfigError, match=what) as caught:
        RecordingFile(tmp_path / "a.ts").open()
    assert "--force" in caught.value.hint
    assert (tmp_path / name).read_bytes() == b"precious"
    file = RecordingFile(tmp_path / "a.ts", force=True)
    file.open()
    file.write(b"new")
    file.commit()
    assert names(tmp_path) == ["a.ts"]
    assert (tmp_path / "a.ts").read_bytes() == b"new"


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "a.ts")
    file.open()
    file.write(b"new")
    (tmp_path / "a.ts").write_bytes(b"precious")
    with pytest.raises(StreamctlError, match="can't rename"):
        file.commit()
    assert (tmp_path / "a.ts").read_bytes() == b"precious"
    assert (tmp_path / "a.ts.part").read_bytes() == b"new"


def test_a_disk_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*names: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", unable)
    for taken in (False, True):
        file = RecordingFile(tmp_path / "b.ts" if taken else tmp_path / "a.ts")
        file.open()
        file.write(b"new")
        if taken:
            file.path.write_bytes(b"precious")
            with pytest.raises(StreamctlError, match="exists"):
                file.commit()
        else:
            file.commit()
            assert file.path.read_bytes() == b"new"


def test_only_regular_files_are_written(tmp_path: Path) -> None:
    (tmp_path / "dir.ts").mkdir()
    os.mkfifo(tmp_path / "pipe.ts")
    for name in ("dir.ts", "pipe.ts"):
        with pytest.raises(ConfigError, match="not a regular file"):
            RecordingFile(tmp_path / name, force=True).open()
    with pytest.raises(StreamctlError, match=r"can't create .*no such file"):
        RecordingFile(tmp_path / "absent" / "a.ts").open()


def test_a_full_disk_is_said_and_keeps_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RecordingFile(tmp_path / "a.ts")
    file.open()
    file.write(b"kept")
    real = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if offset >= 6:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:2], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StreamctlError, match=r"can't write .*a.ts.part`: no space left"):
        file.write(b"more")
    file.commit()
    assert (tmp_path / "a.ts").read_bytes() == b"keptmo"
