from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import pytest

from streamctl.config.model import PushConfig
from streamctl.engine import causes as cause
from streamctl.engine.events import rfc3339
from streamctl.engine.extract import TsExtractor
from streamctl.engine.services import TRUNK
from streamctl.engine.status import counters, stopped_status, stream_status
from streamctl.errors import ConnectionFailed
from streamctl.media.mpegts.demux import UNREAD
from streamctl.media.mpegts.psi import Pat, PmtStream
from streamctl.media.packet import Codec, Format, Kind, Packet, Track
from streamctl.sdk.plugin import Cap, ConverterSpec, Empty, ProtocolPlugin
from streamctl.sdk.url import StreamURL
from tests.streamctl.engine.rig import (
    FRAME,
    SOUND,
    VIDEO,
    Rig,
    ScriptPlugin,
    TextConverter,
    gop,
    stream_config,
)
from tests.streamctl.engine.test_ingest import refused, settle
from tests.streamctl.engine.test_push import SinkPlugin
from tests.streamctl.engine.test_stream import deliver, on_air, watch
from tests.streamctl.engine.test_transport import program_map
from tests.streamctl.media.mpegts.packets import carried
from tests.support.broadcast import Broadcast, broadcast
from tests.support.ts_damage import scrambled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.engine.stream import Stream
    from streamctl.sdk.lane import EpochWriter
    from streamctl.sdk.session import Session
    from tests.support.media import MediaCache

SECOND_BYTES = 25 * 110
"""Payload of one second of the rig's media."""


class DoorPlugin(ProtocolPlugin):
    """Viewers come to a port of its own."""

    kind = "door"
    caps = Cap.LISTEN
    url_template: ClassVar[str] = "door://{host}:{port}/live/{code}"


class TwoLanesPlugin(DoorPlugin):
    """Some of its viewers read another lane than the others."""

    play_format: ClassVar[Format | None] = Format.CMAF

    def converters(self) -> Sequence[ConverterSpec]:
        """The lane of the others."""
        codecs = frozenset({Codec.H264})
        return (ConverterSpec(Format.PACKETS, Format.RTMP_MULTITRACK, codecs, TextConverter),)


def playing(seconds: int, *plugins: ProtocolPlugin) -> tuple[Rig, Stream, Session, EpochWriter]:
    """A stream with a publisher that has sent so much, looked after every second."""
    rig = Rig(*plugins)
    stream = rig.stream(title="The News")
    session, writer = on_air(rig, stream)
    stream.tick(rig.clock.now())
    for second in range(seconds):
        deliver(rig, writer, 1, start=second)
        stream.tick(rig.clock.now())
    return rig, stream, session, writer


def test_a_stream_on_air_is_described_by_what_was_measured() -> None:
    rig, stream, session, _ = playing(4)
    status = stream_status(stream)
    assert (status.id, status.title, status.type) == ("news", "The News", "words")
    assert (status.status, status.ingest_status) == ("active", "active")
    assert status.source_addr == session.peer == "10.0.0.1:1"
    assert status.created_at == rfc3339(stream.created_at)
    assert status.last_heartbeat == rfc3339(rig.clock.wall() - 1)
    assert status.uptime_s == 4.0
    assert (status.video_codec, status.resolution) == ("mpeg2", "320x180")
    assert status.frame_rate == 25.0
    assert status.bitrate == pytest.approx(SECOND_BYTES * 8 / 1000, abs=0.1)
    assert status.stats.bytes_received == 4 * SECOND_BYTES
    assert status.stats.packets_received == 200
    assert status.causes == []


def test_tracks_and_lanes_are_those_on_air() -> None:
    rig, stream, _, _ = playing(3)
    watch(rig, stream)
    media = stream_status(stream).media
    video, sound = media.tracks
    assert (video.media, video.fps, video.width, video.height) == ("video", 25.0, 320, 180)
    assert video.bitrate_kbps == pytest.approx(20.0)
    assert (sound.media, sound.fps, sound.sample_rate, sound.channels) == ("audio", 0.0, 48_000, 2)
    assert (sound.codec, sound.profile) == ("mp2", "mp4a.40.33")
    assert (media.epoch, media.epochs, media.gop_s, media.av_offset_ms) == (1, 1, 1.0, 0.0)
    base, words = media.lanes
    assert (base.format, base.items, base.readers) == ("packets", 151, 1)
    assert base.bytes == stream.graph.base.bytes
    assert base.seconds == pytest.approx(3.0, abs=0.05)
    assert (words.format, words.readers) == ("rtmp", 1)


def test_sound_that_ends_after_the_picture_is_measured() -> None:
    _, stream, _, writer = playing(1)
    writer.put([Packet(1, 25 * FRAME, 25 * FRAME, Kind.AUDIO, 0, b"a", FRAME)], 1001.0)
    assert stream_status(stream).media.av_offset_ms == 40.0


def test_sound_alone_has_no_offset_and_no_picture() -> None:
    rig = Rig()
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([SOUND])
    writer.put(gop(0)[1::2], rig.clock.now())
    status = stream_status(stream)
    assert (status.media.av_offset_ms, status.frame_rate) == (0.0, 0.0)
    assert (status.video_codec, status.resolution) == ("", "")
    assert counters(stream).fps == 0.0


def test_a_size_that_is_not_known_is_left_empty() -> None:
    rig = Rig()
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.tracks([Track(0, Codec.MPEG2, b"v")])
    writer.put(gop(0, sound=False), rig.clock.now())
    status = stream_status(stream)
    assert (status.video_codec, status.resolution) == ("mpeg2", "")


def test_rates_fall_to_zero_when_nothing_arrives() -> None:
    rig, stream, _, _ = playing(3)
    for _ in range(4):
        rig.clock.advance(1.0)
        stream.tick(rig.clock.now())
    status = stream_status(stream)
    assert (status.bitrate, status.frame_rate) == (0.0, 0.0)
    assert status.inputs[0].bitrate_kbps == 0.0


def test_ended_epochs_and_sessions_are_counted_once() -> None:
    rig, stream, session, _ = playing(2)
    wire, viewer = watch(rig, stream)
    rig.gate.close(session, "killed")
    ended = stream_status(stream)
    assert ended.stats.bytes_received == 2 * SECOND_BYTES
    assert ended.inputs[0].bytes_received == 0
    assert (ended.last_heartbeat, ended.media.tracks, ended.media.epoch) == ("", [], 0)
    rig.clock.advance(1.0)
    again, writer = on_air(rig, stream)
    deliver(rig, writer, 3)
    running = stream_status(stream)
    assert running.stats.bytes_received == 5 * SECOND_BYTES
    assert running.stats.packets_received == 250
    assert running.inputs[0].bytes_received == 3 * SECOND_BYTES
    assert running.stats.bytes_sent == viewer.bytes_out == len(wire.data)
    assert running.stats.viewers == 1
    rig.gate.close(viewer, "left")
    rig.gate.close(viewer, "left again")
    after = stream_status(stream)
    assert after.stats.bytes_sent == len(wire.data)
    assert (after.stats.viewers, after.media.epochs) == (0, 2)
    rig.gate.close(again, "left")
    assert stream_status(stream).stats.bytes_received == 5 * SECOND_BYTES


def test_skips_refusals_and_losses_are_counted() -> None:
    rig, stream, _, writer = playing(1)
    _, viewer = watch(rig, stream)
    viewer.skips, viewer.skipped_items, viewer.skipped_time = 2, 30, 90_000
    assert stream_status(stream).sessions[1].skipped_s == 1.0
    assert stream_status(stream).stats.skips == 2
    rig.gate.close(viewer, "left")
    assert stream_status(stream).stats.skips == 2
    stream.refused = 3
    writer.put([Packet(7, 0, 0, Kind.DATA, 0, b"?")], rig.clock.now())
    status = stream_status(stream)
    assert (status.stats.refused, status.media.dropped_packets) == (3, 1)
    writer.put(gop(25 * 100), rig.clock.now())
    assert stream_status(stream).media.timestamp_jumps == 1
    numbers = counters(stream)
    assert (numbers.dropped_packets, numbers.timestamp_jumps) == (1, 1)
    stream.end("over")
    numbers = counters(stream)
    assert (numbers.dropped_packets, numbers.timestamp_jumps) == (1, 1)


def test_counters_say_the_same_as_the_document() -> None:
    rig, stream, _, _ = playing(3)
    watch(rig, stream)
    status, numbers = stream_status(stream), counters(stream)
    assert numbers.code == "news"
    assert numbers.on_air
    assert not numbers.degraded
    for name in ("bytes_received", "packets_received", "bytes_sent", "viewers", "skips", "refused"):
        assert getattr(numbers, name) == getattr(status.stats, name)
    assert numbers.bitrate_bps == pytest.approx(status.bitrate * 1000)
    assert numbers.fps == status.frame_rate
    assert numbers.memory_bytes == sum(lane.bytes for lane in status.media.lanes)


def test_sessions_show_who_they_are_and_how_long() -> None:
    rig, stream, _, _ = playing(2)
    wire, _ = watch(rig, stream)
    rig.clock.advance(1.5)
    publisher, viewer = stream_status(stream).sessions
    assert (publisher.action, publisher.uptime_s) == ("publish", 3.5)
    assert publisher.bytes_in == 2 * SECOND_BYTES
    assert (viewer.action, viewer.peer, viewer.uptime_s) == ("play", "10.0.0.1", 1.5)
    assert viewer.bytes_out == len(wire.data)


def test_outputs_name_their_urls_and_viewers() -> None:
    rig, stream, _, _ = playing(1, DoorPlugin())
    rig.services.ports.update(http=8080, door=7)
    words, door = stream_status(stream).outputs
    assert (words.kind, words.url) == ("words", "http://HOST:8080/news/live")
    assert (words.viewers, words.running) == (0, False)
    assert words.details == {"log": ["start"]}
    assert (door.url, door.running, door.details) == ("door://HOST:7/live/news", False, {})
    watch(rig, stream)
    words, _ = stream_status(stream).outputs
    assert (words.viewers, words.running) == (1, True)


def test_an_output_runs_on_any_of_its_lanes() -> None:
    _, stream, _, _ = playing(1, TwoLanesPlugin())
    [_, door] = stream_status(stream).outputs
    assert not door.running
    cursor = stream.graph.cursor(Format.RTMP_MULTITRACK)
    [_, door] = stream_status(stream).outputs
    assert door.running
    cursor.close()


def test_outputs_that_are_switched_off_are_not_shown() -> None:
    rig = Rig(DoorPlugin(), ScriptPlugin(refused))
    assert [row.kind for row in stream_status(rig.stream(outputs=("door",))).outputs] == ["door"]


def test_a_stream_without_publisher_says_why_and_since_when() -> None:
    rig = Rig()
    stream = rig.stream()
    since = rfc3339(rig.clock.wall())
    rig.clock.advance(5)
    status = stream_status(stream)
    assert (status.status, status.ingest_status) == ("degraded", "connecting")
    (why,) = status.causes
    assert (why.name, why.since) == (cause.NO_PUBLISHER, since)
    assert (status.type, status.source_addr) == ("publish", "publish:")
    assert (status.inputs[0].status, status.inputs[0].reconnects) == ("idle", 0)


def test_a_publisher_that_has_sent_nothing_yet_is_connecting() -> None:
    rig = Rig()
    stream = rig.stream()
    rig.publisher(stream)
    assert stream_status(stream).inputs[0].status == "connecting"


@pytest.mark.anyio
async def test_a_pulled_input_goes_from_trying_to_failing_to_its_end() -> None:
    async def whole(out: EpochWriter) -> None:
        out.tracks([VIDEO, SOUND])
        out.put(gop(0), rig.clock.now())
        await rig.clock.sleep(1)

    rig = Rig(ScriptPlugin(refused, whole))
    stream = rig.stream(url="script://user:hidden@h/x?key=hidden&a=b")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await settle(rig, 0.5)
        failed = stream_status(stream)
        assert (failed.ingest_status, failed.inputs[0].status) == ("error", "degraded")
        assert failed.inputs[0].last_error == "refused"
        await settle(rig, 1)
        running = stream_status(stream)
        assert (running.ingest_status, running.inputs[0].status) == ("active", "active")
        assert running.inputs[0].reconnects == 1
        await settle(rig, 2)
        tasks.cancel_scope.cancel()
    ended = stream_status(stream)
    assert (ended.ingest_status, ended.inputs[0].status) == ("closed", "stopped")
    assert ended.source_addr == "script://user:***@h/x?key=***&a=b"
    for document in (failed, running, ended):
        assert "hidden" not in document.model_dump_json()
    assert "hidden" not in str(rig.events.history)


def test_a_closed_stream_is_closed() -> None:
    _, stream, _, _ = playing(1)
    stream.close("over")
    assert stream_status(stream).ingest_status == "closed"


def test_a_stream_that_does_not_run_has_no_numbers() -> None:
    config = stream_config("off", title="Off", disabled=True)
    status = stopped_status(config)
    assert (status.id, status.title, status.status) == ("off", "Off", "stopped")
    assert (status.ingest_status, status.type) == ("closed", "publish")
    assert status.stats.bytes_received == 0
    assert stopped_status(stream_config("plain")).title == "plain"


def test_every_document_is_json() -> None:
    rig, stream, _, _ = playing(2)
    watch(rig, stream)
    document: dict[str, Any] = stream_status(stream).model_dump(mode="json")
    assert document["media"]["lanes"][1]["format"] == Format.RTMP.value


def test_an_output_that_can_not_tell_its_status_spares_the_document() -> None:
    _, stream, _, _ = playing(1)

    def broken() -> dict[str, object]:
        raise RuntimeError("a bug")

    stream.outputs["words"].status = broken  # type: ignore[method-assign]
    (row,) = (row for row in stream_status(stream).outputs if row.kind == "words")
    assert row.details == {"error": "RuntimeError: a bug"}


@pytest.mark.anyio
async def test_destinations_are_shown_without_their_keys() -> None:
    plugin = SinkPlugin(ConnectionFailed("refused"))
    plugin.left_out = "MP2"
    urls = ["sink://u:secret@b.example/live/secret-key-of-mine", "sink://a.example/live/x"]
    pushes = tuple(
        PushConfig(name=name, url=StreamURL.parse(url).as_destination(), options=Empty())
        for name, url in zip(("one", "two"), urls, strict=True)
    )
    rig = Rig(plugin)
    stream = rig.stream(push=pushes)
    _, writer = on_air(rig, stream)
    deliver(rig, writer, 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.pushes.run)
        await settle(rig, 1)
        status = stream_status(stream)
        tasks.cancel_scope.cancel()
    first, second = status.pushes
    assert [one.name for one in status.pushes] == ["two", "one"]
    assert {first.state, second.state} == {"active", "reconnecting"}
    active, failing = (first, second) if first.state == "active" else (second, first)
    assert active.connected_since
    assert active.packets_sent == 50
    assert active.bytes_sent == SECOND_BYTES
    assert (active.attempt, failing.attempt) == (0, 1)
    assert (active.left_out, failing.left_out) == ("MP2", "")
    assert failing.next_attempt_s > 0
    assert failing.last_error == "refused"
    assert failing.errors == ["refused"]
    assert "push_failed" in [one.name for one in status.causes]
    assert "secret" not in status.model_dump_json()
    assert [one.name for one in counters(stream).pushes] == ["two", "one"]


class TrunkPlugin(ProtocolPlugin):
    """Brings the converter that belongs to no protocol."""

    kind = "trunk"
    caps = Cap.CONVERT

    def converters(self) -> Sequence[ConverterSpec]:
        return (TRUNK,)


def test_an_input_of_mpegts_says_what_was_found_in_it(media: MediaCache) -> None:
    rig = Rig(TrunkPlugin())
    stream = rig.stream(title="On air")
    assert stream_status(stream).inputs[0].transport is None
    _, writer, _ = rig.publisher(stream)
    data = broadcast(media, Broadcast(seconds=4.0)).data
    half = len(data) // 2 // 188 * 188
    feed(rig, stream, writer, b"noise" + data[:half])
    feed(rig, stream, writer, data[half + 10 * 188 :])
    status = stream_status(stream)
    (found,) = status.inputs
    assert found.transport is not None
    assert (found.transport.program, found.transport.name) == (1, "Test 1")
    assert found.transport.skipped_bytes == 5
    assert 0 < found.transport.lost_packets <= 10
    assert 0 < found.transport.loss_pct < 5
    assert (found.transport.fps, found.transport.gop_s) == (25, 1)
    assert 20 < found.transport.gop_frames <= 25
    assert not found.transport.scrambled
    assert found.fps > 0
    assert status.video_codec == "h264"
    assert {track.codec for track in status.media.tracks} > {"h264", "aac", "scte35"}
    assert all(track.bitrate_kbps > 0 for track in status.media.tracks[:3])
    assert status.media.gop_s == 1
    assert counters(stream).on_air
    assert counters(stream).lost_packets == found.transport.lost_packets
    stream.end("the end")
    assert counters(stream).lost_packets == found.transport.lost_packets


def test_streams_that_no_other_format_carries_are_named_with_the_reason(
    media: MediaCache,
) -> None:
    rig = Rig(TrunkPlugin())
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    capture = broadcast(media, Broadcast(seconds=4.0, own_pcr=False))
    half = len(capture.data) // 2 // 188 * 188
    feed(rig, stream, writer, capture.data[:half])
    feed(rig, stream, writer, scrambled(capture.data[half:], {0x122}))
    found = stream_status(stream).inputs[0].transport
    assert found is not None
    assert (found.clock_jumps, found.clock_gaps, found.untimed_units, found.faults) == (0, 0, 0, {})
    by_pid = {one.pid: one for one in found.streams}
    assert list(by_pid) == [one.pid for one in transport_map(stream)]
    assert by_pid[0x111].kind == "H.264"
    assert by_pid[0x111].packets > 100
    assert [by_pid[pid].language for pid in (0x121, 0x122)] == ["eng", "spa"]
    assert by_pid[0x122].packets > by_pid[0x122].scrambled_packets > 0
    assert by_pid[0x121].scrambled_packets == 0
    assert {one.left_out for one in found.streams} == {""}
    stream.graph.cursor(Format.PACKETS)
    converter = stream.graph.packets.converter
    assert isinstance(converter, TsExtractor)
    assert converter._demuxer is not None
    converter._demuxer.time.fault("a picture without a time")
    converter._demuxer.left_out = {stream.graph.pids.slots[0].writer.pid: "one of too many"}
    again = stream_status(stream).inputs[0].transport
    assert again is not None
    assert again.faults == {"a picture without a time": 1}
    assert "one of too many" in {one.left_out for one in again.streams}


def test_a_stream_that_no_codec_is_known_for_passes_in_mpegts_alone() -> None:
    rig = Rig(TrunkPlugin())
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    tables = carried(0, b"\0" + Pat(1, ((1, 0x100),)).serialize().ljust(183, b"\xff"))
    tables += program_map(0, PmtStream(0x1B, 0x111), PmtStream(0x0B, 0x300))
    writer.put_ts(tables * 3, rig.clock.now())
    found = stream_status(stream).inputs[0].transport
    assert found is not None
    assert [(one.pid, one.kind, one.left_out) for one in found.streams] == [
        (0x111, "H.264", ""),
        (0x300, "DSM-CC", UNREAD),
    ]


def transport_map(stream: Stream) -> tuple[PmtStream, ...]:
    """The streams of the program on air."""
    epoch = stream.epoch
    assert epoch is not None
    assert epoch.transport is not None
    assert epoch.transport.index.program is not None
    return epoch.transport.index.program.map.streams


def feed(rig: Rig, stream: Stream, writer: EpochWriter, data: bytes) -> None:
    """Two seconds of MPEG-TS."""
    for at in range(0, len(data), 1316):
        writer.put_ts(data[at : at + 1316], rig.clock.now())
        rig.clock.advance(2.0 * 1316 / len(data))
    stream.tick(rig.clock.now())


def test_what_keeps_mpegts_off_the_air_is_said(media: MediaCache) -> None:
    rig = Rig(TrunkPlugin())
    stream = rig.stream()
    _, writer, _ = rig.publisher(stream)
    writer.select(program=7)
    feed(rig, stream, writer, broadcast(media, Broadcast(seconds=1.0)).data)
    (found,) = stream_status(stream).causes
    assert found.name == "waiting_for_keyframe"
    assert found.detail == "program `7` is not among those on air: `1`"
