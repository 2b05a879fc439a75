from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from streamctl_srt.sender import DROP_MS, LEAST_BURST, STEP_S, TURN_BYTES, Outbox, Sender
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from streamctl_srt.endpoint import Endpoint


class FakeLibrary:
    """Takes messages as libsrt does, and holds them until they are acknowledged."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.held_ms = 0
        self.held_bytes = 0
        self.looked = 0
        """How often somebody asked what is held."""
        self.room = 1 << 40
        self.failure = 6001

    def srt_sendmsg(self, number: int, address: int, size: int, ttl: int, order: int) -> int:
        if self.room < size:
            return -1
        self.room -= size
        self.messages.append(ctypes.string_at(address, size))
        return size

    def srt_getsndbuffer(self, number: int, blocks: Any, size: Any) -> int:
        self.looked += 1
        size._obj.value = self.held_bytes
        return self.held_ms

    def code(self) -> int:
        return self.failure


class FakeEndpoint:
    def __init__(self) -> None:
        self.library = FakeLibrary()
        self.number = 7
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Owner:
    def __init__(self) -> None:
        self.drains = 0
        self.reasons: list[str] = []

    def drained(self) -> None:
        self.drains += 1

    def broken(self, reason: str) -> None:
        self.reasons.append(reason)


def outbox(payload: int = 1316) -> tuple[Outbox, FakeLibrary]:
    endpoint = FakeEndpoint()
    return Outbox(cast("Endpoint", endpoint), payload, Owner()), endpoint.library


def test_bytes_are_cut_into_messages() -> None:
    box, library = outbox()
    data = bytes(range(256)) * 12
    box.put(data)
    box.put(b"rest")
    assert box.queued == len(data) + 4
    assert box.pump(0.0) is None
    assert [len(one) for one in library.messages] == [1316, 1316, 440, 4]
    assert b"".join(library.messages) == data + b"rest"
    assert (box.queued, box.sent) == (0, len(data) + 4)


def test_no_more_than_the_rate_is_sent() -> None:
    box, library = outbox()
    box.rate = 1_000_000
    box.put(bytes(10_000_000))
    now, sent = 100.0, []
    for _ in range(200):
        assert box.pump(now) == STEP_S
        sent.append(box.sent)
        now += STEP_S
    assert sent[0] <= LEAST_BURST * 2
    assert sent[-1] - sent[0] == pytest.approx(995_000, abs=2000)
    assert max(map(len, library.messages)) == 1316


def test_what_was_not_used_of_the_rate_is_kept_for_a_moment_only() -> None:
    box, _ = outbox()
    box.rate = 1_000_000
    box.put(bytes(10))
    box.pump(100.0)
    box.put(bytes(10_000_000))
    box.pump(200.0)
    assert box.sent <= 10 + 100_000 + 1316


def test_without_a_rate_others_have_their_turn() -> None:
    box, _ = outbox()
    box.put(bytes(10_000_000))
    assert box.pump(0.0) == STEP_S
    assert TURN_BYTES <= box.sent <= TURN_BYTES + 1316


def test_nothing_is_sent_while_too_much_is_unacknowledged() -> None:
    box, library = outbox()
    library.held_ms, library.held_bytes = DROP_MS, 5000
    box.put(bytes(1316))
    assert box.pump(0.0) == STEP_S
    assert library.messages == []
    assert box.held_bytes == 5000
    library.held_ms = 20
    assert box.pump(1.0) is None
    assert len(library.messages) == 1


def test_a_long_latency_leaves_more_time_for_acknowledgements() -> None:
    box, library = outbox()
    box.latency_ms, library.held_ms = 3000, 2000
    box.put(bytes(1316))
    assert box.pump(0.0) is None
    library.held_ms = 2500
    box.put(bytes(1316))
    assert box.pump(1.0) == STEP_S


def test_a_full_buffer_is_tried_again_at_the_same_place() -> None:
    box, library = outbox()
    library.room = 2000
    data = bytes(range(250)) * 20
    box.put(data)
    assert box.pump(0.0) == STEP_S
    assert box.sent == 1316
    library.room = 1 << 40
    assert box.pump(1.0) is None
    assert b"".join(library.messages) == data


def test_a_connection_that_broke_keeps_nothing() -> None:
    box, library = outbox()
    library.room, library.failure = 1316, 2001
    box.put(bytes(5000))
    box.put(bytes(5000))
    box.pump(0.0)
    box.pump(1.0)
    assert box.queued == 0
    assert box.finished(1.0)
    box.put(bytes(100))
    assert box.pump(2.0) is None
    assert box.queued == 0


def test_a_peer_gets_the_time_that_it_holds_media_back() -> None:
    box, library = outbox()
    box.latency_ms = 200
    box.put(bytes(1316))
    assert not box.finished(0.0)
    box.pump(0.0)
    library.held_bytes = 1316
    assert not box.finished(0.1)
    library.held_bytes = 0
    assert not box.finished(0.2)
    assert not box.finished(0.41)
    assert box.finished(0.43)


@pytest.mark.anyio
async def test_a_connection_that_is_closed_sends_what_it_has() -> None:
    sender, (box, library) = Sender("test"), outbox()
    sender.add(box)
    box.put(bytes(5000))
    library.held_bytes = 10
    sender.close(box, 600.0)
    await until(lambda: library.looked > 3)
    endpoint = cast("FakeEndpoint", box.endpoint)
    assert not endpoint.closed
    library.held_bytes = 0
    with anyio.fail_after(PATIENCE_S):
        await sender.stop()
    assert endpoint.closed
    assert sum(map(len, library.messages)) == 5000


@pytest.mark.anyio
async def test_a_connection_that_does_not_drain_is_closed_in_time() -> None:
    sender, (box, library) = Sender("test"), outbox()
    sender.add(box)
    library.held_ms = DROP_MS
    box.put(bytes(5000))
    with anyio.fail_after(PATIENCE_S):
        await sender.stop()
    assert cast("FakeEndpoint", box.endpoint).closed
    assert library.messages == []


@pytest.mark.anyio
async def test_an_owner_hears_of_room_once() -> None:
    sender, (box, _) = Sender("test"), outbox()
    sender.add(box)
    box.put(bytes(1_000_000))
    box.full = box.queued > box.limit
    assert box.full
    sender.wake()
    owner = cast("Owner", box.owner)
    await until(lambda: owner.drains)
    assert box.queued <= box.limit / 4
    assert not box.full
    await sender.stop()
    assert owner.drains == 1


@pytest.mark.anyio
async def test_a_thread_that_ends_early_takes_its_connections_along() -> None:
    sender, (box, _), (late, _) = Sender("test"), outbox(), outbox()
    assert sender.alive
    sender.add(box)
    box.pump = broken  # type: ignore[method-assign]
    sender.wake()
    owner = cast("Owner", box.owner)
    await until(lambda: owner.reasons)
    assert cast("FakeEndpoint", box.endpoint).closed
    assert owner.reasons == ["nothing is sent over SRT any more"]
    await until(lambda: not sender.alive)
    sender.add(late)
    with anyio.fail_after(PATIENCE_S):
        await sender.stop()
    assert cast("FakeEndpoint", late.endpoint).closed


def broken(now: float) -> float | None:
    raise ZeroDivisionError("a bug")
