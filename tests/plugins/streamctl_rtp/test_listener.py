"""The shared port: who is taken, where it goes, and what is forgotten."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from streamctl.errors import ConnectionFailed
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.rtcp import Bye, ReceiverReport, SenderReport, ntp_time
from streamctl.sdk.session import Transit
from streamctl.testing.clock import FakeClock
from streamctl.testing.gate import BareContext
from streamctl_rtp.listener import MAX_EARLY, MAX_UNPROVEN, REFUSED_S, Hall, RtpListener
from streamctl_rtp.options import RtpListenerOptions
from streamctl_rtp.switchboard import Inlet, Switchboard
from streamctl_rtp.wire.intake import Intake
from tests.plugins.streamctl_rtp.world import HOST, TS, OpenGate, Writer, name, rtp
from tests.support.steady import SteadyClock
from tests.support.waiting import until

if TYPE_CHECKING:
    from streamctl.sdk.endpoints import Address


class Port:
    """Implements the sending side of a receiver; remembers."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Address]] = []

    def send(self, data: bytes, address: Address) -> None:
        self.sent.append((data, address))


class World:
    """A hall with everything around it."""

    def __init__(self, *codes: str, **options: Any) -> None:
        self.clock = FakeClock()
        self.gate = OpenGate(*codes)
        self.switchboard = Switchboard()
        options.setdefault("stream", "rtp/{ip}")
        self.hall = Hall(
            self.gate, RtpListenerOptions(**options), BareContext(self.clock), self.switchboard
        )
        self.media, self.reports = Port(), Port()
        self.hall.media = self.media  # type: ignore[assignment] # sends, and does nothing else
        self.hall.reports = self.reports  # type: ignore[assignment] # as well

    def media_from(self, sender: bytes, *datagrams: bytes) -> None:
        self.hall.take_media((sender, memoryview(data)) for data in datagrams)

    def reports_from(self, sender: bytes, *datagrams: bytes) -> None:
        self.hall.take_reports((sender, memoryview(data)) for data in datagrams)

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)
            self.hall.tick()

    def wait(self, *ssrcs: int, networks: tuple[str, ...] = ()) -> tuple[Inlet, Writer]:
        writer = Writer()
        inlet = Inlet(ssrcs, tuple(map(ip_network, networks)), Intake(5, 0.1), writer)
        self.switchboard.wait(inlet)
        return inlet, writer


CODE = "rtp/127-0-0-1"


def test_a_source_counts_once_two_packets_follow_each_other() -> None:
    world = World(CODE)
    world.media_from(name(), rtp(1), rtp(9), rtp(8))
    assert world.gate.requests == []
    world.media_from(name(), rtp(9))
    (session,) = world.gate.sessions
    assert (session.ip, session.port, session.code) == (HOST, 5000, CODE)
    assert session.bytes_in == 2 * len(rtp(0))
    assert world.gate.writer.data == TS * 2
    world.media_from(name(), rtp(10), rtp(11))
    assert world.gate.writer.data == TS * 4
    assert session.measure()["tracks"]
    assert session.transit() == Transit(), "MPEG-TS counts for itself"


def test_a_stream_that_nobody_has_leaves_its_sender_out_for_a_while() -> None:
    world = World()
    world.media_from(name(), *(rtp(number) for number in range(50)))
    assert len(world.gate.requests) == 1
    assert world.gate.admitted == world.gate.released == 1
    world.pass_s(REFUSED_S)
    world.media_from(name(), rtp(50), rtp(51))
    assert len(world.gate.requests) == 2


@pytest.mark.parametrize("fault", ["full", "busy"])
def test_a_gate_that_is_full_or_a_stream_that_is_taken_refuses(fault: str) -> None:
    world = World(CODE)
    setattr(world.gate, fault, True)
    world.media_from(name(), rtp(1), rtp(2), rtp(3))
    assert not world.gate.writer.data
    assert world.gate.admitted == world.gate.released
    assert len(world.gate.reasons) == (fault == "busy")


def test_another_host_does_not_join_a_publisher() -> None:
    world = World("one", stream="one")
    world.media_from(name(), rtp(1), rtp(2))
    world.media_from(name("192.0.2.9"), *(rtp(number, ssrc=8) for number in range(9)))
    assert world.gate.writer.data == TS * 2
    world.media_from(name(port=5002), rtp(1, ssrc=9), rtp(2, ssrc=9))
    assert len(world.hall.groups) == 2


def test_without_a_template_nobody_publishes() -> None:
    world = World(CODE, stream="")
    world.media_from(name(), rtp(1), rtp(2))
    assert world.gate.requests == []


def test_an_input_that_waits_comes_first() -> None:
    world = World(CODE)
    by_network, second = world.wait(networks=("127.0.0.0/8",))
    _, first = world.wait(7)
    world.media_from(name(), rtp(1), rtp(2))
    world.media_from(name(), rtp(1, ssrc=8), rtp(2, ssrc=8))
    world.media_from(name("10.0.0.1"), rtp(1, ssrc=8), rtp(2, ssrc=8))
    assert first.data == second.data == TS * 2
    assert by_network.came
    assert [request.path for request in world.gate.requests] == ["rtp/10-0-0-1"]


def test_an_input_that_comes_to_wait_is_found_at_once() -> None:
    world = World(stream="")
    world.media_from(name(), rtp(1), rtp(2), rtp(3))
    _, writer = world.wait(7)
    world.pass_s(0.25)
    world.media_from(name(), rtp(4), rtp(5))
    assert writer.data == TS * 2


def test_an_input_whose_epoch_has_ended_hears_of_it() -> None:
    world = World()
    inlet, writer = world.wait(7)
    world.media_from(name(), rtp(1), rtp(2))
    writer.stale = True
    world.media_from(name(), rtp(3))
    assert inlet.ended.is_set()
    assert "epoch" in str(inlet.error)
    world.switchboard.leave(inlet)
    world.pass_s(0.25)
    _, fresh = world.wait(7)
    world.pass_s(0.25)
    world.media_from(name(), rtp(4), rtp(5))
    assert fresh.data == TS * 2


def test_who_falls_silent_is_gone() -> None:
    world = World(CODE, timeout_s=2)
    world.media_from(name(), rtp(1), rtp(2))
    world.pass_s(3)
    assert world.gate.reasons == ["the sender has gone"]
    assert world.gate.admitted == world.gate.released == 1
    assert not world.hall.groups
    assert not world.hall.heard
    world.media_from(name(port=6000), rtp(1, ssrc=9), rtp(2, ssrc=9))
    assert len(world.gate.sessions) == 2


def test_a_sender_may_go_on_from_another_port() -> None:
    world = World(CODE, timeout_s=2)
    world.media_from(name(), rtp(1), rtp(2))
    for number in range(3, 20):
        world.media_from(name(port=6000), rtp(number))
        world.pass_s(0.25)
    assert world.gate.reasons == []
    assert list(world.hall.groups) == [name(port=6000) + rtp(0)[8:12]]
    world.pass_s(3)
    assert world.gate.reasons == ["the sender has gone"]
    assert not world.hall.groups


def test_an_input_outlives_its_silent_sender() -> None:
    world = World(timeout_s=2)
    inlet, writer = world.wait(networks=("127.0.0.0/8",))
    world.media_from(name(), rtp(1), rtp(2))
    world.pass_s(3)
    assert not inlet.ended.is_set()
    world.media_from(name(), rtp(1, ssrc=9), rtp(2, ssrc=9), rtp(3, ssrc=9))
    assert len(writer.data) > len(TS)


def test_a_farewell_ends_the_session() -> None:
    world = World(CODE)
    world.media_from(name(), rtp(1), rtp(2))
    world.reports_from(name(port=5001), Bye((7,)).serialise())
    world.pass_s(0.25)
    assert world.gate.reasons == ["the sender has gone"]
    world.media_from(name(), rtp(1, ssrc=9), rtp(2, ssrc=9))
    assert len(world.gate.sessions) == 2


def test_who_is_kicked_stays_out_for_a_while() -> None:
    world = World(CODE)
    world.media_from(name(), rtp(1), rtp(2))
    world.gate.closes[0]("kicked")
    world.media_from(name(), rtp(3), rtp(4))
    world.pass_s(0.25)
    world.media_from(name(), rtp(5), rtp(6))
    assert world.gate.reasons == ["kicked"]
    assert len(world.gate.sessions) == 1
    world.pass_s(REFUSED_S)
    world.media_from(name(), rtp(7), rtp(8))
    assert len(world.gate.sessions) == 2


def test_a_template_is_taken_as_it_is_written() -> None:
    world = World("a{b", stream="a{b")
    world.media_from(name(), rtp(1), rtp(2))
    assert [request.path for request in world.gate.requests] == ["a{b"]


def test_senders_are_bounded() -> None:
    world = World("rtp/00000001", "rtp/00000002", stream="rtp/{ssrc}", max_senders=1)
    for ssrc in (1, 2):
        world.media_from(name(), rtp(1, ssrc=ssrc), rtp(2, ssrc=ssrc))
    assert [request.path for request in world.gate.requests] == ["rtp/00000001"]


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    world = World()
    for ssrc in range(MAX_UNPROVEN + 50):
        world.media_from(name(), rtp(1, ssrc=ssrc))
        world.reports_from(name(), ReceiverReport(ssrc).serialise())
    assert len(world.hall._unproven) == MAX_UNPROVEN
    assert len(world.hall._early) == MAX_EARLY
    for ssrc in range(5000):
        world.media_from(name(), rtp(1, ssrc=ssrc), rtp(2, ssrc=ssrc))
    assert len(world.hall._refused) <= 4096


def test_junk_is_counted() -> None:
    world = World(CODE)
    world.media_from(name(), b"", b"x" * 11, b"\x40" + bytes(20), b"\x80\xc8\0\0")
    world.reports_from(name(), b"\x80")
    assert world.hall.invalid == 5


def test_reports_go_back_to_where_the_senders_come_from() -> None:
    world = World(CODE)
    report = SenderReport(7, ntp_time(5), 0, 1, 1).serialise()
    world.reports_from(name(port=6001), report)
    world.media_from(name(), rtp(1), rtp(2))
    world.pass_s(1.5)
    ((data, address),) = world.reports.sent
    assert address == (HOST, 6001)
    found = rtcp.parse(data)[0]
    assert isinstance(found, ReceiverReport)
    assert found.reports[0].last_report != 0


def test_reports_go_to_the_next_port_of_who_sends_none() -> None:
    world = World(CODE)
    world.media_from(name(), rtp(1), rtp(2))
    world.pass_s(1.5)
    assert [address for _, address in world.reports.sent] == [(HOST, 5001)]


def test_reports_go_back_by_the_port_of_the_packets_if_they_came_there() -> None:
    world = World(CODE)
    world.media_from(name(), rtp(1), rtp(2))
    world.media_from(name(), SenderReport(7, ntp_time(5), 0, 1, 1).serialise())
    world.media_from(name("10.0.0.9"), SenderReport(7, ntp_time(5), 0, 1, 1).serialise())
    world.pass_s(1.5)
    assert [address for _, address in world.media.sent] == [(HOST, 5000)]
    assert world.reports.sent == []


def test_closing_tells_everybody() -> None:
    world = World(CODE)
    inlet, _ = world.wait(8)
    world.media_from(name(), rtp(1), rtp(2), rtp(1, ssrc=8), rtp(2, ssrc=8))
    world.hall.close()
    assert world.gate.reasons == ["the server stops listening here"]
    assert not inlet.ended.is_set()
    assert all(isinstance(rtcp.parse(data)[1], Bye) for data, _ in world.reports.sent)
    assert len(world.reports.sent) == 2


@pytest.mark.anyio
async def test_the_listener_takes_what_comes_to_its_ports() -> None:
    gate, switchboard = OpenGate("cam"), Switchboard()
    options = RtpListenerOptions(stream="cam", reorder_ms=20)
    listener = RtpListener((HOST, 0), options, BareContext(SteadyClock()), switchboard)
    bound: list[Address] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                await listener.serve(gate, ready=bound.append)

            tasks.start_soon(serve)
            await until(lambda: bound)
            assert switchboard.listeners == 1
            for number in range(20):
                sender.sendto(rtp(number), bound[0])
            await until(lambda: len(gate.writer.data) == 20 * len(TS))
            tasks.cancel_scope.cancel()
    assert switchboard.listeners == 0
    assert gate.reasons == ["the server stops listening here"]


@pytest.mark.anyio
async def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        listener = RtpListener(
            other.getsockname(), RtpListenerOptions(), BareContext(SteadyClock()), Switchboard()
        )
        with pytest.raises(ConnectionFailed, match="in use"):
            await listener.serve(OpenGate(), ready=lambda address: None)
