"""What a player over UDP is sent, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from streamctl.media.rtp.announced import Described
from streamctl.media.rtp.formats import RtpFormat
from streamctl.testing.clock import FakeClock
from streamctl_rtsp.server.udp_wire import (
    FULL_BYTES,
    MAX_WAITING_BYTES,
    Spreader,
    UdpWire,
    prepared,
    whole_channels,
)
from streamctl_rtsp.wire.frames import frame
from streamctl_rtsp.wire.spread import STEP_S

if TYPE_CHECKING:
    from streamctl.net.burst import Burst
    from streamctl.net.udp_outlet import UdpOutlet


class FakeOutlet:
    """Counts what is sent."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.reports: list[bytes] = []
        self.room = 1_000_000

    def send(self, burst: Burst, first: int, count: int) -> int:
        count = min(count, self.room)
        self.room -= count
        self.sent += burst.sizes[first : first + count]
        return count

    def report(self, data: bytes) -> None:
        self.reports.append(data)


class Rig:
    """A wire with two tracks."""

    def __init__(self, whole: frozenset[int] = frozenset()) -> None:
        self.clock = FakeClock()
        self.spreader = Spreader(self.clock)
        self.video, self.audio = FakeOutlet(), FakeOutlet()
        self.closed: list[str] = []
        self.parked = self.served = 0
        outlets = {0: cast("UdpOutlet", self.video), 2: cast("UdpOutlet", self.audio)}
        self.wire = UdpWire(self.spreader, outlets, whole, self.closed.append)
        self.wire.park = self.park
        self.wire.serve = self.serve

    def park(self) -> None:
        self.parked += 1

    def serve(self) -> None:
        self.served += 1


def pictures(packets: int, size: int = 1000) -> bytes:
    return frame(0, bytes(size)) * packets


def test_a_small_picture_leaves_at_once() -> None:
    rig = Rig()
    rig.wire.write(frame(1, b"report") + pictures(5) + frame(2, b"sound") + frame(4, b"other"))
    assert rig.video.sent == [1000] * 5
    assert rig.audio.sent == [5]
    assert rig.video.reports == [b"report"]
    assert rig.wire.unsent() == 0


def test_a_large_picture_leaves_by_and_by() -> None:
    rig = Rig()
    rig.wire.write(pictures(100))
    assert len(rig.video.sent) == 8
    assert rig.wire.unsent() == 92_000
    assert rig.wire.waiting(0) == (92, 92 * (1000 - 12))
    assert rig.wire.waiting(1) == (0, 0)
    rig.clock.advance(0.0181)
    assert len(rig.video.sent) == 100
    assert rig.wire.unsent() == 0
    assert not rig.clock.pending or all(not timer.callback for *_, timer in rig.clock.pending)


def test_pictures_of_some_channels_are_never_spread() -> None:
    rig = Rig(frozenset({0}))
    last = frame(0, bytes((0x80, 0x80)) + bytes(998))
    picture = pictures(20) + last
    rig.wire.catch_up(500_000)
    rig.wire.write(picture + picture + frame(2, b"sound") + picture)
    assert len(rig.video.sent) == 21
    assert rig.audio.sent == []
    rig.clock.advance(0.03)
    assert len(rig.video.sent) == 42
    rig.clock.advance(0.1)
    assert len(rig.video.sent) == 63
    assert rig.audio.sent == [5]
    rig.wire.write(picture)
    assert len(rig.video.sent) == 84


def test_only_pictures_of_av1_are_never_spread() -> None:
    h264, av1 = (
        Described(index, 7, RtpFormat(96, encoding, 90_000), "video", 0)
        for index, encoding in enumerate(("H264", "AV1"))
    )
    assert whole_channels([h264]) == set()
    assert whole_channels([h264, av1]) == {2}


def test_a_run_is_prepared_once_for_all() -> None:
    rig, data = Rig(), pictures(3)
    others = [UdpWire(rig.spreader, {}, (), print) for _ in range(3)]
    rig.wire.write(data)
    run = rig.spreader.runs.of(data)
    for other in others:
        other.write(data)
    assert rig.spreader.runs.of(data) is run
    order = prepared(frame(0, b"a") + frame(2, b"b") + frame(0, b"c") + frame(0, b"d"))
    assert [(one.channel, one.burst.count) for one in order.stretches] == [(0, 1), (2, 1), (0, 2)]


def test_who_catches_up_is_parked_and_served() -> None:
    rig = Rig()
    rig.wire.catch_up(100_000)
    rig.wire.write(pictures(200))
    assert rig.parked == 1
    assert len(rig.video.sent) == 11
    rig.clock.advance(0.5)
    assert 100 < len(rig.video.sent) < 115
    assert rig.served == 0
    rig.clock.advance(2)
    assert rig.served == 1
    assert len(rig.video.sent) == 200
    assert rig.wire.unsent() < FULL_BYTES


def test_more_than_a_line_takes_parks_too() -> None:
    rig = Rig()
    rig.video.room = 0
    rig.wire.write(pictures(MAX_WAITING_BYTES // 1000 + 1))
    assert rig.parked == 1
    rig.video.room = 1_000_000
    rig.clock.advance(1)
    assert rig.served == 1


def test_a_closed_wire_sends_no_more() -> None:
    rig = Rig()
    rig.wire.write(pictures(100))
    rig.wire.close("over")
    rig.wire.abort("again")
    sent = len(rig.video.sent)
    rig.wire.write(pictures(1))
    rig.clock.advance(1)
    assert len(rig.video.sent) == sent
    assert rig.closed == ["over"]
    assert rig.wire.unsent() == 0


def test_wires_take_turns() -> None:
    rig = Rig()
    outlet = FakeOutlet()
    other = UdpWire(rig.spreader, {0: cast("UdpOutlet", outlet)}, (), print)
    data = pictures(100)
    rig.wire.write(data)
    other.write(data)
    rig.clock.advance(STEP_S)
    assert len(outlet.sent) == len(rig.video.sent) == 16
    for call in (other.set_send_buffer, other.read_least):
        call(1)
    other.call_again()
