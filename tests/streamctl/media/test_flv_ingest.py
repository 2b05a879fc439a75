"""From messages to an epoch."""

from __future__ import annotations

import pytest

from streamctl.errors import StaleEpoch, Unsupported
from streamctl.media.flv_ingest import Ingest
from streamctl.media.h264 import AvcConfig
from streamctl.media.packet import Codec, Kind
from streamctl_rtmp.wire.events import DataReceived
from streamctl_rtmp.wire.messages import Message, MessageType
from tests.plugins.streamctl_rtmp.world import ASC, IDR, PPS, SLICE, SPS, World, Writer, avcc
from tests.streamctl.media.hevc.test_config import HVCC

AVC = b"\x17\x00\0\0\0" + avcc()
AAC = b"\xaf\x00" + ASC
TRAIL = b"\0\0\0\x04\x02\x01\xd0\x19"
"""One length-prefixed slice of an HEVC picture that others may refer to."""
METADATA = DataReceived("onMetaData", ({"videocodecid": 7.0, "audiocodecid": 10.0},), 0)


@pytest.fixture
def writer() -> Writer:
    return Writer(World())


@pytest.fixture
def ingest(writer: Writer) -> Ingest:
    return Ingest(writer, "RTMP")


def tell(ingest: Ingest, event: DataReceived) -> None:
    ingest.metadata(event.name, event.values)


def video(body: bytes, timestamp: int = 0) -> Message:
    return Message(MessageType.VIDEO, timestamp, 1, body)


def audio(body: bytes, timestamp: int = 0) -> Message:
    return Message(MessageType.AUDIO, timestamp, 1, body)


def give(ingest: Ingest, *messages: Message) -> None:
    for message in messages:
        ingest.take(message, 0.0)
    ingest.flush(0.0)


def picture(timestamp: int, cts: int = 0, *, key: bool = False) -> Message:
    head = (b"\x17" if key else b"\x27") + b"\x01" + (cts & 0xFFFFFF).to_bytes(3, "big")
    return video(head + (IDR if key else SLICE), timestamp)


def sound(timestamp: int) -> Message:
    return audio(b"\xaf\x01frame", timestamp)


def test_metadata_announces_what_will_come(ingest: Ingest, writer: Writer) -> None:
    tell(ingest, METADATA)
    [tracks] = writer.announced
    assert [(track.codec, track.config) for track in tracks] == [
        (Codec.H264, None),
        (Codec.AAC, None),
    ]
    give(ingest, video(AVC), audio(AAC))
    assert [[track.config for track in tracks] for tracks in writer.announced[1:]] == [
        [avcc(), None],
        [avcc(), ASC],
    ]
    last = writer.announced[-1]
    assert (last[0].width, last[0].height, last[0].fps) == (320, 180, 25.0)
    assert (last[1].sample_rate, last[1].channels) == (48_000, 2)


def test_frames_go_back_to_where_they_are(ingest: Ingest, writer: Writer) -> None:
    give(ingest, video(AVC), audio(AAC))
    times = [round(n * 1024 / 48) for n in range(200)]
    give(ingest, *(sound(time) for time in times))
    assert [p.pts for batch in writer.batches for p in batch] == [n * 1920 for n in range(200)]


def test_a_read_is_one_batch_in_ticks(ingest: Ingest, writer: Writer) -> None:
    give(ingest, video(AVC), audio(AAC), picture(40, 80, key=True), sound(41), picture(80, -40))
    [batch] = writer.batches
    assert [(p.track, p.kind, p.dts, p.pts, p.data) for p in batch] == [
        (0, Kind.KEY, 3600, 10_800, IDR),
        (1, Kind.AUDIO, 3690, 3690, b"frame"),
        (0, Kind.P, 7200, 7200, SLICE),
    ]
    ingest.flush(0.0)
    assert len(writer.batches) == 1


@pytest.mark.parametrize("last", [0xFFFFFFF0, 0x7FFFFFF0])
def test_timestamps_go_on_where_they_begin_anew(ingest: Ingest, writer: Writer, last: int) -> None:
    give(ingest, video(AVC), audio(AAC), picture(last, key=True), sound(5), picture(16))
    first = writer.packets[0].dts
    assert [(p.dts - first) // 90 for p in writer.packets] == [0, 21, 32]


def test_timestamps_pass_31_bits_of_a_counter_with_32(ingest: Ingest, writer: Writer) -> None:
    give(ingest, video(AVC), picture(0x7FFFFFF0, key=True), picture(0x80000010))
    assert [packet.dts // 90 for packet in writer.packets] == [0x7FFFFFF0, 0x80000010]


def test_a_new_configuration_comes_behind_what_was_before(ingest: Ingest, writer: Writer) -> None:
    other = avcc(PPS + b"\x01")
    give(
        ingest,
        video(AVC),
        picture(0, key=True),
        video(AVC),
        video(b"\x17\x00\0\0\0" + other),
        picture(40, key=True),
    )
    assert [[t.config for t in tracks] for tracks in writer.announced] == [[avcc()], [other]]
    assert [len(batch) for batch in writer.batches] == [1, 1]


def test_equal_configurations_change_nothing(ingest: Ingest, writer: Writer) -> None:
    tell(ingest, METADATA)
    give(ingest, video(AVC), audio(AAC))
    give(ingest, video(AVC), audio(AAC))
    assert len(writer.announced) == 3


def test_parameter_sets_in_band_are_a_configuration(ingest: Ingest, writer: Writer) -> None:
    other = PPS + b"\x01"

    def unit(*nals: bytes) -> bytes:
        return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)

    body = b"\x17\x01\0\0\0" + unit(SPS, PPS, IDR[4:])
    give(ingest, video(AVC), video(body))
    assert len(writer.announced) == 1
    give(ingest, video(b"\x17\x01\0\0\0" + unit(other, IDR[4:])))
    [track] = writer.announced[1]
    assert track.config is not None
    assert AvcConfig.parse(track.config).pps == (other,)
    assert [packet.data for packet in writer.packets] == [IDR, IDR]


def test_short_lengths_are_made_long(ingest: Ingest, writer: Writer) -> None:
    short = bytearray(avcc())
    short[4] = 0xFD
    give(ingest, video(b"\x17\x00\0\0\0" + short), video(b"\x17\x01\0\0\0" + IDR[2:]))
    [[track]] = writer.announced
    assert track.config == avcc()
    assert writer.packets[0].data == IDR


def test_fourcc_h264_and_aac_are_taken(ingest: Ingest, writer: Writer) -> None:
    give(
        ingest,
        video(b"\x90avc1" + avcc()),
        audio(b"\x90mp4a" + ASC),
        video(b"\x91avc1\x00\x00\x28" + IDR, 40),
        audio(b"\x91mp4aframe", 40),
    )
    assert [(p.pts, p.data) for p in writer.packets] == [(7200, IDR), (3600, b"frame")]


@pytest.mark.parametrize(
    "message",
    [
        video(b""),
        audio(b"\xaf"),
        video(b"\x57\x00"),
        video(b"\x17\x00\0\0\0"),
        video(b"\x17\x00\0\0\0\x02broken"),
        audio(b"\xaf\x00"),
        audio(b"\xaf\x01frame"),
        picture(0, key=True),
        video(b"\x96avc1"),
        video(b"\x96\x01hvc1"),
    ],
)
def test_garbage_and_early_media_are_counted_and_dropped(
    ingest: Ingest, writer: Writer, message: Message
) -> None:
    give(ingest, message)
    assert writer.dropped == 1
    assert not writer.announced
    assert not writer.batches


@pytest.mark.parametrize(
    "body",
    [
        b"\x27\x01\0\0\0" + b"\0\0\0\x50short",
        b"\x27\x01\0\0\0" + b"\0\0\0\x02\x67\x64" + b"\0\0\0\x01\x68",
        b"\x27\x01\0\0\0",
    ],
)
def test_broken_pictures_do_not_end_the_epoch(ingest: Ingest, writer: Writer, body: bytes) -> None:
    give(ingest, video(AVC), video(body), video(b"\x17\x02\0\0\0"), picture(40, key=True))
    assert [packet.data for packet in writer.packets] == [IDR]


def test_empty_sound_is_dropped(ingest: Ingest, writer: Writer) -> None:
    give(ingest, audio(AAC), audio(b"\xaf\x01"))
    assert writer.dropped == 1


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (video(b"\x90vp08\x01"), "VP8 video .*: use H.264.*HEVC"),
        (video(b"\x91vvc1\x01"), "vvc1 video"),
        (video(b"\x22\x00\x01"), r"Sorenson H.263 video"),
        (audio(b"\xb2\x00"), "Speex audio .*AAC"),
        (audio(b"\x76\xd5"), "G.711 A-law audio"),
    ],
)
def test_other_codecs_are_refused_by_name(ingest: Ingest, message: Message, text: str) -> None:
    with pytest.raises(Unsupported, match=text):
        ingest.take(message, 0.0)


def config(body: bytes) -> Message:
    return video(b"\x90hvc1" + body)


def test_further_tracks_have_numbers_of_their_own(ingest: Ingest, writer: Writer) -> None:
    give(
        ingest,
        video(AVC),
        audio(AAC),
        video(b"\x96\x00avc1\x01" + avcc()),
        audio(b"\x95\x10mp4a\x01\x00\x00\x02" + ASC + b"\x02\x00\x00\x02" + ASC),
        video(b"\x96\x01avc1\x01\0\0\x28" + IDR, 40),
        audio(b"\x95\x11mp4a\x00\0\0\x01a\x01\0\0\x01b\x02\0\0\x01c", 40),
    )
    assert [track.id for track in writer.announced[-1]] == [0, 1, 2, 3, 5]
    assert [(p.track, p.pts, p.data) for p in writer.packets] == [
        (2, 7200, IDR),
        (1, 3600, b"a"),
        (3, 3600, b"b"),
        (5, 3600, b"c"),
    ]


def test_tracks_beyond_the_limit_are_dropped(ingest: Ingest, writer: Writer) -> None:
    give(ingest, audio(b"\x95\x00mp4a\x10" + ASC))
    tell(
        ingest,
        DataReceived(
            "onMetaData",
            (
                {
                    "audioTrackIdInfoMap": {"16": METADATA},
                },
            ),
            0,
        ),
    )
    assert writer.dropped == 1
    assert not writer.announced


def test_metadata_announces_further_tracks_with_what_it_says(
    ingest: Ingest, writer: Writer
) -> None:
    further = {"1": {"audiocodecid": 10.0, "audiodatarate": 64.0}, "2": {"audiocodecid": 11.0}}
    values = {"audiocodecid": 10.0, "audioTrackIdInfoMap": further}
    tell(ingest, DataReceived("onMetaData", (values,), 0))
    [tracks] = writer.announced
    assert [(track.id, track.codec, track.bitrate) for track in tracks] == [
        (1, Codec.AAC, 0),
        (3, Codec.AAC, 64_000),
    ]


def test_nobody_waits_for_tracks_that_metadata_does_not_name(
    ingest: Ingest, writer: Writer
) -> None:
    tell(ingest, DataReceived("onMetaData", ({"audiocodecid": 10.0},), 0))
    give(ingest, audio(AAC))
    assert [[track.config for track in tracks] for tracks in writer.announced] == [[None], [ASC]]


def test_the_codec_may_be_another_than_announced(ingest: Ingest, writer: Writer) -> None:
    tell(ingest, DataReceived("onMetaData", ({"videocodecid": float(0x68766331)},), 0))
    give(ingest, video(AVC))
    assert [[track.codec for track in tracks] for tracks in writer.announced] == [
        [Codec.HEVC],
        [Codec.H264],
    ]


def test_a_new_sequence_header_changes_the_codec(ingest: Ingest, writer: Writer) -> None:
    give(ingest, video(AVC), picture(0, key=True), config(HVCC), picture(40))
    assert writer.dropped == 1
    give(ingest, video(b"\xa3hvc1" + TRAIL, 80), video(AVC), picture(120, key=True))
    assert [tracks[0].codec for tracks in writer.announced] == [Codec.H264, Codec.HEVC, Codec.H264]
    assert [(p.dts // 90, p.data) for p in writer.packets] == [(0, IDR), (80, TRAIL), (120, IDR)]


def test_a_sequence_header_that_can_not_be_read_is_dropped(ingest: Ingest, writer: Writer) -> None:
    give(ingest, config(b"\x01"), video(b"\xa3hvc1" + TRAIL))
    assert writer.dropped == 2
    assert not writer.announced


def test_nanoseconds_are_added_to_the_timestamp(ingest: Ingest, writer: Writer) -> None:
    half = (500_000).to_bytes(3, "big")
    give(ingest, audio(AAC), audio(b"\x97\x02" + half + b"\x01mp4aframe", 10))
    assert [p.pts for p in writer.packets] == [945]


@pytest.mark.parametrize(
    "event",
    [
        DataReceived("onMetaData", (), 0),
        DataReceived("onMetaData", ("text",), 0),
        DataReceived("onMetaData", ({},), 0),
        DataReceived("onCuePoint", ({"videocodecid": 7.0},), 0),
    ],
)
def test_other_data_announces_nothing(ingest: Ingest, writer: Writer, event: DataReceived) -> None:
    tell(ingest, event)
    assert not writer.announced


def test_late_metadata_does_not_forget_a_configuration(ingest: Ingest, writer: Writer) -> None:
    give(ingest, video(AVC))
    tell(ingest, METADATA)
    assert [track.config for track in writer.announced[-1]] == [avcc(), None]


def test_the_end_of_the_epoch_is_passed_on(ingest: Ingest, writer: Writer) -> None:
    give(ingest, video(AVC))
    writer.stale = True
    ingest.take(picture(0, key=True), 0.0)
    with pytest.raises(StaleEpoch):
        ingest.flush(0.0)
