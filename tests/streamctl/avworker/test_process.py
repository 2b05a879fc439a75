from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from streamctl.avworker import wire
from streamctl.avworker.process import Child, cause_of_death, failure, last_line, spawn, wire_check
from streamctl.avworker.wire import Failure, FailureKind, Record, RecordType
from streamctl.errors import ConnectionFailed, MediaError
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.anyio


class EndedProcess:
    """A process that has ended by itself."""

    pid = 1
    returncode = 3

    async def wait(self) -> int:
        return self.returncode


@pytest.fixture
def words() -> Iterator[int]:
    descriptor = os.memfd_create("words")
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def pair(words: int) -> Iterator[tuple[Child, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Child(cast("Process", EndedProcess()), ours, words), theirs


async def test_heartbeats_are_not_handed_out(pair: tuple[Child, socket.socket]) -> None:
    child, theirs = pair
    records = [Record(RecordType.HEARTBEAT), Record(RecordType.END), Record(RecordType.REPORT)]
    theirs.sendall(b"".join(record.serialize() for record in records))
    assert (await child.receive()).type is RecordType.END
    assert (await child.receive()).type is RecordType.REPORT


async def test_a_reported_failure_is_raised(pair: tuple[Child, socket.socket]) -> None:
    child, theirs = pair
    report = Failure(FailureKind.MEDIA, "broken", "mend it")
    theirs.sendall(wire.failed_record(report).serialize())
    with pytest.raises(MediaError, match="broken") as caught:
        await child.receive()
    assert caught.value.hint == "mend it"


async def test_nonsense_is_a_media_error(pair: tuple[Child, socket.socket]) -> None:
    child, theirs = pair
    theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(MediaError, match="nonsense"):
        await child.receive()


async def test_the_end_of_the_channel_tells_how_the_child_ended(
    pair: tuple[Child, socket.socket], words: int
) -> None:
    child, theirs = pair
    os.write(words, b"Traceback\n  ...\nMemoryError\n\n")
    theirs.close()
    with pytest.raises(MediaError, match="ended with code 3: MemoryError"):
        await child.receive()
    with pytest.raises(MediaError, match="ended with code 3"):
        await child.send(Record(RecordType.JOB).serialize())


async def test_a_child_says_what_was_wrong_with_its_job(words: int) -> None:
    child = await spawn(words)
    await child.send(wire.job_record(wire.MuxJob("mp4")).serialize() + b"\xff" * 5)
    wire_check(await child.receive())
    with pytest.raises(MediaError, match="the parent sent nonsense: record too large"):
        await child.receive()
    await child.reap()


async def test_who_still_waits_when_the_child_is_reaped_is_told(
    pair: tuple[Child, socket.socket],
) -> None:
    child, _ = pair
    told: list[str] = []

    async def wait(call: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(MediaError) as caught:
            await call()
        told.append(str(caught.value))

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, child.receive)
            tasks.start_soon(wait, lambda: child.send(bytes(10_000_000)))
            await anyio.wait_all_tasks_blocked()
            await child.reap()
    assert told == ["the media process ended with code 3"] * 2


async def test_a_child_that_was_reaped_can_be_asked(
    pair: tuple[Child, socket.socket], words: int
) -> None:
    child, _ = pair
    os.write(words, b"whoever has this descriptor now")
    await child.reap()
    for call in (child.receive, lambda: child.send(b"x")):
        with pytest.raises(MediaError, match=r"ended with code 3$"):
            await call()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "closed its channel"),
        (0, "ended with code 0"),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-99, "was killed by signal 99"),
    ],
)
def test_return_codes_in_words(code: int | None, words: str) -> None:
    assert cause_of_death(code) == words


@pytest.mark.parametrize(
    ("text", "last"),
    [(b"", ""), (b"one\ntwo\n\n", "two"), (b"\xff\n" * 9000, "\N{REPLACEMENT CHARACTER}")],
)
def test_the_last_line_of_standard_error(words: int, text: bytes, last: str) -> None:
    os.write(words, text)
    assert last_line(words) == last


def test_failures_keep_their_branch() -> None:
    refused = failure(wire.failed_record(Failure(FailureKind.CONNECTION, "refused")))
    assert isinstance(refused, ConnectionFailed)
    malformed = failure(Record(RecordType.FAILED, b"{}"))
    assert isinstance(malformed, MediaError)


def test_a_child_of_another_version_is_refused_for_good() -> None:
    with pytest.raises(MediaError, match="another version") as caught:
        wire_check(Record(RecordType.HELLO, b'{"version":0}'))
    assert caught.value.permanent
    assert "restart" in caught.value.hint
