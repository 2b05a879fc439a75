from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from streamctl.sdk.session import Action, Grant, Request
from streamctl_srt.admission import Admitted
from streamctl_srt.connection import Connection
from streamctl_srt.settings import Settings
from streamctl_srt.structs import Perf
from streamctl_srt.wire.streamid import StreamId
from tests.plugins.streamctl_srt.world import World, chunk

if TYPE_CHECKING:
    from streamctl_srt.endpoint import Endpoint
    from streamctl_srt.port import Port

pytestmark = pytest.mark.anyio
ADDRESS = ("10.0.0.1", 5000)
SECOND = 25
"""Chunks of 40 ms."""


class FakeEndpoint:
    """A connection that counts what it is told to."""

    number = 7

    def __init__(self) -> None:
        self.perf: Perf | None = Perf()

    def measure(self) -> Perf | None:
        return self.perf

    def number_of(self, option: object) -> int:
        return 0x10501


def viewer(world: World, endpoint: FakeEndpoint) -> Connection:
    """A viewer of two seconds of a stream, on a port without a library."""
    world.append(*(chunk(number, rap=not number) for number in range(2 * SECOND)))
    port = SimpleNamespace(
        gate=world,
        ctx=world.ctx,
        settings=Settings(),
        sender=SimpleNamespace(wake=lambda: None, close=lambda outbox, within_s: None),
        leave=lambda connection: None,
    )
    asked = StreamId.parse("read:news")
    grant = Grant("news", Request("srt", Action.PLAY, "news", *ADDRESS), world.options["news"])
    admitted = Admitted(ADDRESS, asked, {Action.PLAY: grant}, None, 0.0)
    connection = Connection(cast("Port", port), cast("Endpoint", endpoint), ADDRESS, admitted)
    connection.start()
    return connection


async def test_what_libsrt_throws_away_is_a_skip_of_the_session() -> None:
    world, endpoint = World(), FakeEndpoint()
    connection = viewer(world, endpoint)
    connection.tick()
    (session,) = world.sessions
    assert (session.skips, session.skipped_items) == (0, 0)
    for dropped, skips in ((3, 1), (3, 1), (8, 2)):
        endpoint.perf = Perf(pktSndDropTotal=dropped, msSndTsbPdDelay=250)
        connection.tick()
        assert (session.skips, session.skipped_items) == (skips, dropped)
    assert connection.outbox.latency_ms == 250
    endpoint.perf = None
    connection.tick()
    assert session.skips == 2


async def test_a_joiner_gets_what_it_has_missed_at_twice_the_rate() -> None:
    world = World()
    connection = viewer(world, FakeEndpoint())
    assert connection.outbox.queued == (2 * SECOND * 7 + 1) * 188
    assert connection.outbox.rate == 2 * world.fanout.bytes_per_second() > 0


async def test_who_has_left_is_given_nothing_more() -> None:
    world = World()
    connection = viewer(world, FakeEndpoint())
    connection.broken("gone")
    connection.broken("gone again")
    connection.received(b"late")
    connection.tick()
    assert [reason for _, reason in world.ended] == ["gone"]
    assert world.fanout.viewers == {}
    assert connection.unsent() == connection.outbox.queued
