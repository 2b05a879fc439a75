from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.avworker import wire
from streamctl.avworker.wire import (
    DemuxJob,
    Failure,
    FailureKind,
    MuxJob,
    Opened,
    ProbeJob,
    Record,
    RecordReader,
    RecordType,
)
from streamctl.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from streamctl.media.packet import Codec, Flag, Kind, Packet, Track

if TYPE_CHECKING:
    from collections.abc import Callable

TRACKS = (
    Track(0, Codec.H264, b"\x01\x64", width=320, height=180, fps=25.0, bitrate=1000),
    Track(1, Codec.AAC, None, sample_rate=48_000, channels=2, language="eng"),
)
PACKETS = [
    Packet(0, 3600, -3600, Kind.KEY, Flag.OPEN_GOP, b"\x00\x00\x00\x01\x65", 3600),
    Packet(1, 0, 0, Kind.AUDIO, 0, b"\x21", 1920),
    Packet(0, 1 << 40, 1 << 40, Kind.B, Flag.LEADING | Flag.CORRUPT, b"", 0),
]
OPENED = Opened(TRACKS, 12.5, "mpegts", ("left out: mp2",))
JOBS = [
    DemuxJob("/a.mp4", loop=True, start_s=1.5),
    ProbeJob("rtmp://h/a?key=x", "rtmp://h/a?key=***", network=True, duration_s=10, timeout_s=60),
    MuxJob("mp4"),
]
RECORDS = [
    wire.hello(),
    Record(RecordType.HEARTBEAT),
    wire.opened_record(OPENED),
    wire.packets_record(PACKETS),
    wire.tracks_record(TRACKS),
    wire.failed_record(Failure(FailureKind.MEDIA, "broken", "mend it")),
    Record(RecordType.END),
]
STREAM = b"".join(record.serialize() for record in RECORDS)
PARSERS: list[Callable[[Record], object]] = [
    wire.check_hello,
    wire.parse_job,
    wire.parse_opened,
    wire.parse_tracks_record,
    wire.parse_failed,
    wire.parse_packets,
]


@pytest.mark.parametrize("size", [1, 2, 7, 64, len(STREAM)])
def test_records_come_out_whatever_the_pieces(size: int) -> None:
    reader = RecordReader()
    records = []
    for start in range(0, len(STREAM), size):
        records += reader.receive_data(STREAM[start : start + size])
    reader.receive_eof()
    assert records == RECORDS


def test_a_started_record_waits_for_its_rest() -> None:
    reader = RecordReader()
    assert reader.receive_data(STREAM + STREAM[:4]) == RECORDS
    with pytest.raises(RemoteProtocolError, match="within a record"):
        reader.receive_eof()


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="unknown record type: `77`"):
        RecordReader().receive_data(wire.HEADER.pack(77, 0))


def test_a_record_above_the_limit_is_refused_before_it_is_stored() -> None:
    head = wire.HEADER.pack(RecordType.PACKETS, wire.MAX_RECORD_BYTES + 1)
    with pytest.raises(RemoteProtocolError, match="too large"):
        RecordReader().receive_data(head)


def test_a_record_above_the_limit_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_RECORD_BYTES", 3)
    with pytest.raises(LocalProtocolError, match="too large"):
        Record(RecordType.REPORT, b"four").serialize()


def test_hello_is_checked_for_the_version() -> None:
    wire.check_hello(wire.hello())
    with pytest.raises(RemoteProtocolError, match="another version"):
        wire.check_hello(Record(RecordType.HELLO, b'{"version":99}'))
    with pytest.raises(RemoteProtocolError, match="another version"):
        wire.check_hello(Record(RecordType.END))


@pytest.mark.parametrize("job", JOBS, ids=["demux", "probe", "mux"])
def test_jobs_survive_the_trip(job: wire.Job) -> None:
    assert wire.parse_job(wire.job_record(job)) == job


def test_values_survive_the_trip() -> None:
    failure = Failure(FailureKind.CONNECTION, "refused")
    assert wire.parse_opened(wire.opened_record(OPENED)) == OPENED
    assert wire.parse_tracks_record(wire.tracks_record(TRACKS)) == TRACKS
    assert wire.parse_failed(wire.failed_record(failure)) == failure
    assert wire.parse_packets(wire.packets_record(PACKETS)) == PACKETS


def json_record(**values: object) -> Record:
    return Record(RecordType.OPENED, json.dumps(values).encode())


@pytest.mark.parametrize(
    ("parse", "record"),
    [
        (wire.parse_job, json_record(job="dance", arguments={})),
        (wire.parse_job, json_record(job="demux", arguments={"speed": 2})),
        (wire.parse_job, Record(RecordType.JOB, b"[]")),
        (wire.parse_job, Record(RecordType.JOB, b"\xff")),
        (wire.parse_opened, json_record(tracks=[])),
        (wire.parse_opened, json_record(tracks={}, duration_s=1, format="", notes=[])),
        (wire.parse_opened, json_record(tracks=[{}] * 65, duration_s=1, format="", notes=[])),
        (wire.parse_tracks_record, json_record(tracks=[{"codec": "h264"}])),
        (wire.parse_tracks_record, json_record()),
        (wire.parse_failed, json_record(kind="weather", message="rain")),
        (wire.parse_failed, json_record(kind="media")),
        (wire.parse_packets, Record(RecordType.PACKETS, b"\x00")),
        (wire.parse_packets, Record(RecordType.PACKETS, b"\x00\x01")),
        (wire.parse_packets, Record(RecordType.PACKETS, b"\x00\xff" + bytes(9000))),
        (
            wire.parse_packets,
            Record(RecordType.PACKETS, b"\0\1" + wire.PACKET.pack(0, 0, 0, 0, 9, 0, 0)),
        ),
        (
            wire.parse_packets,
            Record(RecordType.PACKETS, b"\0\1" + wire.PACKET.pack(0, 0, 0, 0, 0, 0, 5)),
        ),
        (
            wire.parse_packets,
            Record(RecordType.PACKETS, wire.packets_record(PACKETS).payload + b"!"),
        ),
    ],
)
def test_malformed_payloads_are_refused(parse: Callable[[Record], object], record: Record) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(record)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_only_protocol_errors_escape_on_mutations(data: st.DataObject) -> None:
    mutated = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        for record in RecordReader().receive_data(bytes(mutated)):
            for parse in PARSERS:
                try:
                    parse(record)
                except ProtocolError:
                    continue
    except ProtocolError:
        return


def test_bytes_of_a_file_have_their_place() -> None:
    assert wire.parse_write(wire.write_record(7, b"abc")) == (7, b"abc")
    with pytest.raises(RemoteProtocolError):
        wire.parse_write(Record(RecordType.WRITE, b"short"))
