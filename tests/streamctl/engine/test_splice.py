from __future__ import annotations

import itertools

from streamctl.engine.splice import HOLD_BYTES, HOLD_PACKETS, PICTURE_WAIT_S, Splice
from streamctl.engine.timeline import ORIGIN, Timeline
from streamctl.media import hevc
from streamctl.media.nal import join_length_prefixed
from streamctl.media.packet import TIMESCALE, Codec, Flag, Kind, Packet, Track
from tests.streamctl.media.hevc.sets import slice_of

FRAME = 3600
AUDIO = 1920


def video(dts: int, kind: Kind = Kind.P, *, pts: int | None = None) -> Packet:
    return Packet(0, dts if pts is None else pts, dts, kind, 0, b"v", FRAME)


def audio(pts: int) -> Packet:
    return Packet(1, pts, pts, Kind.AUDIO, 0, b"a", AUDIO)


class Begun:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def test_video_starts_at_the_first_random_access_point() -> None:
    begun = Begun()
    splice = Splice(Timeline(0.0), has_video=True)
    assert splice.feed([video(0), video(FRAME)], 0.0, begun) == []
    out = splice.feed([video(2 * FRAME, Kind.KEY), video(3 * FRAME)], 0.0, begun)
    assert [packet.dts for packet in out] == [ORIGIN, ORIGIN + FRAME]
    assert begun.times == 1
    assert splice.dropped == 2


def test_leading_pictures_are_dropped_until_the_next_key() -> None:
    splice = Splice(Timeline(0.0), has_video=True)
    packets = [
        video(0, Kind.KEY, pts=3 * FRAME),
        video(FRAME, Kind.B, pts=FRAME),
        video(2 * FRAME, Kind.B, pts=2 * FRAME),
        video(3 * FRAME, pts=4 * FRAME),
        video(4 * FRAME, Kind.KEY, pts=7 * FRAME),
        video(5 * FRAME, Kind.B, pts=5 * FRAME),
    ]
    out = splice.feed(packets, 0.0, Begun())
    assert [packet.kind for packet in out] == [Kind.KEY, Kind.P, Kind.KEY, Kind.B]
    assert splice.dropped == 2


def test_an_open_point_is_closed_once_its_leading_pictures_are_gone() -> None:
    splice = Splice(Timeline(0.0), has_video=True)
    first, second = video(0, Kind.KEY), video(FRAME, Kind.KEY)
    first.flags = second.flags = Flag.OPEN_GOP
    assert [p.flags for p in splice.feed([first, second], 0.0, Begun())] == [0, Flag.OPEN_GOP]
    assert (first.data, second.data) == (b"v", b"v")


def test_the_first_hevc_picture_breaks_the_link_to_what_was_before() -> None:
    tracks = [Track(0, Codec.HEVC), Track(1, Codec.AAC)]
    splice = Splice(Timeline(0.0), has_video=True, tracks=tracks)
    packets = [video(0, Kind.KEY), video(FRAME, Kind.KEY), video(2 * FRAME, Kind.KEY)]
    for packet in packets:
        packet.flags = Flag.OPEN_GOP
        packet.data = join_length_prefixed([slice_of(21)])
    out = splice.feed(packets, 0.0, Begun())
    units = [hevc.normalize_prefixed(packet.data) for packet in out]
    assert [unit.flags for unit in units] == [packet.flags for packet in out]
    assert [unit.flags for unit in units] == [0, Flag.OPEN_GOP, Flag.OPEN_GOP]


def test_each_video_track_starts_at_its_own_random_access_point() -> None:
    def other(dts: int, kind: Kind = Kind.P) -> Packet:
        return Packet(2, dts, dts, kind, 0, b"o", FRAME)

    tracks = [Track(0, Codec.H264), Track(2, Codec.AV1)]
    splice = Splice(Timeline(0.0), has_video=True, tracks=tracks)
    packets = [video(0, Kind.KEY), other(0), video(FRAME), other(FRAME, Kind.KEY)]
    out = splice.feed(packets, 0.0, Begun())
    assert [(packet.track, packet.dts - ORIGIN) for packet in out] == [
        (0, 0), (0, FRAME), (2, FRAME),
    ]  # fmt: skip
    assert splice.dropped == 1
    splice.feed([video(2 * FRAME, Kind.KEY)], 0.0, Begun())
    assert not splice.settled(tracks)
    splice.feed([other(2 * FRAME, Kind.KEY)], 0.0, Begun())
    assert splice.settled(tracks)


def test_reconnect_fills_the_audio_gap_with_held_audio_before_the_picture() -> None:
    timeline = Timeline(0.0)
    first = Splice(timeline, has_video=True)
    first.feed([video(0, Kind.KEY), audio(0), audio(AUDIO)], 0.0, Begun())
    assert timeline.audio_end == ORIGIN + 2 * AUDIO
    second = Splice(timeline, has_video=True)
    early = [audio(n * AUDIO) for n in range(100)]
    assert second.feed(early, 2.0, Begun()) == []
    out = second.feed([video(100 * AUDIO, Kind.KEY)], 2.0, Begun())
    sound = [packet for packet in out if packet.kind is Kind.AUDIO]
    assert ORIGIN + 2 * AUDIO <= sound[0].pts < ORIGIN + 3 * AUDIO
    assert [b.pts - a.pts for a, b in itertools.pairwise(sound)] == [AUDIO] * (len(sound) - 1)


def test_audio_only_streams_start_at_once() -> None:
    splice = Splice(Timeline(0.0), has_video=False)
    assert len(splice.feed([audio(0), audio(AUDIO)], 0.0, Begun())) == 2


def test_audio_goes_on_alone_when_no_picture_comes() -> None:
    splice = Splice(Timeline(0.0), has_video=True)
    assert splice.feed([audio(0)], 0.0, Begun()) == []
    later = int(PICTURE_WAIT_S * TIMESCALE)
    out = splice.feed([video(later), audio(later)], PICTURE_WAIT_S, Begun())
    assert [packet.kind for packet in out] == [Kind.AUDIO, Kind.AUDIO]
    out = splice.feed([video(later + FRAME, Kind.KEY)], PICTURE_WAIT_S, Begun())
    assert [packet.kind for packet in out] == [Kind.KEY]


def test_sound_that_was_held_stays_where_it_arrived_when_no_picture_comes() -> None:
    splice = Splice(Timeline(0.0), has_video=True)
    times = range(0, int(PICTURE_WAIT_S * TIMESCALE) + AUDIO, AUDIO)
    out = [p for pts in times for p in splice.feed([audio(pts)], pts / TIMESCALE, Begun())]
    assert [packet.pts for packet in out] == [ORIGIN + pts for pts in times]


def test_what_is_held_is_bounded() -> None:
    splice = Splice(Timeline(0.0), has_video=True)
    splice.feed([audio(n) for n in range(HOLD_PACKETS + 7)], 0.0, Begun())
    assert splice.dropped == 7
    assert splice.held == HOLD_PACKETS


def test_what_is_held_is_bounded_by_bytes_too() -> None:
    splice = Splice(Timeline(0.0), has_video=True)
    large = bytes(HOLD_BYTES // 2)
    splice.feed([Packet(1, n, n, Kind.AUDIO, 0, large) for n in range(3)], 0.0, Begun())
    assert (splice.held, splice.dropped) == (2, 1)


def test_a_picture_alone_can_open_an_input_that_promised_none() -> None:
    splice = Splice(Timeline(0.0), has_video=False)
    assert splice.feed([video(0)], 0.0, Begun()) == []
    assert len(splice.feed([video(FRAME, Kind.KEY)], 0.0, Begun())) == 1


def test_an_input_has_settled_when_every_track_runs_and_nothing_can_lead() -> None:
    splice = Splice(Timeline(0.0), has_video=True)
    tracks = [Track(0, Codec.H264), Track(1, Codec.AAC)]
    assert not splice.settled(tracks)
    splice.feed([video(0, Kind.KEY)], 0.0, Begun())
    assert not splice.settled(tracks)
    splice.feed([audio(-AUDIO)], 0.0, Begun())
    assert not splice.settled(tracks)
    splice.feed([audio(AUDIO)], 0.0, Begun())
    assert not splice.settled(tracks)
    splice.feed([video(FRAME, Kind.KEY)], 0.0, Begun())
    assert splice.settled(tracks)
    assert splice.settled([Track(0, Codec.H264)])
    assert not splice.settled([*tracks, Track(2, Codec.DATA)])


def test_every_audio_track_starts_where_the_last_epoch_ended() -> None:
    timeline = Timeline(0.0)
    splice = Splice(timeline, has_video=True)
    packets = [video(0, Kind.KEY)]
    for number in range(3):
        time = number * AUDIO
        packets += [audio(time), Packet(2, time, time, Kind.AUDIO, 0, b"b", AUDIO)]
    out = splice.feed(packets, 0.0, Begun())
    assert [packet.track for packet in out] == [0, 1, 2, 1, 2, 1, 2]
