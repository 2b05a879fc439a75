"""Bodies as files in memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from streamctl.net import memory_file
from streamctl.net.memory_file import (
    ASKED,
    IDLE_S,
    MAX_BYTES,
    MIN_BYTES,
    TOTAL_BYTES,
    WATCHED_MAX,
    MemoryFile,
    MemoryFiles,
)
from streamctl.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence


def content(file: MemoryFile) -> bytes:
    return os.pread(file.fd, 1 << 25, 0)


def asked(files: MemoryFiles, body: bytes | Sequence[bytes]) -> MemoryFile | None:
    """Ask as often as a file takes."""
    for _ in range(ASKED - 1):
        files.get(body)
    return files.get(body)


def test_a_file_holds_its_parts_in_order() -> None:
    parts = [bytes((number % 251,)) * (number % 7) for number in range(2000)]
    assert content(MemoryFile(parts)) == b"".join(parts)


def test_a_file_ends_with_its_last_reference() -> None:
    file = MemoryFile([b"x"])
    fd = file.fd
    os.fstat(fd)
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_the_system_writes_in_turns_is_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "writev", lambda fd, parts: os.write(fd, b"".join(parts)[:3]))
    assert content(MemoryFile([b"01", b"23", b"456789"])) == b"0123456789"


def test_a_body_gets_its_file_once_it_has_been_asked_for_a_few_times() -> None:
    files = MemoryFiles(FakeClock())
    body = (bytes(MIN_BYTES), b"end")
    assert [files.get(body) for _ in range(ASKED - 1)] == [None] * (ASKED - 1)
    file = files.get(body)
    assert file is not None
    assert content(file) == b"".join(body)
    assert files.get(body) is file
    assert (len(files), files.bytes) == (1, MIN_BYTES + 3)


def test_they_hold_no_more_than_there_is_room_for() -> None:
    files = MemoryFiles(FakeClock())
    bodies = [bytearray(MIN_BYTES) for _ in range(4)]
    shared = [bytes(body) for body in bodies]
    for body in shared:
        asked(files, body)
    files.bound(3 * MIN_BYTES - 1)
    assert (len(files), files.bytes) == (2, 2 * MIN_BYTES)
    assert files.get(shared[3]) is not None
    assert asked(files, shared[0]) is not None
    assert len(files) == 2
    files.bound(-1)
    assert (len(files), files.bytes) == (0, 0)
    assert asked(files, shared[0]) is None
    files.bound(2 * TOTAL_BYTES)
    assert files.most == TOTAL_BYTES
    assert asked(files, shared[0]) is not None


@pytest.mark.parametrize("size", [0, MIN_BYTES - 1, MAX_BYTES + 1])
def test_bodies_that_gain_nothing_get_none(size: int) -> None:
    assert asked(MemoryFiles(FakeClock()), bytes(size)) is None


def test_files_that_nobody_asks_for_go() -> None:
    clock = FakeClock()
    files = MemoryFiles(clock)
    one, two = bytes(MIN_BYTES), bytearray(MIN_BYTES)
    asked(files, one)
    clock.advance(IDLE_S / 2)
    asked(files, bytes(two))
    files.get(one)
    clock.advance(IDLE_S * 0.75)
    assert len(files) == 2
    clock.advance(IDLE_S * 2)
    assert (len(files), files.bytes) == (0, 0)
    assert asked(files, one) is not None, "and come back"


def test_the_oldest_files_make_room() -> None:
    files = MemoryFiles(FakeClock())
    bodies = [bytes(MAX_BYTES) for _ in range(TOTAL_BYTES // MAX_BYTES + 1)]
    for body in bodies:
        assert asked(files, body) is not None
    assert files.bytes == TOTAL_BYTES
    assert files.get(bodies[-1]) is not None
    assert files.get(bodies[0]) is None


def test_only_so_many_bodies_are_counted() -> None:
    files = MemoryFiles(FakeClock())
    first = bytes(MIN_BYTES)
    files.get(first)
    others = [bytes(MIN_BYTES) for _ in range(WATCHED_MAX)]
    for body in others:
        files.get(body)
    for _ in range(ASKED - 1):
        assert files.get(first) is None
    assert files.get(first) is not None


def test_without_room_bodies_are_sent_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str, flags: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", none)
    files = MemoryFiles(FakeClock())
    assert asked(files, bytes(MIN_BYTES)) is None
    assert len(files) == 0


def test_clear_lets_everything_go() -> None:
    clock = FakeClock()
    files = MemoryFiles(clock)
    asked(files, bytes(MIN_BYTES))
    files.clear()
    files.clear()
    assert (len(files), files.bytes) == (0, 0)
    clock.advance(IDLE_S * 3)


def test_limits_make_sense() -> None:
    assert os.sysconf("SC_IOV_MAX") >= memory_file.VECTORS
