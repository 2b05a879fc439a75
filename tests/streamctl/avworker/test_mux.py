from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import av
import pytest

from streamctl.avworker import wire
from streamctl.avworker.mux import WAITING_TICKS, Outgoing, mux
from streamctl.avworker.wire import MuxJob, Record, RecordType
from streamctl.errors import MediaError
from tests.support.media import Recipe

from .played import play

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.avworker.channel import Channel
    from streamctl.media.packet import Packet, Track
    from tests.support.media import MediaCache

CODECS = [
    ("h264", "aac"),
    ("hevc", "ac3"),
    ("h264", "opus"),
    ("h264", "mp3"),
    ("h264", "flac"),
    ("h264", "eac3"),
]


class Parent:
    """The parent's end: gives records, and keeps the file."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = [*records, Record(RecordType.END)]
        self.file = io.BytesIO()
        self.ended = False

    def receive(self) -> Record:
        return self.records.pop(0)

    def send(self, record: Record) -> None:
        if record.type is RecordType.END:
            self.ended = True
            return
        offset, data = wire.parse_write(record)
        self.file.seek(offset)
        self.file.write(data)


def records(tracks: Sequence[Track], packets: Sequence[Packet]) -> list[Record]:
    pieces = [packets[at : at + 64] for at in range(0, len(packets), 64)]
    return [wire.tracks_record(tracks), *map(wire.packets_record, pieces)]


def muxed(fmt: str, sent: Sequence[Record]) -> io.BytesIO:
    parent = Parent(sent)
    mux(MuxJob(fmt), cast("Channel", parent))
    assert parent.ended
    parent.file.seek(0)
    return parent.file


def read(file: io.BytesIO) -> tuple[list[str], dict[int, list[float]]]:
    """The codecs of a file, and the times of the access units of each stream."""
    with av.open(file, "r") as found:
        codecs = [stream.codec_context.codec.canonical_name for stream in found.streams]
        times: dict[int, list[float]] = {stream.index: [] for stream in found.streams}
        for packet in found.demux():
            if packet.size and packet.time_base is not None:
                times[packet.stream_index].append(float((packet.pts or 0) * packet.time_base))
    return codecs, times


@pytest.mark.parametrize(("video", "audio"), CODECS)
@pytest.mark.parametrize("fmt", ["mp4", "matroska"])
def test_every_codec_comes_out_as_it_went_in(
    media: MediaCache, fmt: str, video: str, audio: str
) -> None:
    container = "mkv" if audio in {"flac", "opus"} else "mp4"
    recipe = Recipe(seconds=2, container=container, video_codec=video, audio_codec=audio)
    played = play(media(recipe).path)
    streams, units = read(muxed(fmt, records(played.tracks, played.packets)))
    assert streams == [video, audio]
    start = min(p.dts for p in played.packets)
    for track in played.tracks:
        sent = [float(p.pts - start) / 90_000 for p in played.track(track.id)]
        assert units[track.id] == pytest.approx(sent, abs=0.002)


def test_an_mp4_that_was_cut_off_is_readable(media: MediaCache) -> None:
    played = play(media(Recipe(seconds=6)).path)
    parent = Parent(records(played.tracks, played.packets))
    # The parent is gone before it said that it was all.
    parent.records.pop()
    with pytest.raises(IndexError):
        mux(MuxJob("mp4"), cast("Channel", parent))
    parent.file.seek(0)
    assert len(read(parent.file)[1][0]) > 80


def test_a_track_that_stays_silent_is_not_waited_for(media: MediaCache) -> None:
    played = play(media(Recipe(seconds=6)).path)
    pictures = played.track(0)
    assert pictures[-1].dts - pictures[0].dts > WAITING_TICKS
    assert read(muxed("mp4", records(played.tracks, pictures)))[0] == ["h264"]


def test_a_short_source_is_written_at_its_end(media: MediaCache) -> None:
    played = play(media(Recipe(seconds=1)).path)
    assert len(read(muxed("matroska", records(played.tracks, played.track(0))))[1][0]) == 25


def test_nothing_makes_nothing() -> None:
    assert muxed("mp4", []).read() == b""


def test_nonsense_is_a_media_error() -> None:
    with pytest.raises(MediaError, match="nonsense"):
        muxed("mp4", [Record(RecordType.PACKETS, b"x")])


def test_what_a_format_can_not_hold_is_a_media_error(media: MediaCache) -> None:
    played = play(media(Recipe(seconds=1)).path)
    with pytest.raises(MediaError, match="can't be written"):
        muxed("webm", records(played.tracks, played.packets))


def test_the_file_is_written_anywhere() -> None:
    parent = Parent([])
    out = Outgoing(cast("Channel", parent))
    out.write(b"abcdef")
    assert out.seek(-2, io.SEEK_END) == 4
    out.write(b"EF")
    assert out.seek(1) == 1
    assert out.seek(1, io.SEEK_CUR) == out.tell() == 2
    out.write(b"C")
    assert (out.seekable(), out.writable()) == (True, True)
    assert parent.file.getvalue() == b"abCdEF"
