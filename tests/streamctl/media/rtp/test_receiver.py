"""What comes of datagrams: units on one time, reports, and recovery from all that goes wrong."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streamctl.errors import ProtocolError
from streamctl.media.packet import Kind, Packet
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.channel import KEPT_S, SILENT_S
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.packet import header
from streamctl.media.rtp.receiver import HOLD_S, Receiver
from streamctl.media.rtp.rtcp import (
    Bye,
    FullIntra,
    PictureLoss,
    ReceiverReport,
    SenderReport,
    ntp_time,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Track

SPROP = "Z0LAHtoC0PbARAAAAwAEAAADAPI8WLqA,aM48gA=="
VIDEO = RtpFormat(
    96, "H264", 90_000, fmtp={"packetization-mode": "1", "sprop-parameter-sets": SPROP}
)
AUDIO = RtpFormat(97, "PCMU", 8000)
MPEGTS = RtpFormat(33, "MP2T", 90_000)
IDR = b"\x65\x88\x84\x21"
SLICE = b"\x41\x9a\x24\x11"


class Out:
    """A writer that remembers."""

    def __init__(self) -> None:
        self.announced: list[list[Track]] = []
        self.packets: list[Packet] = []
        self.arrivals: list[float] = []
        self.ts = b""
        self.dropped = 0
        self.jumps: list[int] = []

    def tracks(self, tracks: Sequence[Track]) -> None:
        self.announced.append(list(tracks))

    def put(self, packets: list[Packet], now: float) -> None:
        self.packets += packets
        self.arrivals += [now] * len(packets)

    def put_ts(self, data: bytes, now: float) -> None:
        del now
        self.ts += data

    def drop(self, count: int) -> None:
        self.dropped += count

    def discontinuity(self, reason: str) -> None:
        assert reason == "the sender began anew"
        self.jumps.append(len(self.packets))

    def times(self, track: int) -> list[int]:
        return [packet.pts for packet in self.packets if packet.track == track]


class Sender:
    """One source of packets."""

    def __init__(self, rtp: RtpFormat, ssrc: int, sequence: int = 10, clock: int = 0) -> None:
        self.rtp, self.ssrc, self.sequence, self.clock = rtp, ssrc, sequence, clock

    def packet(self, seconds: float, payload: bytes, *, marker: bool = True) -> bytes:
        timestamp = self.clock + round(seconds * self.rtp.clock_rate)
        head = header(self.rtp.payload_type, self.sequence, timestamp, self.ssrc, marker=marker)
        self.sequence += 1
        return head + payload

    def report(self, seconds: float, wall: float) -> bytes:
        timestamp = self.clock + round(seconds * self.rtp.clock_rate)
        return SenderReport(self.ssrc, ntp_time(wall), timestamp & 0xFFFFFFFF, 1, 1).serialise()


def frame(number: int) -> bytes:
    return IDR if number % 25 == 0 else SLICE


def test_one_track_in_order_needs_no_report() -> None:
    receiver, out, sender = Receiver([VIDEO], ssrc=1), Out(), Sender(VIDEO, 7, 65_530, 1 << 31)
    for number in range(50):
        now = 5 + number / 25
        receiver.feed(0, sender.packet(number / 25, frame(number)), now)
        receiver.deliver(out, now)
    assert out.times(0) == [number * 3600 for number in range(50)]
    assert [packet.dts for packet in out.packets] == out.times(0)
    assert out.packets[0].kind is Kind.KEY
    assert [track.width for track in out.announced[0]] == [720]
    assert len(out.announced) == 1
    assert receiver.deadline is None


def av(ordered: bool = False) -> tuple[Receiver, Out, Sender, Sender]:
    receiver = Receiver([VIDEO, AUDIO], ssrc=1, ordered=ordered)
    return receiver, Out(), Sender(VIDEO, 7, clock=123_456), Sender(AUDIO, 8, clock=1 << 30)


def test_reports_keep_sound_and_picture_together() -> None:
    receiver, out, video, audio = av()
    receiver.feed(0, video.packet(0, IDR), 0.0)
    receiver.feed(1, audio.packet(0, bytes(160)), 0.4)
    receiver.deliver(out, 0.4)
    assert not out.packets
    assert receiver.deadline == HOLD_S
    receiver.feed_rtcp(0, video.report(0, 1000.0), 0.5)
    receiver.feed_rtcp(1, audio.report(0, 1000.0), 0.5)
    receiver.deliver(out, 0.5)
    assert out.times(0) == [0]
    assert out.times(1) == [pytest.approx(0, abs=1)]
    assert out.arrivals == [0.0, 0.4]
    assert receiver.deadline is None


def test_without_reports_arrival_tells_the_time() -> None:
    receiver, out, video, audio = av()
    receiver.feed(0, video.packet(0, IDR), 0.0)
    receiver.feed(1, audio.packet(0, bytes(160)), 0.4)
    receiver.poll(HOLD_S - 0.01)
    receiver.deliver(out, HOLD_S - 0.01)
    assert not out.packets
    receiver.poll(HOLD_S)
    receiver.deliver(out, HOLD_S)
    assert (out.times(0), out.times(1)) == ([0], [36_000])
    assert out.arrivals == [0.0, 0.4]
    receiver.feed(1, audio.packet(0.02, bytes(160)), HOLD_S)
    receiver.deliver(out, HOLD_S)
    assert out.times(1)[-1] == 37_800


def test_a_report_of_a_source_that_is_still_to_come_is_kept() -> None:
    receiver, out, video, audio = av()
    receiver.feed_rtcp(0, video.report(0, 1000.0) + audio.report(0, 1000.0), 0.0)
    receiver.feed_rtcp(1, audio.report(0, 1000.0), 0.0)
    receiver.feed(0, video.packet(0, IDR), 0.0)
    receiver.feed(1, audio.packet(0, bytes(160)), 0.2)
    receiver.deliver(out, 0.2)
    assert out.times(0) == [0]
    assert out.times(1) == [pytest.approx(0, abs=1)]


def test_later_reports_correct_the_sound() -> None:
    receiver, out, video, audio = av()
    receiver.feed(0, video.packet(0, IDR), 0.0)
    receiver.feed(1, audio.packet(0, bytes(160)), 0.2)
    receiver.poll(2.0)
    receiver.feed_rtcp(0, video.report(0, 1000.0), 2.0)
    receiver.feed_rtcp(1, audio.report(0, 1000.0), 2.0)
    for number in range(1, 400):
        receiver.feed(1, audio.packet(number / 50, bytes(160)), 2.0)
    receiver.deliver(out, 2.0)
    times = out.times(1)
    assert times[0] == 18_000
    assert times[-1] == pytest.approx(399 * 1800, abs=2)
    assert all(later > earlier for earlier, later in pairwise(times))


def test_what_is_held_is_bounded() -> None:
    receiver, out, video, _ = av()
    for number in range(5000):
        receiver.feed(0, video.packet(0, frame(number)), 0.0)
    receiver.deliver(out, 0.0)
    assert len(out.packets) >= 2000


def test_mpegts_passes_as_it_is() -> None:
    receiver, out, sender = Receiver([MPEGTS], ssrc=1), Out(), Sender(MPEGTS, 7)
    parts = [b"\x47" + bytes([number]) * 187 for number in range(10)]
    packets = [sender.packet(number / 100, part) for number, part in enumerate(parts)]
    for data in (packets[0], packets[2], packets[1], *packets[3:]):
        receiver.feed(0, data, 0.0)
    receiver.feed_rtcp(0, sender.report(0, 5.0), 0.0)
    receiver.deliver(out, 0.0)
    assert out.ts == b"".join(parts)
    assert not out.announced
    assert receiver.tracks == []


def test_loss_asks_for_a_picture_until_one_comes() -> None:
    receiver, out, sender = Receiver([VIDEO], ssrc=1), Out(), Sender(VIDEO, 7)
    receiver.feed(0, sender.packet(0, IDR), 0.0)
    assert requests(receiver, 2.0) == []
    # A picture of two fragments, whose first one is lost.
    sender.packet(0.04, b"\x7c\x81" + bytes(100), marker=False)
    receiver.feed(0, sender.packet(0.04, b"\x7c\x41" + bytes(100)), 2.0)
    receiver.poll(3.0)
    receiver.deliver(out, 3.0)
    assert out.dropped == 1
    assert (receiver.came, receiver.lost) == (2, 1)
    assert requests(receiver, 3.0) == [PictureLoss(1, 7)]
    assert requests(receiver, 3.5) == []
    receiver.full_intra.add(0)
    assert requests(receiver, 4.0) == [FullIntra(1, 7, 2)]
    receiver.feed(0, sender.packet(0.08, IDR), 4.0)
    assert requests(receiver, 6.0) == []


def test_joining_between_two_pictures_asks_for_one() -> None:
    receiver, sender = Receiver([VIDEO], ssrc=1), Sender(VIDEO, 7)
    assert receiver.reports(10.0) == []
    receiver.feed(0, sender.packet(0, SLICE), 10.0)
    assert requests(receiver, 10.0) == [PictureLoss(1, 7)]


def requests(receiver: Receiver, now: float) -> list[rtcp.Control]:
    """The requests among what is due."""
    found = [packet for _, data in receiver.reports(now) for packet in rtcp.parse(data)]
    return [packet for packet in found if isinstance(packet, PictureLoss | FullIntra)]


def test_reports_go_out_every_five_seconds() -> None:
    receiver, _, video, audio = av()
    receiver.feed(0, video.packet(0, IDR), 0.0)
    receiver.feed(1, audio.packet(0, bytes(160)), 0.0)
    due = [now / 4 for now in range(80) if receiver.reports(now / 4)]
    assert due == [1.0, 6.0, 11.0, 16.0]
    ((first, data), (second, _)) = receiver.reports(21.0)
    assert (first, second) == (0, 1)
    report = rtcp.parse(data)[0]
    assert isinstance(report, ReceiverReport)
    assert (report.ssrc, report.reports[0].ssrc, report.reports[0].lost) == (1, 7, 0)
    assert [rtcp.parse(data)[1] for _, data in receiver.farewells()] == [Bye((1,))] * 2


def test_a_farewell_ends_the_source() -> None:
    receiver, _, video, audio = av()
    assert not receiver.ended
    receiver.feed(0, video.packet(0, IDR), 0.0)
    receiver.feed(1, audio.packet(0, bytes(160)), 0.0)
    receiver.feed_rtcp(0, Bye((7,)).serialise(), 1.0)
    assert not receiver.ended
    receiver.feed_rtcp(1, Bye((8,)).serialise(), 1.0)
    assert receiver.ended


@pytest.mark.parametrize("ordered", [True, False])
def test_a_sender_that_begins_anew_is_taken(ordered: bool) -> None:
    receiver, out, video, audio = av(ordered)
    for number in range(100):
        now = number / 25
        receiver.feed(0, video.packet(now, frame(number)), now)
        receiver.feed(1, audio.packet(now, bytes(320)), now)
        receiver.deliver(out, now)
    count = len(out.packets)
    video, audio = Sender(VIDEO, 70, clock=99), Sender(AUDIO, 80, clock=55)
    receiver.feed_rtcp(0, video.report(0, 2000.0), 4.1)
    receiver.feed_rtcp(1, audio.report(0, 2000.0), 4.1)
    for number in range(100):
        now = 4.1 + number / 25
        receiver.feed(0, video.packet(number / 25, frame(number)), now)
        receiver.feed(1, audio.packet(number / 25, bytes(320)), now)
        receiver.deliver(out, now)
    assert out.jumps == [count]
    assert len(out.packets) == count + 200
    fresh = out.packets[count:]
    assert fresh[0].kind is Kind.KEY
    starts = {packet.track: packet.pts for packet in reversed(fresh)}
    assert starts[0] == pytest.approx(starts[1], abs=1)
    assert starts[0] >= 4.1 * 90_000
    lost = [track["lost"] for track in receiver.measure()]
    assert lost == [0, 0]


def test_reports_that_come_just_after_a_sender_began_anew_put_its_tracks_together() -> None:
    receiver, out, video, audio = av()
    for number in range(100):
        now = number / 25
        receiver.feed(0, video.packet(now, frame(number)), now)
        receiver.feed(1, audio.packet(now, bytes(320)), now)
        receiver.deliver(out, now)
    video, audio = Sender(VIDEO, 70, clock=99), Sender(AUDIO, 80, clock=55)
    for number in range(100):
        now = 4.1 + number / 25
        receiver.feed(0, video.packet(number / 25, frame(number)), now)
        if number >= 10:
            # The sound is sent so much later than it belongs.
            receiver.feed(1, audio.packet((number - 10) / 25, bytes(320)), now)
        if number == 12:
            receiver.feed_rtcp(0, video.report(0, 2000.0), now)
            receiver.feed_rtcp(1, audio.report(0, 2000.0), now)
        receiver.poll(now)
        receiver.deliver(out, now)
    assert len(out.jumps) == 1
    fresh = out.packets[out.jumps[0] :]
    starts = {packet.track: packet.pts for packet in reversed(fresh)}
    assert starts[0] == pytest.approx(starts[1], abs=1)
    assert len(fresh) == 190


def test_a_sender_that_waited_for_its_turn_begins_near_the_present() -> None:
    receiver, out, video, audio = av()
    other_video, other_audio = Sender(VIDEO, 70, clock=99), Sender(AUDIO, 80, clock=55)
    for number in range(300):
        now = number / 25
        if number < 200:
            receiver.feed(1, audio.packet(now, bytes(320)), now)
            receiver.feed(0, video.packet(now, frame(number)), now)
        receiver.feed(1, other_audio.packet(now, bytes(320)), now)
        receiver.feed(0, other_video.packet(now, frame(number)), now)
        receiver.poll(now)
        receiver.deliver(out, now)
    (jump,) = out.jumps
    arrivals = out.arrivals[jump:]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] == pytest.approx(199 / 25 + SILENT_S - KEPT_S, abs=1 / 25)
    assert {packet.track for packet in out.packets[jump : jump + 2]} == {0, 1}
    assert len(arrivals) == 2 * (300 - round(arrivals[0] * 25))


def test_a_second_sender_is_left_out_while_the_first_one_sends() -> None:
    receiver, out, sender = Receiver([VIDEO], ssrc=1), Out(), Sender(VIDEO, 7)
    stray = Sender(VIDEO, 8)
    for number in range(200):
        now = number / 25
        receiver.feed(0, sender.packet(now, frame(number)), now)
        receiver.feed(0, stray.packet(now, frame(number) + bytes(40_000)), now)
        if number % 50 == 0:
            receiver.feed(0, Sender(VIDEO, 900 + number).packet(now, IDR), now)
    receiver.deliver(out, 8.0)
    assert len(out.packets) == 200
    assert not out.jumps
    assert receiver.measure()[0]["other_sources"] != 0


def test_after_a_farewell_the_next_source_need_not_wait() -> None:
    receiver, out, sender = Receiver([VIDEO], ssrc=1), Out(), Sender(VIDEO, 7)
    receiver.feed(0, sender.packet(0, IDR), 10.0)
    receiver.feed_rtcp(0, Bye((7,)).serialise(), 10.0)
    sender = Sender(VIDEO, 8)
    receiver.feed(0, sender.packet(0, IDR), 10.01)
    receiver.feed(0, sender.packet(0.04, SLICE), 10.01)
    receiver.deliver(out, 10.01)
    assert len(out.packets) == 3
    assert not receiver.ended


def test_a_wrong_payload_type_in_the_description_is_found_out() -> None:
    receiver, out = Receiver([VIDEO], ssrc=1), Out()
    sender = Sender(RtpFormat(105, "H264", 90_000), 7)
    for number in range(30):
        receiver.feed(0, sender.packet(number / 25, frame(number)), number / 25)
    receiver.deliver(out, 2.0)
    assert len(out.packets) == 21


def test_other_payload_types_beside_the_right_one_are_left_out() -> None:
    receiver, out, sender = Receiver([VIDEO], ssrc=1), Out(), Sender(VIDEO, 7)
    noise = Sender(RtpFormat(13, "CN", 8000), 7)
    for number in range(30):
        receiver.feed(0, sender.packet(number / 25, frame(number)), number / 25)
        receiver.feed(0, noise.packet(0, b"x"), number / 25)
    receiver.deliver(out, 2.0)
    assert len(out.packets) == 30
    assert receiver.measure()[0]["other_types"] == 30


def test_what_is_no_rtp_is_counted() -> None:
    receiver = Receiver([VIDEO], ssrc=1)
    receiver.feed(0, b"junk", 0.0)
    receiver.feed_rtcp(0, b"junk", 0.0)
    receiver.feed_rtcp(0, ReceiverReport(5).serialise(), 0.0)
    assert receiver.measure()[0]["invalid"] == 1
    assert receiver.bad_reports == 1
    assert receiver.measure()[0]["ssrc"] is None


def test_formats_that_can_not_be_read_are_refused() -> None:
    with pytest.raises(ProtocolError):
        Receiver([RtpFormat(98, "JXSV", 90_000)], ssrc=1)


def test_a_stall_of_the_sender_loses_nothing() -> None:
    receiver, out, sender = Receiver([VIDEO], ssrc=1), Out(), Sender(VIDEO, 7)
    for number in range(100):
        now = number / 25 + (0.2 if number >= 50 else 0)
        receiver.feed(0, sender.packet(now, frame(number)), now)
    receiver.deliver(out, 5.0)
    assert len(out.packets) == 100
    assert out.times(0)[50] - out.times(0)[49] == 0.24 * 90_000


@pytest.mark.parametrize("jump_s", [120, -120])
def test_the_same_source_may_begin_anew(jump_s: int) -> None:
    """Another numbering and another time cost a picture at most, not the source for ever."""
    receiver, out, sender = Receiver([VIDEO], ssrc=1), Out(), Sender(VIDEO, 7, clock=1 << 30)
    for number in range(100):
        if number == 50:
            sender.sequence += 5000
            sender.clock += jump_s * 90_000
        receiver.feed(0, sender.packet(number / 25, frame(number)), number / 25)
        receiver.deliver(out, number / 25)
    receiver.deliver(out, 5.0)
    assert len(out.packets) >= 99
    assert receiver.measure()[0]["restarts"] == 1


def test_clocks_that_wrap_each_in_its_time_stay_together_for_weeks() -> None:
    receiver, out, video, audio = av()
    step_s = 6 * 3600
    for number in range(100):
        now = float(number * step_s)
        for sender, index in ((video, 0), (audio, 1)):
            receiver.feed_rtcp(index, sender.report(now, 1000 + now), now)
            receiver.feed(index, sender.packet(now, bytes(160) if index else IDR), now)
        receiver.poll(now + HOLD_S)
        receiver.deliver(out, now + HOLD_S)
    assert out.times(0) == [number * step_s * 90_000 for number in range(100)]
    assert out.times(1) == pytest.approx(out.times(0), abs=2)
    assert [one["restarts"] for one in receiver.measure()] == [0, 0]


def test_a_slow_clock_loses_nothing_in_an_hour() -> None:
    """100 ppm are 360 ms in an hour, three times what a packet may be late."""
    receiver, out, sender = Receiver([AUDIO], ssrc=1), Out(), Sender(AUDIO, 7)
    for number in range(36_000):
        receiver.feed(0, sender.packet(number / 10, b"x"), number / 10 * 1.0001)
        if number % 100 == 0:
            receiver.deliver(out, number / 10)
    receiver.deliver(out, 3600.0)
    assert len(out.packets) == 36_000
    assert receiver.measure()[0]["lost"] == 0


@pytest.mark.parametrize("seed", range(8))
def test_nothing_escapes_from_hostile_datagrams(seed: int) -> None:
    generator = random.Random(seed)
    receiver, out, video, audio = av()
    for number in range(400):
        now = number / 100
        for track, sender in ((0, video), (1, audio)):
            data = bytearray(sender.packet(now, frame(number)))
            for _ in range(generator.randrange(3)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            receiver.feed(track, bytes(data[: generator.randrange(4, 40)]), now)
            report = bytearray(sender.report(now, now))
            report[generator.randrange(len(report))] = generator.randrange(256)
            receiver.feed_rtcp(track, bytes(report), now)
        receiver.poll(now)
        receiver.deliver(out, now)
        receiver.reports(now)
    receiver.measure()
