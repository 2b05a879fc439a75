"""From packets of any port and payload type to the tracks of one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.errors import MediaError
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.packet import header
from streamctl.media.rtp.rtcp import Bye, SenderReport, ntp_time
from streamctl_rtp.wire.intake import DETECT_S, GATHER_S, MAX_TYPES, REST_S, Described, Intake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.media.packet import Packet, Track

SPS = bytes.fromhex("6742c01eda02d0f6c044000003000400000300f23c58ba80")
PPS = bytes.fromhex("68ce3c80")
SETS = b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in (SPS, PPS))
IDR = b"\x65\x88\x84\x21"
SLICE = b"\x41\x9a\x24\x11"
TS = b"\x47" + bytes(187)
VIDEO = RtpFormat(96, "H264", 90_000)
AUDIO = RtpFormat(0, "PCMU", 8000)


class Out:
    """A writer that remembers."""

    def __init__(self) -> None:
        self.announced: list[Track] = []
        self.packets: list[Packet] = []
        self.ts = b""

    def tracks(self, tracks: Sequence[Track]) -> None:
        self.announced = list(tracks)

    def put(self, packets: list[Packet], now: float) -> None:
        del now
        self.packets += packets

    def put_ts(self, data: bytes, now: float) -> None:
        del now
        self.ts += data

    def drop(self, count: int) -> None:
        raise AssertionError(count)

    def discontinuity(self, reason: str) -> None:
        raise AssertionError(reason)


def packet(kind: int, number: int, payload: bytes, *, rate: int = 90_000) -> bytes:
    timestamp = round(number / 25 * rate)
    return header(kind, number, timestamp, 1000 + kind, marker=True) + payload


def pictures(intake: Intake, first: int, count: int, *, port: int = 0) -> None:
    for number in range(first, first + count):
        now = number / 25
        # A picture that stands for itself has its parameter sets in a packet before it.
        key = number % 10 == 0
        sequence = number + number // 10 + (number % 10 > 0)
        if key:
            intake.feed(stamped(sequence, number, SETS, marker=False), now, port)
            sequence += 1
        intake.feed(stamped(sequence, number, IDR if key else SLICE), now, port)


def stamped(sequence: int, number: int, payload: bytes, *, marker: bool = True) -> bytes:
    return header(96, sequence, number * 3600, 1096, marker=marker) + payload


def sound(intake: Intake, first: int, count: int, *, port: int = 0) -> None:
    for number in range(first, first + count):
        intake.feed(packet(0, number, bytes(320), rate=8000), number / 25, port)


def both(intake: Intake, first: int, count: int) -> None:
    for number in range(first, first + count):
        pictures(intake, number, 1)
        sound(intake, number, 1)


def test_without_a_description_the_tracks_are_waited_for() -> None:
    intake, out = Intake(5, 0.1), Out()
    assert intake.deadline is None
    both(intake, 0, 5)
    intake.deliver(out, 0.2)
    assert intake.receiver is None
    assert intake.reports(0.2) == []
    assert intake.deadline == DETECT_S
    assert not intake.ended
    both(intake, 5, 30)
    intake.poll(1.5)
    intake.deliver(out, 1.5)
    assert [track.codec for track in out.announced] == ["h264", "g711u"]
    assert sum(one.track == 0 for one in out.packets) == 35
    assert sum(one.track == 1 for one in out.packets) == 35
    assert intake.receiver is not None
    assert (intake.receiver.came, intake.receiver.lost) == (35 + 4 + 35, 0)


def test_mpegts_is_not_waited_for() -> None:
    intake, out = Intake(5, 0.1), Out()
    intake.feed(packet(33, 0, TS * 7), 0.0)
    intake.deliver(out, 0.0)
    assert out.ts == TS * 7
    assert not intake.unknown


def test_what_comes_late_is_added() -> None:
    intake, out = Intake(5, 0.1), Out()
    pictures(intake, 0, 50)
    assert intake.receiver is not None
    sound(intake, 50, 50)
    pictures(intake, 100, 50)
    intake.poll(9.0)
    intake.deliver(out, 9.0)
    assert [track.codec for track in out.announced] == ["h264", "g711u"]
    assert sum(one.track == 1 for one in out.packets) == 50


def test_reports_that_come_before_it_is_known_are_kept() -> None:
    intake = Intake(5, 0.1)
    intake.feed_rtcp(SenderReport(1096, ntp_time(5), 0, 1, 1).serialise(), 0.0)
    pictures(intake, 0, 30)
    assert intake.receiver is not None
    assert intake.receiver.channels[0].time.reported
    intake.feed_rtcp(Bye((1096,)).serialise(), 2.0)
    assert intake.ended


def test_what_nothing_tells_is_said() -> None:
    intake = Intake(5, 0.1)
    for number in range(240):
        intake.feed(packet(97, number, b"\xff\xaa"), number / 25)
    with pytest.raises(MediaError, match="payload type `97`"):
        intake.poll(DETECT_S)


def test_what_is_unknown_beside_what_is_known_is_left_out() -> None:
    intake, out = Intake(5, 0.1), Out()
    for number in range(150):
        pictures(intake, number, 1)
        intake.feed(packet(97, number, b"\xff\xaa"), number / 25)
        intake.feed(packet(9, number, b"\xff\xaa"), number / 25)
    intake.poll(REST_S + 1)
    intake.deliver(out, REST_S + 1)
    assert intake.unknown == {9, 97}
    assert intake.strange > 0
    assert len(out.packets) == 150


def test_payload_types_are_bounded() -> None:
    intake = Intake(5, 0.1)
    for kind in range(96, 127):
        intake.feed(packet(kind, 1, b"\xff\xaa"), 0.0)
    assert intake.strange == 31 - MAX_TYPES
    intake.feed(b"\x80", 0.0)
    assert intake.strange == 32 - MAX_TYPES
    for _ in range(50):
        intake.feed_rtcp(b"\x80\xc9\0\1\0\0\0\0", 0.0)


def test_what_waits_is_bounded() -> None:
    intake = Intake(5, 0.1)
    for number in range(400):
        intake.feed(packet(96, number, b"\xff" + bytes(60_000)), GATHER_S)
    assert intake.receiver is None


def test_a_description_tells_the_tracks_of_each_port() -> None:
    video = RtpFormat(96, "H264", 90_000)
    audio = RtpFormat(96, "PCMU", 8000)
    intake, out = Intake(5, 0.1, [Described(video, 5004, True), Described(audio, 5006)]), Out()
    assert intake.receiver is not None
    assert intake.receiver.full_intra == {0}
    pictures(intake, 0, 5, port=5004)
    intake.feed(packet(96, 1, bytes(320), rate=8000), 0.2, 5006)
    assert intake.feed(packet(96, 1, b"x"), 0.2, 5008) == -1
    assert intake.feed(b"x", 0.2, 5004) == -1
    assert intake.strange == 2
    intake.poll(1.5)
    intake.deliver(out, 1.5)
    assert sum(one.track == 0 for one in out.packets) == 5
    assert sum(one.track == 1 for one in out.packets) == 1


def test_a_description_of_one_port_goes_by_payload_types() -> None:
    intake, out = Intake(5, 0.1, [Described(VIDEO), Described(AUDIO)]), Out()
    both(intake, 0, 30)
    assert intake.feed(packet(99, 1, b"x"), 0.2, 5008) == -1
    intake.poll(2.0)
    intake.deliver(out, 2.0)
    assert sum(one.track == 0 for one in out.packets) == 30
    assert sum(one.track == 1 for one in out.packets) == 30
