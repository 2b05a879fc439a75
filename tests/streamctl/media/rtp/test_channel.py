"""Whose packets a track takes, and of which payload type."""

from __future__ import annotations

import pytest

from streamctl.media.rtp.channel import (
    KEPT_S,
    MAX_WAITING_BYTES,
    SILENT_S,
    WRONG_TYPES,
    Channel,
)
from streamctl.media.rtp.formats import RtpFormat
from streamctl.media.rtp.jitter import Arrival, JitterBuffer
from streamctl.media.rtp.packet import header
from streamctl.media.rtp.rtcp import SenderReport, ntp_time

AUDIO = RtpFormat(0, "PCMU", 8000)
VIDEO = RtpFormat(96, "H264", 90_000)
MPEGTS = RtpFormat(33, "MP2T", 90_000)


def channel(rtp: RtpFormat = AUDIO, *, patient: bool = True) -> Channel:
    return Channel(0, rtp, JitterBuffer if patient else Arrival, patient=patient)


def packet(number: int, ssrc: int = 7, kind: int = 0, size: int = 1) -> bytes:
    return header(kind, number, number * 160, ssrc) + bytes(size)


def passed(one: Channel, data: bytes, now: float = 0.0) -> list[int]:
    return [ordered.sequence for ordered, _ in one.feed(data, now)]


def test_a_channel_knows_its_track() -> None:
    assert channel().track is not None
    assert not channel().video
    assert channel(VIDEO).video
    assert channel(VIDEO).starving
    assert channel(MPEGTS).track is None
    assert channel(MPEGTS).transport
    assert not channel(MPEGTS).starving


def test_the_first_source_is_the_tracks() -> None:
    one = channel()
    assert passed(one, packet(1)) == [1]
    assert one.newcomer
    assert not one.began_anew
    assert one.reception is not None
    assert one.reception.ssrc == 7


def test_another_source_waits_for_silence_and_two_packets_in_a_row() -> None:
    one = channel()
    passed(one, packet(1))
    assert passed(one, packet(50, 8), SILENT_S) == []
    assert one.backlog == []
    assert one.other_sources == 1
    assert passed(one, packet(51, 8), SILENT_S) == []
    assert one.began_anew
    assert one.other_sources == 0
    assert [(kept.sequence, arrival) for kept, arrival in one.backlog] == [
        (50, SILENT_S),
        (51, SILENT_S),
    ]
    assert one.reception is not None
    assert one.reception.ssrc == 8
    assert passed(one, packet(52, 8), SILENT_S) == [52]


def test_a_connection_brings_another_source_at_once() -> None:
    one = channel(patient=False)
    passed(one, packet(1))
    passed(one, packet(50, 8))
    assert [kept.sequence for kept, _ in one.backlog] == [50]


def test_what_is_kept_of_another_source_is_bounded() -> None:
    one = channel()
    passed(one, packet(1))
    for number in range(200):
        passed(one, packet(number, 8, size=60_000))
    assert one.other_sources == 200
    assert len(one._newcomers) * 60_000 <= MAX_WAITING_BYTES


def test_what_another_source_sent_long_ago_is_no_more_wanted() -> None:
    one = channel()
    for number in range(100):
        passed(one, packet(number), number / 25)
        passed(one, packet(number, 8), number / 25)
    assert len(one._newcomers) == KEPT_S * 25 + 1
    for number in range(100, 130):
        passed(one, packet(number, 8), number / 25)
    assert one.began_anew
    arrivals = [arrival for _, arrival in one.backlog]
    assert arrivals[-1] == pytest.approx(99 / 25 + SILENT_S)
    assert len(arrivals) == KEPT_S * 25 + 1
    assert one.other_sources == 125 - len(arrivals)


def test_a_third_source_takes_the_turn_of_the_second() -> None:
    one = channel()
    passed(one, packet(1))
    passed(one, packet(5, 8))
    passed(one, packet(5, 9), SILENT_S)
    passed(one, packet(6, 8), SILENT_S)
    assert one.other_sources == 3
    assert not one.began_anew


def test_counts_belong_to_the_track() -> None:
    one = channel(patient=False)
    for number in (1, 5):
        passed(one, packet(number))
    passed(one, packet(50, 8))
    assert (one.order.tally.lost, one.order.tally.gaps) == (3, 1)
    assert one.order.tally.received == 0


def test_other_payload_types_are_taken_if_the_expected_one_never_came() -> None:
    one = channel()
    found = [passed(one, packet(number, kind=8)) for number in range(WRONG_TYPES + 2)]
    assert found[-3:] == [[WRONG_TYPES - 1], [WRONG_TYPES], [WRONG_TYPES + 1]]
    assert found[: WRONG_TYPES - 1] == [[]] * (WRONG_TYPES - 1)


def test_what_is_no_packet_is_counted() -> None:
    one = channel()
    assert passed(one, b"junk") == []
    assert one.invalid == 1


@pytest.mark.parametrize("ntp", [0, ntp_time(5.0)])
def test_reports_without_a_time_tell_none(ntp: int) -> None:
    one = channel()
    one.sender_report(SenderReport(7, ntp, 5, 1, 1), 0.0)
    passed(one, packet(1))
    one.sender_report(SenderReport(7, ntp, 5, 1, 1), 0.0)
    assert one.time.reported == bool(ntp)


def test_damage_makes_video_starve() -> None:
    one = channel(VIDEO)
    one.starving = False
    data = header(96, 1, 0, 7, marker=True) + b"\x7c\x41" + bytes(50)
    for ordered, _ in one.feed(data, 0.0):
        assert one.units(ordered, lost=True) == []
    assert one.damaged == 1
    assert one.starving


def test_a_known_configuration_outlives_its_source() -> None:
    one = channel(VIDEO, patient=False)
    assert one.depacketiser is not None
    sps = bytes.fromhex("6742c01eda02d0f6c044000003000400000300f23c58ba80")
    pps = bytes.fromhex("68ce3c80")
    for number, nal in enumerate((sps, pps, b"\x65\x88\x84\x21")):
        data = header(96, number, 0, 7, marker=number == 2) + nal
        for ordered, lost in one.feed(data, 0.0):
            one.units(ordered, lost=lost)
    assert one.track is not None
    config = one.track.config
    assert config
    one.feed(header(96, 9, 0, 8) + b"\x41\x9a", 1.0)
    assert one.began_anew
    assert one.track.config == config
