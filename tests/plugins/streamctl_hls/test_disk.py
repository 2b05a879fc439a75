from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamctl.sdk.endpoints import Bytes, Wait
from streamctl_hls import disk as module
from streamctl_hls.disk import HOT_SEGMENTS, DiskStore
from streamctl_hls.folder import Folder
from tests.plugins.streamctl_hls.chunks import segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pytest

    from streamctl.sdk.endpoints import Reply
    from streamctl_hls.segment import Segment

    Job = Callable[[], Callable[[], None]]


@dataclass
class FakeJobs:
    """A thread that works when the test lets it."""

    limit: int = 100
    jobs: list[Job] = field(default_factory=list)
    last: Job | None = None

    def submit(self, job: Job) -> bool:
        if len(self.jobs) >= self.limit:
            return False
        self.jobs.append(job)
        return True

    def close(self, last: Job | None = None) -> None:
        self.last = last

    def work(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()()


@dataclass
class FakeFolder(Folder):
    """A disk in memory that can fail."""

    files: dict[str, bytes] = field(default_factory=dict)
    error: OSError | None = None
    closed: bool = False
    removed: list[set[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(Path("/media/news"))

    def write(self, name: str, parts: Sequence[bytes]) -> None:
        if self.error is not None:
            raise self.error
        self.files[name] = b"".join(parts)

    def read(self, name: str) -> bytes:
        if self.error is not None or name not in self.files:
            raise OSError("unreadable")
        return self.files[name]

    def remove(self, names: Iterable[str]) -> None:
        self.removed.append(set(names))
        for name in names:
            self.files.pop(name, None)

    def close(self) -> None:
        self.closed = True


class Rig:
    """A store with everything around it in the test's hands."""

    def __init__(self, *, writes: int = 100, reads: int = 100) -> None:
        self.folder = FakeFolder()
        self.writer = FakeJobs(writes)
        self.reader = FakeJobs(reads)
        self.released: list[str] = []
        self.told: list[str] = []
        self.store = DiskStore(
            self.folder, self.writer, self.reader, release=self.release, degrade=self.told.append
        )

    def release(self, segment: Segment) -> None:
        self.released.append(segment.name)
        segment.parts = ()

    def write(self, count: int) -> list[Segment]:
        segments = [segment(number) for number in range(count)]
        for one in segments:
            self.store.write(one)
        self.writer.work()
        return segments

    def ask(self, one: Segment) -> Reply:
        return self.store.reply(one, Bytes, failed)


def failed(text: str) -> Bytes:
    return Bytes(text.encode(), 503)


def test_what_is_written_leaves_memory_except_the_newest() -> None:
    rig = Rig()
    segments = rig.write(5)
    assert rig.released == ["s5_0.ts", "s5_1.ts"]
    assert len(rig.folder.files) == 5
    assert rig.store.bytes == 5000
    assert [bool(one.parts) for one in segments[-HOT_SEGMENTS:]] == [True] * HOT_SEGMENTS


def test_a_segment_stays_in_memory_until_it_is_written() -> None:
    rig = Rig()
    for number in range(10):
        rig.store.write(segment(number))
    assert rig.released == []
    assert rig.store.bytes == 0


def test_a_full_disk_is_told_and_forgotten_when_it_takes_again() -> None:
    rig = Rig()
    rig.folder.error = OSError(28, "No space left on device")
    rig.write(4)
    assert rig.released == []
    assert rig.told[-1] == (
        "can't write to `/media/news`: No space left on device; segments stay in memory"
    )
    assert rig.store.failures == 4
    rig.folder.error = None
    rig.store.write(segment(9))
    rig.writer.work()
    assert rig.told[-1] == ""


def test_a_disk_that_stands_still_holds_up_nothing() -> None:
    rig = Rig(writes=3)
    segments = [segment(number) for number in range(20)]
    for one in segments:
        rig.store.write(one)
    assert len(rig.writer.jobs) == 3
    assert rig.told[-1] == "the disk can't keep up; segments stay in memory"
    assert all(one.parts for one in segments)
    rig.store.remove(segments[:10])
    rig.writer.work()
    assert rig.store.bytes == 0
    rig.store.remove(segments[10:])
    rig.writer.work()
    assert rig.folder.files == {}


def test_segments_that_leave_are_removed_even_if_they_are_written_later() -> None:
    rig = Rig()
    one, two = segment(1), segment(2)
    rig.store.write(one)
    rig.store.write(two)
    rig.store.remove([one])
    rig.writer.work()
    assert list(rig.folder.files) == ["s5_2.ts"]
    assert rig.store.bytes == 1000
    rig.store.remove([two])
    rig.writer.work()
    assert rig.folder.files == {}
    assert rig.store.bytes == 0


def test_what_was_never_given_to_a_disk_that_stands_still_is_not_noted() -> None:
    rig = Rig(writes=3)
    segments = [segment(number) for number in range(20)]
    for one in segments:
        rig.store.write(one)
        rig.store.remove([one])
    rig.writer.work()
    assert rig.folder.removed == [{"s5_0.ts"}, {"s5_1.ts"}]
    assert rig.folder.files == {}


def test_an_old_segment_is_read_once_for_all_who_ask() -> None:
    rig = Rig()
    old = rig.write(6)[0]
    first, second = rig.ask(old), rig.ask(old)
    assert isinstance(first, Wait)
    assert second is first
    assert len(rig.reader.jobs) == 1
    rig.reader.work()
    assert first.event.is_set()
    reply = first.then()
    assert isinstance(reply, Bytes)
    assert reply.body == rig.folder.files["s5_0.ts"]
    assert rig.ask(old) is reply
    assert rig.store.cache_bytes == 1000
    rig.store.remove([old])
    assert rig.store.cache_bytes == 0


def test_what_was_read_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_BYTES", 2500)
    rig = Rig()
    for one in rig.write(9)[:5]:
        rig.ask(one)
        rig.reader.work()
    assert rig.store.cache_bytes == 2000


def test_an_unreadable_segment_is_answered() -> None:
    rig = Rig()
    old = rig.write(6)[0]
    rig.folder.error = OSError(5, "Input/output error")
    wait = rig.ask(old)
    assert isinstance(wait, Wait)
    rig.reader.work()
    reply = wait.then()
    assert isinstance(reply, Bytes)
    assert (reply.status, reply.body) == (503, b"the disk did not answer")


def test_a_crowd_that_seeks_is_bounded() -> None:
    rig = Rig(reads=2)
    replies = [rig.ask(one) for one in rig.write(9)[:4]]
    assert [type(reply) for reply in replies] == [Wait, Wait, Bytes, Bytes]


def test_closing_cleans_the_folder_and_answers_those_who_wait() -> None:
    rig = Rig()
    old = rig.write(6)[0]
    wait = rig.ask(old)
    assert isinstance(wait, Wait)
    rig.store.close()
    assert wait.event.is_set()
    reply = wait.then()
    assert isinstance(reply, Bytes)
    assert reply.status == 503
    assert rig.writer.last is not None
    rig.writer.last()()
    assert rig.folder.closed
