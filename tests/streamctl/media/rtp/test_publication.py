"""What a push sends of a stream."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Codec,
    Flag,
    Init,
    InitChange,
    Kind,
    Packet,
    Skipped,
    Track,
)
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.announced import described
from streamctl.media.rtp.packet import parse
from streamctl.media.rtp.publication import Publication
from tests.plugins.streamctl_rtmp.world import AUDIO, VIDEO, avcc

WALL = 1_700_000_000.0


def publication(*tracks: Track) -> Publication:
    init = Init(1, 1, tracks or (VIDEO, AUDIO))
    return Publication(described(init), init, WALL, lambda bits: (1 << bits) - 2)


def picture(time: int, kind: Kind = Kind.KEY, flags: int = 0, size: int = 20) -> Packet:
    data = (size - 4).to_bytes(4, "big") + b"\x65\x88" + bytes(size - 6)
    return Packet(VIDEO.id, time, time, kind, flags, data)


def sound(time: int) -> Packet:
    return Packet(AUDIO.id, time, time, Kind.AUDIO, 0, b"\x21\x10\x04abc")


def reports(found: list[tuple[int, bool, bytes]]) -> list[tuple[int, rtcp.SenderReport]]:
    return [
        (track, packet)
        for track, control, data in found
        if control
        for packet in rtcp.parse(data)
        if isinstance(packet, rtcp.SenderReport)
    ]


def test_reports_of_all_tracks_stand_before_the_first_unit() -> None:
    sent = publication()
    found = sent.pack(picture(TIMESCALE))
    assert [control for _, control, _ in found] == [True, True, False, False, False]
    told = reports(found)
    assert [track for track, _ in told] == [0, 1]
    assert {one.ntp for _, one in told} == {rtcp.ntp_time(WALL)}
    assert {one.packets for _, one in told} == {0}
    first = parse(found[-1][2])
    assert told[0][1].timestamp == first.timestamp


def test_reports_come_again_every_five_seconds_of_media() -> None:
    sent = publication()
    sent.pack(picture(0))
    assert not reports(sent.pack(picture(5 * TIMESCALE - 1)))
    [(track, told)] = reports(sent.pack(picture(5 * TIMESCALE)))
    assert (track, told.packets) == (0, 6)
    assert told.ntp == pytest.approx(rtcp.ntp_time(WALL + 5), abs=1 << 12)


def test_numbers_and_timestamps_go_through_their_wraps() -> None:
    sent = publication(VIDEO)
    packets = [
        parse(data)
        for time in (0, 3600)
        for _, control, data in sent.pack(picture(time, Kind.P))
        if not control
    ]
    assert [packet.sequence for packet in packets] == [0xFFFE, 0xFFFF]
    assert [packet.timestamp for packet in packets] == [0xFFFF_FFFE, 3598]


def test_nothing_is_sent_before_a_random_access_point() -> None:
    sent = publication()
    assert sent.unit(picture(0, Kind.P)) is None
    assert sent.unit(sound(0)) is None
    assert sent.unit(picture(3600)) is not None
    assert sent.unit(sound(3600)) is not None
    assert sent.unit(picture(7200, Kind.P)) is not None
    assert sent.unit(Skipped(1)) is None


def test_sound_alone_begins_at_once() -> None:
    sent = publication(AUDIO)
    assert sent.unit(sound(0)) is not None


def test_pictures_that_lead_the_first_one_are_left_out() -> None:
    sent = publication()
    leading = int(Flag.LEADING)
    sent.unit(picture(7200, flags=int(Flag.OPEN_GOP)))
    assert sent.unit(picture(3600, Kind.B, leading)) is None
    sent.unit(picture(10_800, Kind.P))
    sent.unit(picture(18_000, flags=int(Flag.OPEN_GOP)))
    assert sent.unit(picture(14_400, Kind.B, leading)) is not None


def test_new_parameter_sets_are_sent_with_the_next_picture() -> None:
    sent = publication()
    sent.unit(picture(0))
    other = b"\x68\xeb\xe3\xcb\x22\xc1"
    assert sent.unit(InitChange(Init(2, 1, (replace(VIDEO, config=avcc(other)), AUDIO)))) is None
    payloads = [
        bytes(parse(data).payload) for _, control, data in sent.pack(picture(0)) if not control
    ]
    assert other in payloads
    assert not sent.stale


def test_the_same_tracks_in_another_order_go_on_as_they_were() -> None:
    sent = publication()
    before = {one.number: one.ssrc for one in sent.tracks.values()}
    swapped = (replace(AUDIO, id=0), replace(VIDEO, id=1))
    sent.unit(Boundary(2, Init(2, 2, swapped), "another input"))
    assert not sent.stale
    assert {number: one.number for number, one in sent.tracks.items()} == {1: 0, 0: 1}
    assert {one.number: one.ssrc for one in sent.tracks.values()} == before


def test_other_tracks_end_it() -> None:
    sent = publication()
    sent.unit(picture(0))
    sent.unit(Boundary(2, Init(2, 2, (VIDEO,)), "another input"))
    assert sent.stale
    assert sent.unit(picture(3600)) is None


def test_a_unit_that_is_none_costs_itself_alone() -> None:
    sent = publication()
    assert sent.pack(replace_data(picture(0), b"\x00\x00\x00\xffshort")) == []
    assert reports(sent.pack(picture(3600)))


def replace_data(packet: Packet, data: bytes) -> Packet:
    packet.data = data
    return packet


def test_farewells_say_that_no_more_comes() -> None:
    sent = publication()
    assert sent.farewells() == []
    sent.pack(picture(0))
    found = sent.farewells()
    assert [(track, control) for track, control, _ in found] == [(0, True), (1, True)]
    for (_, _, data), one in zip(found, sent.tracks.values(), strict=True):
        kinds = rtcp.parse(data)
        assert isinstance(kinds[0], rtcp.SenderReport)
        assert kinds[-1] == rtcp.Bye((one.ssrc,))


def test_tracks_that_can_not_be_sent_are_none_of_it() -> None:
    flac = Track(2, Codec.FLAC, bytes(34), sample_rate=48_000, channels=2)
    sent = publication(VIDEO, AUDIO, flac)
    assert len(sent.tracks) == 2
    assert sent.unit(Packet(2, 0, 0, Kind.AUDIO, 0, b"x")) is None


def test_what_receivers_say_of_a_track_is_kept() -> None:
    sent = publication()
    sent.pack(picture(0))
    video, audio = sent.tracks.values()
    audio.ssrc = video.ssrc ^ 1
    blocks = [rtcp.ReportBlock(one.ssrc, 0, lost, 0, 96) for one, lost in ((audio, 1), (video, 2))]
    for data in (
        b"",
        b"no report",
        rtcp.ReceiverReport(7, tuple(blocks)).serialise(),
        rtcp.Description(7, "somebody").serialise(),
        rtcp.SenderReport(7, 0, 0, 0, 0, (replace(blocks[0], lost=-3), blocks[1])).serialise(),
    ):
        sent.heed(data)
    shown = [(one["encoding"], one["lost"], one["jitter_ms"]) for one in sent.measure()]
    assert shown == [("H264", 2, 1.07), ("MPEG4-GENERIC", -3, 2.0)]
    assert [one["packets"] for one in sent.measure()] == [video.packets, 0]
    assert "lost" not in publication().measure()[0]
