from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from streamctl_hls import folder as module
from streamctl_hls.folder import Folder, write_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_segment_is_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "news"
    folder = Folder(path)
    folder.write("s5_1.ts", (b"one", b"two"))
    assert names(path) == ["s5_1.ts"]
    assert folder.read("s5_1.ts") == b"onetwo"
    folder.remove({"s5_1.ts", "s5_0.ts"})
    assert names(path) == []


def test_leftovers_are_removed_by_their_names_and_nothing_else(tmp_path: Path) -> None:
    mine = ["s1_1.ts", "s2_77.ts", "s2_78.ts.part"]
    others = ["movie.ts", "s1_1.ts.bak", "index.m3u8", "s1_x.ts"]
    for name in [*mine, *others]:
        (tmp_path / name).write_bytes(b"old")
    (tmp_path / "s3_1.ts").mkdir()
    (tmp_path / "s4_1.ts").symlink_to(tmp_path / "movie.ts")
    Folder(tmp_path).write("s5_1.ts", (b"new",))
    assert names(tmp_path) == sorted([*others, "s3_1.ts", "s4_1.ts", "s5_1.ts"])


def test_closing_leaves_nothing_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "news"
    folder = Folder(path)
    folder.write("s5_1.ts", (b"x",))
    folder.close()
    folder.close()
    assert not path.exists()
    other = Folder(tmp_path / "more")
    other.write("s5_1.ts", (b"x",))
    (tmp_path / "more" / "notes.txt").write_text("keep me")
    other.close()
    assert names(tmp_path / "more") == ["notes.txt"]


def test_closing_what_was_never_used_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "s5_1.ts").write_bytes(b"somebody else's")
    Folder(tmp_path).close()
    assert names(tmp_path) == ["s5_1.ts"]


def test_a_folder_has_one_owner_until_it_lets_go(tmp_path: Path) -> None:
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.write("s5_1.ts", (b"x",))
    with pytest.raises(OSError, match="another process writes there"):
        second.write("s6_1.ts", (b"y",))
    assert names(tmp_path) == ["s5_1.ts"]
    first.close()
    second.write("s6_1.ts", (b"y",))
    assert names(tmp_path) == ["s6_1.ts"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "news"
    folder = Folder(path)
    folder.write("s5_1.ts", (b"x",))
    (path / "s5_1.ts").unlink()
    path.rmdir()
    with pytest.raises(FileNotFoundError):
        folder.write("s5_2.ts", (b"x",))
    folder.write("s5_3.ts", (b"x",))
    folder.write("s5_4.ts", (b"x",))
    assert names(path) == ["s5_3.ts", "s5_4.ts"]


def test_a_full_disk_leaves_no_half_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    folder.write("s5_1.ts", (b"x",))

    def full(file: int, parts: Sequence[bytes]) -> None:
        os.write(file, parts[0])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_all", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write("s5_2.ts", (b"x",))
    assert names(tmp_path) == ["s5_1.ts"]


def test_a_link_in_place_of_a_segment_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "s5_1.ts").symlink_to(secret)
    (tmp_path / "s5_2.ts.part").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        Folder(tmp_path).read("s5_1.ts")
    with pytest.raises(OSError, match="symbolic links"):
        Folder(tmp_path).write("s5_2.ts", (b"x",))
    assert secret.read_text() == "secret"


def test_a_path_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "news").write_text("a file")
    with pytest.raises(OSError, match=r"exists|directory"):
        Folder(tmp_path / "news").write("s5_1.ts", (b"x",))


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_everything_is_written_however_little_is_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    taken = bytearray()

    def little(file: int, parts: Sequence[bytes]) -> int:
        data = b"".join(parts)[:at_once]
        taken.extend(data)
        return len(data)

    monkeypatch.setattr(os, "writev", little)
    write_all(0, [b"abc", b"", b"defgh", b"i"])
    assert taken == b"abcdefghi"


def test_more_parts_than_one_call_takes_are_written(tmp_path: Path) -> None:
    parts = tuple(str(number).encode() for number in range(3000))
    folder = Folder(tmp_path)
    folder.write("s5_1.ts", parts)
    assert folder.read("s5_1.ts") == b"".join(parts)
