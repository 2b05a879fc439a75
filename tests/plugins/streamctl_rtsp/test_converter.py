"""The rtp lane: shared frames, one numbering and one clock per track, reports for joiners."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from streamctl.media.packet import (
    TIMESCALE,
    Boundary,
    Chunk,
    Codec,
    Init,
    InitChange,
    Item,
    Kind,
    Packet,
    Rejoin,
    Track,
)
from streamctl.media.rtp import rtcp
from streamctl.media.rtp.packet import RtpPacket, parse
from streamctl_rtsp.converter import RtpConverter
from streamctl_rtsp.wire.frames import spans
from streamctl_rtsp.wire.tally import tally
from tests.plugins.streamctl_rtmp.world import AUDIO, VIDEO, avcc, picture

WALL_S = 1_700_000_000.0
G711 = Track(0, Codec.G711U, b"", sample_rate=8000, channels=1)


def converter() -> RtpConverter:
    return RtpConverter(lambda: WALL_S, lambda bits: (1 << bits) - 2)


def begin(*tracks: Track, epoch: int = 1) -> Boundary:
    return Boundary(epoch, Init(epoch, epoch, tracks), "begins")


def sound(number: int, rate: int = 48_000, samples: int = 1024, track: int = 1) -> Packet:
    time = round(number * samples * TIMESCALE / rate)
    dur = round(samples * TIMESCALE / rate)
    return Packet(track, time, time, Kind.AUDIO, 0, b"\x21\x10\x04\x60", dur, 1)


def chunks(items: list[Item]) -> list[Chunk]:
    return [item for item in items if isinstance(item, Chunk)]


def packets(data: bytes, channel: int) -> list[RtpPacket]:
    return [parse(data[one.start : one.end]) for one in spans(data) if one.channel == channel]


def test_an_access_unit_becomes_frames_of_its_track() -> None:
    found = chunks(
        converter().convert(
            [begin(VIDEO, AUDIO), picture(0, key=True), sound(0), picture(1, size=5000, cts=3600)]
        )
    )
    key, audio, other = found
    assert (key.rap, key.flush, audio.rap, audio.flush, other.rap, other.flush) == (
        True,
        True,
        False,
        False,
        False,
        True,
    )
    first = packets(key.data, 0)
    assert [one.sequence for one in first] == [0xFFFE, 0xFFFF, 0], "sets, then the picture"
    assert [one.marker for one in first] == [False, False, True]
    assert {one.payload_type for one in first} == {96}
    [beep] = packets(audio.data, 2)
    assert (beep.payload_type, beep.marker) == (97, True)
    late = packets(other.data, 0)
    assert len(late) == 4
    assert {(one.timestamp - first[0].timestamp) & 0xFFFFFFFF for one in late} == {7200}
    assert all(len(one.payload) <= 1400 for one in late)


def test_joiners_learn_how_all_clocks_stand_at_one_moment() -> None:
    [key] = chunks(converter().convert([begin(VIDEO, AUDIO), picture(25, key=True)]))
    found = {}
    for one in spans(key.join):
        report, name = rtcp.parse(key.join[one.start : one.end])
        assert isinstance(report, rtcp.SenderReport)
        assert isinstance(name, rtcp.Description)
        found[one.channel] = report
    assert list(found) == [1, 3]
    assert found[1].ntp == found[3].ntp == rtcp.ntp_time(WALL_S)
    assert found[1].timestamp == packets(key.data, 0)[0].timestamp
    assert found[1].packets == packets(key.data, 0)[0].sequence, "the next one"
    assert (found[3].timestamp - 0xFFFFFFFE) & 0xFFFFFFFF == 48_000


def test_pictures_are_sent_as_they_are_decoded_with_the_times_they_are_shown() -> None:
    order = [0, 3, 1, 2, 6, 4, 5]
    pictures = [
        picture(at, key=not at, cts=(shown - at + 2) * 3600) for at, shown in enumerate(order)
    ]
    found = [packets(one.data, 0) for one in chunks(converter().convert([begin(VIDEO), *pictures]))]
    start = found[0][0].timestamp
    times = [(one[-1].timestamp - start) & 0xFFFFFFFF for one in found]
    assert times == [shown * 3600 for shown in order]
    numbers = [one.sequence for unit in found for one in unit]
    assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(numbers))


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_sound_follows_sound_without_a_gap(rate: int) -> None:
    made = converter()
    track = replace(AUDIO, sample_rate=rate)
    found = [
        packets(one.data, 0)[0]
        for one in chunks(made.convert([begin(track), *(sound(n, rate) for n in range(500))]))
    ]
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(found)}
    assert steps == {1024}


def test_clocks_and_reports_agree_through_days_of_wraps() -> None:
    made, half_day = converter(), 12 * 3600
    made.convert([begin(VIDEO, AUDIO)])
    for number in range(9):
        time = number * half_day * TIMESCALE
        key = replace(picture(0, key=True), pts=time, dts=time)
        beep = replace(sound(0), pts=time, dts=time)
        shown, heard = chunks(made.convert([key, beep]))
        told = {}
        for one in spans(shown.join):
            report = rtcp.parse(shown.join[one.start : one.end])[0]
            assert isinstance(report, rtcp.SenderReport)
            told[one.channel] = report
            assert report.ntp == rtcp.ntp_time(WALL_S + number * half_day)
        assert told[1].timestamp == packets(shown.data, 0)[0].timestamp
        assert told[3].timestamp == packets(heard.data, 2)[0].timestamp
        assert (told[1].timestamp + 2) & 0xFFFFFFFF == number * half_day * 90_000 % 2**32
        assert (told[3].timestamp + 2) & 0xFFFFFFFF == number * half_day * 48_000 % 2**32


def test_numbers_go_through_one_wrap_after_another() -> None:
    made, numbers, told = converter(), list[int](), list[int]()
    made.convert([begin(VIDEO)])
    for number in range(10):
        [chunk] = chunks(made.convert([picture(number, key=True, size=10_000_000)]))
        first = spans(chunk.join)[0]
        report = rtcp.parse(chunk.join[first.start : first.end])[0]
        assert isinstance(report, rtcp.SenderReport)
        found = [one.sequence for one in packets(chunk.data, 0)]
        assert report.packets & 0xFFFF == found[0]
        told.append(report.packets)
        numbers += found
    assert numbers.count(0) == 2
    assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(numbers))
    assert all(b > a for a, b in pairwise(told)), "with their cycles"


def test_chunks_tell_how_much_is_in_them() -> None:
    found = chunks(converter().convert([begin(VIDEO, AUDIO), picture(0, size=5000), sound(0)]))
    for number, chunk in enumerate(found):
        sent = packets(chunk.data, 2 * number)
        octets = sum(len(one.payload) for one in sent)
        assert tally(chunk.units, number) == (len(sent), octets)
        assert tally(chunk.units, 1 - number) == (0, 0)


def test_a_stream_of_sound_is_joined_every_half_second() -> None:
    found = chunks(converter().convert([begin(AUDIO), *(sound(n) for n in range(100))]))
    raps = [one.start for one in found if one.rap]
    assert raps == [0, 46_080, 92_160, 138_240, 184_320]
    assert all(one.flush for one in found)
    assert all(bool(one.join) == one.rap for one in found)


def test_numbers_and_clocks_go_on_with_another_source() -> None:
    made = converter()
    before = chunks(made.convert([begin(VIDEO, AUDIO), picture(0, key=True), sound(0)]))
    # It names its tracks in another order, and has other parameter sets.
    swapped = (replace(AUDIO, id=0), replace(VIDEO, id=1, config=avcc(b"\x68\xeb\xe3\xcb\x22\xc1")))
    items = made.convert(
        [
            begin(*swapped, epoch=2),
            replace(picture(50, key=True), track=1),
            replace(sound(99), track=0),
        ]
    )
    assert not any(isinstance(item, Rejoin) for item in items)
    after = chunks(items)
    old, new = packets(before[0].data, 0), packets(after[0].data, 0)
    assert new[0].sequence == (old[-1].sequence + 1) & 0xFFFF
    assert new[0].ssrc == old[0].ssrc
    assert bytes(new[1].payload) == b"\x68\xeb\xe3\xcb\x22\xc1"
    assert (new[0].timestamp - old[0].timestamp) & 0xFFFFFFFF == 50 * 3600
    assert (
        packets(after[1].data, 2)[0].sequence
        == (packets(before[1].data, 2)[0].sequence + 1) & 0xFFFF
    )


@pytest.mark.parametrize(
    "tracks", [(VIDEO,), (VIDEO, replace(AUDIO, config=bytes.fromhex("1210"), sample_rate=44_100))]
)
def test_viewers_come_anew_for_tracks_that_they_do_not_know(tracks: tuple[Track, ...]) -> None:
    made = converter()
    made.convert([begin(VIDEO, AUDIO)])
    items = made.convert([InitChange(Init(2, 1, tracks))])
    assert isinstance(items[0], Rejoin)
    assert isinstance(items[1], InitChange)


def test_what_can_not_be_sent_is_left_out() -> None:
    made = converter()
    late = Track(1, Codec.AAC)
    items = made.convert([begin(VIDEO, late), sound(0), picture(0, key=True), sound(1, track=7)])
    assert len(chunks(items)) == 1
    huge = Packet(0, 0, 0, Kind.AUDIO, 0, bytes(10_000), 1920, 1)
    assert chunks(converter().convert([begin(replace(AUDIO, id=0)), huge])) == []
    assert converter().convert([picture(0, key=True)]) == []
    assert made.flush() == []


def test_codecs_of_telephony_have_their_own_number() -> None:
    unit = Packet(0, 0, 0, Kind.AUDIO, 0, bytes(160), 1800, 1)
    [one] = chunks(converter().convert([begin(G711), unit]))
    [packet] = packets(one.data, 0)
    assert (packet.payload_type, len(packet.payload)) == (0, 160)


def test_an_heir_goes_on_with_numbers_clocks_and_senders() -> None:
    failed, heir = converter(), RtpConverter(lambda: WALL_S + 99)
    [key] = chunks(failed.convert([begin(VIDEO), picture(0, key=True)]))
    heir.inherit(failed)
    [again] = chunks(heir.convert([begin(VIDEO), picture(25, key=True)]))
    old, new = packets(key.data, 0)[-1], packets(again.data, 0)[0]
    assert new.sequence == old.sequence + 1
    assert (new.ssrc, (new.timestamp - old.timestamp) & 0xFFFFFFFF) == (old.ssrc, 90_000)
    before, after = (rtcp.parse(chunk.join[4:])[0] for chunk in (key, again))
    assert isinstance(before, rtcp.SenderReport)
    assert isinstance(after, rtcp.SenderReport)
    assert after.ntp - before.ntp == 1 << 32
    assert any(isinstance(item, Rejoin) for item in heir.convert([begin(AUDIO)]))
